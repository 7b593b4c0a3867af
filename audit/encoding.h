#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "audit/merkle.h"

// The text rules all formats of the log share. Strict: every value has exactly one spelling.
namespace televault::audit {

inline absl::string_view AsAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// RFC 4648, section 4, padded.
std::string Base64(std::span<const uint8_t> bytes);
// INVALID_ARGUMENT for spaces, missing padding or padding bits that are not zero.
absl::StatusOr<std::string> FromBase64(std::string_view text);
// As FromBase64, but padding bits may have any value: signature lines of other implementations are
// met that way, and their text is not what anything is computed from.
absl::StatusOr<std::string> FromAnyBase64(std::string_view text);
// Base64 of exactly 32 bytes.
absl::StatusOr<Hash> HashFromBase64(std::string_view text);

// ASCII digits without sign or leading zeroes. INVALID_ARGUMENT, also above UINT64_MAX.
absl::StatusOr<uint64_t> ParseDecimal(std::string_view text);

// Cuts the first line off `rest`, without its newline. INVALID_ARGUMENT where no newline is left.
absl::StatusOr<std::string_view> TakeLine(std::string_view& rest);

// Valid UTF-8 (no surrogates, no over-long forms) without control characters but newline.
bool IsNoteText(std::string_view text);
bool IsUtf8(std::string_view text);
// Puts U+FFFD in the place of every byte that is not part of valid UTF-8.
std::string ToUtf8(std::string_view text);
// A name that may stand in a signature line: not empty, no Unicode space, no '+', IsNoteText.
bool IsKeyName(std::string_view name);

}  // namespace televault::audit
