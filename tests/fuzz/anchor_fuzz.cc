// The anchor file and the journal's head record: bytes that somebody with the disk in his hands
// may have written. The MAC is made right so that the fields behind it are reached.

#include <cstddef>
#include <cstdint>
#include <string>

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/store/anchor.h"
#include "vault/store/log_layout.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;  // NOLINT: one function
  constexpr size_t kMacBytes = 32;
  static const SecretBytes key(32);
  const Bytes input(data, size);
  if (const auto parsed = store::ParseAnchor(input, key); parsed.ok()) {
    const std::string sector = store::EncodeAnchorSector(parsed->state, parsed->revision, key);
    const auto again = store::ParseAnchor(AsBytes(sector), key);
    TV_CHECK(again.ok() && again->state == parsed->state);
  }
  constexpr size_t kMacOffset = store::kAnchorSectorBytes - kMacBytes;
  if (size >= kMacOffset) {
    std::string sector(AsText(input.first(kMacOffset)));
    sector += AsText(crypto::KeyedHash32(key, "televault.anchor", input.first(kMacOffset)));
    const auto parsed = store::ParseAnchor(AsBytes(sector), key);
    TV_CHECK(parsed.ok() == sector.starts_with("TVANCHR1"));
  }
  if (const auto head = store::ParseHead(input, key); head.ok()) {
    TV_CHECK(store::EncodeHead(*head, key) == AsText(input));
  }
  static const size_t head_body = store::EncodeHead({}, key).size() - kMacBytes;
  if (size == head_body) {
    std::string record(AsText(input));
    record += AsText(crypto::KeyedHash32(key, "televault.jhead", input));
    const auto head = store::ParseHead(AsBytes(record), key);
    TV_CHECK(head.ok() == (data[0] == 2));
    TV_CHECK(!head.ok() || store::EncodeHead(*head, key) == record);
  }
  return 0;
}
