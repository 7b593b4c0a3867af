#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/mapping/json.h"
#include "vault/mapping/text.h"

namespace televault::mapping {

static absl::StatusOr<WallTime> FlatTime(const FieldValue& value) {
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (absl::StatusOr<WallTime> time = ParseRfc3339(*text); time.ok()) return time;
  }
  if (const int64_t* millis = std::get_if<int64_t>(&value)) {
    int64_t micros = 0;
    if (!__builtin_mul_overflow(*millis, int64_t{1'000}, &micros)) return WallTime{micros};
  }
  return absl::InvalidArgumentError(
      "has to be a time like 2026-11-23T10:00:00Z, or milliseconds since 1970");
}

absl::Status PutFlat(const FlatNames& names, std::string name, FieldValue value, Record& record) {
  if (name == names.time) {
    if (std::holds_alternative<std::monostate>(value)) return absl::OkStatus();
    absl::StatusOr<WallTime> time = FlatTime(value);
    if (!time.ok()) return Annotate(time.status(), name);
    record.time = *time;
    return absl::OkStatus();
  }
  const bool is_subject = name == names.subject;
  if (is_subject || name == names.id) {
    if (std::holds_alternative<std::monostate>(value)) return absl::OkStatus();
    std::string* text = std::get_if<std::string>(&value);
    if (text == nullptr) return absl::InvalidArgumentError(absl::StrCat(name, ": has to be text"));
    (is_subject ? record.subject : record.id) = std::move(*text);
    return absl::OkStatus();
  }
  if (name.empty() || name.size() > limits::kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a field name has 1 to ", limits::kMaxNameBytes, " bytes"));
  }
  if (record.fields.size() >= limits::kMaxColumns) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", limits::kMaxColumns, " fields"));
  }
  record.fields.emplace_back(std::move(name), std::move(value));
  return absl::OkStatus();
}

absl::StatusOr<Record> ParseNdjsonLine(std::string_view line, uint64_t number,
                                       const FlatNames& names, const Shape& shape) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(line, limits::MiB);
  if (!json.ok()) return json.status();
  if (!json->is_object()) return absl::InvalidArgumentError("has to be one JSON object");
  Record record;
  record.number = number;
  for (const auto& [name, member] : json->items()) {
    absl::StatusOr<FieldValue> value = ValueOf(member);
    if (!value.ok())
      return Annotate(value.status(),
                      absl::StrCat("field ", ToAbsl(Utf8Prefix(name, limits::kMaxNameBytes))));
    TV_RETURN_IF_ERROR(PutFlat(names, name, std::move(*value), record));
  }
  TV_RETURN_IF_ERROR(CoerceRecord(shape, record));
  return record;
}

ParsedRecords ParseNdjson(std::string_view text, const FlatNames& names, const Shape& shape) {
  ParsedRecords parsed;
  uint64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    absl::StatusOr<Record> record = ParseNdjsonLine(line, number, names, shape);
    if (record.ok()) {
      parsed.records.push_back(std::move(*record));
    } else {
      parsed.errors.push_back({number, std::string(record.status().message())});
    }
  }
  return parsed;
}

}  // namespace televault::mapping
