#include "vault/crypto/hash.h"

#include <algorithm>
#include <sodium.h>

#include "vault/base/check.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

void Hash(const SecretBytes& key, std::string_view personal, Bytes input, std::span<uint8_t> out) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(!personal.empty() && personal.size() <= crypto_generichash_blake2b_PERSONALBYTES);
  TV_CHECK(key.size() >= crypto_generichash_blake2b_KEYBYTES_MIN &&
           key.size() <= crypto_generichash_blake2b_KEYBYTES_MAX);
  std::array<uint8_t, crypto_generichash_blake2b_PERSONALBYTES> padded{};
  std::copy(personal.begin(), personal.end(), padded.begin());
  const auto secret = key.Read(MintSecretPass());
  TV_CHECK(crypto_generichash_blake2b_salt_personal(out.data(), out.size(), input.data(),
                                                    input.size(), secret.data(), secret.size(),
                                                    nullptr, padded.data()) == 0);
}

}  // namespace

Hash16 KeyedHash16(const SecretBytes& key, std::string_view personal, Bytes input) {
  Hash16 out;
  Hash(key, personal, input, out);
  return out;
}

Hash32 KeyedHash32(const SecretBytes& key, std::string_view personal, Bytes input) {
  Hash32 out;
  Hash(key, personal, input, out);
  return out;
}

SecretBytes DeriveKey(const SecretBytes& key, std::string_view personal, Bytes info) {
  SecretBytes derived(kKeyBytes);
  Hash(key, personal, info, derived.Write(MintSecretPass()));
  return derived;
}

Hash32 PlainHash32(Bytes input) {
  TV_CHECK(sodium_init() >= 0);
  Hash32 out;
  TV_CHECK(crypto_generichash(out.data(), out.size(), input.data(), input.size(), nullptr, 0) == 0);
  return out;
}

struct Hasher32::State {
  crypto_generichash_state hash;
};

Hasher32::Hasher32() : state_(std::make_unique<State>()) {
  TV_CHECK(sodium_init() >= 0);
  TV_CHECK(crypto_generichash_init(&state_->hash, nullptr, 0, sizeof(Hash32)) == 0);
}

Hasher32::~Hasher32() = default;

void Hasher32::Add(Bytes input) {
  TV_CHECK(crypto_generichash_update(&state_->hash, input.data(), input.size()) == 0);
}

Hash32 Hasher32::Finish() {
  Hash32 out;
  TV_CHECK(crypto_generichash_final(&state_->hash, out.data(), out.size()) == 0);
  return out;
}

SecretBytes NewKey(Random& random, size_t size) {
  SecretBytes key(size);
  random.Fill(key.Write(MintSecretPass()));
  return key;
}

SecretBytes TakeSecret(std::span<uint8_t> source) {
  if (source.empty()) return {};
  SecretBytes secret(source.size());
  std::copy(source.begin(), source.end(), secret.Write(MintSecretPass()).begin());
  sodium_memzero(source.data(), source.size());
  return secret;
}

bool EqualSecrets(Bytes a, Bytes b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool EqualSecrets(const SecretBytes& a, const SecretBytes& b) {
  return EqualSecrets(a.Read(MintSecretPass()), b.Read(MintSecretPass()));
}

}  // namespace televault::crypto
