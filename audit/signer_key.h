#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "audit/note.h"

// The text form in which the secret key of a log or witness is kept in a file:
// "PRIVATE+KEY+name+hex8+base64(type ‖ 32-byte seed)", as the tools of C2SP signed-note write it.
namespace televault::audit {

inline constexpr size_t kSigningSeedBytes = 32;
inline constexpr size_t kMaxSignerKeyTextBytes = 512;

// The key `seed` belongs to.
absl::StatusOr<VerifierKey> KeyOfSeed(std::string_view name, KeyType type,
                                      std::span<const uint8_t, kSigningSeedBytes> seed);

// Overwrites a secret text, whatever the optimiser thinks of it.
void WipeText(std::string& text);

// Without newline. The caller wipes it. Errors as VerifierKey::Create.
absl::StatusOr<std::string> FormatSignerKey(std::string_view name, KeyType type,
                                            std::span<const uint8_t, kSigningSeedBytes> seed);
// Writes the secret to `secret` (in the caller's guarded memory), answers the public half.
// INVALID_ARGUMENT says what is malformed, without a word of the key.
absl::StatusOr<VerifierKey> ParseSignerKey(std::string_view text,
                                           std::span<uint8_t, kSigningKeyBytes> secret);

}  // namespace televault::audit
