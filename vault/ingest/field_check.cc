#include "vault/ingest/field_check.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace televault::ingest {
namespace {

using catalog::FieldType;

// The clamp as whole numbers; bounds beyond int64 do not bind.
int64_t ToInt(double value) {
  if (value >= 9223372036854775807.0) return INT64_MAX;
  if (value <= -9223372036854775808.0) return INT64_MIN;
  return static_cast<int64_t>(value);
}

}  // namespace

FieldCheck::FieldCheck(const catalog::Field& field, const catalog::FieldSpec& spec)
    : field_(field), clamp_(spec.out_of_range == catalog::OutOfRange::kClamp) {
  if (field.clamp_low) {
    has_low_ = true;
    int_low_ = ToInt(std::ceil(*field.clamp_low));
  }
  if (field.clamp_high) {
    has_high_ = true;
    int_high_ = ToInt(std::floor(*field.clamp_high));
  }
  if (!field.pattern.empty()) pattern_ = std::make_unique<re2::RE2>(field.pattern, re2::RE2::Quiet);
  values_.insert(field.enum_values.begin(), field.enum_values.end());
  wrong_type_ = absl::StrCat("has to be of type ", std::string(catalog::WordOf(field.type)));
  pattern_text_ = absl::StrCat("has to match ", field.pattern);
  too_long_ = absl::StrCat("at most ", field.max_len, " bytes of UTF-8");
  not_in_enum_ = absl::StrCat("one of ", absl::StrJoin(field.enum_values, ", "));
  if (not_in_enum_.size() > 400) not_in_enum_ = "one of the values the manifest lists";
  out_of_range_ = absl::StrCat("from ", field.clamp_low.value_or(-INFINITY), " to ",
                               field.clamp_high.value_or(INFINITY));
  not_finite_ = "a finite number";
  missing_ = "is required";
}

FieldCheck::Verdict FieldCheck::CheckString(std::string_view value) const {
  if (!values_.empty()) {
    const bool known = values_.contains(absl::string_view(value.data(), value.size()));
    return known ? Verdict{} : Verdict{false, Rule::kNotInEnum};
  }
  if (field_.max_len > 0 && value.size() > field_.max_len) return {false, Rule::kTooLong};
  if (pattern_ && !re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *pattern_)) {
    return {false, Rule::kPattern};
  }
  return {};
}

FieldCheck::Verdict FieldCheck::CheckInt(int64_t& value) const {
  if (field_.type == FieldType::kBool && value != 0 && value != 1) {
    return {false, Rule::kWrongType};
  }
  const int64_t clamped = std::clamp(value, int_low_, std::max(int_low_, int_high_));
  if (clamped == value) return {};
  if (!clamp_) return {false, Rule::kOutOfRange};
  value = clamped;
  return {};
}

FieldCheck::Verdict FieldCheck::CheckDouble(double& value) const {
  if (std::isnan(value)) return {false, Rule::kNotFinite};
  double clamped = value;
  if (has_low_) clamped = std::max(clamped, *field_.clamp_low);
  if (has_high_) clamped = std::min(clamped, *field_.clamp_high);
  if (clamped != value && !clamp_) return {false, Rule::kOutOfRange};
  if (!std::isfinite(clamped)) return {false, Rule::kNotFinite};
  value = clamped;
  return {};
}

const std::string& FieldCheck::Message(Rule rule) const {
  switch (rule) {
    case Rule::kPattern:
      return pattern_text_;
    case Rule::kTooLong:
      return too_long_;
    case Rule::kNotInEnum:
      return not_in_enum_;
    case Rule::kOutOfRange:
      return out_of_range_;
    case Rule::kNotFinite:
      return not_finite_;
    case Rule::kMissingField:
      return missing_;
    default:
      return wrong_type_;
  }
}

CompiledSchema::CompiledSchema(const catalog::Dataset& dataset) {
  for (const catalog::Field& field : dataset.schema.fields) {
    if (field.column < block::kFirstFieldColumn) continue;
    by_name[field.name] = static_cast<uint32_t>(checks.size());
    checks.emplace_back(field, *dataset.manifest.FindField(field.name));
  }
}

}  // namespace televault::ingest
