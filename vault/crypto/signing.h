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

// Ed25519. `seed` has 32 bytes.
PublicKey SigningPublicKey(const SecretBytes& seed);
Signature Sign(const SecretBytes& seed, Bytes message);
bool Verify(const PublicKey& key, Bytes message, const Signature& signature);

}  // namespace televault::crypto
