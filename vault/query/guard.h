#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "vault/query/execute.h"

namespace televault::query {

// What may stop a running query, looked at every limits::kRowsPerCheck rows and before every batch:
// lockdown, expiry, deadline, cancellation, memory, and an error of another thread.
// Threads: any. Borrows: the context.
// Failure: the first error is kept and answered to everybody from then on.
class ExecutionGuard {
 public:
  ExecutionGuard(const ExecContext& context, GateAccess access, size_t threads);

  // `held_bytes` is what thread `thread` holds now.
  absl::Status Check(size_t thread, size_t held_bytes);
  // Rows of the unit go into the answer: it ends at the deadline of their day.
  void Depend(const Unit& unit);
  void Fail(const absl::Status& status);
  absl::Status status() const;
  size_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }

 private:
  absl::Status Look(size_t held_bytes) const;
  absl::Status CheckGate();

  const ExecContext& context_;
  const GateAccess access_;
  std::vector<std::atomic<size_t>> held_;
  std::atomic<size_t> peak_{0};
  ReadDays own_days_;  // where the context brings none
  ReadDays& read_days_;
  std::atomic<bool> failed_{false};
  mutable std::mutex mu_;  // guards all below
  absl::Status status_;
  bool gate_passed_ = false;
  LockEpoch epoch_;
};

}  // namespace televault::query
