#include "vault/crypto/aead.h"

#include <algorithm>
#include <sodium.h>
#include <vector>

#include "vault/base/check.h"
#include "vault/crypto/aead_key.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

#ifdef TELEVAULT_NULL_CIPHER
constexpr bool kNullCipher = true;
#else
constexpr bool kNullCipher = false;
#endif

static_assert(crypto_aead_aes256gcm_ABYTES == kTagBytes);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kTagBytes);

bool HasAes() {
  static const bool has = [] {
    TV_CHECK(sodium_init() >= 0);
    return crypto_aead_aes256gcm_is_available() == 1;
  }();
  return has;
}

template <size_t kSize>
std::array<uint8_t, kSize> NonceBytes(uint32_t nonce) {
  std::array<uint8_t, kSize> bytes{};
  for (size_t i = 0; i < sizeof nonce; ++i) bytes[i] = static_cast<uint8_t>(nonce >> (8 * i));
  return bytes;
}

}  // namespace

Algorithm PreferredAlgorithm() {
  return HasAes() ? Algorithm::kAes256Gcm : Algorithm::kXChaCha20Poly1305;
}

bool Available(Algorithm algorithm) {
  return algorithm == Algorithm::kXChaCha20Poly1305 ||
         (algorithm == Algorithm::kAes256Gcm && HasAes());
}

absl::StatusOr<Algorithm> ParseAlgorithm(uint8_t byte) {
  const auto algorithm = static_cast<Algorithm>(byte);
  switch (algorithm) {
    case Algorithm::kXChaCha20Poly1305:
      return algorithm;
    case Algorithm::kAes256Gcm:
      if (HasAes()) return algorithm;
      return absl::FailedPreconditionError(
          "sealed with AES-256-GCM, which needs a processor with AES-NI and PCLMUL");
  }
  return absl::DataLossError("does not open");
}

bool NullCipher() { return kNullCipher; }

namespace internal {

AeadKey::AeadKey(Algorithm algorithm_byte, std::span<const uint8_t, 32> key)
    : algorithm(algorithm_byte) {
  static_assert(sizeof state == sizeof(crypto_aead_aes256gcm_state));
  TV_CHECK(Available(algorithm));
  if (algorithm == Algorithm::kXChaCha20Poly1305) {
    std::copy(key.begin(), key.end(), state);
  } else {
    TV_CHECK(crypto_aead_aes256gcm_beforenm(reinterpret_cast<crypto_aead_aes256gcm_state*>(state),
                                            key.data()) == 0);
  }
}

void AeadKey::Seal(uint32_t nonce, Bytes aad, Bytes plaintext, uint8_t* out) const {
  const auto nonce24 = NonceBytes<crypto_aead_xchacha20poly1305_ietf_NPUBBYTES>(nonce);
  if constexpr (kNullCipher) {
    // The plaintext with a real tag over it: everything works, nothing is hidden.
    std::copy(plaintext.begin(), plaintext.end(), out);
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, state, 32, kTagBytes);
    crypto_generichash_update(&hash, nonce24.data(), nonce24.size());
    crypto_generichash_update(&hash, aad.data(), aad.size());
    crypto_generichash_update(&hash, plaintext.data(), plaintext.size());
    crypto_generichash_final(&hash, out + plaintext.size(), kTagBytes);
    return;
  }
  if (algorithm == Algorithm::kAes256Gcm) {
    const auto nonce12 = NonceBytes<crypto_aead_aes256gcm_NPUBBYTES>(nonce);
    TV_CHECK(crypto_aead_aes256gcm_encrypt_afternm(
                 out, nullptr, plaintext.data(), plaintext.size(), aad.data(), aad.size(), nullptr,
                 nonce12.data(), reinterpret_cast<const crypto_aead_aes256gcm_state*>(state)) == 0);
    return;
  }
  TV_CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(out, nullptr, plaintext.data(),
                                                      plaintext.size(), aad.data(), aad.size(),
                                                      nullptr, nonce24.data(), state) == 0);
}

bool AeadKey::Open(uint32_t nonce, Bytes aad, Bytes sealed, uint8_t* out) const {
  if (sealed.size() < kTagBytes) return false;
  if constexpr (kNullCipher) {
    const Bytes plaintext = sealed.first(sealed.size() - kTagBytes);
    std::vector<uint8_t> again(sealed.size());
    Seal(nonce, aad, plaintext, again.data());
    if (sodium_memcmp(again.data(), sealed.data(), sealed.size()) != 0) return false;
    std::copy(plaintext.begin(), plaintext.end(), out);
    return true;
  }
  if (algorithm == Algorithm::kAes256Gcm) {
    const auto nonce12 = NonceBytes<crypto_aead_aes256gcm_NPUBBYTES>(nonce);
    return crypto_aead_aes256gcm_decrypt_afternm(
               out, nullptr, nullptr, sealed.data(), sealed.size(), aad.data(), aad.size(),
               nonce12.data(), reinterpret_cast<const crypto_aead_aes256gcm_state*>(state)) == 0;
  }
  const auto nonce24 = NonceBytes<crypto_aead_xchacha20poly1305_ietf_NPUBBYTES>(nonce);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out, nullptr, nullptr, sealed.data(),
                                                    sealed.size(), aad.data(), aad.size(),
                                                    nonce24.data(), state) == 0;
}

CommittedKey::CommittedKey(const SecretBytes& key, std::span<const uint8_t, 16> salt,
                           std::span<const uint8_t, 16> personal, uint8_t version,
                           Algorithm algorithm) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(key.size() == 32);
  const std::array<uint8_t, 2> input = {version, static_cast<uint8_t>(algorithm)};
  TV_CHECK(crypto_generichash_blake2b_salt_personal(output.data(), output.size(), input.data(),
                                                    input.size(), key.Read(MintSecretPass()).data(),
                                                    key.size(), salt.data(), personal.data()) == 0);
}

}  // namespace internal
}  // namespace televault::crypto
