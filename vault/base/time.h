#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "vault/base/ids.h"
#include "vault/base/status.h"

namespace televault {

using std::chrono::microseconds;

// A point in UTC, in microseconds since 1970-01-01T00:00:00Z; negative before it.
struct WallTime {
  int64_t micros = 0;
  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  friend constexpr WallTime operator+(WallTime t, microseconds d) { return {t.micros + d.count()}; }
  friend constexpr WallTime operator-(WallTime t, microseconds d) { return {t.micros - d.count()}; }
  friend constexpr microseconds operator-(WallTime a, WallTime b) {
    return microseconds(a.micros - b.micros);
  }
};

// A point on a clock that never jumps; meaningful only within one process.
struct MonoTime {
  int64_t nanos = 0;
  friend constexpr auto operator<=>(MonoTime, MonoTime) = default;
  friend constexpr std::chrono::nanoseconds operator-(MonoTime a, MonoTime b) {
    return std::chrono::nanoseconds(a.nanos - b.nanos);
  }
};

inline constexpr int64_t kMicrosPerDay = 86'400'000'000;

// The UTC day that contains `t` (floors, also before 1970).
constexpr Day DayOf(WallTime t) {
  const int64_t quotient = t.micros / kMicrosPerDay;
  return Day(static_cast<int32_t>(t.micros % kMicrosPerDay < 0 ? quotient - 1 : quotient));
}
constexpr WallTime StartOf(Day day) { return {int64_t{day.value()} * kMicrosPerDay}; }
constexpr WallTime EndOf(Day day) { return {(int64_t{day.value()} + 1) * kMicrosPerDay}; }

// RFC 3339 with a zone ("2026-11-23T10:00:00.25Z", offsets allowed), years 0001 to 9999.
absl::StatusOr<WallTime> ParseRfc3339(std::string_view text);
// "2026-11-23T10:00:00.25Z": UTC, up to six fractional digits, trailing zeros dropped.
std::string FormatRfc3339(WallTime t);

// "2026-11-23".
absl::StatusOr<Day> ParseDay(std::string_view text);
std::string FormatDay(Day day);

// "90d", "24h", "10m", "30s", "250ms": a positive whole number and one unit, at most 36500 d.
absl::StatusOr<microseconds> ParseDuration(std::string_view text);
// The shortest form that ParseDuration reads back as the same value.
std::string FormatDuration(microseconds d);

}  // namespace televault
