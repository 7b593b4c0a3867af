#include "audit/encoding.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/escaping.h"

namespace televault::audit {
namespace {

constexpr uint32_t kMaxCodePoint = 0x10FFFF;

bool IsSurrogate(uint32_t point) { return point >= 0xD800 && point <= 0xDFFF; }

// Code points with the White_Space property beyond ASCII; ASCII ones but ' ' are control
// characters.
bool IsSpace(uint32_t point) {
  return point == ' ' || point == 0x85 || point == 0xA0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 ||
         point == 0x202F || point == 0x205F || point == 0x3000;
}

// Takes one code point off `rest` (not empty), or nullopt for malformed UTF-8.
std::optional<uint32_t> TakeCodePoint(std::string_view& rest) {
  const auto lead = static_cast<uint8_t>(rest[0]);
  if (lead < 0x80) {
    rest.remove_prefix(1);
    return lead;
  }
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || rest.size() < length) return std::nullopt;
  uint32_t point = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<uint8_t>(rest[i]);
    if ((next & 0xC0) != 0x80) return std::nullopt;
    point = (point << 6) | (next & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > kMaxCodePoint || IsSurrogate(point)) {
    return std::nullopt;
  }
  rest.remove_prefix(length);
  return point;
}

template <class Allowed>
bool AllCodePoints(std::string_view text, Allowed allowed) {
  while (!text.empty()) {
    const std::optional<uint32_t> point = TakeCodePoint(text);
    if (!point || !allowed(*point)) return false;
  }
  return true;
}

}  // namespace

std::string Base64(std::span<const uint8_t> bytes) {
  return absl::Base64Escape(AsAbsl(AsText(bytes)));
}

absl::StatusOr<std::string> FromAnyBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  // Four characters make three bytes; the last four may end in one or two '='.
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  if (text.size() % 4 != 0 || digits.find_first_not_of(kAlphabet) != std::string_view::npos) {
    return absl::InvalidArgumentError("not standard base64 with padding");
  }
  std::string bytes;
  uint32_t bits = 0;
  uint32_t bit_count = 0;
  for (const char c : digits) {
    bits = (bits << 6) | static_cast<uint32_t>(kAlphabet.find(c));
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    bytes.push_back(static_cast<char>(bits >> bit_count));
  }
  return bytes;
}

absl::StatusOr<std::string> FromBase64(std::string_view text) {
  absl::StatusOr<std::string> bytes = FromAnyBase64(text);
  // Writing the bytes again shows whether this was the one spelling.
  if (bytes.ok() && Base64(AsBytes(*bytes)) != text) {
    return absl::InvalidArgumentError("base64 with padding bits that are not zero");
  }
  return bytes;
}

absl::StatusOr<Hash> HashFromBase64(std::string_view text) {
  absl::StatusOr<std::string> bytes = FromBase64(text);
  if (!bytes.ok()) return bytes.status();
  return HashFromBytes(AsBytes(*bytes));
}

absl::StatusOr<uint64_t> ParseDecimal(std::string_view text) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (text.size() > 1 && text[0] == '0')) {
    return absl::InvalidArgumentError("not a decimal number without sign and leading zeroes");
  }
  uint64_t value = 0;
  for (const char c : text) {
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) {
      return absl::InvalidArgumentError("the number does not fit 64 bits");
    }
    value = value * 10 + digit;
  }
  return value;
}

absl::StatusOr<std::string_view> TakeLine(std::string_view& rest) {
  const size_t newline = rest.find('\n');
  if (newline == std::string_view::npos) {
    return absl::InvalidArgumentError("a line does not end in a newline");
  }
  const std::string_view line = rest.substr(0, newline);
  rest.remove_prefix(newline + 1);
  return line;
}

bool IsNoteText(std::string_view text) {
  return AllCodePoints(text, [](uint32_t point) { return point >= 0x20 || point == '\n'; });
}

bool IsUtf8(std::string_view text) {
  return AllCodePoints(text, [](uint32_t) { return true; });
}

std::string ToUtf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::string_view rest = text;
    if (TakeCodePoint(rest)) {
      out.append(text.substr(0, text.size() - rest.size()));
    } else {
      out.append(kReplacement);
      rest.remove_prefix(1);
    }
    text = rest;
  }
  return out;
}

bool IsKeyName(std::string_view name) {
  return !name.empty() && AllCodePoints(name, [](uint32_t point) {
    return point >= 0x20 && point != '+' && !IsSpace(point);
  });
}

}  // namespace televault::audit
