#include "vault/crypto/signing.h"

#include <sodium.h>

#include "vault/base/check.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
SigningKey::SigningKey(const SecretBytes& seed) : secret_(crypto_sign_SECRETKEYBYTES) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  TV_CHECK(crypto_sign_seed_keypair(public_key_.data(), secret_.Write(MintSecretPass()).data(),
                                    seed.Read(MintSecretPass()).data()) == 0);
}

Signature SigningKey::Sign(Bytes message) const {
  Signature signature;
  TV_CHECK(crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                                secret_.Read(MintSecretPass()).data()) == 0);
  return signature;
}

bool Verify(const PublicKey& key, Bytes message, const Signature& signature) {
  TV_CHECK(sodium_init() >= 0);
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.data()) == 0;
}

}  // namespace televault::crypto
