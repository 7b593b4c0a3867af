#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "vault/query/expr.h"
#include "vault/query/tables.h"
#include "vault/query/vector.h"

namespace televault::query {

// The rows that one aggregate takes from a slice, after its FILTER.
struct Slice {
  const uint32_t* groups = nullptr;    // per row
  const uint32_t* subjects = nullptr;  // per row; null where nobody counts subjects
  uint32_t period = 0;                 // salt period of all subjects
  const Vector* arg = nullptr;         // null for count(*)
  size_t rows = 0;
};

struct Answer {
  Vector values;                        // one per group
  std::vector<uint8_t> identifies_few;  // per group; empty = none
  std::vector<uint8_t> approximate;     // per group; empty = none
};

// What another worker's numbers are here.
struct Renumbering {
  std::vector<uint32_t> groups;
  std::vector<uint32_t> subjects;  // empty where nobody counts subjects
  // Rows without a subject share a number beyond all.
  uint32_t SubjectOf(uint32_t theirs) const {
    return theirs < subjects.size() ? subjects[theirs] : theirs;
  }
};

// Partial answers of one aggregate, one per group.
// Threads: one. Failure: a sum outside of its type is NULL under disclosure control, otherwise
// INVALID_ARGUMENT.
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  // Before the first slice of a unit.
  virtual void StartUnit() {}
  virtual void Resize(size_t groups) = 0;
  virtual void Add(const Slice& slice) = 0;
  // Takes over `other` of the same kind.
  virtual void Merge(const Accumulator& other, const Renumbering& here) = 0;
  virtual absl::StatusOr<Answer> Finish() = 0;
  virtual size_t bytes() const = 0;
  // What Finish() needs at most beside the answer.
  virtual size_t finish_bytes() const { return 0; }
};

// Whether the aggregate is count(DISTINCT subject): it takes the numbers of subjects from a slice
// and of the argument whether it is NULL.
bool CountsSubjects(const Aggregate& aggregate);

// `k_min` = 0 without disclosure control. `interner` outlives the accumulator.
std::unique_ptr<Accumulator> MakeAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                             Interner& interner);

// Percentiles, min and max from all values at once.
std::unique_ptr<Accumulator> MakeValuesAccumulator(const Aggregate& aggregate, uint32_t k_min,
                                                   Interner& interner);

// One word that is equal for equal non-NULL values of a vector's row.
class WordEncoder {
 public:
  explicit WordEncoder(Interner& interner) : interner_(interner) {}
  void Encode(const Vector& vector, size_t rows, WipedVector<uint64_t>& words);
  void StartUnit() { known_ = nullptr; }

 private:
  Interner& interner_;
  const block::Dictionary* known_ = nullptr;
  WipedVector<uint32_t> ids_;
};

}  // namespace televault::query
