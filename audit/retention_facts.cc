#include "audit/retention_facts.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace televault::audit {

std::optional<int64_t> ParseLedgerTime(const std::string& text) {
  absl::Time time;
  std::string why;
  if (text.size() < 20 || text.size() > 27 || text.back() != 'Z' || text[0] < '0' ||
      text[0] > '9' || !absl::ParseTime(absl::RFC3339_full, text, &time, &why)) {
    return std::nullopt;
  }
  const int64_t us = absl::ToUnixMicros(time);
  return us >= kMinLedgerUs && us < kMaxLedgerUs ? std::optional(us) : std::nullopt;
}

std::optional<int64_t> EndOfLedgerDay(const std::string& text) {
  absl::CivilDay day;
  if (text.size() != 10 || !absl::ParseCivilTime(text, &day) ||
      absl::FormatCivilTime(day) != text) {
    return std::nullopt;
  }
  const int64_t us = absl::ToUnixMicros(absl::FromCivil(day + 1, absl::UTCTimeZone()));
  return us >= kMinLedgerUs && us <= kMaxLedgerUs ? std::optional(us) : std::nullopt;
}

std::optional<int64_t> ParseTtl(const std::string& text) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"us", 1},         {"ms", 1'000},        {"s", 1'000'000},
      {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t count = 0;
  if (digits == 0 || digits > 12 || !absl::SimpleAtoi(text.substr(0, digits), &count)) {
    return std::nullopt;
  }
  for (const auto& [unit, us] : kUnits) {
    if (std::string_view(text).substr(digits) != unit) continue;
    const auto most = static_cast<uint64_t>(kMaxLedgerUs / us);
    return count > most ? std::nullopt : std::optional(static_cast<int64_t>(count) * us);
  }
  return std::nullopt;
}

std::vector<std::string> ParseIds(const std::string& joined) {
  if (joined.empty()) return {};
  return absl::StrSplit(joined, ',');
}

std::string RetentionFacts::Text(const char* name) const {
  const auto found = entry.details().find(name);
  return found == entry.details().end() ? "" : found->second;
}

std::optional<uint64_t> RetentionFacts::Number(const char* name) const {
  const std::string text = Text(name);
  uint64_t number = 0;
  const bool plain = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return plain && absl::SimpleAtoi(text, &number) ? std::optional(number) : std::nullopt;
}

}  // namespace televault::audit
