#include "vault/query/read_days.h"

#include <utility>

namespace televault::query {

ReadDays::ReadDays(Deadlines deadlines) : deadlines_(std::move(deadlines)) {
  if (deadlines_.changes) seen_ = deadlines_.changes();
}

void ReadDays::Lower(WallTime deadline) const {
  int64_t known = earliest_us_.load();
  while (deadline.micros < known && !earliest_us_.compare_exchange_weak(known, deadline.micros)) {
  }
}

void ReadDays::Add(Day day, WallTime listed) {
  Lower(listed);
  if (!deadlines_.of_day) return;
  const std::lock_guard lock(mu_);
  if (days_.insert(day).second) Lower(deadlines_.of_day(day));
}

WallTime ReadDays::Earliest() const {
  if (deadlines_.changes && deadlines_.changes() != seen_) LookAgain();
  return {earliest_us_};
}

void ReadDays::LookAgain() const {
  const std::lock_guard lock(mu_);
  // Read first: a change that comes between leads to one more look, not to one less.
  const uint64_t changes = deadlines_.changes();
  for (const Day day : days_) Lower(deadlines_.of_day(day));
  seen_ = changes;
}

}  // namespace televault::query
