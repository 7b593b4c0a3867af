#include <string>

#include "tests/support/wire_recording.h"
#include "tests/unit/ingest/door.h"
#include "vault/mapping/otlp.h"
#include "vault/mapping/source.h"

namespace televault::ingest {
namespace {

using ::televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

auto Share(const std::string& dataset, bool take_unnamed) {
  return AllOf(Field(&OtlpShare::dataset, dataset), Field(&OtlpShare::take_unnamed, take_unnamed));
}

// Record `index` of the only scope names its dataset itself.
void Name(OtlpLogsRequest& request, int index, const std::string& dataset) {
  auto* name = request.mutable_resource_logs(0)
                   ->mutable_scope_logs(0)
                   ->mutable_log_records(index)
                   ->add_attributes();
  name->set_key("televault.dataset");
  name->mutable_value()->set_string_value(dataset);
}

TEST_F(DoorTest, TakesTheRecordedOtlpExports) {
  for (const testing::WireRequest& wire : testing::ReadRecording("otel-js-0.223.1")) {
    if (wire.url != "/v1/logs") continue;
    const OtlpLogsRequest request = wire.content_type == "application/json"
                                        ? mapping::OtlpLogsFromJson(wire.body).value()
                                        : mapping::OtlpLogsFromProto(wire.body).value();
    EXPECT_THAT(OtlpShares(request, "cli_usage"), ElementsAre(Share("cli_usage", true)));
    TV_ASSERT_OK_AND_ASSIGN(PreparedAppend prepared,
                            door_.PrepareOtlp(request, dataset_, true, now_));
    EXPECT_EQ(prepared.response.accepted(), 5u) << prepared.response.DebugString();
    EXPECT_EQ(prepared.response.rejected(), 0u);
    door_.Committed(prepared);
  }
  EXPECT_EQ(sink_.days.begin()->second.size(), 4u);
}

TEST_F(DoorTest, RefusesTheOtlpRecordsThatDoNotFitAndKeepsTheOthers) {
  OtlpLogsRequest request =
      mapping::OtlpLogsFromJson(testing::ReadRecording("otel-js-0.223.1")[0].body).value();
  auto& records = *request.mutable_resource_logs(0)->mutable_scope_logs(0)->mutable_log_records();
  auto* nested = records[1].add_attributes();
  nested->set_key("deep");
  nested->mutable_value()->mutable_kvlist_value();
  for (auto& attribute : *records[3].mutable_attributes()) {
    if (attribute.key() == "duration_ms") attribute.mutable_value()->set_string_value("slow");
  }
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend prepared,
                          door_.PrepareOtlp(request, dataset_, true, now_));
  EXPECT_EQ(prepared.response.accepted(), 3u);
  ASSERT_EQ(prepared.response.rejects_size(), 2);
  EXPECT_EQ(prepared.response.rejects(0).index(), 1u);
  EXPECT_EQ(prepared.response.rejects(0).rule(), "UNREADABLE");
  EXPECT_EQ(prepared.response.rejects(1).index(), 3u);
  EXPECT_EQ(prepared.response.rejects(1).message(), "field duration_ms: has to be a finite number");
  door_.Abandoned(prepared);
}

TEST_F(DoorTest, LeavesOtlpRecordsOfOtherDatasetsAlone) {
  OtlpLogsRequest request =
      mapping::OtlpLogsFromJson(testing::ReadRecording("otel-js-0.223.1")[0].body).value();
  *request.add_resource_logs() = request.resource_logs(0);
  auto* name = request.mutable_resource_logs(1)->mutable_resource()->add_attributes();
  name->set_key("televault.dataset");
  name->mutable_value()->set_string_value("cli_usage");
  EXPECT_THAT(OtlpShares(request, ""), ElementsAre(Share("", true), Share("cli_usage", false)));
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend prepared,
                          door_.PrepareOtlp(request, dataset_, false, now_));
  EXPECT_EQ(prepared.response.accepted(), 5u);
  door_.Abandoned(prepared);
}

// An export that named the default dataset in some records only was stored twice.
TEST_F(DoorTest, TakesEachRecordOfAMixedExportOnce) {
  OtlpLogsRequest request =
      mapping::OtlpLogsFromJson(testing::ReadRecording("otel-js-0.223.1")[0].body).value();
  auto& records = *request.mutable_resource_logs(0)->mutable_scope_logs(0)->mutable_log_records();
  records.DeleteSubrange(2, records.size() - 2);
  Name(request, 1, "cli_usage");
  uint32_t stored = 0;
  for (const OtlpShare& share : OtlpShares(request, "cli_usage")) {
    TV_ASSERT_OK_AND_ASSIGN(PreparedAppend prepared,
                            door_.PrepareOtlp(request, dataset_, share.take_unnamed, now_));
    stored += prepared.response.accepted();
    door_.Committed(prepared);
  }
  EXPECT_EQ(stored, 2u);
}

TEST_F(DoorTest, NumbersRefusedOtlpRecordsOverTheWholeExport) {
  OtlpLogsRequest request =
      mapping::OtlpLogsFromJson(testing::ReadRecording("otel-js-0.223.1")[0].body).value();
  Name(request, 0, "other");
  Name(request, 2, "other");
  auto& records = *request.mutable_resource_logs(0)->mutable_scope_logs(0)->mutable_log_records();
  for (auto& attribute : *records[3].mutable_attributes()) {
    if (attribute.key() == "duration_ms") attribute.mutable_value()->set_string_value("slow");
  }
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend prepared,
                          door_.PrepareOtlp(request, dataset_, true, now_));
  EXPECT_EQ(prepared.response.accepted(), 2u);
  ASSERT_EQ(prepared.response.rejects_size(), 1);
  EXPECT_EQ(prepared.response.rejects(0).index(), 3u);
  door_.Abandoned(prepared);
}

TEST_F(DoorTest, TakesTheRecordedGatsbyEventsThroughTheSampleMapping) {
  std::ifstream in("deploy/samples/sources/gatsby.yaml", std::ios::binary);
  const mapping::SourceMapping source =
      mapping::ParseSourceMapping(std::string(std::istreambuf_iterator<char>(in), {})).value();
  const auto parsed =
      mapping::ApplyMapping(source, testing::ReadRecording("gatsby-telemetry-4.13.1")[0].body)
          .value();
  mapping::Shape shape;
  for (const catalog::Field& field : dataset_->schema.fields) {
    shape.emplace_back(field.name, field.type);
  }
  v1::AppendRequest request;
  request.set_source("gatsby");
  for (mapping::Record record : parsed.records) {
    ASSERT_TRUE(mapping::CoerceRecord(shape, record).ok());
    mapping::ToEvent(record, shape, *request.mutable_rows()->add_events());
  }
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.accepted(), 5u) << response.DebugString();
}

}  // namespace
}  // namespace televault::ingest
