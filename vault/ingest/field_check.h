#pragma once

#include <cstdint>
#include <memory>
#include <re2/re2.h>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "vault/block/column.h"
#include "vault/catalog/dataset.h"
#include "vault/ingest/rules.h"

namespace televault::ingest {

// What one declared field demands, compiled: pattern, enum set, clamp.
// Threads: immutable, any.  Borrows: nothing.
class FieldCheck {
 public:
  FieldCheck(const catalog::Field& field, const catalog::FieldSpec& spec);

  const catalog::Field& field() const { return field_; }
  block::PhysicalType physical() const { return catalog::PhysicalOf(field_.type); }

  struct Verdict {
    bool ok = true;
    Rule rule = Rule::kWrongType;
  };
  // One distinct string, or one element of a list.
  Verdict CheckString(std::string_view value) const;
  // Clamps in place or says why not.
  Verdict CheckInt(int64_t& value) const;
  Verdict CheckDouble(double& value) const;
  // What would be right.
  const std::string& Message(Rule rule) const;

 private:
  catalog::Field field_;
  bool clamp_ = true;
  bool has_low_ = false;
  bool has_high_ = false;
  int64_t int_low_ = INT64_MIN;
  int64_t int_high_ = INT64_MAX;
  std::unique_ptr<const re2::RE2> pattern_;
  absl::flat_hash_set<std::string> values_;
  std::string wrong_type_, pattern_text_, too_long_, not_in_enum_, out_of_range_, not_finite_,
      missing_;
};

// All checks of one dataset revision.
struct CompiledSchema {
  explicit CompiledSchema(const catalog::Dataset& dataset);
  std::vector<FieldCheck> checks;                      // declared fields, ascending column number
  absl::flat_hash_map<std::string, uint32_t> by_name;  // into checks

  const uint32_t* Find(std::string_view name) const {
    const auto it = by_name.find(absl::string_view(name.data(), name.size()));
    return it == by_name.end() ? nullptr : &it->second;
  }
};

// The events of a batch as columns, checked against the schema but not yet against time and
// subject. Values of refused events may be anything.
struct Draft {
  explicit Draft(size_t events) : rows(events), times(events, 0) {}
  size_t rows;
  WipedVector<int64_t> times;
  WipedVector<uint32_t> subject_codes;  // empty, or one per event
  std::vector<std::string_view> subjects;
  std::vector<uint8_t> strip_subject;  // empty, or one per event
  std::vector<block::Column> columns;  // parallel to CompiledSchema::checks; rows 0 = absent
};

}  // namespace televault::ingest
