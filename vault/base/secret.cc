#include "vault/base/secret.h"

#include <atomic>
#include <sodium.h>

#include "vault/base/check.h"
#include "vault/base/locked_memory.h"

namespace televault {
namespace {

std::atomic<bool> swappable{false};

}  // namespace

bool SecretsMayBeSwapped() { return swappable.load(); }

SecretBytes::SecretBytes(size_t size) : size_(size) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(size > 0);
  data_.reset(static_cast<uint8_t*>(sodium_malloc(size)));
  TV_CHECK(data_ != nullptr);
  // sodium_malloc locks too, and says nothing where it cannot.
  if (sodium_mlock(data_.get(), size) != 0) swappable = true;
  sodium_memzero(data_.get(), size);
}

void SecretBytes::Free::operator()(uint8_t* data) const { sodium_free(data); }

}  // namespace televault
