#include "vault/mapping/otlp.h"

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/wire_recording.h"

namespace televault::mapping {
namespace {

using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
namespace common = ::opentelemetry::proto::common::v1;

absl::StatusOr<OtlpLogsRequest> Decode(const testing::WireRequest& request) {
  return request.content_type == "application/json" ? OtlpLogsFromJson(request.body)
                                                    : OtlpLogsFromProto(request.body);
}

TEST(Otlp, ReadsTheRecordedExportsInEveryEncoding) {
  size_t exports = 0;
  for (const testing::WireRequest& request : testing::ReadRecording("otel-js-0.223.1")) {
    if (request.url != "/v1/logs") continue;
    ++exports;
    TV_ASSERT_OK_AND_ASSIGN(const OtlpLogsRequest logs, Decode(request));
    const ParsedRecords parsed = RecordsOf(logs, {.subject_attribute = "machine_id"});
    EXPECT_TRUE(parsed.errors.empty());
    ASSERT_EQ(parsed.records.size(), 5u);
    const Record& first = parsed.records[0];
    EXPECT_EQ(first.subject, "m-0");
    EXPECT_EQ(first.consent_version, 4u);
    EXPECT_EQ(first.fields.size(), 5u);
    EXPECT_EQ(first.fields[0].first, "command");
    EXPECT_EQ(std::get<std::string>(first.fields[0].second), "build");
    EXPECT_EQ(DayOf(*first.time), ParseDay("2026-11-23").value());
  }
  EXPECT_EQ(exports, 4u);
}

TEST(Otlp, JsonAndProtobufOfOneExportAreTheSame) {
  const auto requests = testing::ReadRecording("otel-js-0.223.1");
  const OtlpLogsRequest json = Decode(requests[0]).value();
  std::string bytes;
  ASSERT_TRUE(json.SerializeToString(&bytes));
  EXPECT_EQ(OtlpLogsFromProto(bytes).value().SerializeAsString(), bytes);
}

TEST(Otlp, TakesIdsAsHexAndIntegersAsText) {
  TV_ASSERT_OK_AND_ASSIGN(
      const OtlpLogsRequest request,
      OtlpLogsFromJson(R"({"resourceLogs":[{"resource":{"attributes":[{"key":"televault.dataset",)"
                       R"("value":{"stringValue":"cli_usage"}}]},"scopeLogs":[{"logRecords":[)"
                       R"({"timeUnixNano":"1795428000000000000","severityNumber":)"
                       R"("SEVERITY_NUMBER_INFO","traceId":"0102030405060708090A0b0c0d0e0f10",)"
                       R"("unknown":{"x":[1]},"attributes":[{"key":"n","value":)"
                       R"({"intValue":"-9223372036854775808"}},{"key":"d","value":)"
                       R"({"doubleValue":"1.5"}}]}]}]}]})"));
  const auto& record = request.resource_logs(0).scope_logs(0).log_records(0);
  EXPECT_EQ(record.trace_id().size(), 16u);
  EXPECT_EQ(record.severity_number(), 9);
  EXPECT_EQ(record.attributes(0).value().int_value(), INT64_MIN);
  const ParsedRecords parsed = RecordsOf(request, {.attributes = {{"n", "number"}}});
  EXPECT_EQ(parsed.records[0].dataset, "cli_usage");
  EXPECT_EQ(parsed.records[0].fields[0].first, "number");
  EXPECT_EQ(parsed.records[0].time->micros, 1'795'428'000'000'000);
}

TEST(Otlp, SaysWhereADocumentIsWrong) {
  EXPECT_THAT(
      OtlpLogsFromJson(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"zz"}]}]}]})"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("/resourceLogs/0/scopeLogs/0/logRecords/0/traceId: has to be 32")));
  EXPECT_THAT(OtlpLogsFromJson(R"({"resourceLogs":{}})"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has to be a list")));
  EXPECT_THAT(OtlpLogsFromJson("{"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(OtlpLogsFromProto("\x0a\xff"), StatusIs(absl::StatusCode::kInvalidArgument));
}

common::AnyValue TextOf(const std::string& text) {
  common::AnyValue value;
  value.set_string_value(text);
  return value;
}

common::AnyValue IntOf(int64_t number) {
  common::AnyValue value;
  value.set_int_value(number);
  return value;
}

void SetConsent(common::KeyValue& attribute, const common::AnyValue& value) {
  attribute.set_key(std::string(kConsentAttribute));
  *attribute.mutable_value() = value;
}

// What is no version was ignored, and the resource's consent covered a subject that had said no.
TEST(Otlp, ARecordThatRefusesConsentWinsOverItsResource) {
  common::AnyValue yes;
  yes.set_bool_value(true);
  for (const common::AnyValue& said : {IntOf(0), IntOf(-1), IntOf(INT64_MAX), TextOf("none"),
                                       TextOf(""), yes, common::AnyValue()}) {
    OtlpLogsRequest request;
    auto* resource = request.add_resource_logs();
    SetConsent(*resource->mutable_resource()->add_attributes(), IntOf(4));
    auto* scope = resource->add_scope_logs();
    SetConsent(*scope->add_log_records()->add_attributes(), said);
    SetConsent(*scope->add_log_records()->add_attributes(), TextOf("5"));
    scope->add_log_records();
    const ParsedRecords parsed = RecordsOf(request, {});
    ASSERT_EQ(parsed.records.size(), 3u);
    EXPECT_EQ(parsed.records[0].consent_version, 0u);
    EXPECT_EQ(parsed.records[1].consent_version, 5u);
    EXPECT_EQ(parsed.records[2].consent_version, 4u);
    v1::Event event;
    ToEvent(parsed.records[0], {}, event);
    EXPECT_TRUE(event.has_consent());
    EXPECT_FALSE(event.consent().given());
  }
}

// Half a character in the message of a reject made the whole answer unreadable.
TEST(Otlp, CutsALongNameAfterAWholeCharacter) {
  OtlpLogsRequest request;
  auto* nested = request.add_resource_logs()->add_scope_logs()->add_log_records()->add_attributes();
  nested->set_key(std::string(63, 'x') + "ß");
  nested->mutable_value()->mutable_kvlist_value();
  const ParsedRecords parsed = RecordsOf(request, {});
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_THAT(parsed.errors[0].message, HasSubstr(std::string(63, 'x') + ":"));
}

TEST(Otlp, RefusesANestedAttributeOfOneRecordOnly) {
  OtlpLogsRequest request;
  auto* scope = request.add_resource_logs()->add_scope_logs();
  auto* nested = scope->add_log_records()->add_attributes();
  nested->set_key("deep");
  nested->mutable_value()->mutable_kvlist_value();
  scope->add_log_records()->set_observed_time_unix_nano(5'000);
  const ParsedRecords parsed = RecordsOf(request, {});
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].number, 1u);
  ASSERT_EQ(parsed.records.size(), 1u);
  EXPECT_EQ(parsed.records[0].number, 2u);
  EXPECT_EQ(parsed.records[0].time->micros, 5);
}

}  // namespace
}  // namespace televault::mapping
