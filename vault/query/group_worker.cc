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

// A day lies within one salt period, however short those are.
uint32_t PeriodOf(Day day, std::optional<microseconds> rotate) {
  if (rotate.has_value() && *rotate < std::chrono::days(1)) rotate = std::chrono::days(1);
  return static_cast<uint32_t>(catalog::SaltPeriod(day, rotate));
}

}  // namespace

GroupWorker::GroupWorker(const internal::BoundQuery& bound, Interner& texts, Interner& subjects)
    : bound_(bound),
      subjects_(subjects),
      evaluator_(bound.controlled(), &bound.disclosure),
      grouper_(TypesOf(bound.keys), texts) {
  const uint32_t k_min = bound.controlled() ? bound.disclosure.k_min : 0;
  for (const Aggregate& aggregate : bound.aggregates) {
    accumulators_.push_back(MakeAccumulator(aggregate, k_min, texts));
  }
  if (bound.controlled()) contributions_.emplace(bound.aggregates, bound.schema.has_subject);
}

void GroupWorker::StartUnit(const block::ColumnBatch* batch, Day day) {
  batch_ = batch;
  period_ = PeriodOf(day, bound_.disclosure.rotate);
  evaluator_.StartUnit(batch);
  grouper_.StartUnit();
  for (const auto& accumulator : accumulators_) accumulator->StartUnit();
  subject_ids_.clear();
}

void GroupWorker::Grow(size_t groups) {
  if (groups == groups_) return;
  groups_ = groups;
  for (const auto& accumulator : accumulators_) accumulator->Resize(groups);
  if (contributions_.has_value()) contributions_->Resize(groups);
}

void GroupWorker::EnsureOneGroup() {
  if (bound_.keys.empty()) Grow(1);
}

void GroupWorker::NumberSubjects(const Rows& rows) {
  subject_numbers_.assign(rows.count, kNoSubject);
  const block::Column* column = batch_->Find(block::kSubjectColumn);
  if (column == nullptr) return;
  std::vector<uint32_t> codes;
  codes.reserve(rows.count);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (!column->IsNull(row)) codes.push_back(column->codes[row]);
  }
  subjects_.InternCodes(column->dictionary, codes, nullptr, subject_ids_);
  for (size_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.At(i);
    if (!column->IsNull(row)) subject_numbers_[i] = subject_ids_[column->codes[row]];
  }
}

absl::Status GroupWorker::Process(uint32_t begin, uint32_t count) {
  std::vector<uint32_t> selected;
  TV_ASSIGN_OR_RETURN(const Rows rows, evaluator_.Select(bound_.where, begin, count, selected));
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
  if (contributions_.has_value()) {
    if (bound_.schema.has_subject) NumberSubjects(rows);
    contributions_->AddRows(group_numbers_.data(),
                            bound_.schema.has_subject ? subject_numbers_.data() : nullptr, period_,
                            rows.count);
  }
  for (size_t a = 0; a < accumulators_.size(); ++a) TV_RETURN_IF_ERROR(AddAggregate(a, rows));
  return absl::OkStatus();
}

absl::Status GroupWorker::AddAggregate(size_t index, const Rows& rows) {
  const Aggregate& aggregate = bound_.aggregates[index];
  const bool with_subjects = contributions_.has_value() && bound_.schema.has_subject;
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
  if (aggregate.arg != nullptr) {
    arg = evaluator_.Evaluate(*aggregate.arg, taken);
    slice.arg = &arg;
  }
  TV_RETURN_IF_ERROR(evaluator_.status());
  if (slice.rows == 0) return absl::OkStatus();
  accumulators_[index]->Add(slice);
  if (contributions_.has_value()) {
    contributions_->AddCell(index, aggregate.filter == nullptr ? nullptr : positions.data(),
                            slice.rows, slice.arg);
  }
  return absl::OkStatus();
}

void GroupWorker::Absorb(GroupWorker& other) {
  if (other.groups_ == 0) return;
  std::vector<uint32_t> map{0};
  if (bound_.keys.empty()) {
    Grow(1);
  } else {
    map = grouper_.Absorb(other.grouper_);
    Grow(grouper_.size());
  }
  for (size_t a = 0; a < accumulators_.size(); ++a) {
    accumulators_[a]->Merge(*other.accumulators_[a], map);
  }
  if (contributions_.has_value()) contributions_->Merge(*other.contributions_, map);
}

size_t GroupWorker::bytes() const {
  size_t total = grouper_.bytes();
  for (const auto& accumulator : accumulators_) total += accumulator->bytes();
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
