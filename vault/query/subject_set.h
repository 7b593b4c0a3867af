#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

namespace televault::query {

// Who stands behind some rows. A subject is a pseudonym's number together with the salt period of
// its rows: one person has another pseudonym in each period, so the fullest period bounds the
// number of persons from below, and that is what counts. Threads: one.
class SubjectSet {
 public:
  void Add(uint32_t period, uint32_t subject) {
    if (!known_.insert((static_cast<uint64_t>(period) << 32) | subject).second) return;
    persons_ = std::max(persons_, ++per_period_[period]);
  }
  // At least so many persons.
  uint64_t persons() const { return persons_; }
  void Clear() {
    known_.clear();
    per_period_.clear();
    persons_ = 0;
  }

 private:
  std::unordered_set<uint64_t> known_;
  std::unordered_map<uint32_t, uint64_t> per_period_;
  uint64_t persons_ = 0;
};

}  // namespace televault::query
