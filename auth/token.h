#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace televault::auth {

// A token's text: "tv", its kind, "_", 43 base62 digits of 256 random bits, 6 base62 digits of the
// CRC-32 of those 43. The checksum lets secret scanners be sure and typos be told from revoked
// tokens before anything is looked up; it protects nothing.
enum class TokenKind : char { kOperator = 'o', kRole = 'r', kWrite = 'w' };

inline constexpr size_t kTokenSecretBytes = 32;
inline constexpr size_t kTokenBodyDigits = 43;
inline constexpr size_t kTokenChecksumDigits = 6;
inline constexpr size_t kTokenTextBytes = 4 + kTokenBodyDigits + kTokenChecksumDigits;

// Writes the text that belongs to `secret` (256 random bits). The caller owns, and wipes, both.
void FormatToken(TokenKind kind, std::span<const uint8_t, kTokenSecretBytes> secret,
                 std::span<char, kTokenTextBytes> out);

// The kind of a well-formed text. INVALID_ARGUMENT says what is wrong with the form and never
// repeats any of the text.
absl::StatusOr<TokenKind> ParseToken(std::string_view text);

// What the vault keeps instead of the text: BLAKE2b-256 of it. 256 random bits need no salt.
using TokenVerifier = std::array<uint8_t, 32>;
TokenVerifier VerifierOf(std::string_view text);

// Takes the same time wherever the two differ. False for any length but 32.
bool SameVerifier(const TokenVerifier& expected, std::span<const uint8_t> stored);

// The name of a token in commands and in the audit trail: "tva_" and 11 base62 digits, derived from
// the verifier one-way, so that whoever holds the token can name it and nobody can go back.
std::string AccessorOf(const TokenVerifier& verifier);
bool IsAccessor(std::string_view text);

// CRC-32 (IEEE 802.3, reflected) as six base62 digits (0-9A-Za-z), padded with '0' on the left.
std::array<char, kTokenChecksumDigits> ChecksumDigits(std::string_view body);

}  // namespace televault::auth
