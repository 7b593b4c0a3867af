#include <cstddef>
#include <cstdint>

#include "vault/base/random.h"
#include "vault/control/control_file.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"

// The bytes as a control file, and as what a genuine envelope holds: the second gets past the seal.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  static const SecretBytes key = crypto::NewKey(SystemRandom());
  const Bytes bytes(data, size);
  (void)control::ParseControlFile(bytes, key, {});
  std::string file = "TVC1";
  PutLittleEndian(file, uint64_t{1});
  std::string identity = "control";
  PutLittleEndian(identity, uint64_t{1});
  file += crypto::Seal(key, crypto::Use::kControl, AsBytes(identity), bytes, {}, SystemRandom());
  (void)control::ParseControlFile(AsBytes(file), key, {});
  return 0;
}
