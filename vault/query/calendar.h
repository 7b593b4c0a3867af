#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vault/query/expr.h"

// Times of day and calendar in UTC, microseconds since 1970, proleptic Gregorian. Pure.
namespace televault::query {

// "day", "days", "week", … in any case; nullopt if it is none.
std::optional<TimeUnit> ParseTimeUnit(std::string_view text);
std::string_view NameOf(TimeUnit unit);

// The start of the unit that contains `micros`. Weeks start on Monday. nullopt where it does not
// fit 64 bits, and for months and longer outside of the years -24800 to 28799.
std::optional<int64_t> TruncateTime(TimeUnit unit, int64_t micros);
// The start of the next unit after the one that contains `micros`; nullopt on overflow.
std::optional<int64_t> NextUnit(TimeUnit unit, int64_t micros);
// Calendar addition; a day that the month does not have becomes its last. nullopt outside of
// those years.
std::optional<int64_t> AddMonths(int64_t micros, int32_t months);
// The start of the bin of `stride` (> 0) counted from `origin`; nullopt on overflow.
std::optional<int64_t> BinTime(int64_t stride, int64_t micros, int64_t origin);

// "2026-11-23", "2026-11-23 10:00[:00[.25]]", with T or a zone; without a zone UTC.
std::optional<int64_t> ParseTimestamp(std::string_view text);
std::string FormatTimestamp(int64_t micros);

struct ParsedInterval {
  int32_t months = 0;
  int64_t micros = 0;
};
// PostgreSQL's usual forms: "7 days", "1 hour 30 minutes", "-1.5 hours", "01:30:00", "1 month".
// nullopt also beyond 9e17 microseconds (28,500 years) or 1,200,000 months.
std::optional<ParsedInterval> ParseInterval(std::string_view text);

}  // namespace televault::query
