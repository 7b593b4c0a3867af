#include "vault/query/group_worker.h"

#include <algorithm>
#include <numeric>

#include "vault/catalog/pseudonym.h"

namespace televault::query {
namespace {

std::vector<SqlType> TypesOf(const std::vector<ExprPtr>& exprs) {
  std::vector<SqlType> types;
  for (const ExprPtr& expr : exprs) types.push_back(expr->type);
  return types;
}

// Rows without a subject count as those of one single subject: never more than there are.
constexpr uint32_t kNoSubject = 0xFFFFFFFF;

// Whether the aggregate looks at the subjects of its values itself.
bool LooksAtSubjects(const Aggregate& aggregate) {
  switch (aggregate.kind) {
    case AggregateKind::kCountDistinct:
    case AggregateKind::kMin:
    case AggregateKind::kMax:
    case AggregateKind::kPercentileCont:
    case AggregateKind::kPercentileDisc:
      return true;
    default:
      return false;
  }
}

// Which rows have no subject, and nothing else.
Vector SubjectNulls(const uint32_t* subjects, size_t rows) {
  Vector nulls;
  nulls.type = SqlType::kText;
  nulls.rows = rows;
  for (size_t i = 0; i < rows; ++i) {
    if (subjects[i] == kNoSubject) nulls.SetNull(i);
  }
  return nulls;
}

// A day lies within one salt period, however short those are.
uint32_t PeriodOf(Day day, std::optional<microseconds> rotate) {
  if (rotate.has_value() && *rotate < std::chrono::days(1)) rotate = std::chrono::days(1);
  return static_cast<uint32_t>(catalog::SaltPeriod(day, rotate));
}

}  // namespace

bool GroupWorker::MayProve(const internal::BoundQuery& bound) {
  return bound.controlled() && bound.schema.has_subject &&
         Evidence::Applies(bound.aggregates, bound.disclosure.k_min);
}

GroupWorker::GroupWorker(const internal::BoundQuery& bound, Counting counting, Interner& texts)
    : bound_(bound),
      evaluator_(bound.controlled(), &bound.disclosure),
      grouper_(TypesOf(bound.keys), texts) {
  const uint32_t k_min = bound.controlled() ? bound.disclosure.k_min : 0;
  for (const Aggregate& aggregate : bound.aggregates) {
    accumulators_.push_back(MakeAccumulator(aggregate, k_min, texts));
  }
  numbers_subjects_ = std::any_of(bound.aggregates.begin(), bound.aggregates.end(), CountsSubjects);
  if (!bound.controlled()) return;
  const bool exact = counting == Counting::kExact;
  if (exact) contributions_.emplace(bound.aggregates, bound.schema.has_subject);
  if (!exact) evidence_.emplace(bound.aggregates, std::max<uint32_t>(k_min, 2));
  numbers_subjects_ |=
      bound.schema.has_subject &&
      (exact || std::any_of(bound.aggregates.begin(), bound.aggregates.end(), LooksAtSubjects));
}

void GroupWorker::StartUnit(block::UnitColumns* unit, Day day) {
  unit_ = unit;
  period_ = PeriodOf(day, bound_.disclosure.rotate);
  evaluator_.StartUnit(unit);
  grouper_.StartUnit();
  for (const auto& accumulator : accumulators_) accumulator->StartUnit();
  if (evidence_.has_value()) evidence_->StartUnit();
  subject_ids_.clear();
}

// Whatever the filter leaves: else the time that it takes would tell which values exist. Who the
// subjects are, evidence asks for no row.
void GroupWorker::PrepareAll() {
  for (const uint16_t column : bound_.columns) {
    evaluator_.Prepare(column, column == block::kSubjectColumn && !numbers_subjects_);
  }
}

void GroupWorker::EndUnit() {
  if (evidence_.has_value()) evidence_->EndUnit();
}

void GroupWorker::Grow(size_t groups) {
  if (groups == groups_) return;
  groups_ = groups;
  for (const auto& accumulator : accumulators_) accumulator->Resize(groups);
  // What is given up on needs no room.
  if (evidence_.has_value() && !gave_up()) evidence_->Resize(groups);
  if (contributions_.has_value()) contributions_->Resize(groups);
}

void GroupWorker::EnsureOneGroup() {
  if (bound_.keys.empty()) Grow(1);
}

absl::Status GroupWorker::NumberSubjects(const Rows& rows) {
  subject_numbers_.assign(rows.count, kNoSubject);
  const block::ColumnSlice* const slice = evaluator_.Slice(block::kSubjectColumn);
  if (slice == nullptr) return evaluator_.status();
  const auto is_null = [slice](uint32_t row) {
    return slice->nulls != nullptr && slice->nulls[row] != 0;
  };
  std::vector<uint32_t> codes;
  codes.reserve(rows.count);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (!is_null(row)) codes.push_back(slice->codes[row]);
  }
  const absl::Status numbered = subjects_.Number(*slice->dictionary, codes, subject_ids_);
  if (!numbered.ok()) return unit_->Explain(numbered);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (!is_null(row)) subject_numbers_[i] = subject_ids_[slice->codes[row]];
  }
  return absl::OkStatus();
}

// Null where nobody has to look who the rows are of.
const uint32_t* GroupWorker::SubjectCodes(const Rows& rows) {
  if (!evidence_->NeedsSubjects()) return nullptr;
  const block::ColumnSlice* const slice = evaluator_.Slice(block::kSubjectColumn, true);
  if (slice != nullptr && slice->nulls == nullptr && rows.selection == nullptr) return slice->codes;
  subject_codes_.assign(rows.count, Evidence::kNobody);
  for (size_t i = 0; slice != nullptr && i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (slice->nulls == nullptr || slice->nulls[row] == 0) subject_codes_[i] = slice->codes[row];
  }
  return subject_codes_.data();
}

absl::Status GroupWorker::CountSubjects(const Rows& rows) {
  if (evidence_.has_value()) {
    codes_of_rows_ = SubjectCodes(rows);
    evidence_->AddRows(group_numbers_.data(), codes_of_rows_, rows.count);
  }
  if (contributions_.has_value()) {
    contributions_->AddRows(group_numbers_.data(),
                            numbers_subjects_ ? subject_numbers_.data() : nullptr, period_,
                            rows.count);
  }
  return evaluator_.status();
}

absl::Status GroupWorker::Process(size_t first, size_t count) {
  evaluator_.StartSlice(first, count);
  if (bound_.controlled()) PrepareAll();
  std::vector<uint32_t> selected;
  TV_ASSIGN_OR_RETURN(const Rows rows, evaluator_.Select(bound_.where, selected));
  if (rows.count == 0) return absl::OkStatus();
  group_numbers_.assign(rows.count, 0);
  std::vector<Vector> keys;
  for (const ExprPtr& key : bound_.keys) keys.push_back(evaluator_.Evaluate(*key, rows));
  TV_RETURN_IF_ERROR(evaluator_.status());
  if (keys.empty()) {
    Grow(1);
  } else {
    grouper_.Assign(keys, rows.count, group_numbers_.data());
    Grow(grouper_.size());
  }
  if (gave_up()) return absl::OkStatus();
  if (numbers_subjects_) TV_RETURN_IF_ERROR(NumberSubjects(rows));
  TV_RETURN_IF_ERROR(CountSubjects(rows));
  for (size_t a = 0; a < accumulators_.size(); ++a) TV_RETURN_IF_ERROR(AddAggregate(a, rows));
  return absl::OkStatus();
}

absl::Status GroupWorker::AddAggregate(size_t index, const Rows& rows) {
  const Aggregate& aggregate = bound_.aggregates[index];
  const bool with_subjects = numbers_subjects_;
  Rows taken = rows;
  std::vector<uint32_t> absolute;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> groups;
  std::vector<uint32_t> subjects;
  Slice slice{group_numbers_.data(), with_subjects ? subject_numbers_.data() : nullptr, period_,
              nullptr, rows.count};
  if (aggregate.filter != nullptr) {
    const Vector passes = evaluator_.Evaluate(*aggregate.filter, rows);
    for (uint32_t i = 0; i < rows.count; ++i) {
      if (!passes.IsTrue(i)) continue;
      positions.push_back(i);
      absolute.push_back(rows.At(i));
      groups.push_back(group_numbers_[i]);
      if (with_subjects) subjects.push_back(subject_numbers_[i]);
    }
    taken.selection = absolute.data();
    taken.count = static_cast<uint32_t>(absolute.size());
    slice = {groups.data(), with_subjects ? subjects.data() : nullptr, period_, nullptr,
             positions.size()};
  }
  Vector arg;
  if (CountsSubjects(aggregate)) {
    arg = SubjectNulls(slice.subjects, slice.rows);
    slice.arg = &arg;
  } else if (aggregate.arg != nullptr) {
    arg = evaluator_.Evaluate(*aggregate.arg, taken);
    slice.arg = &arg;
  }
  TV_RETURN_IF_ERROR(evaluator_.status());
  if (slice.rows == 0) return absl::OkStatus();
  accumulators_[index]->Add(slice);
  if (evidence_.has_value()) {
    evidence_->AddCell(index, slice.groups, codes_of_rows_, slice.rows, slice.arg);
  }
  if (contributions_.has_value()) {
    contributions_->AddCell(index, aggregate.filter == nullptr ? nullptr : positions.data(),
                            slice.rows, slice.arg);
  }
  return absl::OkStatus();
}

void GroupWorker::Absorb(GroupWorker& other) {
  if (other.groups_ == 0) return;
  Renumbering here{.groups = {0}, .subjects = subjects_.Absorb(other.subjects_)};
  if (bound_.keys.empty()) {
    Grow(1);
  } else {
    here.groups = grouper_.Absorb(other.grouper_);
    Grow(grouper_.size());
  }
  for (size_t a = 0; a < accumulators_.size(); ++a) {
    accumulators_[a]->Merge(*other.accumulators_[a], here);
  }
  if (evidence_.has_value() && !gave_up()) evidence_->Merge(*other.evidence_, here.groups);
  if (contributions_.has_value()) contributions_->Merge(*other.contributions_, here);
}

size_t GroupWorker::bytes() const {
  size_t total = grouper_.bytes() + subjects_.bytes();
  for (const auto& accumulator : accumulators_) total += accumulator->bytes();
  if (evidence_.has_value()) total += evidence_->bytes();
  if (contributions_.has_value()) total += contributions_->bytes();
  return total;
}

size_t GroupWorker::finish_bytes() const {
  // An entry of a vector with its NULL flag and the two flags of an answer.
  constexpr size_t kEntry = sizeof(int64_t) + 3;
  // Keys are gathered once more to be sorted; four lists of groups lead from all to a page.
  const size_t vectors = 2 * bound_.keys.size() + bound_.aggregates.size() +
                         bound_.order_by.size() + bound_.outputs.size();
  size_t total = groups_ * (vectors * kEntry + 4 * sizeof(uint32_t));
  for (const auto& accumulator : accumulators_) total += accumulator->finish_bytes();
  if (contributions_.has_value()) total += contributions_->facts_bytes();
  return total;
}

}  // namespace televault::query
