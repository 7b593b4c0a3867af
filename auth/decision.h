#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dataset_policy.h"
#include "auth/lockdown.h"
#include "auth/principal.h"
#include "televault/v1/options.pb.h"

namespace televault::auth {

enum class Action : uint8_t {
  // Nothing but the call itself; `dataset` only narrows token, lockdown and listing. For QUERY and
  // APPEND an allow admits the request to parsing; no telemetry may follow from it.
  kCall = 0,
  kAppend,     // write events of `dataset`
  kAggregate,  // an answer made of groups
  kRows,       // an answer made of rows
  // Plan, explain or ask access for an answer of either kind: decided like the real thing, without
  // a grant; no telemetry may follow from it.
  kPlanAggregate,
  kPlanRows,
};

// What is asked. Views: valid during Decide() only.
struct Request {
  // As declared for the RPC, see rpc_policy.h.
  ::televault::v1::Policy policy;
  Action action = Action::kCall;
  std::string_view dataset;
  std::string_view purpose;
  // Every field the query touches: filter, group, sort and output alike.
  std::span<const std::string> fields;
  // kRows (and kAggregate under a grant): BLAKE2b-256 over text, purpose and parameters.
  Digest query_digest{};
};

// A grant as far as the decision is concerned; times in microseconds.
struct GrantView {
  std::string id;
  std::string dataset;
  std::string purpose;
  std::string person;
  // Accessor of the only token that may use it.
  std::string token;
  Digest query_digest{};
  Digest policy_digest{};
  // Distinct eligible persons who approved, see approval.h.
  uint32_t approvals = 0;
  // 0 = not approved.
  int64_t approved_at_us = 0;
  int64_t expires_at_us = 0;
  bool denied = false;
  bool revoked = false;
};

enum class Verdict : uint8_t { kDeny = 0, kAllow = 1 };

enum class Reason : uint8_t {
  kOk = 0,
  kInvalidPolicy,        // the RPC's or the dataset's policy is missing, unknown or inconsistent
  kUnauthenticated,      // no token
  kNoCapability,         // no role of the token may do that
  kLockedDown,           // a lockdown in force stops it
  kDatasetNotInToken,    // the token is bound to other datasets
  kPurposeMissing,       // the call needs a purpose
  kPurposeNotInToken,    // the token does not carry it
  kUnknownDataset,       // no such dataset, or none the caller may know of
  kReviewOverdue,        // the manifest's review date has passed: nothing is appended
  kPurposeNotInDataset,  // the manifest does not declare it
  kRoleNotInDataset,     // the manifest names none of the caller's roles
  kPurposeNotInRole,     // the manifest does not give it to any of the caller's roles
  kUnknownField,         // a touched field is not declared
  kPurposeNotInField,    // a touched field does not serve it
  kModeNotAllowed,       // rows asked for, aggregates allowed, …
  kGrantMissing,         // rows need a grant
  kGrantMismatch,        // the grant is for another query, purpose, token, dataset or policy
  kGrantPending,         // not enough approvals
  kGrantOver,            // expired, denied or revoked
};

// Stable spelling, e.g. "PURPOSE_NOT_IN_ROLE"; goes into the audit entry.
std::string_view ReasonName(Reason reason);
// One sentence for the caller: what happened and what to do. Names nothing of other people's.
std::string_view ReasonText(Reason reason);

// The answer, and at once what is audited and enforced. Default: deny.
struct Decision {
  Verdict verdict = Verdict::kDeny;
  Reason reason = Reason::kInvalidPolicy;
  // What decided, e.g. "role:analyst", "grant:…", "capability:CAPABILITY_APPEND", "field:version".
  std::string rule;
  // Role under which data is read; "" for calls that read none.
  std::string role;
  // Set where a grant allowed it.
  std::string grant_id;
  AccessMode mode = AccessMode::kUnspecified;
  // Touched fields that are not visible as they are.
  std::map<std::string, Mask, std::less<>> masks;
  // Groups of fewer subjects are withheld; 0 where rows were granted.
  uint32_t k_min = 0;
  // event_time is rounded down to a multiple of it before anything else sees it; 0 = exact, in
  // kRows only.
  int64_t time_granularity_us = kDayUs;
  // The answer must end by then: end of the grant. 0 = no such bound.
  int64_t valid_until_us = 0;
  // kPlanRows: what an access request for this needs.
  uint32_t approvals_needed = 0;
  int64_t max_grant_us = 0;
  Digest policy_digest{};
  // Strictest lockdown over the target when this was decided.
  LockdownLevel lockdown_level = ::televault::v1::LOCKDOWN_LEVEL_ALL;
  uint64_t lock_epoch = 0;

  bool allowed() const { return verdict == Verdict::kAllow; }
};

// Whether the call may go on. Default deny; an explicit deny (lockdown, token binding) beats any
// allow. `dataset`: nullptr where the call names none or it does not exist; needed for every action
// but kCall. `grant`: nullptr = none. `lockdown`: nullptr = unreadable. `now_us`: the gate's read
// time. The order of the checks is that of the Reason enum; the first that fails is reported.
Decision Decide(const Principal& principal, const Request& request, const DatasetPolicy* dataset,
                const GrantView* grant, const LockdownView* lockdown, int64_t now_us);

// Whether a listing shows this dataset to the caller: the token is not bound elsewhere and one of
// its roles manages datasets, or may read this one for a purpose the token carries.
bool MaySee(const Principal& principal, const DatasetPolicy& dataset);

// Whether the caller may know of this dataset what no query guards: how many events it holds and
// when exactly something came in. Small groups are withheld from whoever reads aggregates only, and
// two exact counts around one event would give it away.
bool MaySeeExactFigures(const Principal& principal, const DatasetPolicy& dataset);

}  // namespace televault::auth
