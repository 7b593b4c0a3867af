#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/block/column.h"
#include "vault/catalog/schema.h"

namespace televault::testing {

// The table of the query tests, one member per field.
struct Event {
  int64_t event_time = 0;
  std::optional<std::string> subject;  // 16 bytes
  std::optional<std::string> command;
  std::optional<std::string> version;
  std::optional<int64_t> count;
  std::optional<double> seconds;
  std::optional<bool> ok;
  std::optional<int64_t> seen_at;
  std::optional<int64_t> took;
};

inline catalog::Schema EventSchema(bool has_subject = true) {
  using catalog::FieldType;
  catalog::Schema schema;
  schema.dataset = DatasetId(1);
  schema.name = "events";
  schema.revision = 1;
  schema.has_subject = has_subject;
  const auto add = [&schema](uint16_t column, const char* name, FieldType type) {
    catalog::Field field;
    field.column = column;
    field.name = name;
    field.type = type;
    field.nullable = column != block::kEventTimeColumn;
    schema.fields.push_back(std::move(field));
  };
  add(0, "event_time", FieldType::kTimestamp);
  if (has_subject) add(1, "subject", FieldType::kSubject);
  add(2, "command", FieldType::kString);
  add(3, "version", FieldType::kEnum);
  add(4, "count_of", FieldType::kInt);
  add(5, "seconds", FieldType::kDouble);
  add(6, "ok", FieldType::kBool);
  add(7, "seen_at", FieldType::kTimestamp);
  add(8, "took", FieldType::kDuration);
  return schema;
}

inline block::ColumnBatch ToBatch(const std::vector<Event>& events) {
  using block::PhysicalType;
  block::ColumnBatch batch;
  batch.rows = events.size();
  const PhysicalType types[] = {PhysicalType::kInt,    PhysicalType::kString, PhysicalType::kString,
                                PhysicalType::kString, PhysicalType::kInt,    PhysicalType::kDouble,
                                PhysicalType::kInt,    PhysicalType::kInt,    PhysicalType::kInt};
  for (uint16_t c = 0; c < std::size(types); ++c) {
    block::Column column;
    column.type = types[c];
    column.rows = events.size();
    batch.numbers.push_back(c);
    batch.columns.push_back(std::move(column));
  }
  const auto number = [&batch](size_t c, const auto& value) {
    block::Column& column = batch.columns[c];
    column.nulls.push_back(value.has_value() ? 0 : 1);
    if (column.type == PhysicalType::kDouble) {
      column.doubles.push_back(value.has_value() ? static_cast<double>(*value) : 0);
    } else {
      column.ints.push_back(value.has_value() ? static_cast<int64_t>(*value) : 0);
    }
  };
  const auto text = [&batch](size_t c, const std::optional<std::string>& value) {
    block::Column& column = batch.columns[c];
    column.nulls.push_back(value.has_value() ? 0 : 1);
    uint32_t code = 0;
    const block::Dictionary& known = column.dictionary;
    while (value.has_value() && code < known.size() && known.at(code) != *value) ++code;
    if (value.has_value() && code == known.size()) column.dictionary.Add(*value);
    column.codes.push_back(value.has_value() ? code : 0);
  };
  for (const Event& event : events) {
    number(0, std::optional(event.event_time));
    text(1, event.subject);
    text(2, event.command);
    text(3, event.version);
    number(4, event.count);
    number(5, event.seconds);
    number(6, event.ok);
    number(7, event.seen_at);
    number(8, event.took);
  }
  for (block::Column& column : batch.columns) {
    bool any = false;
    for (const uint8_t null : column.nulls) any |= null != 0;
    if (!any) column.nulls.clear();
  }
  return batch;
}

}  // namespace televault::testing
