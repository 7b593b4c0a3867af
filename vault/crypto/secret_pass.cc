#include "vault/crypto/secret_pass.h"

namespace televault::crypto {

SecretPass MintSecretPass() { return SecretPass(); }

}  // namespace televault::crypto
