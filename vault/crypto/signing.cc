#include "vault/crypto/signing.h"

#include <sodium.h>

#include "vault/base/check.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

// libsodium signs with seed ‖ public key; made per call, so that nothing else is kept.
PublicKey Expand(const SecretBytes& seed, SecretBytes& secret_key) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  secret_key = SecretBytes(crypto_sign_SECRETKEYBYTES);
  PublicKey public_key;
  TV_CHECK(crypto_sign_seed_keypair(public_key.data(), secret_key.Write(MintSecretPass()).data(),
                                    seed.Read(MintSecretPass()).data()) == 0);
  return public_key;
}

}  // namespace

PublicKey SigningPublicKey(const SecretBytes& seed) {
  SecretBytes secret_key;
  return Expand(seed, secret_key);
}

Signature Sign(const SecretBytes& seed, Bytes message) {
  SecretBytes secret_key;
  Expand(seed, secret_key);
  Signature signature;
  TV_CHECK(crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                                secret_key.Read(MintSecretPass()).data()) == 0);
  return signature;
}

bool Verify(const PublicKey& key, Bytes message, const Signature& signature) {
  TV_CHECK(sodium_init() >= 0);
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.data()) == 0;
}

}  // namespace televault::crypto
