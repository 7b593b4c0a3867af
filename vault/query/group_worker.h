#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "vault/query/accumulate.h"
#include "vault/query/contributions.h"
#include "vault/query/evaluate.h"
#include "vault/query/grouper.h"

namespace televault::query {

// One thread's share of a grouped query: filters, groups and aggregates whole units.
// Threads: one; Absorb() after the other's thread ended. Borrows: plan and interners.
class GroupWorker {
 public:
  GroupWorker(const internal::BoundQuery& bound, Interner& texts, Interner& subjects);

  // `day` is that of the unit's rows.
  void StartUnit(const block::ColumnBatch* batch, Day day);
  // Rows begin … begin + count of the unit.
  absl::Status Process(uint32_t begin, uint32_t count);
  void Absorb(GroupWorker& other);
  // Without GROUP BY there is one group even over no row at all.
  void EnsureOneGroup();

  size_t groups() const { return groups_; }
  size_t bytes() const;
  // What it takes at most to finish, withhold, sort and write out all groups; texts that
  // expressions make anew aside.
  size_t finish_bytes() const;
  std::vector<Vector> Keys() const { return grouper_.Keys(); }
  // Under disclosure control only.
  const Contributions& contributions() const { return *contributions_; }
  absl::StatusOr<Answer> Finish(size_t aggregate) { return accumulators_[aggregate]->Finish(); }

 private:
  absl::Status AddAggregate(size_t index, const Rows& rows);
  void Grow(size_t groups);
  void NumberSubjects(const Rows& rows);

  const internal::BoundQuery& bound_;
  Interner& subjects_;
  Evaluator evaluator_;
  Grouper grouper_;
  std::vector<std::unique_ptr<Accumulator>> accumulators_;
  std::optional<Contributions> contributions_;
  const block::ColumnBatch* batch_ = nullptr;
  uint32_t period_ = 0;  // salt period of the unit's rows
  size_t groups_ = 0;
  std::vector<uint32_t> group_numbers_;
  std::vector<uint32_t> subject_numbers_;
  WipedVector<uint32_t> subject_ids_;  // of the unit's dictionary
};

}  // namespace televault::query
