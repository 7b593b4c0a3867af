#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "vault/base/bytes.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"

namespace televault::crypto {

inline constexpr size_t kKeyBytes = 32;

using Hash16 = std::array<uint8_t, 16>;
using Hash32 = std::array<uint8_t, 32>;

// Keyed BLAKE2b with a domain: `personal` is 1 to 16 bytes and names the use, so that one key may
// serve several uses without their outputs ever meeting. `key` has 16 to 64 bytes.
Hash16 KeyedHash16(const SecretBytes& key, std::string_view personal, Bytes input);
Hash32 KeyedHash32(const SecretBytes& key, std::string_view personal, Bytes input);

// A 32-byte key of its own for `personal` and `info`.
SecretBytes DeriveKey(const SecretBytes& key, std::string_view personal, Bytes info = {});

// BLAKE2b-256 without a key: token verifiers and digests of public things.
Hash32 PlainHash32(Bytes input);

// The same over what comes piece by piece.
// Threads: one at a time.
class Hasher32 {
 public:
  Hasher32();
  ~Hasher32();
  Hasher32(const Hasher32&) = delete;
  Hasher32& operator=(const Hasher32&) = delete;
  void Add(Bytes input);
  Hash32 Finish();  // once

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// A fresh random key.
SecretBytes NewKey(Random& random, size_t size = kKeyBytes);

// Moves key material that arrived in ordinary memory into guarded memory and wipes the source.
SecretBytes TakeSecret(std::span<uint8_t> source);

// In constant time for equal sizes.
bool EqualSecrets(Bytes a, Bytes b);
bool EqualSecrets(const SecretBytes& a, const SecretBytes& b);

}  // namespace televault::crypto
