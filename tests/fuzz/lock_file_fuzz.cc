#include <cstddef>
#include <cstdint>

#include "vault/base/check.h"
#include "vault/base/random.h"
#include "vault/control/lock_file.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"

// The bytes at the start of both slots, and as what a genuine envelope in one slot holds. Without
// two whole slots there is never a state.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  static const SecretBytes key = crypto::NewKey(SystemRandom());
  constexpr size_t kSlotBytes = control::kLockFileBytes / 2;
  if (size > limits::kMaxLockStateBytes) return 0;
  const Bytes bytes(data, size);
  std::string file(control::kLockFileBytes, '\0');
  file.replace(0, size, AsText(bytes));
  file.replace(kSlotBytes, size, AsText(bytes));
  TV_CHECK(!control::ParseLockFile(AsBytes(file), key, {}).state.has_value());

  std::string identity = "lock";
  PutLittleEndian(identity, uint64_t{2});
  const std::string envelope =
      crypto::Seal(key, crypto::Use::kLockState, AsBytes(identity), bytes, {}, SystemRandom());
  std::string slot = "TVL1";
  PutLittleEndian(slot, uint64_t{2});
  PutLittleEndian(slot, static_cast<uint32_t>(envelope.size()));
  slot += envelope;
  file.replace(0, slot.size(), slot);
  TV_CHECK(!control::ParseLockFile(AsBytes(file), key, {}).state.has_value());
  return 0;
}
