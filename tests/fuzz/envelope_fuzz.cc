#include <cstddef>
#include <cstdint>

#include "vault/base/check.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"

// Bytes nobody sealed never open, whatever they look like.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  static const SecretBytes key = crypto::NewKey(SystemRandom());
  const Bytes bytes(data, size);
  TV_CHECK(!crypto::Open(key, crypto::Use::kMetaRecord, AsBytes("id"), bytes, {}).ok());
  (void)crypto::LooksLikeEnvelope(bytes);
  return 0;
}
