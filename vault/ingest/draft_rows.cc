#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/ingest/draft.h"

namespace televault::ingest {
namespace {

using catalog::FieldType;

// Builds one column value by value; each distinct string is checked once.
class ColumnBuilder {
 public:
  ColumnBuilder(const FieldCheck& check, block::Column& column, size_t rows)
      : check_(&check), column_(&column), rows_(rows) {}

  // Before the first value of the field: the column exists, all NULL.
  void Begin() {
    column_->type = check_->physical();
    column_->rows = rows_;
    column_->nulls.assign(rows_, 1);
    switch (column_->type) {
      case block::PhysicalType::kInt:
        column_->ints.assign(rows_, 0);
        break;
      case block::PhysicalType::kDouble:
        column_->doubles.assign(rows_, 0);
        break;
      case block::PhysicalType::kString:
        column_->codes.assign(rows_, 0);
        break;
      case block::PhysicalType::kStringList:
        column_->list_ends.assign(rows_, 0);
        break;
    }
  }
  bool begun() const { return column_->rows != 0; }

  FieldCheck::Verdict Put(size_t row, const v1::Value& value) {
    FieldCheck::Verdict verdict{false, Rule::kWrongType};
    switch (column_->type) {
      case block::PhysicalType::kInt:
        verdict = PutInt(row, value);
        break;
      case block::PhysicalType::kDouble:
        verdict = PutDouble(row, value);
        break;
      case block::PhysicalType::kString:
        if (value.has_string_value()) verdict = Code(value.string_value(), column_->codes[row]);
        break;
      case block::PhysicalType::kStringList:
        if (value.has_list_value()) verdict = PutList(value.list_value());
        break;
    }
    if (verdict.ok) column_->nulls[row] = 0;
    return verdict;
  }
  // Lists: rows come in order, so the end of each is what was put so far.
  void EndRow(size_t row) {
    if (begun() && column_->type == block::PhysicalType::kStringList) {
      column_->list_ends[row] = static_cast<uint32_t>(column_->codes.size());
    }
  }

 private:
  FieldCheck::Verdict PutInt(size_t row, const v1::Value& value) {
    int64_t number = 0;
    const FieldType type = check_->field().type;
    if (type == FieldType::kBool && value.has_bool_value()) {
      number = value.bool_value() ? 1 : 0;
    } else if (type == FieldType::kTimestamp && value.has_timestamp_us()) {
      number = value.timestamp_us();
    } else if (type == FieldType::kDuration && value.has_duration_us()) {
      number = value.duration_us();
    } else if (type == FieldType::kInt && value.has_int_value()) {
      number = value.int_value();
    } else {
      return {false, Rule::kWrongType};
    }
    const FieldCheck::Verdict verdict = check_->CheckInt(number);
    if (verdict.ok) column_->ints[row] = number;
    return verdict;
  }
  FieldCheck::Verdict PutDouble(size_t row, const v1::Value& value) {
    if (!value.has_double_value() && !value.has_int_value()) return {false, Rule::kWrongType};
    double number =
        value.has_double_value() ? value.double_value() : static_cast<double>(value.int_value());
    const FieldCheck::Verdict verdict = check_->CheckDouble(number);
    if (verdict.ok) column_->doubles[row] = number;
    return verdict;
  }
  FieldCheck::Verdict PutList(const v1::StringList& list) {
    const size_t before = column_->codes.size();
    for (const std::string& item : list.values()) {
      uint32_t code = 0;
      if (const FieldCheck::Verdict verdict = Code(item, code); !verdict.ok) {
        column_->codes.resize(before);
        return verdict;
      }
      column_->codes.push_back(code);
    }
    return {};
  }
  // Only good values get into the dictionary. The map's keys live as long as the request.
  FieldCheck::Verdict Code(const std::string& value, uint32_t& code) {
    const auto it = codes_.find(value);
    if (it != codes_.end()) {
      code = it->second;
      return {};
    }
    const FieldCheck::Verdict verdict = check_->CheckString(value);
    if (!verdict.ok) return verdict;
    code = column_->dictionary.Add(value);
    codes_.emplace(value, code);
    return {};
  }

  const FieldCheck* check_;
  block::Column* column_;
  size_t rows_;
  absl::flat_hash_map<absl::string_view, uint32_t> codes_;
};

class RowsReader {
 public:
  RowsReader(const catalog::Dataset& dataset, const CompiledSchema& schema,
             const v1::AppendRequest& request, Verdicts& verdicts)
      : dataset_(dataset),
        schema_(schema),
        request_(request),
        verdicts_(verdicts),
        draft_(static_cast<size_t>(request.rows().events_size())) {}

  Draft Run() {
    draft_.columns.resize(schema_.checks.size());
    for (size_t i = 0; i < schema_.checks.size(); ++i) {
      builders_.emplace_back(schema_.checks[i], draft_.columns[i], draft_.rows);
    }
    draft_.subject_codes.assign(draft_.rows, 0);
    draft_.strip_subject.assign(draft_.rows, 0);
    draft_.subjects.push_back("");
    for (size_t i = 0; i < draft_.rows; ++i) {
      Event(i, request_.rows().events(static_cast<int>(i)));
      for (ColumnBuilder& builder : builders_) builder.EndRow(i);
    }
    return std::move(draft_);
  }

 private:
  void Event(size_t i, const v1::Event& event) {
    if (!verdicts_.Alive(i)) return;  // could not even be mapped
    if (event.ByteSizeLong() > dataset_.manifest.what.max_record_bytes) {
      verdicts_.Reject(i, Rule::kTooLarge, "",
                       absl::StrCat("an event of this dataset has at most ",
                                    dataset_.manifest.what.max_record_bytes, " bytes"));
      return;
    }
    draft_.strip_subject[i] = Consented(i, event) ? 1 : 0;
    if (!verdicts_.Alive(i)) return;
    Fields(i, event);
    if (!verdicts_.Alive(i)) return;
    Time(i, event);
    Identity(i, event);
  }

  // An event's own consent replaces the batch's; a signal against tracking on either counts.
  bool Consented(size_t i, const v1::Event& event) {
    if (!event.has_consent()) {
      const v1::Consent* batch = request_.has_consent() ? &request_.consent() : nullptr;
      return CheckConsent(dataset_.manifest, batch, i, verdicts_);
    }
    v1::Consent consent = event.consent();
    if (request_.consent().do_not_track()) consent.set_do_not_track(true);
    return CheckConsent(dataset_.manifest, &consent, i, verdicts_);
  }

  void Fields(size_t i, const v1::Event& event) {
    size_t required = 0;
    for (const auto& [name, value] : event.fields()) {
      const uint32_t* index = schema_.Find(name);
      if (index == nullptr) {
        if (dataset_.manifest.what.undeclared_fields == catalog::UndeclaredFields::kDropField) {
          verdicts_.CountOnly(Rule::kFieldDropped, name);
          continue;
        }
        verdicts_.Reject(i, Rule::kUndeclaredField, Utf8Prefix(name, limits::kMaxNameBytes),
                         "only fields that the manifest declares");
        return;
      }
      if (value.kind_case() == v1::Value::KIND_NOT_SET) continue;
      ColumnBuilder& builder = builders_[*index];
      if (!builder.begun()) builder.Begin();
      const FieldCheck& check = schema_.checks[*index];
      const FieldCheck::Verdict verdict = builder.Put(i, value);
      if (!verdict.ok) {
        verdicts_.Reject(i, verdict.rule, name, check.Message(verdict.rule));
        return;
      }
      if (!check.field().nullable) ++required;
    }
    if (required < required_) Missing(i, event);
  }

  void Missing(size_t i, const v1::Event& event) {
    for (const FieldCheck& check : schema_.checks) {
      if (check.field().nullable) continue;
      const auto it = event.fields().find(check.field().name);
      if (it == event.fields().end() || it->second.kind_case() == v1::Value::KIND_NOT_SET) {
        verdicts_.Reject(i, Rule::kMissingField, check.field().name,
                         check.Message(Rule::kMissingField));
        return;
      }
    }
  }

  void Time(size_t i, const v1::Event& event) {
    const auto& time = event.time();
    if (!event.has_time() || time.nanos() < 0 || time.nanos() > 999'999'999 ||
        time.seconds() < -62'135'596'800 || time.seconds() > 253'402'300'799) {
      verdicts_.Reject(i, Rule::kNoTime, "event_time", "every event needs a valid time");
      return;
    }
    draft_.times[i] = time.seconds() * 1'000'000 + time.nanos() / 1'000;
  }

  void Identity(size_t i, const v1::Event& event) {
    if (!event.event_id().empty()) {
      if (event.event_id().size() > limits::kMaxEventIdBytes) {
        verdicts_.Reject(i, Rule::kTooLarge, "event_id", "at most 64 bytes");
        return;
      }
      if (!event_ids_.insert(event.event_id()).second) {
        verdicts_.Reject(i, Rule::kDuplicateEvent, "event_id", "each event once in a batch");
        return;
      }
    }
    const std::string& subject = event.subject();
    if (subject.empty()) return;
    const auto [it, is_new] =
        subjects_.emplace(subject, static_cast<uint32_t>(draft_.subjects.size()));
    if (is_new) draft_.subjects.push_back(subject);
    draft_.subject_codes[i] = it->second;
  }

  static size_t CountRequired(const CompiledSchema& schema) {
    size_t count = 0;
    for (const FieldCheck& check : schema.checks) count += check.field().nullable ? 0 : 1;
    return count;
  }

  const catalog::Dataset& dataset_;
  const CompiledSchema& schema_;
  const v1::AppendRequest& request_;
  Verdicts& verdicts_;
  const size_t required_ = CountRequired(schema_);
  Draft draft_;
  std::vector<ColumnBuilder> builders_;
  absl::flat_hash_map<absl::string_view, uint32_t> subjects_;
  absl::flat_hash_set<absl::string_view> event_ids_;
};

}  // namespace

bool CheckConsent(const catalog::Manifest& manifest, const v1::Consent* consent, size_t index,
                  Verdicts& verdicts) {
  const catalog::Manifest::Opt& opt = manifest.opt;
  const bool do_not_track = consent != nullptr && consent->do_not_track();
  if (do_not_track && opt.do_not_track == catalog::DoNotTrack::kDropRecord) {
    verdicts.Reject(index, Rule::kDoNotTrack, "", "the subject asked not to be tracked");
    return false;
  }
  const bool given = consent != nullptr && consent->given();
  if (opt.model == catalog::OptModel::kOptOut) {
    if (consent != nullptr && !given && !do_not_track) {
      verdicts.Reject(index, Rule::kNoConsent, "", "the subject opted out");
    }
  } else if (!given) {
    verdicts.Reject(index, Rule::kNoConsent, "", "the dataset needs the subject's consent");
  } else if (consent->notice_version() < opt.notice_min_version) {
    verdicts.Reject(
        index, Rule::kOldConsent, "",
        absl::StrCat("consent to notice version ", opt.notice_min_version, " or later"));
  }
  return do_not_track && opt.do_not_track == catalog::DoNotTrack::kStripSubject;
}

Draft DraftFromRows(const catalog::Dataset& dataset, const CompiledSchema& schema,
                    const v1::AppendRequest& request, Verdicts& verdicts) {
  return RowsReader(dataset, schema, request, verdicts).Run();
}

}  // namespace televault::ingest
