#include "vault/mapping/source.h"

#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/wire_recording.h"

namespace televault::mapping {
namespace {

using ::televault::testing::StatusIs;
using ::testing::HasSubstr;

std::string Gatsby() {
  std::ifstream in("deploy/samples/sources/gatsby.yaml", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

constexpr char kSmall[] =
    "source: s\npath: /in\nevents: /batch\ntime: {pointer: /t, format: unix_ms}\n"
    "dataset: d\nfields: {n: /deep/n}\nsubject: /who\n";

// A 0 was read as no statement, so that the consent of the whole batch covered the event.
TEST(Source, TakesNoConsentFromANoticeThatWasNeverShown) {
  TV_ASSERT_OK_AND_ASSIGN(const SourceMapping mapping,
                          ParseSourceMapping(std::string(kSmall) + "consent: /notice\n"));
  TV_ASSERT_OK_AND_ASSIGN(
      const ParsedRecords parsed,
      ApplyMapping(mapping,
                   R"({"batch":[{"t":1,"notice":0},{"t":1,"notice":1},{"t":1},)"
                   R"({"t":1,"notice":null},{"t":1,"notice":"yes"},{"t":1,"notice":-1}]})"));
  ASSERT_EQ(parsed.records.size(), 6u);
  for (const size_t none : {0, 3, 4, 5}) {
    EXPECT_EQ(parsed.records[none].consent_version, 0u);
    v1::Event event;
    ToEvent(parsed.records[none], {}, event);
    EXPECT_TRUE(event.has_consent());
    EXPECT_FALSE(event.consent().given());
  }
  EXPECT_EQ(parsed.records[1].consent_version, 1u);
  EXPECT_EQ(parsed.records[2].consent_version, std::nullopt);
}

TEST(Source, MapsTheRecordedGatsbyEvents) {
  TV_ASSERT_OK_AND_ASSIGN(const SourceMapping mapping, ParseSourceMapping(Gatsby()));
  const auto requests = testing::ReadRecording("gatsby-telemetry-4.13.1");
  ASSERT_EQ(requests[0].url, mapping.path);
  TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed, ApplyMapping(mapping, requests[0].body));
  EXPECT_TRUE(parsed.errors.empty());
  EXPECT_EQ(parsed.skipped, 7u);
  ASSERT_EQ(parsed.records.size(), 5u);
  const Record& build = parsed.records[0];
  EXPECT_EQ(build.number, 3u);
  EXPECT_EQ(build.dataset, "cli_usage");
  EXPECT_EQ(build.consent_version, 4u);
  EXPECT_EQ(build.subject, "48d12252-4dbc-4d95-802a-715d181b6070");
  EXPECT_EQ(FormatRfc3339(*build.time), "2026-11-23T03:46:27.937Z");
  ASSERT_EQ(build.fields.size(), 4u);
  EXPECT_EQ(std::get<std::string>(build.fields[0].second), "build");
  EXPECT_EQ(std::get<int64_t>(build.fields[1].second), 2569);
  EXPECT_EQ(std::get<std::string>(build.fields[2].second), "4.13.1");
  EXPECT_EQ(std::get<std::string>(build.fields[3].second), "linux");
}

TEST(Source, ReadsEveryTimeFormat) {
  const std::pair<std::string, std::string> cases[] = {
      {"unix_s", "1795428000"},
      {"unix_s", "1795428000.0"},
      {"unix_ms", "\"1795428000000\""},
      {"unix_ns", "1795428000000000000"},
      {"rfc3339", "\"2026-11-23T11:00:00+01:00\""}};
  for (const auto& [format, time] : cases) {
    TV_ASSERT_OK_AND_ASSIGN(const SourceMapping mapping,
                            ParseSourceMapping("source: s\npath: /\ntime: {pointer: /t, format: " +
                                               format + "}\ndataset: d\nfields: {}\n"));
    TV_ASSERT_OK_AND_ASSIGN(const ParsedRecords parsed,
                            ApplyMapping(mapping, "{\"t\":" + time + "}"));
    ASSERT_EQ(parsed.records.size(), 1u) << format;
    EXPECT_EQ(FormatRfc3339(*parsed.records[0].time), "2026-11-23T10:00:00Z") << format;
  }
}

TEST(Source, KeepsGoodEventsAndNumbersBadOnes) {
  TV_ASSERT_OK_AND_ASSIGN(const SourceMapping mapping, ParseSourceMapping(kSmall));
  TV_ASSERT_OK_AND_ASSIGN(
      const ParsedRecords parsed,
      ApplyMapping(mapping, R"({"batch":[{"t":1,"deep":{"n":4}},{"t":"x"},7,{},{"t":2,"who":3},)"
                            R"({"t":9223372036854775807}]})"));
  ASSERT_EQ(parsed.records.size(), 1u);
  EXPECT_EQ(std::get<int64_t>(parsed.records[0].fields[0].second), 4);
  ASSERT_EQ(parsed.errors.size(), 5u);
  EXPECT_EQ(parsed.errors[1].message, "an event has to be an object");
  EXPECT_EQ(parsed.errors[2].message, "time: is missing");
  EXPECT_EQ(parsed.errors[3].message, "subject: has to be text");
  EXPECT_EQ(parsed.errors[4].message, "time: out of range");
}

TEST(Source, RefusesAMappingItDoesNotUnderstand) {
  EXPECT_THAT(ParseSourceMapping(std::string(kSmall) + "subjct: /x\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean subject?")));
  EXPECT_THAT(ParseSourceMapping("source: s\npath: in\ntime: {pointer: t}\ndataset: d\nfields: {}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JSON pointer")));
  EXPECT_THAT(ParseSourceMapping(""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Source, RefusesADocumentWithoutEvents) {
  TV_ASSERT_OK_AND_ASSIGN(const SourceMapping mapping, ParseSourceMapping(kSmall));
  EXPECT_THAT(ApplyMapping(mapping, "{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no events at /batch")));
}

}  // namespace
}  // namespace televault::mapping
