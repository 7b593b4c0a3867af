#pragma once

#include "vault/base/secret.h"

namespace televault::crypto {

// The only way to open a SecretBytes. Defined in secret_pass.cc; tests/lint keeps the list of files
// that include this header: vault/crypto and nobody else.
SecretPass MintSecretPass();

}  // namespace televault::crypto
