#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "vault/base/status.h"

namespace televault {

// Runs tasks on a fixed number of threads behind a bounded queue.
// Refuses to grow: a full queue is the caller's RESOURCE_EXHAUSTED.
// Threads: any may submit; a task may submit further tasks.
// Invariants: (1) every accepted task runs before Finish() or the destructor returns. (2) The queue
// never holds more than `max_queued` tasks.
class WorkPool {
 public:
  WorkPool(size_t threads, size_t max_queued);
  ~WorkPool() { Finish(); }
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  absl::Status Submit(std::function<void()> task);
  // Runs what was accepted, and refuses what comes later. Not to be called by a task. Idempotent.
  void Finish();

 private:
  void Run();

  const size_t max_queued_;
  std::mutex mu_;  // guards queue_ and stopping_
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace televault
