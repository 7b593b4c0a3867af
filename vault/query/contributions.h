#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "vault/query/accumulate.h"
#include "vault/query/disclosure.h"
#include "vault/query/expr.h"
#include "vault/query/tables.h"
#include "vault/query/vector.h"

namespace televault::query {

// Who stands behind each group and each cell, for disclosure control: per group and subject how
// many rows there are, how many passed each aggregate's FILTER, how many contributed, and how much.
// Without subjects each row is its own. A subject is a pseudonym of one salt period, and whatever
// is counted is the largest number of them within one period (see SubjectSet). Threads: one per
// object. Invariant: what AddCell() is told lies within the last AddRows().
class Contributions {
 public:
  Contributions(const std::vector<Aggregate>& aggregates, bool has_subject);

  void Resize(size_t groups);
  // `subjects` is null without subjects; all rows are of one salt period.
  void AddRows(const uint32_t* groups, const uint32_t* subjects, uint32_t period, size_t rows);
  // `positions`: the slice's rows that passed the aggregate's filter, null = all; `arg` has one
  // value for each of them and is null for count(*).
  void AddCell(size_t aggregate, const uint32_t* positions, size_t rows, const Vector* arg);
  void Merge(const Contributions& other, const Renumbering& here);

  // One entry per group; identifies_few is left to the accumulators.
  std::vector<GroupFacts> Facts() const;
  // Subjects behind all groups that are marked, or behind this cell of theirs. Each counts once
  // however many of the groups it is in; counting stops at `enough`.
  uint64_t Covered(std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                   uint64_t enough) const;
  size_t bytes() const;
  // What Facts() and Suppress() over them need at most, the facts included.
  size_t facts_bytes() const;

 private:
  struct Cell {
    bool counts_nulls = false;
    bool sums = false;
    // Per entry. Without subjects an entry is a group and the counters run beyond 1.
    WipedVector<uint32_t> passed;
    WipedVector<uint32_t> contributed;
    WipedVector<double> total;    // of absolute values
    WipedVector<double> largest;  // of one row; without subjects only
  };
  void ResizeEntries(size_t entries);
  uint32_t GroupOf(uint32_t entry) const {
    return static_cast<uint32_t>(*pairs_.KeyAt(entry) >> 32);
  }
  uint32_t SubjectOf(uint32_t entry) const { return static_cast<uint32_t>(*pairs_.KeyAt(entry)); }
  uint32_t PeriodOf(uint32_t entry) const { return static_cast<uint32_t>(pairs_.KeyAt(entry)[1]); }
  void FactsBySubject(std::vector<GroupFacts>& facts) const;
  void CountGroups(const std::vector<std::vector<uint32_t>>& periods,
                   std::vector<GroupFacts>& facts) const;
  void CountCell(size_t aggregate, const std::vector<uint32_t>& period,
                 std::vector<GroupFacts>& facts) const;
  void FindDominated(size_t aggregate, const std::vector<std::vector<uint32_t>>& periods,
                     std::vector<GroupFacts>& facts) const;
  void FactsByRow(std::vector<GroupFacts>& facts) const;

  const bool has_subject_;
  size_t groups_ = 0;
  size_t entry_count_ = 0;
  WordTable pairs_;                // group << 32 | subject, period → entry
  WipedVector<uint32_t> entries_;  // per row of the last slice
  WipedVector<uint64_t> rows_;     // per entry
  std::vector<Cell> cells_;
};

}  // namespace televault::query
