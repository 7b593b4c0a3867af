#include "tests/unit/query/query_fixture.h"

namespace televault::query {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParseTest, EveryKindOfStatementOutsideOfTheSubsetIsRefusedWithItsReason) {
  for (const char* sql : {"",
                          ";",
                          "SELECT 1",
                          "DELETE FROM d",
                          "SELECT a FROM d; SELECT b FROM d",
                          "SELECT a FROM d, e",
                          "SELECT a FROM d JOIN e ON true",
                          "SELECT a FROM (SELECT 1) s",
                          "WITH x AS (SELECT 1) SELECT a FROM x",
                          "SELECT a FROM d UNION SELECT a FROM d",
                          "SELECT * FROM d",
                          "SELECT a FROM s.d",
                          "SELECT d.a FROM d",
                          "SELECT a INTO t FROM d",
                          "SELECT sum(a) OVER () FROM d",
                          "SELECT pg_sleep(1) FROM d",
                          "SELECT a FROM d FOR UPDATE",
                          "SELECT DISTINCT ON (a) a FROM d",
                          "SELECT (SELECT 1) FROM d",
                          "SELECT a || 'x' FROM d",
                          "SELECT a FROM d WHERE a IN (SELECT 1)",
                          "SELECT a::int[] FROM d",
                          "SELECT sum(DISTINCT a) FROM d",
                          "SELECT a FROM d GROUP BY ROLLUP (a)",
                          "SELECT a FROM d TABLESAMPLE SYSTEM (1)",
                          "EXPLAIN SELECT a FROM d",
                          "SELECT lower(DISTINCT a) FROM d"}) {
    const auto parsed = Parse(sql);
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument)) << sql;
    EXPECT_THAT(parsed, HasReason(reason::kInvalidSql)) << sql;
  }
}

TEST(ParseTest, ARefusalSaysWhereAndNeverRepeatsALiteral) {
  EXPECT_THAT(Parse("SELECT a\nFROM d WHERE a = 'secret' ! 7").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
  for (const char* sql : {"SELECT a FROM d WHERE 'secret'", "SELECT 'secret' 'x' FROM d 'secret'",
                          "SELECT a FROM d WHERE secret.b = 'secret'"}) {
    EXPECT_THAT(std::string(Parse(sql).status().message()), Not(HasSubstr("secret"))) << sql;
  }
}

TEST(ParseTest, DeepNestingAndLongTextsAreRefusedBeforeTheyCostAnything) {
  std::string deep = "a";
  for (int i = 0; i < 5'000; ++i) deep = "abs(" + deep + ")";
  deep = "SELECT " + deep + " FROM d";
  EXPECT_THAT(Parse(deep), StatusIs(absl::StatusCode::kInvalidArgument));
  std::string chain = "SELECT a";
  for (int i = 0; i < 70; ++i) chain += " + a";
  EXPECT_THAT(Parse(chain + " FROM d"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nest")));
  EXPECT_THAT(Parse("SELECT a FROM d WHERE a = '" + std::string(65'536, 'x') + "'"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("longer")));
  EXPECT_THAT(Parse(std::string_view("SELECT a FROM d\0 WHERE b", 24)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
}

TEST(ParseTest, TextThatIsNotUtf8IsRefusedWhereItStopsBeingSo) {
  for (const char* bad : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    EXPECT_THAT(Parse(std::string("SELECT 'ß") + bad + "' FROM d"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("column 10: the text is not UTF-8")));
  }
  EXPECT_THAT(Parse("SELECT 'ß€😀' FROM d"), IsOk());
}

TEST(ParseTest, NormalizedTextAndFingerprintForgetLiteralsSpacingAndComments) {
  TV_ASSERT_OK_AND_ASSIGN(
      const ParsedQuery a,
      Parse("select  count(*) from d -- why 'x'\n where v = 'secret' and n > -5 limit 3"));
  TV_ASSERT_OK_AND_ASSIGN(const ParsedQuery b,
                          Parse("SELECT count(*) FROM d WHERE v='other' AND n>7 LIMIT 10"));
  EXPECT_EQ(a.normalized, "SELECT count(*) FROM d WHERE ((v = $1) AND (n > $2)) LIMIT $3");
  EXPECT_EQ(a.normalized, b.normalized);
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.fingerprint.size(), 16u);
  EXPECT_THAT(a.literals, ::testing::ElementsAre("secret", "-5", "3"));
  EXPECT_THAT(b.literals, ::testing::ElementsAre("other", "7", "10"));
}

TEST(ParseTest, LiteralsComeInTheOrderOfTheirNumbersBehindTheParameters) {
  TV_ASSERT_OK_AND_ASSIGN(
      const ParsedQuery query,
      Parse("SELECT count(*) FILTER (WHERE b = true) FROM d WHERE a = $1 AND c IN ('x', 1.50, "
            "'y') GROUP BY 1"));
  EXPECT_EQ(query.normalized,
            "SELECT count(*) FILTER (WHERE (b = $2)) FROM d WHERE ((a = $1) AND (c IN ($3, $4, "
            "$5))) GROUP BY 1");
  EXPECT_THAT(query.literals, ::testing::ElementsAre("true", "x", "1.5", "y"));
}

TEST(ParseTest, NormalizedTextReadsBackAsItself) {
  for (const char* sql :
       {"SELECT DISTINCT lower(a) AS \"X y\", CASE WHEN b THEN 1 ELSE - (2) END FROM d ORDER BY 1 "
        "DESC, a",
        "SELECT a, percentile_cont(0.5) WITHIN GROUP (ORDER BY x DESC) FILTER (WHERE NOT b) FROM d "
        "WHERE a IN (1, 2) AND c BETWEEN 1 AND 2 OR t IS NOT NULL GROUP BY 1 HAVING count(*) > $1",
        "SELECT count(DISTINCT a), x::int, interval '1 day' FROM d WHERE a LIKE 'x%' AND b IS NOT "
        "TRUE "
        "AND nullif(a, 'z') IS DISTINCT FROM coalesce(a, NULL) OFFSET 3"}) {
    TV_ASSERT_OK_AND_ASSIGN(const ParsedQuery once, Parse(sql));
    TV_ASSERT_OK_AND_ASSIGN(const ParsedQuery twice, Parse(once.normalized));
    EXPECT_EQ(once.normalized, twice.normalized);
  }
}

TEST(BindTest, ErrorsNameFieldsAndTypesButNoValue) {
  Bench bench;
  for (const char* sql :
       {"SELECT nothing FROM events", "SELECT command + 1 FROM events",
        "SELECT sum(command) FROM events", "SELECT command, count(*) FROM events",
        "SELECT count(*) FROM events WHERE sum(count_of) > 1",
        "SELECT count_of FROM events WHERE count_of = 'secret'", "SELECT $1 FROM events",
        "SELECT count_of FROM events WHERE count_of", "SELECT sum(sum(count_of)) FROM events",
        "SELECT event_time + took * interval '1 month' FROM events",
        "SELECT 1 FROM events GROUP BY 3", "SELECT date_trunc('secret', event_time) FROM events",
        "SELECT count_of FROM events LIMIT -1",
        "SELECT percentile_cont(1.5) WITHIN GROUP (ORDER BY seconds) FROM events"}) {
    const auto plan = bench.PlanOf(sql);
    EXPECT_THAT(plan, StatusIs(absl::StatusCode::kInvalidArgument)) << sql;
    EXPECT_THAT(plan, HasReason(reason::kInvalidSql)) << sql;
    EXPECT_THAT(std::string(plan.status().message()), Not(HasSubstr("secret")));
  }
}

TEST(BindTest, FieldsOfFilterGroupSortAndOutputAreAllNamed) {
  Bench bench;
  TV_ASSERT_OK_AND_ASSIGN(
      const Plan plan,
      bench.PlanOf(
          "SELECT version, count(DISTINCT subject) FILTER (WHERE ok) FROM events "
          "WHERE seconds > 1 OR (false AND took IS NULL) GROUP BY 1 ORDER BY max(count_of)"));
  EXPECT_EQ(plan.fields(),
            (std::vector<std::string>{"count_of", "ok", "seconds", "subject", "took", "version"}));
  EXPECT_TRUE(plan.is_aggregate());
}

TEST(BindTest, TimeRangeFollowsFromTheFilter) {
  Bench bench;
  TV_ASSERT_OK_AND_ASSIGN(
      const Plan plan,
      bench.PlanOf("SELECT command FROM events WHERE event_time >= '2026-11-07' AND "
                   "date_trunc('day', event_time) <= '2026-11-08' AND ok"));
  EXPECT_EQ(plan.time_range().begin.micros, kDay0);
  EXPECT_EQ(plan.time_range().end.micros, kDay0 + 2 * kMicrosPerDay);
}

// A chain of operators fits the bound on bytes and used to overflow the parser's stack.
TEST(Parse, LongChainsAreRefusedBeforeTheParserRecurses) {
  for (const int operators : {5'000, 24'000, 32'000}) {
    std::string sql = "SELECT count(*) FROM t WHERE 1";
    for (int i = 0; i < operators && sql.size() < limits::kMaxSqlBytes - 3; ++i) sql += "+1";
    EXPECT_THAT(Parse(sql + "=1"), HasReason(reason::kInvalidSql)) << operators;
  }
}

std::string Nested(int levels, const std::string& before, const std::string& after) {
  std::string expr = "count_of";
  for (int i = 0; i < levels; ++i) expr = before + expr + after;
  return "SELECT count(*) FROM events WHERE " + expr + " IS NULL";
}

// Each level repeats what is below it: 1 KiB of text used to become 5 * 2^31 nodes.
TEST(Parse, RepeatedOperandsAreCountedBeforeTheyAreMade) {
  for (const std::string& sql :
       {Nested(31, "(", " BETWEEN 1 AND 2)"), Nested(31, "(", " NOT BETWEEN 1 AND 2)"),
        Nested(20, "(CASE ", " WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 3 END)")}) {
    const auto parsed = Parse(sql);
    EXPECT_THAT(parsed,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 16384 parts")));
    EXPECT_THAT(parsed, HasReason(reason::kInvalidSql));
  }
  std::string arms = "SELECT CASE '" + std::string(30'000, 'x') + "'";
  for (int i = 0; i < 1'000; ++i) arms += " WHEN 'y' THEN 1";
  EXPECT_THAT(Parse(arms + " END FROM events"), HasReason(reason::kInvalidSql));
}

TEST(Parse, LongListsAndManyArmsFit) {
  Bench bench;
  std::string list = "SELECT count(*) FROM events WHERE count_of IN (0";
  for (int i = 1; i < 4'000; ++i) list += "," + std::to_string(i);
  EXPECT_THAT(bench.PlanOf(list + ")"), IsOk());
  std::string arms = "SELECT CASE count_of";
  for (int i = 0; i < 1'000; ++i) arms += " WHEN " + std::to_string(i) + " THEN 'a'";
  EXPECT_THAT(bench.PlanOf(arms + " END, count(*) FROM events GROUP BY 1"), IsOk());
}

// GROUP BY 1, 1, … used to bind the same long expression once for each position.
TEST(BindTest, RepeatedPositionsAreCounted) {
  Bench bench;
  std::string sql = "SELECT CASE count_of";
  for (int i = 0; i < 1'000; ++i) sql += " WHEN " + std::to_string(i) + " THEN 'a'";
  sql += " END, count(*) FROM events GROUP BY 1";
  for (int i = 0; i < 63; ++i) sql += ",1";
  EXPECT_THAT(bench.PlanOf(sql), HasReason(reason::kInvalidSql));
}

// A parameter used to be copied in full for every use, without a bound on the sum.
TEST(BindTest, TheTextsOfParametersCountWhereverTheyAreUsed) {
  Bench bench;
  std::string sql = "SELECT count(*) FROM events WHERE command IN ($1";
  for (int i = 1; i < 1'000; ++i) sql += ",$1";
  TV_ASSERT_OK_AND_ASSIGN(const ParsedQuery parsed, Parse(sql + ")"));
  v1::Value value;
  value.set_string_value("short");
  EXPECT_THAT(Bind(parsed, bench.schema, {&value, 1}, bench.clock.Wall()), IsOk());
  value.set_string_value(std::string(10'000, 'x'));
  EXPECT_THAT(Bind(parsed, bench.schema, {&value, 1}, bench.clock.Wall()),
              HasReason(reason::kInvalidSql));
}

}  // namespace
}  // namespace televault::query
