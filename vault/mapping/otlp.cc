#include "vault/mapping/otlp.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/mapping/json.h"

namespace televault::mapping {
namespace {

namespace common = ::opentelemetry::proto::common::v1;
namespace logs = ::opentelemetry::proto::logs::v1;
using nlohmann::json;

// Where in the document an error is, as a path of member names and indices.
absl::Status At(const std::string& path, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(message)));
}

const json* Member(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

absl::Status WantObject(const json& value, const std::string& path) {
  return value.is_object() ? absl::OkStatus() : At(path, "has to be an object");
}

// Calls `each` for the items of the list `name`; an absent list is empty.
template <class F>
absl::Status ForEach(const json& object, const char* name, const std::string& path, F each) {
  const json* list = Member(object, name);
  if (list == nullptr) return absl::OkStatus();
  const std::string at = absl::StrCat(path, "/", name);
  if (!list->is_array()) return At(at, "has to be a list");
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string item = absl::StrCat(at, "/", i);
    TV_RETURN_IF_ERROR(WantObject((*list)[i], item));
    TV_RETURN_IF_ERROR(each((*list)[i], item));
  }
  return absl::OkStatus();
}

// 64-bit integers come as number or as text.
template <class T>
absl::Status Integer(const json& object, const char* name, const std::string& path, T& out) {
  const json* value = Member(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (value->is_number_unsigned()) {
    const uint64_t number = value->get<uint64_t>();
    if (number <= static_cast<uint64_t>(std::numeric_limits<T>::max())) {
      out = static_cast<T>(number);
      return absl::OkStatus();
    }
  } else if (value->is_number_integer()) {
    const int64_t number = value->get<int64_t>();
    if (number >= 0 || std::numeric_limits<T>::is_signed) {
      out = static_cast<T>(number);
      return absl::OkStatus();
    }
  } else if (value->is_string() && absl::SimpleAtoi(value->get_ref<const std::string&>(), &out)) {
    return absl::OkStatus();
  }
  return At(absl::StrCat(path, "/", name), "has to be a whole number, as number or text");
}

absl::Status Text(const json& object, const char* name, const std::string& path, std::string& out) {
  const json* value = Member(object, name);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return At(absl::StrCat(path, "/", name), "has to be text");
  out = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status HexId(const json& object, const char* name, const std::string& path, size_t bytes,
                   std::string& out) {
  std::string hex;
  TV_RETURN_IF_ERROR(Text(object, name, path, hex));
  absl::StatusOr<std::string> id = FromHex(hex);
  if (!id.ok() || (!id->empty() && id->size() != bytes)) {
    return At(absl::StrCat(path, "/", name), absl::StrCat("has to be ", 2 * bytes, " hex digits"));
  }
  out = std::move(*id);
  return absl::OkStatus();
}

absl::Status ReadValue(const json& in, const std::string& path, common::AnyValue& out);

absl::Status ReadKeyValue(const json& in, const std::string& path, common::KeyValue& out) {
  TV_RETURN_IF_ERROR(Text(in, "key", path, *out.mutable_key()));
  if (const json* value = Member(in, "value")) {
    return ReadValue(*value, path + "/value", *out.mutable_value());
  }
  return absl::OkStatus();
}

absl::Status ReadValue(const json& in, const std::string& path, common::AnyValue& out) {
  TV_RETURN_IF_ERROR(WantObject(in, path));
  if (Member(in, "stringValue") != nullptr) {
    return Text(in, "stringValue", path, *out.mutable_string_value());
  }
  if (Member(in, "intValue") != nullptr) {
    int64_t number = 0;
    TV_RETURN_IF_ERROR(Integer(in, "intValue", path, number));
    out.set_int_value(number);
  } else if (const json* boolean = Member(in, "boolValue")) {
    if (!boolean->is_boolean()) return At(path + "/boolValue", "has to be true or false");
    out.set_bool_value(boolean->get<bool>());
  } else if (const json* number = Member(in, "doubleValue")) {
    double parsed = 0;
    if (number->is_number()) {
      parsed = number->get<double>();
    } else if (!number->is_string() ||
               !absl::SimpleAtod(number->get_ref<const std::string&>(), &parsed)) {
      return At(path + "/doubleValue", "has to be a number");
    }
    out.set_double_value(parsed);
  } else if (Member(in, "bytesValue") != nullptr) {
    std::string base64;
    TV_RETURN_IF_ERROR(Text(in, "bytesValue", path, base64));
    if (!absl::Base64Unescape(base64, out.mutable_bytes_value())) {
      return At(path + "/bytesValue", "has to be base64");
    }
  } else if (const json* array = Member(in, "arrayValue")) {
    TV_RETURN_IF_ERROR(WantObject(*array, path + "/arrayValue"));
    out.mutable_array_value();
    return ForEach(*array, "values", path + "/arrayValue",
                   [&](const json& item, const std::string& at) {
                     return ReadValue(item, at, *out.mutable_array_value()->add_values());
                   });
  } else if (const json* list = Member(in, "kvlistValue")) {
    TV_RETURN_IF_ERROR(WantObject(*list, path + "/kvlistValue"));
    out.mutable_kvlist_value();
    return ForEach(*list, "values", path + "/kvlistValue",
                   [&](const json& item, const std::string& at) {
                     return ReadKeyValue(item, at, *out.mutable_kvlist_value()->add_values());
                   });
  }
  return absl::OkStatus();
}

absl::Status ReadSeverity(const json& in, const std::string& path, logs::LogRecord& out) {
  const json* value = Member(in, "severityNumber");
  if (value == nullptr) return absl::OkStatus();
  logs::SeverityNumber severity{};
  if (value->is_string() &&
      logs::SeverityNumber_Parse(value->get_ref<const std::string&>(), &severity)) {
    out.set_severity_number(severity);
    return absl::OkStatus();
  }
  uint32_t number = 0;
  TV_RETURN_IF_ERROR(Integer(in, "severityNumber", path, number));
  out.set_severity_number(static_cast<logs::SeverityNumber>(std::min<uint32_t>(number, 1'000)));
  return absl::OkStatus();
}

absl::Status ReadRecord(const json& in, const std::string& path, logs::LogRecord& out) {
  uint64_t time = 0;
  uint64_t observed = 0;
  TV_RETURN_IF_ERROR(Integer(in, "timeUnixNano", path, time));
  TV_RETURN_IF_ERROR(Integer(in, "observedTimeUnixNano", path, observed));
  out.set_time_unix_nano(time);
  out.set_observed_time_unix_nano(observed);
  TV_RETURN_IF_ERROR(ReadSeverity(in, path, out));
  TV_RETURN_IF_ERROR(Text(in, "severityText", path, *out.mutable_severity_text()));
  TV_RETURN_IF_ERROR(Text(in, "eventName", path, *out.mutable_event_name()));
  TV_RETURN_IF_ERROR(HexId(in, "traceId", path, 16, *out.mutable_trace_id()));
  TV_RETURN_IF_ERROR(HexId(in, "spanId", path, 8, *out.mutable_span_id()));
  uint32_t number = 0;
  TV_RETURN_IF_ERROR(Integer(in, "flags", path, number));
  out.set_flags(number);
  number = 0;
  TV_RETURN_IF_ERROR(Integer(in, "droppedAttributesCount", path, number));
  out.set_dropped_attributes_count(number);
  if (const json* body = Member(in, "body")) {
    TV_RETURN_IF_ERROR(ReadValue(*body, path + "/body", *out.mutable_body()));
  }
  return ForEach(in, "attributes", path, [&](const json& item, const std::string& at) {
    return ReadKeyValue(item, at, *out.add_attributes());
  });
}

absl::Status ReadResourceLogs(const json& in, const std::string& path, logs::ResourceLogs& out) {
  if (const json* resource = Member(in, "resource")) {
    TV_RETURN_IF_ERROR(WantObject(*resource, path + "/resource"));
    TV_RETURN_IF_ERROR(ForEach(
        *resource, "attributes", path + "/resource", [&](const json& item, const std::string& at) {
          return ReadKeyValue(item, at, *out.mutable_resource()->add_attributes());
        }));
  }
  return ForEach(in, "scopeLogs", path, [&](const json& item, const std::string& at) {
    logs::ScopeLogs& scope = *out.add_scope_logs();
    return ForEach(item, "logRecords", at, [&](const json& record, const std::string& record_at) {
      return ReadRecord(record, record_at, *scope.add_log_records());
    });
  });
}

absl::StatusOr<FieldValue> FromAnyValue(const common::AnyValue& value) {
  switch (value.value_case()) {
    case common::AnyValue::kStringValue:
      return FieldValue(value.string_value());
    case common::AnyValue::kBoolValue:
      return FieldValue(value.bool_value());
    case common::AnyValue::kIntValue:
      return FieldValue(static_cast<int64_t>(value.int_value()));
    case common::AnyValue::kDoubleValue:
      return FieldValue(value.double_value());
    case common::AnyValue::kArrayValue: {
      std::vector<std::string> list;
      for (const common::AnyValue& item : value.array_value().values()) {
        if (item.value_case() != common::AnyValue::kStringValue) {
          return absl::InvalidArgumentError("a list may hold texts only");
        }
        list.push_back(item.string_value());
      }
      return FieldValue(std::move(list));
    }
    case common::AnyValue::VALUE_NOT_SET:
      return FieldValue();
    default:
      return absl::InvalidArgumentError("nested values and bytes have no field to go to");
  }
}

// One attribute to where it belongs.
absl::Status TakeAttribute(const common::KeyValue& attribute, const OtlpNames& names,
                           bool of_resource, Record& record) {
  const std::string& key = attribute.key();
  const common::AnyValue& value = attribute.value();
  if (key == kDatasetAttribute) {
    record.dataset = value.string_value();
  } else if (key == kConsentAttribute) {
    int64_t version = value.int_value();
    if (value.has_string_value() && !absl::SimpleAtoi(value.string_value(), &version)) version = 0;
    // Whatever else it says is no consent, also where the resource has some.
    const bool given = version > 0 && version <= UINT32_MAX;
    record.consent_version = given ? static_cast<uint32_t>(version) : 0;
  } else if (key == kEventIdAttribute) {
    record.id = value.string_value();
  } else if (key == kSubjectAttribute ||
             (!names.subject_attribute.empty() && key == names.subject_attribute)) {
    if (!value.has_string_value()) return absl::InvalidArgumentError(key + ": has to be text");
    record.subject = value.string_value();
  } else if (!of_resource) {
    absl::StatusOr<FieldValue> field = FromAnyValue(value);
    if (!field.ok())
      return Annotate(field.status(),
                      absl::StrCat("attribute ", ToAbsl(Utf8Prefix(key, limits::kMaxNameBytes))));
    const auto renamed = std::find_if(names.attributes.begin(), names.attributes.end(),
                                      [&](const auto& pair) { return pair.first == key; });
    const std::string& name = renamed == names.attributes.end() ? key : renamed->second;
    if (name.empty() || name.size() > limits::kMaxNameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("an attribute name has 1 to ", limits::kMaxNameBytes, " bytes"));
    }
    if (record.fields.size() >= limits::kMaxColumns) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", limits::kMaxColumns, " attributes"));
    }
    record.fields.emplace_back(name, std::move(*field));
  }
  return absl::OkStatus();
}

// For a record that could not be read: to whom its loss is reported.
std::string DatasetOf(const logs::ResourceLogs& resource, const logs::LogRecord& log) {
  for (const auto* attributes : {&log.attributes(), &resource.resource().attributes()}) {
    for (const common::KeyValue& attribute : *attributes) {
      if (attribute.key() == kDatasetAttribute) return attribute.value().string_value();
    }
  }
  return "";
}

absl::StatusOr<Record> RecordOf(const logs::ResourceLogs& resource, const logs::LogRecord& log,
                                const OtlpNames& names) {
  Record record;
  for (const common::KeyValue& attribute : resource.resource().attributes()) {
    TV_RETURN_IF_ERROR(TakeAttribute(attribute, names, true, record));
  }
  for (const common::KeyValue& attribute : log.attributes()) {
    TV_RETURN_IF_ERROR(TakeAttribute(attribute, names, false, record));
  }
  const uint64_t nanos =
      log.time_unix_nano() != 0 ? log.time_unix_nano() : log.observed_time_unix_nano();
  if (nanos != 0) record.time = WallTime{static_cast<int64_t>(nanos / 1'000)};
  return record;
}

}  // namespace

absl::StatusOr<OtlpLogsRequest> OtlpLogsFromJson(std::string_view text) {
  TV_ASSIGN_OR_RETURN(const json document, ParseJson(text, limits::kMaxMessageBytes));
  OtlpLogsRequest request;
  TV_RETURN_IF_ERROR(WantObject(document, "document"));
  TV_RETURN_IF_ERROR(
      ForEach(document, "resourceLogs", "", [&](const json& item, const std::string& at) {
        return ReadResourceLogs(item, at, *request.add_resource_logs());
      }));
  return request;
}

absl::StatusOr<OtlpLogsRequest> OtlpLogsFromProto(std::string_view bytes) {
  OtlpLogsRequest request;
  if (bytes.size() > limits::kMaxMessageBytes) {
    return absl::InvalidArgumentError("longer than 64 MiB");
  }
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kMaxJsonDepth);
  if (!request.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage()) {
    return absl::InvalidArgumentError("is not an OTLP ExportLogsServiceRequest");
  }
  return request;
}

ParsedRecords RecordsOf(const OtlpLogsRequest& request, const OtlpNames& names) {
  ParsedRecords parsed;
  uint64_t number = 0;
  for (const logs::ResourceLogs& resource : request.resource_logs()) {
    for (const logs::ScopeLogs& scope : resource.scope_logs()) {
      for (const logs::LogRecord& log : scope.log_records()) {
        ++number;
        absl::StatusOr<Record> record = RecordOf(resource, log, names);
        if (record.ok()) {
          record->number = number;
          parsed.records.push_back(std::move(*record));
        } else {
          parsed.errors.push_back(
              {number, std::string(record.status().message()), DatasetOf(resource, log)});
        }
      }
    }
  }
  return parsed;
}

}  // namespace televault::mapping
