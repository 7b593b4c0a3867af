#pragma once

#include <string>
#include <string_view>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "vault/base/status.h"
#include "vault/mapping/record.h"

namespace televault::mapping {

using OtlpLogsRequest = ::opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;

// Attributes that mean something to the vault; on the log record or on its resource, the record
// wins, also with a consent version that is none: 0, or anything but a positive number.
inline constexpr std::string_view kDatasetAttribute = "televault.dataset";
inline constexpr std::string_view kConsentAttribute = "televault.consent.version";
inline constexpr std::string_view kSubjectAttribute = "televault.subject";
inline constexpr std::string_view kEventIdAttribute = "televault.event_id";

// OTLP/JSON (hex ids, 64-bit integers as number or text, enum numbers or names, unknown members
// ignored) to the protobuf message. At most limits::kMaxMessageBytes, nesting 100.
absl::StatusOr<OtlpLogsRequest> OtlpLogsFromJson(std::string_view json);

// Protobuf bytes, at most limits::kMaxMessageBytes.
absl::StatusOr<OtlpLogsRequest> OtlpLogsFromProto(std::string_view bytes);

// How attributes become fields.
struct OtlpNames {
  std::string subject_attribute;  // the manifest's what.subject.id_field; "" = televault.subject
  // attribute → field, where the names differ.
  std::vector<std::pair<std::string, std::string>> attributes;
};

// One record per log record, numbered from 1. Fields are the record's attributes; time is
// time_unix_nano, else observed_time_unix_nano. Bodies, scopes, trace ids and other resource
// attributes are not taken: they are not declared anywhere. Nested attribute values are errors of
// their record.
ParsedRecords RecordsOf(const OtlpLogsRequest& request, const OtlpNames& names);

}  // namespace televault::mapping
