#pragma once

#include <cstdint>
#include <vector>

#include "vault/base/limits.h"
#include "vault/base/secret.h"
#include "vault/query/expr.h"
#include "vault/query/vector.h"

namespace televault::query {

// What the rows prove, one unit after the other, about the subjects behind groups and cells,
// without knowing who anybody is: the numbers that a unit's dictionary gives its subjects are
// different persons. Where all is proven, Contributions would count subjects only for Suppress() to
// withhold nothing; what stays open is left to it. Refuses aggregates with a FILTER: see Applies().
// Threads: one per object.
// Invariants: (1) Proven() says no more than Contributions and Suppress() would: at least k
// subjects in every group and behind every cell, nobody left out of a cell, no cell dominated. (2)
// Groups are never shown as proven for what was seen of them in different units: a subject may be
// in both.
class Evidence {
 public:
  // A row without a subject.
  static constexpr uint32_t kNobody = 0xFFFFFFFF;
  // Of more groups than that some are as good as always too small.
  static constexpr size_t kMaxGroups = 1'024;
  // Those met are looked through one by one.
  static constexpr uint32_t kMaxCrowd = 128;
  // A look that is to be cheap needs little memory.
  static constexpr size_t kMaxBytes = 4 * limits::MiB;

  // Whether evidence can be gathered for these aggregates at all.
  static bool Applies(const std::vector<Aggregate>& aggregates, uint32_t k_min);

  Evidence(const std::vector<Aggregate>& aggregates, uint32_t k_min);

  void StartUnit();
  // Whether rows to come can still prove anything: else nobody has to look who they are of.
  bool NeedsSubjects() const;
  // Whether it can look at so many groups.
  bool Holds(size_t groups) const;
  // `groups` are such that it holds them.
  void Resize(size_t groups);
  // `codes`: of each row's subject in the unit's dictionary, or kNobody. Null unless needed.
  void AddRows(const uint32_t* groups, const uint32_t* codes, size_t rows);
  // The same rows' values of one aggregate; `arg` is null for count(*).
  void AddCell(size_t aggregate, const uint32_t* groups, const uint32_t* codes, size_t rows,
               const Vector* arg);
  // Group g of `other` is `map[g]` here. Both have seen the end of their last unit.
  void Merge(const Evidence& other, const std::vector<uint32_t>& map);
  void EndUnit();

  // After EndUnit(): whether nothing has to be withheld.
  bool Proven() const;
  size_t bytes() const;

 private:
  // Whether k different subjects were met in one unit, per group.
  class Crowds {
   public:
    explicit Crowds(uint32_t k_min) : k_(k_min) {}
    void StartUnit();
    void Resize(size_t groups);
    void Add(uint32_t group, uint32_t code) {
      if (enough_[group] == 0) AddOpen(group, code);
    }
    // Groups without enough so far.
    size_t open() const { return open_; }
    void Merge(const Crowds& other, const std::vector<uint32_t>& map);
    size_t bytes_per_group() const { return 1 + (k_ + 1) * sizeof(uint32_t); }

   private:
    void AddOpen(uint32_t group, uint32_t code);
    const uint32_t k_;
    size_t open_ = 0;
    WipedVector<uint8_t> enough_;
    WipedVector<uint32_t> counts_;  // of met_, in this unit
    WipedVector<uint32_t> met_;     // k places for each group
  };
  // How much one subject may make of a sum, per group. Subjects share buckets, so a bucket holds at
  // least what each of them has; over all units the fullest buckets bound what anybody has.
  struct Shares {
    WipedVector<double> buckets;  // of this unit
    WipedVector<double> fullest;  // summed over units
    WipedVector<double> total;
  };
  struct Cell {
    Cell(bool is_sum, uint32_t k_min) : sums(is_sum), contributors(k_min) {}
    const bool sums;
    bool leaves_out = false;  // count(x): a row whose x is NULL
    bool counts_nulls = false;
    Crowds contributors;
    Shares shares;
  };

  size_t bytes_per_group() const;

  Crowds subjects_;
  std::vector<Cell> cells_;
  size_t groups_ = 0;
};

}  // namespace televault::query
