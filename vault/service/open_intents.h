#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>

namespace televault::service {

// The intents of this run that have no outcome in the log, so that what looks for such intents
// after a crash need not look far.
// Refuses to know intents of earlier runs.
// Threads: any.
// Invariants: (1) an intent is known from before it is committed. (2) Every intent of this run that
// stands before Oldest() has its outcome in the log.
class OpenIntents {
 public:
  // Tells how long the log is now.
  explicit OpenIntents(std::function<uint64_t()> log_size) : log_size_(std::move(log_size)) {}

  // An intent that is about to be committed: from here on it counts as standing at the end of the
  // log, which is returned.
  uint64_t Announce();
  // It was committed, and stands at `index`.
  void Stands(uint64_t announced, uint64_t index);
  // It was not committed.
  void Withdraw(uint64_t announced);
  // Its outcome is durable. Others than open ones may be named.
  void Close(uint64_t index);

  // Where the oldest open intent stands or may come to stand.
  uint64_t Oldest() const;

 private:
  const std::function<uint64_t()> log_size_;
  mutable std::mutex mu_;  // guards open_; held while the log's size is read
  std::multiset<uint64_t> open_;
};

}  // namespace televault::service
