#include <set>

#include "absl/strings/str_cat.h"

#include "tests/unit/query/query_fixture.h"

namespace televault::query {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

Disclosure Aggregates(uint32_t k_min) {
  Disclosure disclosure;
  disclosure.k_min = k_min;
  return disclosure;
}

// `n` subjects run `command` once each, numbered from `first`.
void Add(std::vector<testing::Event>& events, int first, int n, const char* command) {
  for (int i = 0; i < n; ++i) events.push_back(EventOf(first + i, command, 10));
}

TEST(RestrictTest, AggregateModeRefusesWhatCouldShowOneSubject) {
  Bench bench;
  const Disclosure disclosure = Aggregates(5);
  for (const char* sql :
       {"SELECT command FROM events",
        "SELECT subject, count(*) FROM events GROUP BY 1",
        "SELECT count(*) FROM events WHERE subject = '00'",
        "SELECT max(subject) FROM events",
        "SELECT count(*) FILTER (WHERE subject IS NULL) FROM events",
        "SELECT count(*) FROM events WHERE event_time >= '2026-11-07 12:00'",
        "SELECT count(*) FROM events WHERE event_time IN ('2026-11-07 12:00:00.5')",
        "SELECT sum(CASE WHEN command = 'x' THEN 1000000 ELSE 1 END) FROM events",
        "SELECT sum((command = 'x')::int) FROM events",
        "SELECT sum(count_of + 1000000) FROM events",
        "SELECT avg(coalesce(count_of, 7)) FROM events",
        "SELECT sum(count_of / 7) FROM events",
        "SELECT count(DISTINCT command = 'x') FROM events",
        "SELECT max(length(command)) FROM events",
        "SELECT sum(count_of * 2) FROM events",
        "SELECT sum(count_of * 922337203685477580) FROM events",
        "SELECT avg(-seconds) FROM events",
        "SELECT count(1 / (count_of - 3)) FROM events",
        "SELECT count(nullif(command, 'victim')) FROM events",
        "SELECT count(DISTINCT date_trunc('week', seen_at)) FROM events",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds / 4) FROM events",
        "SELECT count(*) FROM events HAVING sum(count_of % 2) > 0"}) {
    const auto plan = bench.PlanOf(sql, &disclosure);
    EXPECT_THAT(plan, StatusIs(absl::StatusCode::kPermissionDenied)) << sql;
    EXPECT_THAT(plan, HasReason(reason::kDenied)) << sql;
  }
  for (const char* sql :
       {"SELECT count(DISTINCT subject) FROM events", "SELECT DISTINCT command FROM events",
        "SELECT date_trunc('week', event_time), sum(count_of) * 2 FROM events GROUP BY 1",
        "SELECT sum(count_of::float8), avg(count_of) / (count(*) + 1), count(1) FROM events",
        "SELECT count(*) FROM events WHERE event_time >= date_trunc('day', now()) - interval '7 "
        "days'"}) {
    EXPECT_THAT(bench.PlanOf(sql, &disclosure), IsOk()) << sql;
  }
}

TEST(RestrictTest, ARefusedArgumentIsNamedByItsPosition) {
  Bench bench;
  const Disclosure disclosure = Aggregates(5);
  EXPECT_THAT(bench.PlanOf("SELECT count(*),\n sum(count_of * 2) FROM events", &disclosure),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("line 2, column 15: ")));
}

TEST(RestrictTest, OneConditionIsPossibleInAllFiltersOfAQuery) {
  Bench bench;
  const Disclosure disclosure = Aggregates(5);
  for (const char* sql :
       {"SELECT count(*) FILTER (WHERE ok), sum(count_of) FILTER (WHERE ok), count(*) FROM events",
        "SELECT count(*) FILTER (WHERE count_of = 1 + 2) FROM events "
        "HAVING avg(seconds) FILTER (WHERE count_of = 3) > 1"}) {
    EXPECT_THAT(bench.PlanOf(sql, &disclosure), IsOk()) << sql;
  }
  for (const char* sql :
       {"SELECT count(*) FILTER (WHERE ok), count(*) FILTER (WHERE NOT ok) FROM events",
        "SELECT count(*) FILTER (WHERE count_of = 3), sum(count_of) FILTER (WHERE count_of = 4) "
        "FROM events",
        "SELECT count(*) FILTER (WHERE ok) FROM events ORDER BY count(*) FILTER (WHERE ok IS NULL)",
        "SELECT count(*) FILTER (WHERE ok) FROM events HAVING max(count_of) FILTER (WHERE command "
        "= 'x') > 1"}) {
    const auto plan = bench.PlanOf(sql, &disclosure);
    EXPECT_THAT(plan, StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("one FILTER condition for each query")))
        << sql;
    EXPECT_THAT(plan, StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("column ")));
  }
  // Whoever reads rows may filter them as they like.
  Disclosure rows;
  rows.mode = Mode::kRows;
  EXPECT_THAT(bench.PlanOf("SELECT sum(count_of * 2) FILTER (WHERE ok), count(*) FILTER (WHERE NOT "
                           "ok) FROM events",
                           &rows),
              IsOk());
}

TEST(RestrictTest, SmallGroupsAreWithheldAndHavingOrderAndLimitSeeOnlyWhatIsShown) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  Add(events, 20, 12, "middle");
  Add(events, 40, 9, "next");
  Add(events, 60, 2, "rare");
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  const Shown shown = bench.Run("SELECT command, count(*) FROM events GROUP BY 1", &disclosure);
  ASSERT_THAT(shown.status, IsOk());
  EXPECT_EQ(shown.rows, (std::vector<std::vector<std::string>>{{"big", "20"}, {"middle", "12"}}));
  EXPECT_EQ(shown.stats.suppressed_groups, 2u);
  const Shown oracle = bench.Run(
      "SELECT command FROM events GROUP BY 1 HAVING count(*) < 10 OR command = 'rare' "
      "ORDER BY count(*) LIMIT 1",
      &disclosure);
  EXPECT_TRUE(oracle.rows.empty());
  EXPECT_EQ(oracle.stats.suppressed_groups, 2u);
}

TEST(RestrictTest, TheSubjectsLeftOutByAFilterCellOrAGroupAreProtectedToo) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  Add(events, 20, 1, "victim");
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  for (const char* sql : {"SELECT count(*) FILTER (WHERE command = 'victim') FROM events",
                          "SELECT count(*) FILTER (WHERE command <> 'victim') FROM events",
                          "SELECT sum(count_of) FILTER (WHERE command <> 'victim') FROM events"}) {
    const Shown shown = bench.Run(sql, &disclosure);
    ASSERT_THAT(shown.status, IsOk()) << sql;
    EXPECT_EQ(shown.rows, (std::vector<std::vector<std::string>>{{"WITHHELD"}})) << sql;
  }
  const Shown groups =
      bench.Run("SELECT command <> 'victim', count(*) FROM events GROUP BY 1", &disclosure);
  EXPECT_TRUE(groups.rows.empty());
}

// The one row of `subject` that does not match is what the difference of two cells would show.
TEST(RestrictTest, RowsThatAFilterLeavesOutAreProtectedEvenIfTheirSubjectHasOthers) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  events.push_back(EventOf(3, "secret", 10));
  events.push_back(EventOf(4, "big", 10));
  events.back().count.reset();
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_EQ(bench
                .Run("SELECT count(*), count(*) FILTER (WHERE command = 'big'), "
                     "sum(count_of) FILTER (WHERE command = 'big'), count(count_of) FROM events",
                     &disclosure)
                .rows,
            (std::vector<std::vector<std::string>>{{"22", "WITHHELD", "WITHHELD", "WITHHELD"}}));
  // Five such subjects may be told from the others.
  for (int i = 5; i < 9; ++i) events.push_back(EventOf(i, "secret", 10));
  Bench enough;
  enough.source.Add(testing::ToBatch(events));
  EXPECT_EQ(
      enough
          .Run("SELECT count(*), count(*) FILTER (WHERE command = 'big') FROM events", &disclosure)
          .rows,
      (std::vector<std::vector<std::string>>{{"26", "21"}}));
}

TEST(RestrictTest, GroupsOfTheSameFewSubjectsTakeAThirdAlong) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 30, "big");
  Add(events, 40, 12, "middle");
  Add(events, 60, 3, "rare");
  Add(events, 60, 3, "scarce");
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_EQ(bench.Run("SELECT command, count(*) FROM events GROUP BY 1", &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"big", "30"}}));
}

// One pseudonym a day: `persons` persons on each of `days` days.
void AddDays(Bench& bench, int days, int persons, const char* command) {
  for (int day = 0; day < days; ++day) {
    std::vector<testing::Event> events;
    for (int i = 0; i < persons; ++i) {
      events.push_back(EventOf(persons * day + i, command, 10, kDay0 + day * kMicrosPerDay));
    }
    bench.source.Add(testing::ToBatch(events));
  }
}

TEST(RestrictTest, PseudonymsOfSeveralSaltPeriodsMayBeOnePersonAndCountOnce) {
  constexpr char kSql[] =
      "SELECT count(*), sum(count_of), min(count_of), count(DISTINCT command), "
      "percentile_cont(0.5) WITHIN GROUP (ORDER BY count_of) FROM events";
  Disclosure disclosure = Aggregates(5);
  Bench few;
  AddDays(few, 30, 4, "x");  // 120 pseudonyms of perhaps four persons
  disclosure.rotate = std::chrono::days(1);
  EXPECT_TRUE(few.Run(kSql, &disclosure).rows.empty());
  disclosure.rotate = std::chrono::days(90);
  EXPECT_EQ(few.Run(kSql, &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"120", "1200", "10", "1", "10"}}));
  Bench enough;
  AddDays(enough, 30, 5, "x");
  disclosure.rotate = std::chrono::hours(6);  // a day is one period at least
  EXPECT_EQ(enough.Run(kSql, &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"150", "1500", "10", "1", "10"}}));
}

TEST(RestrictTest, TheLargestOfEachSaltPeriodAreTakenForOnePerson) {
  Disclosure disclosure = Aggregates(2);
  disclosure.rotate = std::chrono::days(1);
  for (const int64_t largest : {19, 21}) {
    Bench bench;
    for (int day = 0; day < 3; ++day) {
      std::vector<testing::Event> events;
      for (int i = 0; i < 3; ++i) {
        events.push_back(
            EventOf(3 * day + i, "x", i == 0 ? largest : 10, kDay0 + day * kMicrosPerDay));
      }
      bench.source.Add(testing::ToBatch(events));
    }
    EXPECT_EQ(bench.Run("SELECT sum(count_of) FROM events", &disclosure).rows[0][0],
              largest == 19 ? "117" : "WITHHELD");
  }
}

TEST(RestrictTest, NoRowAndTooFewSubjectsGiveTheSameBytes) {
  const Disclosure disclosure = Aggregates(5);
  for (const char* sql : {"SELECT count(*), sum(count_of) FROM events WHERE command = 'x'",
                          "SELECT version, count(*) FROM events WHERE command = 'x' GROUP BY 1"}) {
    Bench none;
    Bench few;
    std::vector<testing::Event> events;
    Add(events, 0, 20, "big");
    none.source.Add(testing::ToBatch(events));
    for (int i = 0; i < 4; ++i) events[static_cast<size_t>(i)].command = "x";
    few.source.Add(testing::ToBatch(events));
    const Shown a = none.Run(sql, &disclosure);
    const Shown b = few.Run(sql, &disclosure);
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_TRUE(a.rows.empty());
    EXPECT_TRUE(a.stats.groups_withheld);
    EXPECT_TRUE(b.stats.groups_withheld);
    EXPECT_EQ(a.stats.suppressed_cells, b.stats.suppressed_cells);
  }
}

TEST(RestrictTest, ASumThatOneSubjectMakesUpIsWithheld) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  events[3].count = 191;  // the other 19 have 10 each
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_EQ(bench.Run("SELECT sum(count_of), avg(count_of) FROM events", &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"WITHHELD", "WITHHELD"}}));
  Bench fair;
  events[3].count = 190;
  fair.source.Add(testing::ToBatch(events));
  EXPECT_EQ(fair.Run("SELECT sum(count_of) FROM events", &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"380"}}));
}

TEST(RestrictTest, ExtremesAndPercentilesAreNeverTheValueOfFewerThanK) {
  Bench bench;
  std::vector<testing::Event> events;
  for (int i = 0; i < 40; ++i) events.push_back(EventOf(i, "x", i < 30 ? 7 : 100 + i));
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  const Shown shown = bench.Run(
      "SELECT min(count_of), max(count_of), percentile_disc(0.5) WITHIN GROUP (ORDER BY "
      "count_of), percentile_cont(1) WITHIN GROUP (ORDER BY count_of) FROM events",
      &disclosure);
  ASSERT_THAT(shown.status, IsOk());
  // The top percentile is the mean of the five largest, not the largest.
  EXPECT_EQ(shown.rows, (std::vector<std::vector<std::string>>{{"7", "WITHHELD", "7", "137"}}));
  EXPECT_TRUE(shown.stats.approximate);
}

TEST(RestrictTest, WhatIsWithheldDoesNotMakeTheAnswerApproximate) {
  constexpr char kSql[] =
      "SELECT command, percentile_cont(0.5) WITHIN GROUP (ORDER BY count_of) FROM events "
      "GROUP BY 1";
  const Disclosure disclosure = Aggregates(5);
  for (const int rare : {0, 1, 4}) {
    Bench bench;
    std::vector<testing::Event> events;
    for (int i = 0; i < rare; ++i) events.push_back(EventOf(i, "rare", i));
    Add(events, 20, 3, "small");
    bench.source.Add(testing::ToBatch(events));
    const Shown shown = bench.Run(kSql, &disclosure);
    EXPECT_TRUE(shown.rows.empty());
    EXPECT_FALSE(shown.stats.approximate) << rare;
  }
}

TEST(RestrictTest, NoFractionAndNoDirectionOfAPercentileSeparatesFewerThanK) {
  Bench bench;
  std::vector<testing::Event> events;
  for (int i = 0; i < 23; ++i) events.push_back(EventOf(i, "x", 1'000 + i * i));
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  std::set<std::string> seen;
  for (int f = 0; f <= 100; ++f) {
    for (const char* direction : {"ASC", "DESC"}) {
      const Shown shown = bench.Run(
          absl::StrCat("SELECT percentile_cont(", f, "/100.0) WITHIN GROUP (ORDER BY count_of ",
                       direction, ") FROM events"),
          &disclosure);
      ASSERT_THAT(shown.status, IsOk());
      seen.insert(shown.rows[0][0]);
    }
  }
  // Four means: of ranks 0 to 4, 5 to 9, 10 to 14, and of the eight that are left.
  EXPECT_EQ(seen, (std::set<std::string>{"1006", "1051", "1146", "1347.5"}));
}

TEST(RestrictTest, APercentileWhoseBinOneSubjectMakesUpIsWithheld) {
  Bench bench;
  std::vector<testing::Event> events;
  for (int i = 0; i < 10; ++i) events.push_back(EventOf(i, "x", i < 9 ? 10 + i : 1'000'000));
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_EQ(bench
                .Run("SELECT percentile_cont(0) WITHIN GROUP (ORDER BY count_of), "
                     "percentile_cont(1) WITHIN GROUP (ORDER BY count_of) FROM events",
                     &disclosure)
                .rows,
            (std::vector<std::vector<std::string>>{{"12", "WITHHELD"}}));
}

TEST(RestrictTest, DistinctValuesCountWhereKSubjectsHoldThem) {
  for (const bool has_subject : {true, false}) {
    Bench bench;
    bench.schema = testing::EventSchema(has_subject);
    std::vector<testing::Event> events;
    Add(events, 0, 20, "big");
    Add(events, 0, 5, "held");
    Add(events, 5, 4, "few");
    Add(events, 7, 1, "own");
    for (testing::Event& event : events) event.version = "5";
    bench.source.Add(testing::ToBatch(events));
    const Disclosure disclosure = Aggregates(5);
    EXPECT_EQ(
        bench
            .Run("SELECT count(DISTINCT command), count(DISTINCT version) FROM events", &disclosure)
            .rows,
        (std::vector<std::vector<std::string>>{{"2", "1"}}));
  }
  Bench subjects;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  subjects.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_EQ(subjects.Run("SELECT count(DISTINCT subject) FROM events", &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"20"}}));
}

TEST(RestrictTest, ManyRowsOfOneSubjectAreStillOneSubject) {
  Bench bench;
  std::vector<testing::Event> events;
  for (int i = 0; i < 1'000; ++i) events.push_back(EventOf(1, "x", i));
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  EXPECT_TRUE(bench.Run("SELECT count(*) FROM events", &disclosure).rows.empty());
}

TEST(RestrictTest, AFailingExpressionTellsNothingAboutTheRowThatFailed) {
  Bench bench;
  std::vector<testing::Event> events;
  Add(events, 0, 20, "big");
  events[0].count = 3;
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(5);
  const Shown shown =
      bench.Run("SELECT count(*) FROM events WHERE 1 / (count_of - 3) < 5", &disclosure);
  EXPECT_THAT(shown.status, IsOk());
  Disclosure rows;
  rows.mode = Mode::kRows;
  EXPECT_THAT(bench.Run("SELECT count_of FROM events WHERE 1 / (count_of - 3) < 5", &rows).status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("division by zero")));
}

TEST(MaskTest, TwoTablesThatDifferOnlyBehindMasksGiveTheSameBytesAndCounters) {
  Disclosure disclosure;
  disclosure.mode = Mode::kRows;
  disclosure.masks = {{"command", {MaskKind::kHidden, 0}},
                      {"version", {MaskKind::kTruncate, 2}},
                      {"count_of", {MaskKind::kHidden, 0}},
                      {"seen_at", {MaskKind::kYear, 0}},
                      {"subject", {MaskKind::kHash, 0}}};
  disclosure.hash = [](std::string_view value) { return value.empty() ? "" : "h"; };
  for (const char* sql :
       {"SELECT command, version, count_of, seen_at, subject FROM events ORDER BY 1, 2, 3, 4, 5",
        "SELECT seconds FROM events WHERE count_of > 50",
        "SELECT seconds FROM events WHERE version = '5.10.3'",
        "SELECT version, count(*), max(seen_at) FROM events GROUP BY version ORDER BY max(command)",
        "SELECT seconds FROM events WHERE seen_at > '2026-06-01'",
        "SELECT count(DISTINCT subject) FROM events",
        "SELECT seconds FROM events WHERE 10 / (count_of - 3) > 0",
        "SELECT seconds FROM events ORDER BY count_of LIMIT 2"}) {
    Shown answers[2];
    for (int variant = 0; variant < 2; ++variant) {
      Bench bench;
      std::vector<testing::Event> events;
      for (int i = 0; i < 50; ++i) {
        testing::Event event =
            EventOf(i + 60 * variant, variant == 0 ? "a" : "z", i * (variant == 0 ? 1 : 7));
        event.seconds = i;
        event.version = variant == 0 ? "5.10.3" : "5.4";
        event.seen_at = kDay0 + i * kMicrosPerDay / 4 * (1 + variant);
        events.push_back(std::move(event));
      }
      bench.source.Add(testing::ToBatch(events));
      answers[variant] = bench.Run(sql, &disclosure);
    }
    EXPECT_EQ(answers[0].status, answers[1].status) << sql;
    EXPECT_EQ(answers[0].rows, answers[1].rows) << sql;
    ASSERT_EQ(answers[0].batches.size(), answers[1].batches.size()) << sql;
    for (size_t b = 0; b < answers[0].batches.size(); ++b) {
      EXPECT_EQ(answers[0].batches[b].SerializeAsString(),
                answers[1].batches[b].SerializeAsString())
          << sql;
    }
    EXPECT_EQ(answers[0].stats.rows_scanned, answers[1].stats.rows_scanned) << sql;
    EXPECT_EQ(answers[0].stats.blocks_pruned, answers[1].stats.blocks_pruned) << sql;
  }
}

TEST(DisclosureTest, ValuesInTheFilterDoNotDecideWhatIsRead) {
  for (const Mode mode : {Mode::kAggregate, Mode::kRows}) {
    Bench bench;
    for (int day = 0; day < 2; ++day) {
      std::vector<testing::Event> events;
      for (int i = 0; i < 50; ++i) {
        events.push_back(EventOf(i, "x", 100 * day + i, kDay0 + day * kMicrosPerDay));
      }
      bench.source.Add(testing::ToBatch(events));
    }
    Disclosure disclosure;
    disclosure.mode = mode;
    for (const char* above : {"0", "100", "149", "150"}) {
      SCOPED_TRACE(above);
      const Shown shown = bench.Run(
          absl::StrCat("SELECT count(*) FROM events WHERE count_of >= ", above), &disclosure);
      ASSERT_THAT(shown.status, IsOk());
      if (mode == Mode::kAggregate) {
        EXPECT_EQ(shown.stats.rows_scanned, 100u);
        EXPECT_EQ(shown.stats.blocks_read, 2u);
        EXPECT_EQ(shown.stats.partitions_read, 2u);
      } else {
        const uint64_t days = std::string_view(above) == "0"     ? 2
                              : std::string_view(above) == "150" ? 0
                                                                 : 1;
        EXPECT_EQ(shown.stats.blocks_read, days);
      }
    }
    // Time still does: nobody's value decides about it.
    const Shown day =
        bench.Run("SELECT count(*) FROM events WHERE event_time >= '2026-11-08'", &disclosure);
    EXPECT_EQ(day.stats.blocks_read, 1u);
  }
}

TEST(DisclosureTest, ValuesInTheFilterDoNotDecideWhatIsOpened) {
  Bench bench;
  std::vector<testing::Event> events;
  for (int i = 0; i < 50; ++i) events.push_back(EventOf(i, "x", i));
  bench.source.Add(testing::ToBatch(events));
  bench.source.ServeBlocks();
  const Disclosure disclosure = Aggregates(5);
  const auto opened = [&](const char* least) {
    const Shown shown =
        bench.Run(absl::StrCat("SELECT version, count(*) FROM events WHERE count_of >= ", least,
                               " AND command LIKE '%x%' GROUP BY version"),
                  &disclosure);
    EXPECT_THAT(shown.status, IsOk());
    return bench.source.TakeOpened();
  };
  const auto nobody = opened("50");
  EXPECT_EQ(nobody, opened("47")) << "too few";
  EXPECT_EQ(nobody,
            (testing::MemorySource::Opened{
                {1, false}, {1, true}, {2, false}, {2, true}, {3, false}, {3, true}, {4, false}}));
  // Enough persons in one unit: who they are is not asked.
  EXPECT_EQ(opened("0"),
            (testing::MemorySource::Opened{
                {1, false}, {2, false}, {2, true}, {3, false}, {3, true}, {4, false}}));
}

TEST(DisclosureTest, ASubjectThatIsNoPseudonymIsDamage) {
  Bench bench;
  std::vector<testing::Event> events = {EventOf(1, "x", 1), EventOf(2, "x", 2)};
  events[1].subject->pop_back();
  bench.source.Add(testing::ToBatch(events));
  const Disclosure disclosure = Aggregates(3);
  EXPECT_THAT(bench.Run("SELECT count(*) FROM events", &disclosure).status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another length")));
}

TEST(MaskTest, HiddenColumnsAreNotEvenRead) {
  Bench bench;
  bench.source.Add(testing::ToBatch({EventOf(1, "x", 3)}));
  Disclosure disclosure;
  disclosure.mode = Mode::kRows;
  disclosure.masks = {{"command", {MaskKind::kHidden, 0}}};
  EXPECT_EQ(bench.Run("SELECT command, count_of FROM events", &disclosure).rows,
            (std::vector<std::vector<std::string>>{{"NULL", "3"}}));
  EXPECT_EQ(bench.source.columns_read(), std::vector<uint16_t>{4});
}

TEST(ExplainTest, ShowsThePlanWithoutALiteral) {
  Bench bench;
  const Disclosure disclosure = Aggregates(5);
  TV_ASSERT_OK_AND_ASSIGN(
      const Plan plan,
      bench.PlanOf("SELECT version, sum(count_of) FROM events WHERE command = 'secret' GROUP BY 1",
                   &disclosure));
  EXPECT_EQ(Explain(plan),
            "output 2 columns\ndisclosure control: k=5 subjects\naggregate sum by version\n"
            "filter on command\nscan events: 4 columns\n");
}

}  // namespace
}  // namespace televault::query
