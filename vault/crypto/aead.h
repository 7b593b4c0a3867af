#pragma once

#include <cstddef>
#include <cstdint>

#include "vault/base/status.h"

namespace televault::crypto {

// The byte that is stored. Never reused, never negotiated: the writer picks, the reader obeys.
enum class Algorithm : uint8_t {
  kAes256Gcm = 1,          // needs AES-NI and PCLMUL
  kXChaCha20Poly1305 = 2,  // everywhere
};

inline constexpr size_t kTagBytes = 16;

// What this machine seals with: AES-256-GCM where the processor has it.
Algorithm PreferredAlgorithm();
bool Available(Algorithm algorithm);

// DATA_LOSS for an unknown byte, FAILED_PRECONDITION for one this processor cannot open.
absl::StatusOr<Algorithm> ParseAlgorithm(uint8_t byte);

// True in the build that proves the plaintext test: nothing is encrypted (TELEVAULT_NULL_CIPHER).
bool NullCipher();

}  // namespace televault::crypto
