#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/ingest/draft.h"

namespace televault::ingest {
namespace {

absl::Status Malformed(std::string_view column, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "column ", ToAbsl(Utf8Prefix(column, limits::kMaxNameBytes)), ": ", std::string(what)));
}

// Lengths of the arrays against the kind of the column and the number of events.
absl::Status CheckShape(const v1::ColumnData& in, block::PhysicalType type, size_t rows) {
  const auto size = [](int count) { return static_cast<size_t>(count); };
  if (!in.nulls().empty() && in.nulls().size() != rows) {
    return Malformed(in.name(), "nulls has to have one byte per event");
  }
  const bool is_int = type == block::PhysicalType::kInt;
  const bool is_double = type == block::PhysicalType::kDouble;
  const bool is_string = type == block::PhysicalType::kString;
  const bool is_list = type == block::PhysicalType::kStringList;
  if (size(in.ints_size()) != (is_int ? rows : 0) ||
      size(in.doubles_size()) != (is_double ? rows : 0) ||
      (is_string && size(in.codes_size()) != rows) ||
      size(in.list_ends_size()) != (is_list ? rows : 0) ||
      (!is_string && !is_list && (in.codes_size() != 0 || in.dictionary_size() != 0))) {
    return Malformed(in.name(), "exactly the array of its type has to be set, one entry per event");
  }
  if (!is_list) return absl::OkStatus();
  uint32_t previous = 0;
  for (const uint32_t end : in.list_ends()) {
    if (end < previous) return Malformed(in.name(), "list_ends has to be ascending");
    previous = end;
  }
  if (size(in.codes_size()) != previous) {
    return Malformed(in.name(), "the last of list_ends has to be the number of codes");
  }
  return absl::OkStatus();
}

class ColumnReader {
 public:
  // `sizes` has one entry per event; each value is added to its event's.
  ColumnReader(const FieldCheck& check, const v1::ColumnData& in, std::vector<uint64_t>& sizes,
               Verdicts& verdicts)
      : check_(check), in_(in), rows_(sizes.size()), sizes_(sizes), verdicts_(verdicts) {}

  absl::StatusOr<block::Column> Run() {
    TV_RETURN_IF_ERROR(CheckShape(in_, check_.physical(), rows_));
    column_.type = check_.physical();
    column_.rows = rows_;
    if (!in_.nulls().empty()) {
      column_.nulls.assign(in_.nulls().begin(), in_.nulls().end());
      for (uint8_t& null : column_.nulls) null = null != 0 ? 1 : 0;
    }
    switch (column_.type) {
      case block::PhysicalType::kInt:
        Ints();
        break;
      case block::PhysicalType::kDouble:
        Doubles();
        break;
      default:
        TV_RETURN_IF_ERROR(Strings());
    }
    if (!check_.field().nullable && !column_.nulls.empty()) {
      for (size_t i = 0; i < rows_; ++i) {
        if (column_.nulls[i]) Refuse(i, Rule::kMissingField);
      }
    }
    return std::move(column_);
  }

 private:
  void Refuse(size_t row, Rule rule) {
    verdicts_.Reject(row, rule, check_.field().name, check_.Message(rule));
  }
  void Count(size_t row, size_t bytes) { sizes_[row] += in_.name().size() + bytes; }
  void Ints() {
    column_.ints.assign(in_.ints().begin(), in_.ints().end());
    for (size_t i = 0; i < rows_; ++i) {
      if (column_.IsNull(i)) {
        column_.ints[i] = 0;
        continue;
      }
      Count(i, sizeof(int64_t));
      if (const auto verdict = check_.CheckInt(column_.ints[i]); !verdict.ok) {
        Refuse(i, verdict.rule);
      }
    }
  }
  void Doubles() {
    column_.doubles.assign(in_.doubles().begin(), in_.doubles().end());
    for (size_t i = 0; i < rows_; ++i) {
      if (column_.IsNull(i)) {
        column_.doubles[i] = 0;
        continue;
      }
      Count(i, sizeof(double));
      if (const auto verdict = check_.CheckDouble(column_.doubles[i]); !verdict.ok) {
        Refuse(i, verdict.rule);
        column_.doubles[i] = 0;
      }
    }
  }
  absl::Status Strings() {
    std::vector<FieldCheck::Verdict> verdicts;
    verdicts.reserve(static_cast<size_t>(in_.dictionary_size()));
    bool all_good = true;
    for (const std::string& value : in_.dictionary()) {
      verdicts.push_back(check_.CheckString(value));
      all_good = all_good && verdicts.back().ok;
      column_.dictionary.Add(value);
    }
    column_.codes.assign(in_.codes().begin(), in_.codes().end());
    column_.list_ends.assign(in_.list_ends().begin(), in_.list_ends().end());
    const bool is_list = column_.type == block::PhysicalType::kStringList;
    for (size_t i = 0; i < rows_; ++i) {
      const size_t begin = !is_list ? i : i == 0 ? 0 : column_.list_ends[i - 1];
      const size_t end = is_list ? column_.list_ends[i] : i + 1;
      if (column_.IsNull(i)) {
        if (is_list && begin != end) return Malformed(in_.name(), "a NULL list has no elements");
        if (!is_list) column_.codes[i] = 0;
        continue;
      }
      size_t bytes = 0;
      for (size_t k = begin; k < end; ++k) {
        if (column_.codes[k] >= verdicts.size()) {
          return Malformed(in_.name(), "a code is not in the dictionary");
        }
        const FieldCheck::Verdict& verdict = verdicts[column_.codes[k]];
        bytes += in_.dictionary(static_cast<int>(column_.codes[k])).size();
        if (!all_good && !verdict.ok) Refuse(i, verdict.rule);
      }
      Count(i, bytes);
    }
    return absl::OkStatus();
  }

  const FieldCheck& check_;
  const v1::ColumnData& in_;
  const size_t rows_;
  std::vector<uint64_t>& sizes_;
  Verdicts& verdicts_;
  block::Column column_;
};

void Undeclared(const catalog::Manifest& manifest, const v1::ColumnData& in, size_t rows,
                Verdicts& verdicts) {
  const bool drop = manifest.what.undeclared_fields == catalog::UndeclaredFields::kDropField;
  for (size_t i = 0; i < rows; ++i) {
    if (i < in.nulls().size() && in.nulls()[i] != 0) continue;
    if (drop) {
      verdicts.CountOnly(Rule::kFieldDropped, in.name());
    } else {
      verdicts.Reject(i, Rule::kUndeclaredField, Utf8Prefix(in.name(), limits::kMaxNameBytes),
                      "only fields that the manifest declares");
    }
  }
}

absl::Status TakeSubjects(const v1::Columns& in, size_t rows, Draft& draft) {
  if (in.subject_codes_size() == 0 && in.subjects_size() == 0) return absl::OkStatus();
  if (static_cast<size_t>(in.subject_codes_size()) != rows) {
    return absl::InvalidArgumentError("subject_codes has to have one entry per event");
  }
  draft.subjects.assign(in.subjects().begin(), in.subjects().end());
  draft.subject_codes.assign(in.subject_codes().begin(), in.subject_codes().end());
  for (const uint32_t code : draft.subject_codes) {
    if (code >= draft.subjects.size()) {
      return absl::InvalidArgumentError("a subject code is not in subjects");
    }
  }
  return absl::OkStatus();
}

void CheckSizes(const Draft& draft, uint32_t max_bytes, std::vector<uint64_t>& sizes,
                Verdicts& verdicts) {
  for (size_t i = 0; i < draft.rows; ++i) {
    if (!draft.subject_codes.empty()) sizes[i] += draft.subjects[draft.subject_codes[i]].size();
    if (sizes[i] <= max_bytes) continue;
    verdicts.Reject(i, Rule::kTooLarge, "",
                    absl::StrCat("an event of this dataset has at most ", max_bytes, " bytes"));
  }
}

}  // namespace

absl::StatusOr<Draft> DraftFromColumns(const catalog::Dataset& dataset,
                                       const CompiledSchema& schema,
                                       const v1::AppendRequest& request, Verdicts& verdicts) {
  const v1::Columns& in = request.columns();
  Draft draft(in.rows());
  if (static_cast<size_t>(in.time_us_size()) != draft.rows) {
    return absl::InvalidArgumentError("time_us has to have one entry per event");
  }
  draft.times.assign(in.time_us().begin(), in.time_us().end());
  const v1::Consent* consent = request.has_consent() ? &request.consent() : nullptr;
  bool strip = false;
  for (size_t i = 0; i < draft.rows; ++i) {
    strip = CheckConsent(dataset.manifest, consent, i, verdicts);
  }
  if (strip) draft.strip_subject.assign(draft.rows, 1);
  draft.columns.resize(schema.checks.size());
  if (static_cast<size_t>(in.columns_size()) > limits::kMaxColumns) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", limits::kMaxColumns, " columns"));
  }
  std::vector<uint64_t> sizes(draft.rows, sizeof(int64_t));  // the time
  for (const v1::ColumnData& column : in.columns()) {
    const uint32_t* index = schema.Find(column.name());
    if (index == nullptr) {
      Undeclared(dataset.manifest, column, draft.rows, verdicts);
      continue;
    }
    if (draft.columns[*index].rows != 0) return Malformed(column.name(), "stands twice");
    TV_ASSIGN_OR_RETURN(draft.columns[*index],
                        ColumnReader(schema.checks[*index], column, sizes, verdicts).Run());
  }
  for (size_t c = 0; c < schema.checks.size(); ++c) {
    const FieldCheck& check = schema.checks[c];
    if (check.field().nullable || draft.columns[c].rows != 0) continue;
    for (size_t i = 0; i < draft.rows; ++i) {
      verdicts.Reject(i, Rule::kMissingField, check.field().name,
                      check.Message(Rule::kMissingField));
    }
  }
  TV_RETURN_IF_ERROR(TakeSubjects(in, draft.rows, draft));
  CheckSizes(draft, dataset.manifest.what.max_record_bytes, sizes, verdicts);
  return draft;
}

}  // namespace televault::ingest
