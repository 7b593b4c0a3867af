#include "vault/base/time.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace televault {
namespace {

using testing::StatusIs;

TEST(Time, DayFloorsBeforeTheEpochToo) {
  EXPECT_EQ(DayOf({0}).value(), 0);
  EXPECT_EQ(DayOf({kMicrosPerDay - 1}).value(), 0);
  EXPECT_EQ(DayOf({-1}).value(), -1);
  EXPECT_EQ(DayOf({-kMicrosPerDay}).value(), -1);
  EXPECT_EQ(DayOf({-kMicrosPerDay - 1}).value(), -2);
  EXPECT_EQ(EndOf(Day(3)), StartOf(Day(4)));
}

TEST(Time, Rfc3339RoundTripsMicroseconds) {
  TV_ASSERT_OK_AND_ASSIGN(const WallTime t, ParseRfc3339("2026-11-23T10:00:00.250001Z"));
  EXPECT_EQ(FormatRfc3339(t), "2026-11-23T10:00:00.250001Z");
  TV_ASSERT_OK_AND_ASSIGN(const WallTime offset, ParseRfc3339("2026-11-23T12:00:00+02:00"));
  EXPECT_EQ(FormatRfc3339(offset), "2026-11-23T10:00:00Z");
}

TEST(Time, Rfc3339RefusesWhatIsNot) {
  for (const char* bad : {"", "2026-11-23", "2026-11-23T10:00:00", "infinite-past",
                          "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z", "2026-11-23 10:00:00"}) {
    EXPECT_THAT(ParseRfc3339(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(Time, DaysRoundTrip) {
  TV_ASSERT_OK_AND_ASSIGN(const Day day, ParseDay("1969-12-31"));
  EXPECT_EQ(day.value(), -1);
  EXPECT_EQ(FormatDay(day), "1969-12-31");
  EXPECT_THAT(ParseDay("2026-02-30"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Time, DurationsRoundTrip) {
  for (const char* text : {"90d", "25h", "10m", "30s", "250ms", "7us"}) {
    TV_ASSERT_OK_AND_ASSIGN(const microseconds d, ParseDuration(text));
    EXPECT_EQ(FormatDuration(d), text);
  }
  for (const char* bad : {"", "d", "-1d", "+1d", "1.5h", "1w", "0s", "36501d", " 1d"}) {
    EXPECT_THAT(ParseDuration(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace televault
