#include "vault/mapping/text.h"

#include <string>

#include "tests/support/status_matchers.h"

namespace televault::mapping {
namespace {

using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

const Shape kShape = {{"count", catalog::FieldType::kInt},
                      {"took", catalog::FieldType::kDuration},
                      {"at", catalog::FieldType::kTimestamp},
                      {"tags", catalog::FieldType::kStringList}};

TEST(Ndjson, ReadsFieldsTimeSubjectAndId) {
  TV_ASSERT_OK_AND_ASSIGN(
      const Record record,
      ParseNdjsonLine(R"({"event_time":"2026-11-23T10:00:00.5Z","subject":"m-1","event_id":"e1",)"
                      R"("count":3,"took":"250ms","at":"2026-11-23T10:00:00Z","ok":true,)"
                      R"("ratio":0.5,"tags":["a","b"],"none":null})",
                      7, {}, kShape));
  EXPECT_EQ(record.number, 7u);
  EXPECT_EQ(FormatRfc3339(*record.time), "2026-11-23T10:00:00.5Z");
  EXPECT_EQ(record.subject, "m-1");
  EXPECT_EQ(record.id, "e1");
  v1::Event event;
  ToEvent(record, kShape, event);
  EXPECT_EQ(event.fields().at("count").int_value(), 3);
  EXPECT_EQ(event.fields().at("took").duration_us(), 250'000);
  EXPECT_EQ(event.fields().at("at").timestamp_us(), 1'795'428'000'000'000);
  EXPECT_TRUE(event.fields().at("ok").bool_value());
  EXPECT_EQ(event.fields().at("ratio").double_value(), 0.5);
  EXPECT_EQ(event.fields().at("tags").list_value().values_size(), 2);
  EXPECT_EQ(event.fields().at("none").kind_case(), v1::Value::KIND_NOT_SET);
  EXPECT_EQ(event.time().nanos(), 500'000'000);
}

TEST(Ndjson, TakesMillisecondsAsTime) {
  TV_ASSERT_OK_AND_ASSIGN(const Record record,
                          ParseNdjsonLine(R"({"event_time":1795428000123})", 1, {}, {}));
  EXPECT_EQ(record.time->micros, 1'795'428'000'123'000);
}

TEST(Ndjson, KeepsTheGoodLinesAndNumbersTheBadOnes) {
  const ParsedRecords parsed = ParseNdjson(
      "{\"count\":1}\n\n{\"count\":\"secret\"}\r\n[1]\n{\"a\":{\"b\":1}}\n{\"count\":2}", {},
      kShape);
  ASSERT_EQ(parsed.records.size(), 2u);
  EXPECT_EQ(parsed.records[1].number, 6u);
  ASSERT_EQ(parsed.errors.size(), 3u);
  EXPECT_EQ(parsed.errors[0].number, 3u);
  EXPECT_EQ(parsed.errors[0].message, "field count: has to be a whole number");
  EXPECT_EQ(parsed.errors[1].number, 4u);
  EXPECT_EQ(parsed.errors[2].number, 5u);
  for (const RecordError& error : parsed.errors)
    EXPECT_THAT(error.message, Not(HasSubstr("secret")));
}

TEST(Ndjson, RefusesDepthAndHugeNumbers) {
  EXPECT_THAT(ParseNdjsonLine("{\"a\":" + std::string(5'000, '[') + "}", 1, {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper")));
  EXPECT_THAT(ParseNdjsonLine("{\"a\":18446744073709551615}", 1, {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 bits")));
  EXPECT_FALSE(ParseNdjsonLine("{\"a\":\"\xff\"}", 1, {}, {}).ok());
}

TEST(Csv, ReadsQuotedCellsNullsAndLists) {
  TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed,
                          ParseCsv("event_time,subject,count,note,tags\r\n"
                                   "2026-11-23T10:00:00Z,m-1,3,\"a, \"\"b\"\"\nc\",x;y\r\n"
                                   "\r\n"
                                   "1795428000000,,,\"\",",
                                   {}, kShape));
  EXPECT_TRUE(parsed.errors.empty());
  ASSERT_EQ(parsed.records.size(), 2u);
  const Record& first = parsed.records[0];
  EXPECT_EQ(first.number, 2u);
  EXPECT_EQ(first.subject, "m-1");
  EXPECT_EQ(std::get<int64_t>(first.fields[0].second), 3);
  EXPECT_EQ(std::get<std::string>(first.fields[1].second), "a, \"b\"\nc");
  EXPECT_EQ(std::get<std::vector<std::string>>(first.fields[2].second).size(), 2u);
  const Record& second = parsed.records[1];
  EXPECT_EQ(second.number, 5u);
  EXPECT_EQ(second.time->micros, 1'795'428'000'000'000);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(second.fields[0].second));
  EXPECT_EQ(std::get<std::string>(second.fields[1].second), "");
}

TEST(Csv, ReadsTheSameWhateverThePiecesAre) {
  const std::string text = "a,b\n\"1\n\",2\n3,\"4\"\"\"\n5\n6,7";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    CsvReader reader({}, {});
    ParsedRecords parsed;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(std::string_view(text).substr(at, piece), parsed).ok());
    }
    ASSERT_TRUE(reader.Finish(parsed).ok());
    ASSERT_EQ(parsed.records.size(), 3u);
    EXPECT_EQ(std::get<std::string>(parsed.records[1].fields[1].second), "4\"");
    EXPECT_EQ(parsed.records[2].number, 6u);
    ASSERT_EQ(parsed.errors.size(), 1u);
    EXPECT_EQ(parsed.errors[0].number, 5u);
    EXPECT_EQ(parsed.errors[0].message, "1 cells, but the header has 2");
  }
}

TEST(Csv, RefusesABadHeader) {
  for (const std::string text : {"", "a,,b\n1,2,3\n", "a,a\n1,2\n", "\"a\n1\n"}) {
    EXPECT_THAT(ParseCsv(text, {}, {}), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

// Over its bound a quoted cell was closed, and its next lines were stored as events.
TEST(Csv, NeverReadsTheLinesOfALongCellAsRecords) {
  const std::string cell = std::string(1024 * 1024, 'x') + "\nforged\n\"\"\nforged too\n";
  TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed,
                          ParseCsv("a\n1\n\"" + cell + "\"\n2\n", {}, {}));
  ASSERT_EQ(parsed.records.size(), 2u);
  EXPECT_EQ(std::get<std::string>(parsed.records[1].fields[0].second), "2");
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].number, 3u);
}

// A foreign byte made the batch impossible to encode and ended the import.
TEST(Csv, RefusesTheRecordWithAForeignByteAndTakesTheOthers) {
  TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed,
                          ParseCsv("a,b\n1,caf\xE9\n2,caf\xC3\xA9\n", {}, {}));
  ASSERT_EQ(parsed.records.size(), 1u);
  EXPECT_EQ(parsed.records[0].number, 3u);
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].number, 2u);
  EXPECT_EQ(parsed.errors[0].message, "column b: is not UTF-8: convert the file");
  EXPECT_THAT(ParseCsv("a,caf\xE9\n1,2\n", {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name 2 is not UTF-8")));
}

TEST(Csv, SkipsAByteOrderMarkWhateverThePiecesAre) {
  for (const size_t piece : {1, 2, 3, 100}) {
    const std::string text = "\xEF\xBB\xBF\"a\",b\n1,2\n";
    CsvReader reader({}, {});
    ParsedRecords parsed;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(std::string_view(text).substr(at, piece), parsed).ok());
    }
    ASSERT_TRUE(reader.Finish(parsed).ok());
    ASSERT_EQ(parsed.records.size(), 1u);
    EXPECT_EQ(parsed.records[0].fields[0].first, "a");
  }
  // Half a mark is no mark.
  EXPECT_THAT(ParseCsv("\xEF\xBB,b\n1,2\n", {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("name 1 is not UTF-8")));
}

TEST(Csv, ReportsARecordWithoutEndOnce) {
  TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed,
                          ParseCsv("a\n1\n\"" + std::string(2 * 1024 * 1024, 'x'), {}, {}));
  EXPECT_EQ(parsed.records.size(), 1u);
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].number, 3u);
}

}  // namespace
}  // namespace televault::mapping
