#pragma once

#include <array>
#include <cstdint>
#include <sodium/utils.h>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/crypto/aead.h"

namespace televault::crypto::internal {

// The expanded key of one AEAD, wiped at the end. On the stack for envelopes, whose key serves one
// message: guarded pages for each of them would cost more than the sealing itself (adr/0030).
struct alignas(16) AeadKey {
  AeadKey(Algorithm algorithm_byte, std::span<const uint8_t, 32> key);
  ~AeadKey() { sodium_memzero(state, sizeof state); }
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;

  // Writes plaintext.size() + kTagBytes bytes to `out`. A nonce is used once per key.
  void Seal(uint32_t nonce, Bytes aad, Bytes plaintext, uint8_t* out) const;
  // `sealed` has at least kTagBytes; writes sealed.size() - kTagBytes bytes. False: does not open,
  // and nothing of what was written may be used.
  bool Open(uint32_t nonce, Bytes aad, Bytes sealed, uint8_t* out) const;

  uint8_t state[512];  // AES: the key schedule; XChaCha20: the key in the first 32 bytes
  Algorithm algorithm;
};

// BLAKE2b-512(key, salt, personal, input = version ‖ algorithm) = key ‖ commitment; the key half is
// wiped at the end.
struct CommittedKey {
  CommittedKey(const SecretBytes& key, std::span<const uint8_t, 16> salt,
               std::span<const uint8_t, 16> personal, uint8_t version, Algorithm algorithm);
  ~CommittedKey() { sodium_memzero(output.data(), output.size()); }
  CommittedKey(const CommittedKey&) = delete;
  CommittedKey& operator=(const CommittedKey&) = delete;

  std::span<const uint8_t, 32> key() const { return std::span(output).first<32>(); }
  std::span<const uint8_t, 32> commitment() const { return std::span(output).last<32>(); }

  std::array<uint8_t, 64> output;
};

}  // namespace televault::crypto::internal
