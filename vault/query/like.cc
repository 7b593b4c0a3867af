#include "vault/query/like.h"

#include <cstddef>

#include "absl/strings/ascii.h"

namespace televault::query {
namespace {

bool SameByte(char a, char b, bool fold) {
  if (!fold) return a == b;
  return absl::ascii_tolower(static_cast<unsigned char>(a)) ==
         absl::ascii_tolower(static_cast<unsigned char>(b));
}

size_t NextCharacter(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

bool EndsInLoneEscape(std::string_view pattern) {
  size_t escapes = 0;
  while (escapes < pattern.size() && pattern[pattern.size() - 1 - escapes] == '\\') ++escapes;
  return escapes % 2 == 1;
}

}  // namespace

LikeResult MatchLike(std::string_view text, std::string_view pattern, bool fold) {
  if (EndsInLoneEscape(pattern)) return LikeResult::kBadPattern;
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t t = 0;
  size_t p = 0;
  size_t retry_pattern = kNone;  // after the last %
  size_t retry_text = 0;         // where that % ends in the text so far
  while (true) {
    if (p < pattern.size() && pattern[p] == '%') {
      retry_pattern = ++p;
      retry_text = t;
      continue;
    }
    if (t == text.size() && p == pattern.size()) return LikeResult::kYes;
    bool step = false;
    if (t < text.size() && p < pattern.size()) {
      if (pattern[p] == '_') {
        t = NextCharacter(text, t);
        ++p;
        step = true;
      } else {
        const size_t literal = pattern[p] == '\\' ? p + 1 : p;
        if (SameByte(text[t], pattern[literal], fold)) {
          ++t;
          p = literal + 1;
          step = true;
        }
      }
    }
    if (step) continue;
    if (retry_pattern == kNone || retry_text >= text.size()) return LikeResult::kNo;
    retry_text = NextCharacter(text, retry_text);
    t = retry_text;
    p = retry_pattern;
  }
}

}  // namespace televault::query
