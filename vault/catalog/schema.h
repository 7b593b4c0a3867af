#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/time.h"
#include "vault/block/column.h"

namespace televault::catalog {

// What a field's values mean; the manifest's `type`.
enum class FieldType : uint8_t {
  kBool = 1,
  kInt,
  kDouble,
  kString,
  kEnum,
  kTimestamp,   // microseconds UTC
  kDuration,    // microseconds
  kStringList,  // list of string or enum
  kSubject,     // 16-byte pseudonym; only column 1
};

constexpr block::PhysicalType PhysicalOf(FieldType type) {
  switch (type) {
    case FieldType::kDouble:
      return block::PhysicalType::kDouble;
    case FieldType::kString:
    case FieldType::kEnum:
    case FieldType::kSubject:
      return block::PhysicalType::kString;
    case FieldType::kStringList:
      return block::PhysicalType::kStringList;
    default:
      return block::PhysicalType::kInt;
  }
}

// One declared field, as ingest and query need it.
struct Field {
  uint16_t column = 0;  // stable across revisions
  std::string name;
  FieldType type = FieldType::kString;
  bool nullable = true;                  // event_time is not
  std::vector<std::string> enum_values;  // kEnum (and lists of enum)
  std::string pattern;                   // RE2 syntax, full match; "" = none
  uint32_t max_len = 0;                  // bytes; strings and list elements
  std::optional<double> clamp_low;
  std::optional<double> clamp_high;
  std::vector<std::string> purposes;  // `for:`
};

// The table that SQL sees. Field 0 is event_time; field 1 is subject where the dataset has one.
// Immutable; a new manifest revision makes a new Schema.
struct Schema {
  DatasetId dataset;
  std::string name;
  uint32_t revision = 0;
  bool has_subject = false;
  std::vector<Field> fields;  // ascending column number

  const Field* Find(std::string_view field_name) const {
    for (const Field& field : fields) {
      if (field.name == field_name) return &field;
    }
    return nullptr;
  }
};

}  // namespace televault::catalog
