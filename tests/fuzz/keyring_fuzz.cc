#include <cstddef>
#include <cstdint>

#include "vault/base/check.h"
#include "vault/crypto/keyring_format.h"

// What stands in a keyring file once it is opened. Whatever parses has exactly one encoding in the
// version that is written.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto content = televault::crypto::ParseKeyring({data, size});
  if (content.ok() && data[0] == 3) {
    const televault::WipedBuffer again = televault::crypto::EncodeKeyring(*content);
    TV_CHECK(televault::AsText(again) == televault::AsText({data, size}));
  }
  return 0;
}
