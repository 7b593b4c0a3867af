#pragma once

#include <functional>
#include <utility>

#include "vault/base/gate.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/query/read_days.h"

namespace televault::service {

// Whether an answer with telemetry may go on leaving: lockdown, the caller's token, the end of the
// grant, and the earliest deadline of the days in it. Looked at before every message.
// Threads: any. Borrows: gate, the texts of the scope.
class ReadLease {
 public:
  struct Parts {
    const Gate& gate;
    GateAccess access;
    GateScope scope;
    int64_t valid_until_us = 0;            // end of the grant; 0 = needs none
    std::function<absl::Status()> caller;  // OK while token, person and grant are good
    query::ReadDays::Deadlines deadlines;  // of the dataset that is read
  };
  explicit ReadLease(Parts parts) : parts_(std::move(parts)), read_days_(parts_.deadlines) {}

  // FAILED_PRECONDITION with reason EXPIRED once data or grant are over, else what gate and caller
  // say.
  absl::Status Check() const {
    TV_RETURN_IF_ERROR(parts_.gate.Check(parts_.access, parts_.scope));
    if (parts_.gate.ReadTime() >= read_days_.Earliest()) {
      return WithReason(absl::FailedPreconditionError(
                            "a day expired while its answer was on the way; run the query again"),
                        reason::kExpired);
    }
    // A grant is decided by the time that a jump of the wall clock does not move, and ends by it.
    if (parts_.valid_until_us != 0 && parts_.gate.SteadyTime().micros >= parts_.valid_until_us) {
      return WithReason(absl::FailedPreconditionError(
                            "the grant ended while its answer was on the way; ask for another"),
                        reason::kExpired);
    }
    return parts_.caller();
  }

  // Execution adds the days it reads.
  query::ReadDays& read_days() { return read_days_; }

 private:
  const Parts parts_;
  query::ReadDays read_days_;
};

}  // namespace televault::service
