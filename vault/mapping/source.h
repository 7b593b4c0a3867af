#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/base/status.h"
#include "vault/mapping/record.h"

namespace televault::mapping {

enum class TimeFormat : uint8_t { kRfc3339, kUnixSeconds, kUnixMillis, kUnixNanos };
enum class WriteKey : uint8_t { kNone, kBearer, kBasic, kPointer };

// A mapping file: how any JSON becomes records (docs/formats/source-mapping-v1.md).
struct SourceMapping {
  std::string source;
  std::string path;    // of the HTTP request, exact
  std::string events;  // JSON pointer to the array or the single object; "" = the document
  std::string id;      // JSON pointers into one event; "" = none
  std::string subject;
  std::string time;
  TimeFormat time_format = TimeFormat::kRfc3339;
  std::string dataset;  // fixed, or
  std::string dataset_pointer;
  std::vector<std::pair<std::string, std::string>> dataset_map;  // value → dataset
  // `other: skip`: events whose value is not in the map are left out, not refused.
  bool skip_unmapped = false;
  std::string consent;                      // JSON pointer to the notice version; "" = none, or
  std::optional<uint32_t> consent_version;  // the one this client always shows
  struct FieldMap {
    std::string field;
    std::string pointer;
    std::vector<std::pair<std::string, std::string>> values;  // value → what is stored
    std::optional<std::string> other;                         // for a value not in `values`
  };
  std::vector<FieldMap> fields;
  WriteKey key = WriteKey::kNone;
  std::string key_pointer;
  int reply_status = 200;
  std::string reply_type = "application/json";
  std::string reply_body = "{}";
};

// At most 64 KiB of YAML; unknown keys, aliases, bad pointers are INVALID_ARGUMENT with line and
// column.
absl::StatusOr<SourceMapping> ParseSourceMapping(std::string_view yaml);

// Applies the mapping to one document of at most limits::kMaxMessageBytes and nesting 100.
// INVALID_ARGUMENT where the document is no JSON or `events` points nowhere; errors of single
// events are in the result.
absl::StatusOr<ParsedRecords> ApplyMapping(const SourceMapping& mapping, std::string_view json);

}  // namespace televault::mapping
