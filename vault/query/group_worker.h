#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "vault/query/accumulate.h"
#include "vault/query/contributions.h"
#include "vault/query/evaluate.h"
#include "vault/query/evidence.h"
#include "vault/query/grouper.h"

namespace televault::query {

// How the subjects behind an answer under disclosure control are looked at.
enum class Counting : uint8_t {
  kEvidence,  // cheap; may leave open whether something has to be withheld
  kExact,     // who is behind what is known
};

// One thread's share of a grouped query: filters, groups and aggregates whole units.
// Threads: one; Absorb() after the other's thread ended. Borrows: plan and interner.
class GroupWorker {
 public:
  // `counting` matters under disclosure control only.
  GroupWorker(const internal::BoundQuery& bound, Counting counting, Interner& texts);
  // Whether evidence may settle the query: there are subjects, and no FILTER.
  static bool MayProve(const internal::BoundQuery& bound);

  // `day` is that of the unit's rows.
  void StartUnit(block::UnitColumns* unit, Day day);
  // Rows [first, first + count) of the unit: one slice.
  absl::Status Process(size_t first, size_t count);
  void EndUnit();
  // There are too many groups for evidence to settle all: what this worker has is of no use.
  bool gave_up() const { return evidence_.has_value() && !evidence_->Holds(groups_); }
  void Absorb(GroupWorker& other);
  // Without GROUP BY there is one group even over no row at all.
  void EnsureOneGroup();

  size_t groups() const { return groups_; }
  size_t bytes() const;
  // What it takes at most to finish, withhold, sort and write out all groups; texts that
  // expressions make anew aside.
  size_t finish_bytes() const;
  std::vector<Vector> Keys() const { return grouper_.Keys(); }
  // Under disclosure control, counted exactly.
  const Contributions& contributions() const { return *contributions_; }
  // Whether nothing has to be withheld for the number of subjects behind it.
  bool Proven() const { return evidence_.has_value() && !gave_up() && evidence_->Proven(); }
  absl::StatusOr<Answer> Finish(size_t aggregate) { return accumulators_[aggregate]->Finish(); }

 private:
  absl::Status AddAggregate(size_t index, const Rows& rows);
  void Grow(size_t groups);
  void PrepareAll();
  absl::Status NumberSubjects(const Rows& rows);
  const uint32_t* SubjectCodes(const Rows& rows);
  absl::Status CountSubjects(const Rows& rows);

  const internal::BoundQuery& bound_;
  SubjectTable subjects_;
  Evaluator evaluator_;
  Grouper grouper_;
  std::vector<std::unique_ptr<Accumulator>> accumulators_;
  // Under disclosure control one of the two.
  std::optional<Evidence> evidence_;
  std::optional<Contributions> contributions_;
  bool numbers_subjects_ = false;
  block::UnitColumns* unit_ = nullptr;
  uint32_t period_ = 0;  // salt period of the unit's rows
  size_t groups_ = 0;
  std::vector<uint32_t> group_numbers_;
  std::vector<uint32_t> subject_numbers_;
  std::vector<uint32_t> subject_codes_;      // in the unit's dictionary
  const uint32_t* codes_of_rows_ = nullptr;  // of the slice's rows, or null
  WipedVector<uint32_t> subject_ids_;        // of the unit's dictionary
};

}  // namespace televault::query
