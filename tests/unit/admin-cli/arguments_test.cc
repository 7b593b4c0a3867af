#include "admin-cli/arguments.h"

#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

using televault::testing::StatusIs;

TEST(ArgumentsTest, TimesAreAbsoluteOrAgo) {
  const WallTime now{1'000'000'000'000'000};
  TV_ASSERT_OK_AND_ASSIGN(const WallTime absolute,
                          ParseTime("--since", "1970-01-01T00:00:01Z", now));
  EXPECT_EQ(absolute.micros, 1'000'000);
  TV_ASSERT_OK_AND_ASSIGN(const WallTime day, ParseTime("--since", "1970-01-02", now));
  EXPECT_EQ(day.micros, kMicrosPerDay);
  TV_ASSERT_OK_AND_ASSIGN(const WallTime ago, ParseTime("--since", "7d", now));
  EXPECT_EQ(ago.micros, now.micros - 7 * kMicrosPerDay);
  EXPECT_THAT(ParseTime("--since", "yesterday", now),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("--since")));
}

TEST(ArgumentsTest, TimestampsKeepMicrosecondsAlsoBefore1970) {
  const auto stamp = ToTimestamp(WallTime{-1});
  EXPECT_EQ(stamp.seconds(), -1);
  EXPECT_EQ(stamp.nanos(), 999'999'000);
  EXPECT_EQ(FormatTimestamp(ToTimestamp(WallTime{1'500'000})), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(FormatTimestamp({}), "");
}

TEST(ArgumentsTest, ScopesRoundTrip) {
  for (const char* const text :
       {"everything", "dataset=cli_usage", "role=analyst", "token=tva_1", "purpose=usage"}) {
    TV_ASSERT_OK_AND_ASSIGN(const v1::Scope scope, ParseScope(text));
    EXPECT_EQ(FormatScope(scope), text);
  }
  for (const char* const bad : {"", "dataset=", "dataset", "host=x", "=x"}) {
    EXPECT_THAT(ParseScope(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST(ArgumentsTest, LevelsAreTheFourThatCanBeEngaged) {
  TV_ASSERT_OK_AND_ASSIGN(const auto level, ParseLevel("reads"));
  EXPECT_EQ(level, v1::LOCKDOWN_LEVEL_READS);
  EXPECT_THAT(ParseLevel("none"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseLevel(""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ArgumentsTest, ParametersAreTypedByTheirPrefix) {
  TV_ASSERT_OK_AND_ASSIGN(v1::Value value, ParseParameter("int:-5"));
  EXPECT_EQ(value.int_value(), -5);
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("double:0.5"));
  EXPECT_EQ(value.double_value(), 0.5);
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("bool:true"));
  EXPECT_TRUE(value.bool_value());
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("time:1970-01-01T00:00:01Z"));
  EXPECT_EQ(value.timestamp_us(), 1'000'000);
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("duration:250ms"));
  EXPECT_EQ(value.duration_us(), 250'000);
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("null"));
  EXPECT_EQ(value.kind_case(), v1::Value::KIND_NOT_SET);
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("text:null"));
  EXPECT_EQ(value.string_value(), "null");
  TV_ASSERT_OK_AND_ASSIGN(value, ParseParameter("https://example.org"));
  EXPECT_EQ(value.string_value(), "https://example.org");
}

TEST(ArgumentsTest, AParameterIsShownAsItIsTyped) {
  for (const std::string text : {"int:-5", "double:0.5", "bool:false", "time:1970-01-01T00:00:01Z",
                                 "duration:250ms", "text:subject-7", "text:int:5", "null"}) {
    TV_ASSERT_OK_AND_ASSIGN(const v1::Value value, ParseParameter(text));
    EXPECT_EQ(FormatParameter(value), text);
  }
  v1::Value other;
  other.set_duration_us(-3);
  EXPECT_EQ(FormatParameter(other), "duration:-3us");
  other.mutable_list_value()->add_values("a\"b");
  EXPECT_EQ(FormatParameter(other), R"(list:["a\"b"])");
}

TEST(ArgumentsTest, ABadParameterIsNotRepeatedInTheError) {
  const auto status = ParseParameter("int:hunter2").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(std::string(status.message()).find("hunter2"), std::string::npos);
}

TEST(ArgumentsTest, SecondsAreWhole) {
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t hour, ParseSeconds("--for", "1h"));
  EXPECT_EQ(hour, 3600u);
  EXPECT_THAT(ParseSeconds("--for", "250ms"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ArgumentsTest, AFileAboveItsBoundIsRefused) {
  Harness harness;
  const std::string path = harness.directory + "/text";
  std::ofstream(path) << "12345";
  TV_ASSERT_OK_AND_ASSIGN(const std::string text, ReadText(path, 5));
  EXPECT_EQ(text, "12345");
  EXPECT_THAT(ReadText(path, 4), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadText(path + "x", 4), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace televault::cli
