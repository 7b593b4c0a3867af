#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <set>

#include "vault/base/time.h"

namespace televault::query {

// The days whose rows went into one answer, and until when all of them may be read. A shorter TTL
// moves deadlines while the answer is on its way, so they are asked for again after every change.
// Refuses to say whether the time has come: see ExecutionGuard and service::ReadLease.
// Threads: any. Invariant: Earliest() only moves to earlier times.
class ReadDays {
 public:
  // What is true of deadlines now.
  struct Deadlines {
    std::function<uint64_t()> changes;    // another number after any of them moved; cheap
    std::function<WallTime(Day)> of_day;  // max() where the day is not known
  };
  // Without functions deadlines stay what they are listed as.
  explicit ReadDays(Deadlines deadlines = {});

  // Rows of `day` go into the answer, readable before `listed` and before its present deadline.
  void Add(Day day, WallTime listed);
  // The first moment at which the answer may go no further; max() = none. Cheap enough for every
  // limits::kRowsPerCheck rows.
  WallTime Earliest() const;

 private:
  void Lower(WallTime deadline) const;
  void LookAgain() const;

  const Deadlines deadlines_;
  mutable std::atomic<int64_t> earliest_us_{std::numeric_limits<int64_t>::max()};
  mutable std::atomic<uint64_t> seen_{0};  // `changes` that earliest_us_ knows of
  mutable std::mutex mu_;                  // guards days_
  std::set<Day> days_;
};

}  // namespace televault::query
