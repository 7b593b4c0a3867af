#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "auth/decision.h"
#include "auth/principal.h"
#include "televault/record/v1/audit.pb.h"
#include "televault/v1/options.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/store.h"

namespace televault::service {

// One call on its way through the vault: what came in, what was decided, what will be recorded.
// Belongs to one thread at a time.
struct Call {
  // What came in.
  std::string method;  // "/televault.v1.QueryService/Query"
  v1::Policy policy;
  std::string peer;
  WallTime now;  // the gate's SteadyTime(); the readers and the writer ask its ReadTime()
  MonoTime started;
  MonoTime deadline;
  std::function<bool()> cancelled;
  // A value of the call's metadata, "" if absent. Secrets are read through it and never kept.
  std::function<std::string_view(std::string_view name)> metadata;

  // What was decided. Handlers that touch a dataset replace the decision by the full one.
  auth::Principal principal;
  auth::Decision decision;

  // What will be recorded and committed. Handlers add facts to `entry`.
  record::v1::AuditEntry entry;
  std::vector<store::Mutation> mutations;
  // What the mutations bring about beside the call itself: entries of their own behind it, in the
  // same commit. Left out where the call fails.
  std::vector<record::v1::AuditEntry> events;
  std::function<void()> on_committed;  // once, after the commit
  std::function<void()> on_abandoned;  // once, where nothing was committed
  // What is kept outside the journal (control file, lift of a lockdown) is changed here, after the
  // entry that says so is durable. An error is recorded as a second entry and answered.
  std::function<absl::Status()> after_recording;
  // Of calls that are answered first: runs before the answer, on a pool where it may wait, within a
  // bound of its own. Where that pool is full it is left out.
  std::function<void()> before_answer;
  // The call is answered before anything is written: the use of its token is counted afterwards.
  bool answered_first = false;
  bool limited_uses = false;  // of the caller's token
  // The answer carries telemetry: withheld if the lock epoch moved since the decision.
  bool discloses = false;
  // Asks the gate again and renews decision.lock_epoch; set by handlers whose call discloses.
  std::function<absl::Status()> revalidate;
  // The answer goes out even if its entry cannot be written (lockdown, status).
  bool answer_unaudited = false;
  store::Urgency urgency = store::Urgency::kOrdinary;
  // Takes out of `entry` and digest what was to leave with the outcome and does not, because that
  // could not be recorded; set by handlers whose call discloses.
  std::function<void()> on_withheld;
  // Salted digest of what was disclosed, for the entry; filled by handlers that disclose.
  std::string response_digest;

  // What goes back beside the message.
  std::multimap<std::string, std::string> trailing;
};

}  // namespace televault::service
