#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "auth/decision.h"
#include "auth/rpc_policy.h"
#include "vault/base/clock.h"
#include "vault/base/limits.h"
#include "vault/base/status.h"
#include "vault/control/control_store.h"
#include "vault/incident/lockdown_manager.h"
#include "vault/service/call.h"
#include "vault/service/late_entries.h"
#include "vault/service/recorder.h"
#include "vault/service/refusal_counts.h"
#include "vault/service/request_memory.h"

namespace google::protobuf {
class Message;
}

namespace televault::service {

// Whether a person's earlier vote still counts: enrolled and not disabled since.
incident::VoteCounts VotesThatCount(const control::ControlStore& control);

// The way of every call: authenticate → decide → gate → run → record → answer.
// Refuses a method without a policy, a call without a deadline, an answer without a durable entry
// (but for calls that must work when nothing can be written: Call::answer_unaudited).
// Threads: any. Borrows: everything handed in.
// Invariants: (1) the decision that is enforced is the one that is recorded. (2) State changes of a
// call and its entry are one commit. (3) Calls whose policy says `exclusive` run one at a time; who
// waits for that until shortly before its deadline is refused.
class Front {
 public:
  struct Parts {
    const Clock& clock;
    const auth::PolicyTable& policies;
    control::ControlStore& control;
    incident::LockdownManager& lockdown;
    Recorder& recorder;
    // OK while datasets and keys are available; UNAVAILABLE/SEALED or CONTROL_MODE otherwise.
    std::function<absl::Status()> ready;
    // What is kept outside the journal has changed: makes the anchor follow.
    std::function<absl::Status()> changed_outside;
  };
  explicit Front(Parts parts);

  // What the transport knows of a call.
  struct Arrival {
    std::string method;
    std::string peer;
    bool has_deadline = false;
    std::chrono::nanoseconds time_left{0};
    std::function<bool()> cancelled;
    std::function<std::string_view(std::string_view)> metadata;
  };

  // Runs a unary call to its recorded end. `response` gets its receipt where it has such a field;
  // after an error it must not be sent.
  absl::Status RunUnary(const Arrival& arrival, google::protobuf::Message* response, Call& call,
                        const std::function<absl::Status(Call&)>& handler);

  // The parts of a streamed call, which records in several steps by itself. Begin admits it or
  // records the refusal; every admitted call must be concluded.
  absl::Status Begin(const Arrival& arrival, Call& call);
  // The halves of Begin, for calls that are answered before anything is written.
  absl::Status Admit(const Arrival& arrival, Call& call);
  absl::Status RecordRefused(Call& call, const absl::Status& why);
  // Counts the use of the token of a call that was answered first. A use that cannot be counted is
  // told in the entry and refuses nothing.
  void CountUse(Call& call);
  // For a call that cannot be recorded now: its entry follows as soon as the journal takes it, with
  // those like it. Waits for nothing.
  void RecordWhenPossible(Call& call, const absl::Status& outcome);
  // Records the call's (last) entry and commits what the call holds; the receipt's proof goes into
  // call.trailing. `outcome` is the status the caller will see if recording works.
  absl::StatusOr<v1::AuditReceipt> Conclude(Call& call, const absl::Status& outcome);

  // Concludes a call that is refused; what the caller is told: `why`, or that it could not be
  // recorded.
  absl::Status Refuse(Call& call, const absl::Status& why);

  // Records one step of the call: what is in `entry`. For a call that discloses
  // the entry is refused under a stale lock epoch, after the gate was asked again.
  // `with`: mutations and events.
  absl::StatusOr<Recorder::Recorded> RecordStep(Call& call, const record::v1::AuditEntry& entry,
                                                const Recording& with);

  // Counts a call that found no room to be run, so that it was refused unseen. Waits for nothing.
  void CountOverload(std::string_view method, std::string_view peer);

  // Records refused calls that were only counted, and those that could not be recorded when they
  // were answered; call it every second or so. Refusals of the current second are still counted.
  void RecordRefusals();
  // The same with those of the current second: when no more calls come. What still finds no room
  // is told in the log.
  void RecordLastRefusals();

  // Decides about a dataset and enforces it: handlers call it before they touch anything.
  absl::Status Decide(Call& call, const auth::Request& request, const auth::DatasetPolicy* dataset,
                      const auth::GrantView* grant);

  // OK while the call's token and person are what they were when it was admitted: not revoked, not
  // expired, not disabled. For calls that wait or stream; one look-up.
  absl::Status StillValid(const Call& call) const;

  incident::VoteCounts VoteCounts() const { return VotesThatCount(parts_.control); }

  // Decides about the call as such once it is known which dataset and purpose it touches: the
  // token's binding and scoped lockdowns.
  absl::Status DecideCall(Call& call, std::string_view dataset = {}, std::string_view purpose = {});

  const Clock& clock() const { return parts_.clock; }
  Recorder& recorder() { return parts_.recorder; }
  incident::LockdownManager& lockdown() { return parts_.lockdown; }
  RequestMemory& request_memory() { return request_memory_; }

 private:
  absl::Status Authenticate(Call& call);
  // Records what was counted in seconds before that of `until`, and what comes late.
  void RecordCounted(WallTime until);
  absl::Status FinishOutside(Call& call);
  // Waits for the exclusive lane, and decides again.
  absl::Status EnterAlone(Call& call, std::unique_lock<std::timed_mutex>& alone);
  void RefuseUnauthenticated(Call& call, const absl::Status& why);
  void RecordWithheld(Call& call, const absl::Status& outcome, const absl::Status& why);

  Parts parts_;
  RequestMemory request_memory_{limits::kMaxParsedBytesInFlight};
  RefusalCounts unauthenticated_;
  RefusalCounts turned_away_;  // before they were run, and batches that found no room
  LateEntries late_;
  std::atomic<bool> late_told_ = false;
  std::timed_mutex exclusive_;  // held from run to commit by calls whose policy says so
};

// The status a refused decision becomes.
absl::Status ToStatus(const auth::Decision& decision);

}  // namespace televault::service
