#include "admin-cli/ingest/record_source.h"

#include <fstream>

#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"
#include "vault/base/limits.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

struct Read {
  std::vector<uint64_t> lines;
  std::vector<uint64_t> errors;
};

class RecordSourceTest : public ::testing::Test {
 protected:
  absl::StatusOr<Read> ReadAll(const std::string& content, RecordFormat format) {
    const std::string path = harness_.directory + "/input";
    std::ofstream(path, std::ios::binary) << content;
    Read read;
    RecordSourceOptions options;
    options.format = format;
    TV_RETURN_IF_ERROR(ReadRecords(path, options, [&](mapping::ParsedRecords&& records) {
      for (const auto& record : records.records) read.lines.push_back(record.number);
      for (const auto& error : records.errors) read.errors.push_back(error.number);
      return absl::OkStatus();
    }));
    return read;
  }
  Harness harness_;
};

TEST_F(RecordSourceTest, NdjsonKeepsLineNumbersOverEmptyAndBrokenLines) {
  TV_ASSERT_OK_AND_ASSIGN(const Read read,
                          ReadAll("{\"a\":1}\r\n\n{broken\n{\"a\":2}", RecordFormat::kNdjson));
  EXPECT_EQ(read.lines, (std::vector<uint64_t>{1, 4}));
  EXPECT_EQ(read.errors, (std::vector<uint64_t>{3}));
}

TEST_F(RecordSourceTest, ALineOverTheBoundIsOneErrorAndTheNextLineIsFine) {
  const std::string content = "{\"a\":\"" + std::string(3 * limits::MiB, 'x') + "\"}\n{\"a\":2}\n";
  TV_ASSERT_OK_AND_ASSIGN(const Read read, ReadAll(content, RecordFormat::kNdjson));
  EXPECT_EQ(read.errors, (std::vector<uint64_t>{1}));
  EXPECT_EQ(read.lines, (std::vector<uint64_t>{2}));
}

TEST_F(RecordSourceTest, LinesThatCrossPiecesAreWhole) {
  std::string content;
  constexpr int kLines = 20'000;
  for (int i = 0; i < kLines; ++i) content += "{\"a\":\"0123456789012345678901234567890\"}\n";
  TV_ASSERT_OK_AND_ASSIGN(const Read read, ReadAll(content, RecordFormat::kNdjson));
  ASSERT_EQ(read.lines.size(), static_cast<size_t>(kLines));
  EXPECT_EQ(read.lines.back(), static_cast<uint64_t>(kLines));
  EXPECT_TRUE(read.errors.empty());
}

TEST_F(RecordSourceTest, FormatsAreNamedOrGuessedFromTheEnding) {
  TV_ASSERT_OK_AND_ASSIGN(RecordFormat format, ParseRecordFormat("", "x.jsonl"));
  EXPECT_EQ(format, RecordFormat::kNdjson);
  TV_ASSERT_OK_AND_ASSIGN(format, ParseRecordFormat("otlp-pb", "x.csv"));
  EXPECT_EQ(format, RecordFormat::kOtlpProto);
  EXPECT_THAT(ParseRecordFormat("", "-"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseRecordFormat("xml", "x.csv"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RecordSourceTest, AnErrorOfTheSinkEndsTheReading) {
  const std::string path = harness_.directory + "/input";
  std::ofstream(path) << "{}\n";
  RecordSourceOptions options;
  EXPECT_THAT(ReadRecords(path, options,
                          [](mapping::ParsedRecords&&) { return absl::AbortedError("stop"); }),
              StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace televault::cli
