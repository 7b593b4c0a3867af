#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "vault/base/bytes.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"

namespace televault::crypto {

using Signature = std::array<uint8_t, 64>;
using PublicKey = std::array<uint8_t, 32>;

// An Ed25519 key that signs. Kept expanded: guarded pages for each signature would cost more than
// the signature.
// Threads: any.  Borrows: nothing.
class SigningKey {
 public:
  // `seed` has 32 bytes.
  explicit SigningKey(const SecretBytes& seed);
  const PublicKey& public_key() const { return public_key_; }
  Signature Sign(Bytes message) const;

 private:
  SecretBytes secret_;  // seed ‖ public key
  PublicKey public_key_{};
};
bool Verify(const PublicKey& key, Bytes message, const Signature& signature);

}  // namespace televault::crypto
