#include "vault/mapping/record.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace televault::mapping {
namespace {

using catalog::FieldType;

absl::Status Wanted(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("has to be ", std::string(what)));
}

absl::StatusOr<FieldValue> ToBool(const FieldValue& value) {
  if (const bool* b = std::get_if<bool>(&value)) return FieldValue(*b);
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (*text == "true" || *text == "1") return FieldValue(true);
    if (*text == "false" || *text == "0") return FieldValue(false);
  }
  return Wanted("true or false");
}

absl::StatusOr<FieldValue> ToInt(const FieldValue& value, std::string_view wanted) {
  if (const int64_t* i = std::get_if<int64_t>(&value)) return FieldValue(*i);
  if (const double* d = std::get_if<double>(&value)) {
    if (std::trunc(*d) == *d && std::fabs(*d) <= 9007199254740992.0) {
      return FieldValue(static_cast<int64_t>(*d));
    }
  }
  int64_t parsed = 0;
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (absl::SimpleAtoi(*text, &parsed)) return FieldValue(parsed);
  }
  return Wanted(wanted);
}

absl::StatusOr<FieldValue> ToDouble(const FieldValue& value) {
  if (const int64_t* i = std::get_if<int64_t>(&value)) return FieldValue(static_cast<double>(*i));
  double number = std::nan("");
  if (const double* d = std::get_if<double>(&value)) number = *d;
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (!absl::SimpleAtod(*text, &number)) number = std::nan("");
  }
  if (!std::isfinite(number)) return Wanted("a finite number");
  return FieldValue(number);
}

absl::StatusOr<FieldValue> ToTimestamp(const FieldValue& value) {
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (const absl::StatusOr<WallTime> time = ParseRfc3339(*text); time.ok()) {
      return FieldValue(time->micros);
    }
  }
  return ToInt(value, "a time like 2026-11-23T10:00:00Z or microseconds since 1970");
}

absl::StatusOr<FieldValue> ToDuration(const FieldValue& value) {
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (const absl::StatusOr<microseconds> duration = ParseDuration(*text); duration.ok()) {
      return FieldValue(static_cast<int64_t>(duration->count()));
    }
  }
  return ToInt(value, "a duration like 250ms, or microseconds");
}

const catalog::FieldType* TypeIn(const Shape& shape, std::string_view name) {
  for (const auto& [field, type] : shape) {
    if (field == name) return &type;
  }
  return nullptr;
}

void SetTime(WallTime time, google::protobuf::Timestamp& out) {
  int64_t seconds = time.micros / 1'000'000;
  int64_t micros = time.micros % 1'000'000;
  if (micros < 0) {
    micros += 1'000'000;
    --seconds;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(micros * 1'000));
}

void SetValue(const FieldValue& value, const catalog::FieldType* type, v1::Value& out) {
  if (const bool* b = std::get_if<bool>(&value)) {
    out.set_bool_value(*b);
  } else if (const double* d = std::get_if<double>(&value)) {
    out.set_double_value(*d);
  } else if (const std::string* text = std::get_if<std::string>(&value)) {
    out.set_string_value(*text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) out.mutable_list_value()->add_values(item);
    if (list->empty()) out.mutable_list_value();
  } else if (const int64_t* i = std::get_if<int64_t>(&value)) {
    if (type != nullptr && *type == FieldType::kTimestamp) {
      out.set_timestamp_us(*i);
    } else if (type != nullptr && *type == FieldType::kDuration) {
      out.set_duration_us(*i);
    } else {
      out.set_int_value(*i);
    }
  }
}

}  // namespace

absl::StatusOr<FieldValue> Coerce(FieldValue value, catalog::FieldType type) {
  if (std::holds_alternative<std::monostate>(value)) return value;
  switch (type) {
    case FieldType::kBool:
      return ToBool(value);
    case FieldType::kInt:
      return ToInt(value, "a whole number");
    case FieldType::kDouble:
      return ToDouble(value);
    case FieldType::kTimestamp:
      return ToTimestamp(value);
    case FieldType::kDuration:
      return ToDuration(value);
    case FieldType::kString:
    case FieldType::kEnum:
    case FieldType::kSubject:
      if (std::holds_alternative<std::string>(value)) return value;
      return Wanted("text");
    case FieldType::kStringList:
      if (std::holds_alternative<std::vector<std::string>>(value)) return value;
      return Wanted("a list of texts");
  }
  return Wanted("of a known type");
}

absl::Status CoerceRecord(const Shape& shape, Record& record) {
  for (auto& [name, value] : record.fields) {
    const catalog::FieldType* type = TypeIn(shape, name);
    if (type == nullptr) continue;
    absl::StatusOr<FieldValue> coerced = Coerce(std::move(value), *type);
    if (!coerced.ok()) return Annotate(coerced.status(), "field " + name);
    value = std::move(*coerced);
  }
  return absl::OkStatus();
}

void ToEvent(const Record& record, const Shape& shape, v1::Event& event) {
  if (record.time) SetTime(*record.time, *event.mutable_time());
  event.set_subject(record.subject);
  event.set_event_id(record.id);
  if (record.consent_version || record.do_not_track) {
    event.mutable_consent()->set_given(record.consent_version.value_or(0) > 0);
    event.mutable_consent()->set_notice_version(record.consent_version.value_or(0));
    event.mutable_consent()->set_do_not_track(record.do_not_track);
  }
  for (const auto& [name, value] : record.fields) {
    SetValue(value, TypeIn(shape, name), (*event.mutable_fields())[name]);
  }
}

}  // namespace televault::mapping
