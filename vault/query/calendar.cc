#include "vault/query/calendar.h"

#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/time.h"

namespace televault::query {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kSecond = 1'000'000;

struct UnitInfo {
  TimeUnit unit;
  std::string_view name;
  std::string_view short_name;
  int64_t micros;  // 0 for calendar units
};
constexpr std::array<UnitInfo, 10> kUnits = {{
    {TimeUnit::kMicrosecond, "microsecond", "us", 1},
    {TimeUnit::kMillisecond, "millisecond", "ms", 1'000},
    {TimeUnit::kSecond, "second", "s", kSecond},
    {TimeUnit::kMinute, "minute", "m", 60 * kSecond},
    {TimeUnit::kHour, "hour", "h", 3'600 * kSecond},
    {TimeUnit::kDay, "day", "d", kMicrosPerDay},
    {TimeUnit::kWeek, "week", "w", 7 * kMicrosPerDay},
    {TimeUnit::kMonth, "month", "mon", 0},
    {TimeUnit::kQuarter, "quarter", "", 0},
    {TimeUnit::kYear, "year", "y", 0},
}};

const UnitInfo& InfoOf(TimeUnit unit) { return kUnits[static_cast<size_t>(unit)]; }

int64_t FloorTo(int64_t value, int64_t step) {
  const int64_t rest = value % step;
  return rest < 0 ? value - rest - step : value - rest;
}

// The largest multiple of `step`, counted from `origin`, that is not above `value`.
std::optional<int64_t> BinStart(int64_t value, int64_t step, int64_t origin) {
  int64_t distance = 0;
  int64_t result = 0;
  if (__builtin_sub_overflow(value, origin, &distance)) return std::nullopt;
  const int64_t rest = distance % step;
  const int64_t back = rest < 0 ? rest + step : rest;
  if (__builtin_sub_overflow(value, back, &result)) return std::nullopt;
  return result;
}

int64_t DaysOf(int64_t micros) { return FloorTo(micros, kMicrosPerDay) / kMicrosPerDay; }

// Whole years that std::chrono's calendar and microseconds in 64 bits both hold, with room to
// spare.
constexpr int kFirstYear = -24'800;
constexpr int kLastYear = 28'799;
constexpr int64_t StartOfYear(int year) {
  const sys_days day(std::chrono::year(year) / 1 / 1);
  return int64_t{day.time_since_epoch().count()} * kMicrosPerDay;
}

bool InCalendar(int64_t micros) {
  return micros >= StartOfYear(kFirstYear) && micros < StartOfYear(kLastYear + 1);
}

year_month_day CivilOf(int64_t micros) {
  return year_month_day(sys_days(days(static_cast<int32_t>(DaysOf(micros)))));
}

int64_t StartOfMonth(int64_t year, unsigned month) {
  const sys_days day(year_month_day(std::chrono::year(static_cast<int>(year)),
                                    std::chrono::month(month), std::chrono::day(1)));
  return int64_t{day.time_since_epoch().count()} * kMicrosPerDay;
}

// Months since year 0 → the start of that month.
int64_t StartOfMonthNumber(int64_t number) {
  const int64_t year = FloorTo(number, 12) / 12;
  return StartOfMonth(year, static_cast<unsigned>(number - year * 12) + 1);
}

int64_t MonthNumber(year_month_day civil) {
  return int64_t{static_cast<int>(civil.year())} * 12 + static_cast<unsigned>(civil.month()) - 1;
}

int64_t MonthsPer(TimeUnit unit) {
  if (unit == TimeUnit::kYear) return 12;
  return unit == TimeUnit::kQuarter ? 3 : 1;
}

constexpr int64_t kMaxIntervalMicros = 900'000'000'000'000'000;
constexpr int32_t kMaxIntervalMonths = 12 * 100'000;
// 1970-01-05 was a Monday.
constexpr int64_t kFirstMonday = 4 * kMicrosPerDay;

// Reads "12", "-3.5" from the front.
std::optional<double> TakeNumber(std::string_view& text) {
  size_t end = 0;
  if (end < text.size() && (text[end] == '-' || text[end] == '+')) ++end;
  while (end < text.size() &&
         (absl::ascii_isdigit(static_cast<unsigned char>(text[end])) != 0 || text[end] == '.')) {
    ++end;
  }
  double number = 0;
  if (end > 18 || !absl::SimpleAtod(ToAbsl(text.substr(0, end)), &number)) return std::nullopt;
  text.remove_prefix(end);
  return number;
}

void SkipSpace(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

// "01:30[:00[.5]]", possibly signed.
std::optional<int64_t> ParseClock(std::string_view text) {
  int64_t sign = 1;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  int64_t total = 0;
  for (const int64_t scale : {3'600 * kSecond, 60 * kSecond, kSecond}) {
    const auto number = TakeNumber(text);
    if (!number.has_value() || *number < 0 || *number > 1e6) return std::nullopt;
    total += std::llround(*number * static_cast<double>(scale));
    if (text.empty()) return scale == 3'600 * kSecond ? std::nullopt : std::optional(sign * total);
    if (text.front() != ':') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

}  // namespace

std::string_view NameOf(TimeUnit unit) { return InfoOf(unit).name; }

std::optional<TimeUnit> ParseTimeUnit(std::string_view text) {
  std::string name = absl::AsciiStrToLower(ToAbsl(text));
  for (const UnitInfo& info : kUnits) {
    if (name == info.name || name == absl::StrCat(ToAbsl(info.name), "s")) return info.unit;
  }
  return std::nullopt;
}

std::optional<int64_t> TruncateTime(TimeUnit unit, int64_t micros) {
  const int64_t step = InfoOf(unit).micros;
  if (step != 0) return BinStart(micros, step, unit == TimeUnit::kWeek ? kFirstMonday : 0);
  if (!InCalendar(micros)) return std::nullopt;
  const int64_t months = MonthsPer(unit);
  return StartOfMonthNumber(FloorTo(MonthNumber(CivilOf(micros)), months));
}

std::optional<int64_t> NextUnit(TimeUnit unit, int64_t micros) {
  if (!InCalendar(micros)) return std::nullopt;
  const int64_t start = *TruncateTime(unit, micros);
  const int64_t step = InfoOf(unit).micros;
  if (step != 0) return start + step;
  return StartOfMonthNumber(MonthNumber(CivilOf(start)) + MonthsPer(unit));
}

std::optional<int64_t> AddMonths(int64_t micros, int32_t months) {
  if (!InCalendar(micros)) return std::nullopt;
  const year_month_day civil = CivilOf(micros);
  const int64_t number = MonthNumber(civil) + months;
  if (number < kFirstYear * 12 || number >= (kLastYear + 1) * 12) return std::nullopt;
  const int64_t start = StartOfMonthNumber(number);
  const int64_t length = (StartOfMonthNumber(number + 1) - start) / kMicrosPerDay;
  const int64_t day = std::min<int64_t>(static_cast<unsigned>(civil.day()), length);
  return start + (day - 1) * kMicrosPerDay + (micros - FloorTo(micros, kMicrosPerDay));
}

std::optional<int64_t> BinTime(int64_t stride, int64_t micros, int64_t origin) {
  return BinStart(micros, stride, origin);
}

std::optional<int64_t> ParseTimestamp(std::string_view text) {
  std::string full(text);
  if (full.size() == 10) full += "T00:00:00";
  if (full.size() < 16) return std::nullopt;
  full[10] = 'T';
  // The zone starts after the date, at the first of Z, z, + or -.
  size_t zone = full.find_first_of("Zz+-", 11);
  std::string zone_text = zone == std::string::npos ? "Z" : full.substr(zone);
  std::string time = full.substr(0, zone);
  while (!time.empty() && time.back() == ' ') time.pop_back();
  if (zone_text.size() == 3) zone_text += ":00";
  if (time.size() == 16) time += ":00";
  const auto parsed = ParseRfc3339(time + zone_text);
  if (!parsed.ok()) return std::nullopt;
  return parsed->micros;
}

std::string FormatTimestamp(int64_t micros) { return FormatRfc3339(WallTime{micros}); }

std::optional<ParsedInterval> ParseInterval(std::string_view text) {
  ParsedInterval out;
  bool any = false;
  SkipSpace(text);
  while (!text.empty()) {
    if (const size_t end = text.find(' ');
        text.substr(0, end).find(':') != std::string_view::npos) {
      const auto clock = ParseClock(text.substr(0, end));
      if (!clock.has_value()) return std::nullopt;
      out.micros += *clock;
      text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    } else {
      const auto number = TakeNumber(text);
      SkipSpace(text);
      size_t letters = 0;
      while (letters < text.size() &&
             absl::ascii_isalpha(static_cast<unsigned char>(text[letters])))
        ++letters;
      const std::string name = absl::AsciiStrToLower(ToAbsl(text.substr(0, letters)));
      text.remove_prefix(letters);
      if (!number.has_value() || name.empty()) return std::nullopt;
      const UnitInfo* found = nullptr;
      for (const UnitInfo& info : kUnits) {
        if (name == info.name || name == absl::StrCat(ToAbsl(info.name), "s") ||
            name == info.short_name) {
          found = &info;
        }
      }
      if (name == "min" || name == "mins") found = &InfoOf(TimeUnit::kMinute);
      if (name == "sec" || name == "secs") found = &InfoOf(TimeUnit::kSecond);
      if (name == "mons") found = &InfoOf(TimeUnit::kMonth);
      if (found == nullptr || std::abs(*number) > 1e9) return std::nullopt;
      if (found->micros == 0) {
        if (*number != std::trunc(*number) || std::abs(*number) > 100'000) return std::nullopt;
        out.months += static_cast<int32_t>(*number) * static_cast<int32_t>(MonthsPer(found->unit));
      } else {
        const double micros = *number * static_cast<double>(found->micros);
        if (std::abs(micros) > static_cast<double>(kMaxIntervalMicros)) return std::nullopt;
        out.micros += std::llround(micros);
      }
    }
    // Every part is far from the ends of its type, so a sum that is bounded after each of them
    // never comes near.
    if (std::abs(out.micros) > kMaxIntervalMicros || std::abs(out.months) > kMaxIntervalMonths) {
      return std::nullopt;
    }
    any = true;
    SkipSpace(text);
  }
  return any ? std::optional(out) : std::nullopt;
}

}  // namespace televault::query
