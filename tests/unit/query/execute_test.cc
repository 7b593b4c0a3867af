#include <array>
#include <map>

#include "absl/strings/str_cat.h"

#include "tests/unit/query/query_fixture.h"
#include "vault/query/calendar.h"

namespace televault::query {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;
using Table = std::vector<std::vector<std::string>>;

void AddDay(Bench& bench, int day, int rows) {
  std::vector<testing::Event> events;
  for (int i = 0; i < rows; ++i) {
    events.push_back(EventOf(i, i % 2 == 0 ? "even" : "odd", i, kDay0 + day * kMicrosPerDay + i));
  }
  bench.source.Add(testing::ToBatch(events));
}

TEST(ExecuteTest, DaysOutsideOfTheTimeRangeAreNotRead) {
  Bench bench;
  for (int day = 0; day < 4; ++day) AddDay(bench, day, 10);
  const Shown shown = bench.Run(
      "SELECT count(*) FROM events WHERE event_time >= '2026-11-08' AND event_time < '2026-11-09'");
  EXPECT_EQ(shown.rows, (Table{{"10"}}));
  EXPECT_EQ(bench.source.reads(), 1u);
  EXPECT_EQ(shown.stats.partitions_pruned, 3u);
}

TEST(ExecuteTest, AnExpiredDayIsSkippedAndReportedAndOneThatExpiresMeanwhileEndsTheQuery) {
  Bench bench;
  AddDay(bench, 0, 10);
  AddDay(bench, 1, 10);
  bench.source.unit(0).deadline = bench.gate.now;
  const Shown shown = bench.Run("SELECT count(*) FROM events");
  EXPECT_EQ(shown.rows, (Table{{"10"}}));
  ASSERT_EQ(shown.stats.refusals.size(), 1u);
  EXPECT_EQ(shown.stats.refusals[0].reason, reason::kExpired);

  bench.source.unit(1).deadline = bench.gate.now + microseconds(1);
  TV_ASSERT_OK_AND_ASSIGN(const Plan plan, bench.PlanOf("SELECT command FROM events"));
  ExecContext context{bench.gate, {}, bench.clock, bench.deadline};
  const auto expire = [&bench](v1::QueryBatch) {
    bench.gate.now = bench.gate.now + microseconds(1);
    return absl::OkStatus();
  };
  EXPECT_THAT(Execute(plan, bench.source, context, expire, nullptr), HasReason(reason::kExpired));
}

// A shorter TTL used to move the catalog's deadline alone: what was read before went on leaving.
TEST(ExecuteTest, ADayWhoseDeadlineComesForwardEndsTheQueriesThatReadIt) {
  Bench bench;
  for (int day = 0; day < 3; ++day) AddDay(bench, day, 30'000);
  for (const char* const sql :
       {"SELECT command, count_of, subject FROM events",
        "SELECT command, count_of, subject FROM events ORDER BY event_time DESC",
        "SELECT count_of, command, count(*) FROM events GROUP BY 1, 2",
        "SELECT count(*) FROM events"}) {
    uint64_t changes = 7;
    std::map<Day, WallTime> deadlines;
    ReadDays days({.changes = [&] { return changes; },
                   .of_day =
                       [&](Day day) {
                         return deadlines.contains(day) ? deadlines.at(day) : WallTime{INT64_MAX};
                       }});
    TV_ASSERT_OK_AND_ASSIGN(const Plan plan, bench.PlanOf(sql));
    const ExecContext context{
        .gate = bench.gate, .clock = bench.clock, .deadline = {INT64_MAX}, .read_days = &days};
    int batches = 0;
    const auto shorten = [&](v1::QueryBatch) {
      ++batches;
      deadlines[DayOf(WallTime{kDay0})] = bench.gate.now;
      ++changes;
      return absl::OkStatus();
    };
    EXPECT_THAT(Execute(plan, bench.source, context, shorten, nullptr), HasReason(reason::kExpired))
        << sql;
    EXPECT_EQ(batches, 1) << sql;
  }
}

TEST(ExecuteTest, AQuarantinedDayFailsTheWholeQuery) {
  Bench bench;
  AddDay(bench, 0, 10);
  bench.source.Refuse({DayOf(WallTime{kDay0}), std::string(reason::kQuarantined)});
  const Shown shown = bench.Run("SELECT count(*) FROM events");
  EXPECT_THAT(shown.status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("2026-11-07")));
  EXPECT_TRUE(shown.rows.empty());
}

TEST(ExecuteTest, LockdownStopsAQueryBeforeItsNextBatch) {
  Bench bench;
  for (int day = 0; day < 3; ++day) AddDay(bench, day, 30'000);
  TV_ASSERT_OK_AND_ASSIGN(const Plan plan,
                          bench.PlanOf("SELECT command, count_of, subject FROM events"));
  ExecContext context{bench.gate, {}, bench.clock, bench.deadline};
  int batches = 0;
  const auto lock = [&](v1::QueryBatch) {
    ++batches;
    bench.gate.shut = true;
    ++bench.gate.epoch_number;
    return absl::OkStatus();
  };
  EXPECT_THAT(Execute(plan, bench.source, context, lock, nullptr), HasReason(reason::kLockedDown));
  EXPECT_EQ(batches, 1);
}

TEST(ExecuteTest, CancellationDeadlineAndMemoryEndAQueryWithTheirOwnErrors) {
  Bench bench;
  AddDay(bench, 0, 30'000);
  const char* const sql = "SELECT count_of, count(*) FROM events GROUP BY 1";
  bench.memory_bytes = 64 * 1024;
  EXPECT_THAT(bench.Run(sql).status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("65536")));
  bench.memory_bytes = limits::kDefaultQueryMemoryBytes;
  bench.cancelled = true;
  EXPECT_THAT(bench.Run(sql).status, StatusIs(absl::StatusCode::kCancelled));
  bench.cancelled = false;
  bench.deadline = bench.clock.Mono();
  EXPECT_THAT(bench.Run(sql).status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(ExecuteTest, TheEndOfAGroupedQueryIsWithinItsMemoryToo) {
  Bench bench;
  AddDay(bench, 0, 30'000);
  std::string sql = "SELECT count_of";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&sql, ", count_of + ", i);
  sql += " FROM events GROUP BY count_of";
  const Shown shown = bench.Run(sql);
  ASSERT_THAT(shown.status, IsOk());
  // All columns of the answer are there at once before they are cut into batches.
  EXPECT_GT(shown.stats.peak_memory_bytes, shown.rows.size() * 40 * sizeof(int64_t));
  bench.memory_bytes = shown.rows.size() * 40 * sizeof(int64_t);
  const Shown refused = bench.Run(sql);
  EXPECT_THAT(refused.status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(refused.rows.empty());
}

TEST(ExecuteTest, DeadlineAndCancellationAreLookedAtBetweenScanAndAnswer) {
  Bench bench;
  bench.source.Add(testing::ToBatch({EventOf(1, "x", 3)}));
  const auto looks = [&bench](const char* sql) {
    bench.gate.looks = 0;
    EXPECT_THAT(bench.Run(sql).status, IsOk());
    return bench.gate.looks.load();
  };
  const int few = looks("SELECT count(*) FROM events");
  const int many =
      looks("SELECT count(*), sum(count_of), avg(count_of), max(count_of) FROM events");
  // The rows are the same: once before each aggregate is finished and before each output.
  EXPECT_EQ(many, few + 6);
}

TEST(ExecuteTest, BatchesStayBelowTheirBoundAndLoseNoRow) {
  Bench bench;
  AddDay(bench, 0, 60'000);
  AddDay(bench, 1, 60'000);
  const Shown shown =
      bench.Run("SELECT command, count_of, count_of::text FROM events ORDER BY count_of, command");
  ASSERT_THAT(shown.status, IsOk());
  EXPECT_EQ(shown.rows.size(), 120'000u);
  EXPECT_GT(shown.batches.size(), 2u);
  for (const v1::QueryBatch& batch : shown.batches)
    EXPECT_LE(batch.ByteSizeLong(), limits::kMaxResultBatchBytes);
}

TEST(ExecuteTest, ErrorsArePostgresqlsAndNameNoValue) {
  Bench bench;
  AddDay(bench, 0, 10);
  EXPECT_THAT(bench.Run("SELECT 7 / count_of FROM events").status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("division by zero")));
  EXPECT_THAT(bench.Run("SELECT count_of + 9223372036854775807 FROM events").status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overflow")));
  EXPECT_THAT(bench.Run("SELECT sum(9223372036854775807) FROM events").status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("overflow")));
  // Guarded by CASE, and after WHERE.
  EXPECT_THAT(bench.Run("SELECT CASE WHEN count_of <> 0 THEN 7 / count_of END FROM events").status,
              IsOk());
  EXPECT_THAT(bench.Run("SELECT 7 / count_of FROM events WHERE count_of > 0").status, IsOk());
}

TEST(ExecuteTest, WholeNumbersTruncateAndNullsFollowThreeValuedLogic) {
  Bench bench;
  testing::Event event = EventOf(1, "a_b", -7);
  event.ok.reset();
  bench.source.Add(testing::ToBatch({event}));
  EXPECT_EQ(bench
                .Run("SELECT count_of / 2, count_of % 2, ok AND false, ok OR true, ok AND true, ok "
                     "IN (true, NULL), "
                     "NOT ok, ok IS DISTINCT FROM NULL, command LIKE 'a\\_b', command LIKE 'a__' "
                     "FROM events")
                .rows,
            (Table{{"-3", "-1", "0", "1", "NULL", "NULL", "NULL", "0", "1", "1"}}));
}

TEST(ExecuteTest, TheAnswerIsTheSameEveryTime) {
  Bench bench;
  for (int day = 0; day < 5; ++day) AddDay(bench, day, 5'000);
  const char* const sql =
      "SELECT count_of % 97, avg(seconds), stddev(seconds) FROM events GROUP BY 1";
  const Shown first = bench.Run(sql);
  for (int round = 0; round < 3; ++round) {
    const Shown again = bench.Run(sql);
    ASSERT_EQ(first.batches.size(), again.batches.size());
    for (size_t b = 0; b < first.batches.size(); ++b) {
      EXPECT_EQ(first.batches[b].SerializeAsString(), again.batches[b].SerializeAsString());
    }
  }
}

// Years used to wrap around at 32,767: date_trunc gave some date of this millennium for a far one.
TEST(ExecuteTest, ATimeThatTheCalendarDoesNotReachHasNoMonthOrYear) {
  Bench bench;
  testing::Event event = EventOf(1, "x", 3);
  event.seen_at = INT64_MAX;
  bench.source.Add(testing::ToBatch({event}));
  for (const char* unit : {"month", "quarter", "year"}) {
    EXPECT_THAT(
        bench.Run(absl::StrCat("SELECT date_trunc('", unit, "', seen_at) FROM events")).status,
        StatusIs(absl::StatusCode::kInvalidArgument))
        << unit;
  }
  EXPECT_THAT(bench.Run("SELECT date_trunc('day', seen_at) FROM events").status, IsOk());
  Disclosure masked;
  masked.mode = Mode::kRows;
  masked.masks.emplace("seen_at", Mask{MaskKind::kYear, 0});
  const Shown shown = bench.Run("SELECT seen_at, seen_at IS NULL FROM events", &masked);
  EXPECT_EQ(shown.rows, (Table{{"NULL", "1"}})) << shown.status;
}

TEST(CalendarTest, TruncationIsExactOrNothing) {
  constexpr std::array kUnits = {TimeUnit::kMicrosecond, TimeUnit::kMillisecond, TimeUnit::kSecond,
                                 TimeUnit::kMinute,      TimeUnit::kHour,        TimeUnit::kDay,
                                 TimeUnit::kWeek,        TimeUnit::kMonth,       TimeUnit::kQuarter,
                                 TimeUnit::kYear};
  // The years 0 - 62 * 400 and 0 + 72 * 400.
  constexpr int64_t kBegin = (-719'528 - 62 * 146'097) * kMicrosPerDay;
  constexpr int64_t kEnd = (-719'528 + 72 * 146'097) * kMicrosPerDay;
  for (const TimeUnit unit : kUnits) {
    for (const int64_t time : {INT64_MIN, INT64_MIN + 1, kBegin - 1, kBegin, kBegin + 1,
                               int64_t{-1}, int64_t{0}, kDay0, kEnd - 1, kEnd, INT64_MAX}) {
      const auto start = TruncateTime(unit, time);
      const bool inside = time >= kBegin && time < kEnd;
      EXPECT_TRUE(start.has_value() || !inside) << NameOf(unit) << " of " << time;
      EXPECT_TRUE(!start.has_value() || inside || unit < TimeUnit::kMonth)
          << NameOf(unit) << " of " << time;
      if (!start.has_value()) continue;
      EXPECT_LE(*start, time) << NameOf(unit);
      EXPECT_LT(time - *start, 366 * kMicrosPerDay) << NameOf(unit) << " of " << time;
      EXPECT_EQ(TruncateTime(unit, *start), start) << NameOf(unit) << " of " << time;
    }
  }
  EXPECT_EQ(TruncateTime(TimeUnit::kWeek, INT64_MIN), std::nullopt);
  EXPECT_EQ(TruncateTime(TimeUnit::kDay, INT64_MIN), std::nullopt);
  EXPECT_EQ(AddMonths(kEnd - 1, 1), std::nullopt);
  EXPECT_EQ(AddMonths(kBegin, -1), std::nullopt);
}

// Each part was held against a bound, their sum was not.
TEST(CalendarTest, AnIntervalIsRefusedWhereItsPartsTogetherAreTooMuch) {
  EXPECT_TRUE(ParseInterval("10000000 days").has_value());
  EXPECT_FALSE(ParseInterval("10000000 days 10000000 days").has_value());
  EXPECT_TRUE(ParseInterval("100000 years").has_value());
  std::string days;
  std::string years;
  for (int i = 0; i < 2'000; ++i) {
    days += "-10000000 days ";
    years += "-100000 years ";
  }
  EXPECT_FALSE(ParseInterval(days).has_value());
  EXPECT_FALSE(ParseInterval(years).has_value());
}

}  // namespace
}  // namespace televault::query
