#include "vault/query/guard.h"

#include "absl/strings/str_cat.h"

namespace televault::query {
ExecutionGuard::ExecutionGuard(const ExecContext& context, GateAccess access, size_t threads)
    : context_(context),
      access_(access),
      held_(threads),
      read_days_(context.read_days == nullptr ? own_days_ : *context.read_days) {}

absl::Status ExecutionGuard::CheckGate() {
  // The epoch is read first: a change between the two leads to one more check, not to one less.
  const LockEpoch epoch = context_.gate.epoch();
  const std::lock_guard lock(mu_);
  if (gate_passed_ && epoch == epoch_) return absl::OkStatus();
  TV_RETURN_IF_ERROR(context_.gate.Check(access_, context_.scope));
  gate_passed_ = true;
  epoch_ = epoch;
  return absl::OkStatus();
}

absl::Status ExecutionGuard::Look(size_t held_bytes) const {
  if (context_.cancelled != nullptr && context_.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("the query was cancelled");
  }
  if (context_.clock.Mono() >= context_.deadline) {
    return absl::DeadlineExceededError("the query ran out of its time; narrow it or allow more");
  }
  if (context_.gate.ReadTime() >= read_days_.Earliest()) {
    return WithReason(
        absl::FailedPreconditionError("a day expired while the query read it; run the query again"),
        reason::kExpired);
  }
  if (held_bytes > context_.memory_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the query needs more than its memory of ", context_.memory_bytes,
                     " bytes; narrow the time range or group by fewer values"));
  }
  return absl::OkStatus();
}

absl::Status ExecutionGuard::Check(size_t thread, size_t held_bytes) {
  if (failed_.load(std::memory_order_relaxed)) return status();
  held_[thread].store(held_bytes, std::memory_order_relaxed);
  size_t total = 0;
  for (const auto& held : held_) total += held.load(std::memory_order_relaxed);
  size_t peak = peak_.load(std::memory_order_relaxed);
  while (total > peak && !peak_.compare_exchange_weak(peak, total)) {
  }
  absl::Status seen = CheckGate();
  if (seen.ok()) seen = Look(total);
  if (!seen.ok()) Fail(seen);
  return seen;
}

void ExecutionGuard::Depend(const Unit& unit) { read_days_.Add(unit.day, unit.deadline); }

void ExecutionGuard::Fail(const absl::Status& status) {
  const std::lock_guard lock(mu_);
  if (status_.ok()) status_ = status;
  failed_.store(true, std::memory_order_relaxed);
}

absl::Status ExecutionGuard::status() const {
  const std::lock_guard lock(mu_);
  return status_;
}

}  // namespace televault::query
