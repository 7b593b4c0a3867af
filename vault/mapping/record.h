#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "televault/v1/ingest_service.pb.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/schema.h"

namespace televault::mapping {

// A value as the foreign format had it; monostate is null.
using FieldValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<std::string>>;

// One foreign record in neutral form: nothing is checked against a manifest yet.
struct Record {
  uint64_t number = 0;  // line (text formats) or position from 1 (OTLP, JSON arrays)
  std::optional<WallTime> time;
  std::string subject;  // raw id, never stored
  std::string id;       // event id; "" = none
  std::string dataset;  // "" = the caller's choice
  // Version of the notice that the subject agreed to; 0: the record says that there is none.
  // Without a value it says nothing, and what the caller says of the whole batch holds.
  std::optional<uint32_t> consent_version;
  bool do_not_track = false;
  std::vector<std::pair<std::string, FieldValue>> fields;
};

// One record that could not be read. Never carries a value.
struct RecordError {
  uint64_t number = 0;
  std::string message;
  std::string dataset = {};  // OTLP: as named by the record
};

struct ParsedRecords {
  std::vector<Record> records;
  std::vector<RecordError> errors;
  uint64_t skipped = 0;  // events a mapping file leaves out on purpose
};

// Column names and types of the target dataset; lets text cells and JSON strings become numbers,
// timestamps (RFC 3339) and durations ("250ms"). Empty: values stay as the format has them.
using Shape = std::vector<std::pair<std::string, catalog::FieldType>>;

// Turns `value` into what a field of `type` holds where that loses nothing: text to number, whole
// double to int, int to double, RFC 3339 text to a timestamp in microseconds, "250ms" to
// microseconds. INVALID_ARGUMENT says what would be right, never the value.
absl::StatusOr<FieldValue> Coerce(FieldValue value, catalog::FieldType type);

// Coerces every field that `shape` names, and fields of `record` only.
absl::Status CoerceRecord(const Shape& shape, Record& record);

// The wire form. Timestamps and durations (where `shape` says so) become their own kinds.
void ToEvent(const Record& record, const Shape& shape, v1::Event& event);

}  // namespace televault::mapping
