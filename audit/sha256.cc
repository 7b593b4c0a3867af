#include "audit/sha256.h"

// The functions that need no set-up: they allocate nothing, read no configuration and cannot fail.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace televault::audit {

static_assert(kHashBytes == SHA256_DIGEST_LENGTH);

Hash Sha256(std::initializer_list<std::span<const uint8_t>> parts) {
  SHA256_CTX state;
  SHA256_Init(&state);
  for (const std::span<const uint8_t> part : parts) SHA256_Update(&state, part.data(), part.size());
  Hash hash;
  SHA256_Final(hash.data(), &state);
  return hash;
}

}  // namespace televault::audit
