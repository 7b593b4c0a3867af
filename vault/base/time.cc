#include "vault/base/time.h"

#include <cctype>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "vault/base/bytes.h"

namespace televault {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t micros;
};
// Longest suffix first where one ends with another ("ms" before "s").
constexpr Unit kUnits[] = {{"ms", 1'000},        {"us", 1},         {"d", kMicrosPerDay},
                           {"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}};
constexpr int64_t kMaxDurationMicros = 36'500 * kMicrosPerDay;

}  // namespace

absl::StatusOr<WallTime> ParseRfc3339(std::string_view text) {
  absl::Time time;
  std::string error;
  // absl also takes "infinite-past" and years beyond four digits: neither is RFC 3339.
  const bool shape_ok = text.size() >= 20 && text.size() <= 40 && text[4] == '-' &&
                        text[7] == '-' && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') &&
                        std::isdigit(static_cast<unsigned char>(text[0])) != 0;
  std::string normal(text);
  if (shape_ok) normal[10] = 'T';
  if (shape_ok && normal.back() == 'z') normal.back() = 'Z';
  if (!shape_ok || !absl::ParseTime(absl::RFC3339_full, normal, &time, &error)) {
    return absl::InvalidArgumentError(
        "not an RFC 3339 time with a zone, e.g. 2026-11-23T10:00:00Z");
  }
  return WallTime{absl::ToUnixMicros(time)};
}

std::string FormatRfc3339(WallTime t) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", absl::FromUnixMicros(t.micros),
                          absl::UTCTimeZone());
}

absl::StatusOr<Day> ParseDay(std::string_view text) {
  absl::CivilDay day;
  if (text.size() != 10 || !absl::ParseCivilTime(ToAbsl(text), &day)) {
    return absl::InvalidArgumentError("not a day, e.g. 2026-11-23");
  }
  return Day(static_cast<int32_t>(day - absl::CivilDay(1970, 1, 1)));
}

std::string FormatDay(Day day) {
  return absl::FormatCivilTime(absl::CivilDay(1970, 1, 1) + day.value());
}

absl::StatusOr<microseconds> ParseDuration(std::string_view text) {
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    const std::string_view digits = text.substr(0, text.size() - unit.suffix.size());
    int64_t count = 0;
    if (digits.empty() || digits.front() < '0' || digits.front() > '9' ||
        !absl::SimpleAtoi(ToAbsl(digits), &count) || count <= 0 ||
        count > kMaxDurationMicros / unit.micros) {
      break;
    }
    return microseconds(count * unit.micros);
  }
  return absl::InvalidArgumentError(
      "not a duration: a positive whole number and a unit (d, h, m, s, ms), at most 36500d");
}

std::string FormatDuration(microseconds d) {
  constexpr Unit kLargestFirst[] = {{"d", kMicrosPerDay}, {"h", 3'600'000'000}, {"m", 60'000'000},
                                    {"s", 1'000'000},     {"ms", 1'000},        {"us", 1}};
  for (const Unit& unit : kLargestFirst) {
    if (d.count() != 0 && d.count() % unit.micros == 0) {
      return absl::StrCat(d.count() / unit.micros, ToAbsl(unit.suffix));
    }
  }
  return "0s";
}

}  // namespace televault
