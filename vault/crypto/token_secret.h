#pragma once

#include <cstdint>
#include <string>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::crypto {

// How a token seals a slot secret under the key that never leaves it. The byte that is stored.
enum class TokenCipher : uint8_t {
  kAesGcm = 1,  // what is preferred: CKM_AES_GCM
  kAesCbc = 2,  // where there is no GCM: CKM_AES_CBC, and a keyed hash of our own against changes
};

// A sealed slot secret, the value of a data object on a token (docs/formats/keyring-v1.md).
struct TokenSecret {
  TokenCipher cipher = TokenCipher::kAesGcm;
  std::string iv;      // 12 bytes under kAesGcm, 16 under kAesCbc
  std::string sealed;  // 32 bytes; under kAesGcm and a tag of 16
  std::string check;   // kAesCbc: 32 bytes; otherwise none
};

std::string EncodeTokenSecret(const TokenSecret& secret);
// DATA_LOSS for anything but what EncodeTokenSecret writes.
absl::StatusOr<TokenSecret> ParseTokenSecret(Bytes bytes);

size_t IvBytes(TokenCipher cipher);
// Which slot of which vault a secret is for; authenticated with it.
std::string TokenSecretIdentity(const VaultId& vault, uint64_t slot);
// Only who has the secret can make it, and it says nothing of the secret.
std::string TokenSecretCheck(const SecretBytes& secret, const std::string& identity);

}  // namespace televault::crypto
