#include "vault/mapping/source.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/catalog/yaml.h"
#include "vault/catalog/yaml_reader.h"
#include "vault/mapping/json.h"

namespace televault::mapping {
namespace {

using catalog::YamlNode;
using catalog::YamlReader;
using nlohmann::json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr size_t kMaxMappingBytes = 64 * limits::KiB;

bool IsMap(const YamlNode* node) { return node != nullptr && node->kind == YamlNode::Kind::kMap; }

std::string Pointer(YamlReader& in, std::string_view key) {
  std::string pointer = in.Text(key);
  if (!SplitPointer(pointer).ok()) {
    in.Error(in.Find(key)->at, in.PathOf(key), "has to be a JSON pointer", "like /a/b");
  }
  return pointer;
}

Pairs ReadMap(YamlReader in) {
  Pairs pairs;
  for (const YamlNode::Entry& entry : in.Entries()) {
    pairs.emplace_back(entry.key, in.Text(entry.key));
  }
  return pairs;
}

const std::string* Look(const Pairs& pairs, const std::string& key) {
  for (const auto& [from, to] : pairs) {
    if (from == key) return &to;
  }
  return nullptr;
}

void ReadTime(YamlReader in, SourceMapping& mapping) {
  static constexpr std::pair<std::string_view, TimeFormat> kFormats[] = {
      {"rfc3339", TimeFormat::kRfc3339},
      {"unix_s", TimeFormat::kUnixSeconds},
      {"unix_ms", TimeFormat::kUnixMillis},
      {"unix_ns", TimeFormat::kUnixNanos}};
  in.Known({"pointer", "format"});
  in.Require("pointer");
  mapping.time = Pointer(in, "pointer");
  in.Word("format", kFormats, mapping.time_format);
}

void ReadDataset(YamlReader& in, SourceMapping& mapping) {
  if (!IsMap(in.Find("dataset"))) {
    mapping.dataset = in.Text("dataset");
    return;
  }
  YamlReader one = in.Map("dataset");
  one.Known({"pointer", "map", "other"});
  one.Require("pointer");
  one.Require("map");
  mapping.dataset_pointer = Pointer(one, "pointer");
  mapping.dataset_map = ReadMap(one.Map("map"));
  static constexpr std::pair<std::string_view, bool> kOther[] = {{"skip", true}, {"refuse", false}};
  one.Word("other", kOther, mapping.skip_unmapped);
}

void ReadFields(YamlReader in, SourceMapping& mapping) {
  for (const YamlNode::Entry& entry : in.Entries()) {
    SourceMapping::FieldMap field;
    field.field = entry.key;
    if (entry.value.kind == YamlNode::Kind::kMap) {
      YamlReader one = in.Map(entry.key);
      one.Known({"pointer", "map", "other"});
      one.Require("pointer");
      field.pointer = Pointer(one, "pointer");
      field.values = ReadMap(one.Map("map"));
      if (one.Has("other")) field.other = one.Text("other");
    } else {
      field.pointer = Pointer(in, entry.key);
    }
    mapping.fields.push_back(std::move(field));
  }
  if (mapping.fields.size() > limits::kMaxColumns) {
    in.Error({}, "fields", "too many fields", "");
  }
}

void ReadKey(YamlReader& in, SourceMapping& mapping) {
  if (IsMap(in.Find("key"))) {
    YamlReader one = in.Map("key");
    one.Known({"pointer"});
    one.Require("pointer");
    mapping.key = WriteKey::kPointer;
    mapping.key_pointer = Pointer(one, "pointer");
    return;
  }
  static constexpr std::pair<std::string_view, WriteKey> kKeys[] = {
      {"none", WriteKey::kNone}, {"bearer", WriteKey::kBearer}, {"basic", WriteKey::kBasic}};
  in.Word("key", kKeys, mapping.key);
}

void ReadRest(YamlReader& in, SourceMapping& mapping) {
  if (const std::string text = in.Text("consent"); !text.empty() && text[0] == '/') {
    mapping.consent = Pointer(in, "consent");
  } else if (in.Has("consent")) {
    mapping.consent_version = static_cast<uint32_t>(in.Int("consent", 1, 1'000'000).value_or(0));
  }
  ReadKey(in, mapping);
  YamlReader reply = in.Map("reply");
  reply.Known({"status", "type", "body"});
  mapping.reply_status = static_cast<int>(reply.Int("status", 100, 599).value_or(200));
  if (reply.Has("type")) mapping.reply_type = reply.Text("type");
  if (reply.Has("body")) mapping.reply_body = reply.Text("body");
}

absl::StatusOr<WallTime> Scaled(int64_t value, TimeFormat format) {
  int64_t micros = value / 1'000;  // nanoseconds
  const int64_t factor = format == TimeFormat::kUnixSeconds ? 1'000'000 : 1'000;
  if (format != TimeFormat::kUnixNanos && __builtin_mul_overflow(value, factor, &micros)) {
    return absl::InvalidArgumentError("time: out of range");
  }
  return WallTime{micros};
}

absl::StatusOr<WallTime> TimeOf(const json& value, TimeFormat format) {
  if (format == TimeFormat::kRfc3339) {
    if (value.is_string()) {
      if (auto time = ParseRfc3339(value.get_ref<const std::string&>()); time.ok()) return time;
    }
    return absl::InvalidArgumentError("time: has to be like 2026-11-23T10:00:00Z");
  }
  int64_t number = 0;
  if (value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) {
    return Scaled(value.get<int64_t>(), format);
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) {
    return Scaled(value.get<int64_t>(), format);
  }
  if (value.is_string() && absl::SimpleAtoi(value.get_ref<const std::string&>(), &number)) {
    return Scaled(number, format);
  }
  if (value.is_number_float() && format != TimeFormat::kUnixNanos) {
    const double scale = format == TimeFormat::kUnixSeconds ? 1e6 : 1e3;
    const double micros = value.get<double>() * scale;
    if (std::fabs(micros) < 9e18) return WallTime{static_cast<int64_t>(micros)};
  }
  return absl::InvalidArgumentError("time: has to be a number, as number or text");
}

// A mapping with its pointers split once.
class Mapper {
 public:
  explicit Mapper(const SourceMapping& mapping)
      : m_(mapping),
        id_(Split(mapping.id)),
        subject_(Split(mapping.subject)),
        time_(Split(mapping.time)),
        dataset_(Split(mapping.dataset_pointer)),
        consent_(Split(mapping.consent)) {
    for (const SourceMapping::FieldMap& field : mapping.fields) {
      fields_.push_back(Split(field.pointer));
    }
  }

  // False: the event is none of this mapping's datasets and skipped.
  absl::StatusOr<bool> Map(const json& event, Record& record) const {
    if (!event.is_object()) return absl::InvalidArgumentError("an event has to be an object");
    TV_ASSIGN_OR_RETURN(const bool wanted, TakeDataset(event, record));
    if (!wanted) return false;
    const json* time = Follow(event, time_);
    if (time == nullptr) return absl::InvalidArgumentError("time: is missing");
    TV_ASSIGN_OR_RETURN(record.time, TimeOf(*time, m_.time_format));
    TV_RETURN_IF_ERROR(TakeText(event, m_.id, id_, "id", record.id));
    TV_RETURN_IF_ERROR(TakeText(event, m_.subject, subject_, "subject", record.subject));
    record.consent_version = m_.consent_version;
    if (!m_.consent.empty()) {
      const json* version = Follow(event, consent_);
      // 0 stands for a subject that was never asked, and nothing else than a number for consent.
      const bool given = version != nullptr && version->is_number_unsigned() &&
                         version->get<uint64_t>() <= UINT32_MAX;
      if (version != nullptr) record.consent_version = given ? version->get<uint32_t>() : 0;
    }
    for (size_t i = 0; i < fields_.size(); ++i) {
      TV_RETURN_IF_ERROR(TakeField(event, m_.fields[i], fields_[i], record));
    }
    return true;
  }

 private:
  // The mapping was parsed, so its pointers are well formed.
  static std::vector<std::string> Split(const std::string& pointer) {
    return SplitPointer(pointer).value_or(std::vector<std::string>{});
  }

  absl::StatusOr<bool> TakeDataset(const json& event, Record& record) const {
    record.dataset = m_.dataset;
    if (m_.dataset_pointer.empty()) return true;
    const json* value = Follow(event, dataset_);
    const std::string* dataset = value == nullptr || !value->is_string()
                                     ? nullptr
                                     : Look(m_.dataset_map, value->get_ref<const std::string&>());
    if (dataset != nullptr) {
      record.dataset = *dataset;
      return true;
    }
    if (m_.skip_unmapped) return false;
    return absl::InvalidArgumentError(
        absl::StrCat("dataset: the value at ", m_.dataset_pointer, " is not in the map"));
  }

  static absl::Status TakeText(const json& event, const std::string& pointer,
                               const std::vector<std::string>& parts, std::string_view what,
                               std::string& out) {
    if (pointer.empty()) return absl::OkStatus();
    const json* value = Follow(event, parts);
    if (value == nullptr || value->is_null()) return absl::OkStatus();
    if (!value->is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(what), ": has to be text"));
    }
    out = value->get<std::string>();
    return absl::OkStatus();
  }

  static absl::Status TakeField(const json& event, const SourceMapping::FieldMap& field,
                                const std::vector<std::string>& parts, Record& record) {
    const json* value = Follow(event, parts);
    if (value == nullptr || value->is_null()) return absl::OkStatus();
    absl::StatusOr<FieldValue> taken = ValueOf(*value);
    if (!taken.ok()) return Annotate(taken.status(), "field " + field.field);
    if (!field.values.empty() || field.other) {
      const std::string* text = std::get_if<std::string>(&*taken);
      const std::string* mapped = text == nullptr ? nullptr : Look(field.values, *text);
      if (mapped == nullptr && !field.other) {
        return absl::InvalidArgumentError(
            absl::StrCat("field ", field.field, ": the value is not in the map"));
      }
      taken = FieldValue(mapped == nullptr ? *field.other : *mapped);
    }
    record.fields.emplace_back(field.field, std::move(*taken));
    return absl::OkStatus();
  }

  const SourceMapping& m_;
  std::vector<std::string> id_, subject_, time_, dataset_, consent_;
  std::vector<std::vector<std::string>> fields_;
};

}  // namespace

absl::StatusOr<SourceMapping> ParseSourceMapping(std::string_view yaml) {
  std::vector<catalog::Finding> errors;
  const YamlNode root = catalog::ParseYaml(yaml, kMaxMappingBytes, errors);
  SourceMapping mapping;
  if (errors.empty()) {
    YamlReader in(&root, "", errors);
    in.Known({"source", "path", "events", "id", "time", "dataset", "fields", "subject", "consent",
              "key", "reply"});
    for (const std::string_view key : {"source", "path", "time", "dataset", "fields"}) {
      in.Require(key);
    }
    mapping.source = in.Text("source");
    mapping.path = in.Text("path");
    if (in.Has("path") && !mapping.path.starts_with('/')) {
      in.Error(in.Find("path")->at, "path", "has to start with '/'", "");
    }
    mapping.events = Pointer(in, "events");
    mapping.id = Pointer(in, "id");
    mapping.subject = Pointer(in, "subject");
    ReadTime(in.Map("time"), mapping);
    ReadDataset(in, mapping);
    ReadFields(in.Map("fields"), mapping);
    ReadRest(in, mapping);
  }
  if (!errors.empty()) return absl::InvalidArgumentError(catalog::JoinFindings(errors));
  return mapping;
}

absl::StatusOr<ParsedRecords> ApplyMapping(const SourceMapping& mapping, std::string_view text) {
  TV_ASSIGN_OR_RETURN(const json document, ParseJson(text, limits::kMaxMessageBytes));
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> pointer, SplitPointer(mapping.events));
  const json* events = Follow(document, pointer);
  if (events == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("no events at ", mapping.events));
  }
  const Mapper mapper(mapping);
  ParsedRecords parsed;
  const size_t count = events->is_array() ? events->size() : 1;
  for (size_t i = 0; i < count; ++i) {
    Record record;
    record.number = i + 1;
    const absl::StatusOr<bool> taken =
        mapper.Map(events->is_array() ? (*events)[i] : *events, record);
    if (!taken.ok()) {
      parsed.errors.push_back({i + 1, std::string(taken.status().message())});
    } else if (*taken) {
      parsed.records.push_back(std::move(record));
    } else {
      ++parsed.skipped;
    }
  }
  return parsed;
}

}  // namespace televault::mapping
