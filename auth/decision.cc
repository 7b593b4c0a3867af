#include "auth/decision.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

#include "auth/approval.h"
#include "auth/roles.h"
#include "auth/rpc_policy.h"

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

absl::string_view Edge(std::string_view text) { return {text.data(), text.size()}; }

bool IsPlan(Action action) {
  return action == Action::kPlanAggregate || action == Action::kPlanRows;
}
bool TouchesRows(Action action) { return action == Action::kRows || action == Action::kPlanRows; }

// Whether the lockdown in force stops the call. Rows stop at `rows` whatever the RPC declares.
bool IsLockedDown(LockdownLevel level, const Request& request) {
  switch (request.policy.during_lockdown()) {
    case v1::LOCKDOWN_RULE_ALWAYS:
      return false;
    case v1::LOCKDOWN_RULE_ROWS:
      return level >= v1::LOCKDOWN_LEVEL_ROWS;
    case v1::LOCKDOWN_RULE_READS:
      return level >=
             (TouchesRows(request.action) ? v1::LOCKDOWN_LEVEL_ROWS : v1::LOCKDOWN_LEVEL_READS);
    case v1::LOCKDOWN_RULE_ALL:
      return level >= v1::LOCKDOWN_LEVEL_ALL;
    default:
      return true;
  }
}

// An RPC may only do what it declares: appending needs APPEND, reading QUERY with a purpose.
bool ActionFitsPolicy(Action action, const v1::Policy& policy) {
  switch (action) {
    case Action::kCall:
      return true;
    case Action::kAppend:
      return policy.capability() == v1::CAPABILITY_APPEND &&
             policy.during_lockdown() == v1::LOCKDOWN_RULE_ALL;
    case Action::kAggregate:
    case Action::kRows:
      return policy.capability() == v1::CAPABILITY_QUERY &&
             policy.purpose() == v1::PURPOSE_RULE_REQUIRED &&
             (policy.during_lockdown() == v1::LOCKDOWN_RULE_READS ||
              policy.during_lockdown() == v1::LOCKDOWN_RULE_ROWS);
    case Action::kPlanAggregate:
    case Action::kPlanRows:
      return (policy.capability() == v1::CAPABILITY_QUERY ||
              policy.capability() == v1::CAPABILITY_REQUEST_ACCESS) &&
             policy.purpose() == v1::PURPOSE_RULE_REQUIRED;
  }
  return false;
}

// One decision in the making. Each Check returns the deny, or nothing where the call may go on.
class Decider {
 public:
  Decider(const Principal& principal, const Request& request, const DatasetPolicy* dataset,
          const GrantView* grant, int64_t now_us)
      : principal_(principal),
        request_(request),
        dataset_(dataset),
        grant_(grant),
        now_us_(now_us) {}

  Decision Run(const LockdownView& lockdown) {
    common_.lock_epoch = lockdown.epoch;
    common_.lockdown_level = StrictestLevel(lockdown, {.dataset = request_.dataset,
                                                       .roles = principal_.roles,
                                                       .token = principal_.accessor,
                                                       .purpose = request_.purpose});
    if (dataset_ != nullptr) common_.policy_digest = dataset_->digest;
    if (auto deny = CheckCall()) return *deny;
    if (auto deny = CheckPurposeOfToken()) return *deny;
    if (request_.action == Action::kCall) return DecideCall();
    if (auto deny = CheckDataset()) return *deny;
    if (request_.action == Action::kAppend) return DecideAppend();
    return DecideRead();
  }

 private:
  Decision Deny(Reason reason, std::string rule) const {
    Decision decision = common_;
    decision.verdict = Verdict::kDeny;
    decision.reason = reason;
    decision.rule = std::move(rule);
    return decision;
  }

  Decision Allow(std::string rule) const {
    Decision decision = common_;
    decision.verdict = Verdict::kAllow;
    decision.reason = Reason::kOk;
    decision.rule = std::move(rule);
    return decision;
  }

  std::string CapabilityRule() const {
    return absl::StrCat("capability:", v1::Capability_Name(request_.policy.capability()));
  }

  std::optional<Decision> CheckCall() const {
    if (!PolicyProblem(request_.policy).empty() ||
        !ActionFitsPolicy(request_.action, request_.policy)) {
      return Deny(Reason::kInvalidPolicy, "rpc policy");
    }
    const Capability needed = request_.policy.capability();
    if (needed != v1::CAPABILITY_PUBLIC && !principal_.authenticated()) {
      return Deny(Reason::kUnauthenticated, CapabilityRule());
    }
    if (needed != v1::CAPABILITY_PUBLIC && needed != v1::CAPABILITY_AUTHENTICATED &&
        !CapabilitiesOf(principal_.roles).Has(needed)) {
      return Deny(Reason::kNoCapability, CapabilityRule());
    }
    if (IsLockedDown(common_.lockdown_level, request_)) {
      return Deny(Reason::kLockedDown,
                  absl::StrCat("lockdown:", Edge(LevelName(common_.lockdown_level))));
    }
    if (!request_.dataset.empty() && !principal_.datasets.empty() &&
        !Contains(principal_.datasets, request_.dataset)) {
      return Deny(Reason::kDatasetNotInToken, "token");
    }
    return std::nullopt;
  }

  std::optional<Decision> CheckPurposeOfToken() const {
    if (request_.policy.purpose() == v1::PURPOSE_RULE_REQUIRED && request_.purpose.empty()) {
      return Deny(Reason::kPurposeMissing, "rpc policy");
    }
    if (!request_.purpose.empty() && !principal_.purposes.empty() &&
        !Contains(principal_.purposes, request_.purpose)) {
      return Deny(Reason::kPurposeNotInToken, "token");
    }
    return std::nullopt;
  }

  Decision DecideCall() const {
    if (request_.policy.capability() == v1::CAPABILITY_READ_CATALOG && dataset_ != nullptr &&
        !MaySee(principal_, *dataset_)) {
      return Deny(Reason::kUnknownDataset, "listing");
    }
    return Allow(CapabilityRule());
  }

  std::optional<Decision> CheckDataset() const {
    if (dataset_ == nullptr || request_.dataset.empty()) {
      return Deny(Reason::kUnknownDataset, "dataset");
    }
    if (dataset_->version != kDatasetPolicyVersion || dataset_->name != request_.dataset) {
      return Deny(Reason::kInvalidPolicy, "dataset policy");
    }
    return std::nullopt;
  }

  Decision DecideAppend() const {
    // A write token is handed to machines in the field: it only ever reaches what it names.
    if (!Contains(principal_.datasets, request_.dataset)) {
      return Deny(Reason::kDatasetNotInToken, "token");
    }
    if (now_us_ >= dataset_->read_only_after_us) return Deny(Reason::kReviewOverdue, "review_by");
    return Allow(CapabilityRule());
  }

  // Every role of the caller that the manifest names is tried; of those that allow, the one that
  // discloses least decides, unless a grant was brought along.
  Decision DecideRead() const {
    if (!Contains(dataset_->purposes, request_.purpose)) {
      return Deny(Reason::kPurposeNotInDataset, "dataset");
    }
    std::optional<Decision> best;
    for (const std::string& name : principal_.roles) {
      const Role* role = FindRole(name);
      if (role == nullptr || !role->capabilities.Has(request_.policy.capability())) continue;
      const auto found = dataset_->roles.find(name);
      if (found == dataset_->roles.end()) continue;
      Decision decision = DecideRole(name, found->second);
      if (!best.has_value() || IsBetter(decision, *best)) best = std::move(decision);
    }
    return best.has_value() ? *std::move(best) : Deny(Reason::kRoleNotInDataset, "dataset");
  }

  bool IsBetter(const Decision& candidate, const Decision& best) const {
    if (candidate.allowed() != best.allowed()) return candidate.allowed();
    // Of two refusals the one that came furthest tells the caller most.
    if (!candidate.allowed()) return candidate.reason > best.reason;
    if (candidate.mode != best.mode) {
      const AccessMode wanted = grant_ != nullptr ? AccessMode::kRows : AccessMode::kAggregate;
      return candidate.mode == wanted;
    }
    return candidate.k_min > best.k_min;
  }

  Decision DecideRole(const std::string& name, const RolePolicy& role) const {
    const std::string rule = absl::StrCat("role:", name);
    if (!Contains(role.purposes, request_.purpose)) return Deny(Reason::kPurposeNotInRole, rule);
    if (auto deny = CheckFields()) return *deny;
    if (auto deny = CheckMode(role, rule)) return *deny;

    Decision allow = Allow(rule);
    if (role.mode == AccessMode::kRows && !IsPlan(request_.action)) {
      if (const Reason reason = CheckGrant(role); reason != Reason::kOk) {
        return Deny(reason, rule);
      }
      allow.rule = absl::StrCat("grant:", grant_->id);
      allow.grant_id = grant_->id;
      allow.valid_until_us = grant_->expires_at_us;
    }
    allow.role = name;
    allow.mode = role.mode;
    allow.time_granularity_us = role.time_granularity_us;
    if (role.mode == AccessMode::kAggregate) {
      allow.k_min = role.k_min;
    } else {
      allow.approvals_needed = std::max(role.approvals, kMinApprovals);
      allow.max_grant_us = role.max_grant_us;
    }
    for (const std::string& field : request_.fields) {
      const auto mask = role.masks.find(field);
      if (mask != role.masks.end() && mask->second != Mask::Visible()) {
        allow.masks.emplace(field, mask->second);
      }
    }
    return allow;
  }

  std::optional<Decision> CheckFields() const {
    for (const std::string& name : request_.fields) {
      const auto field = dataset_->fields.find(name);
      // The name comes from the query's text: it is not repeated in the rule.
      if (field == dataset_->fields.end()) return Deny(Reason::kUnknownField, "dataset");
      if (!Contains(field->second.purposes, request_.purpose)) {
        return Deny(Reason::kPurposeNotInField, absl::StrCat("field:", name));
      }
    }
    return std::nullopt;
  }

  std::optional<Decision> CheckMode(const RolePolicy& role, const std::string& rule) const {
    const bool invalid = role.mode == AccessMode::kUnspecified || role.time_granularity_us < 0 ||
                         (role.mode == AccessMode::kAggregate &&
                          (role.k_min == 0 || role.time_granularity_us == 0)) ||
                         (role.mode == AccessMode::kRows &&
                          (role.approvals < kMinApprovals || role.max_grant_us <= 0));
    if (invalid) return Deny(Reason::kInvalidPolicy, rule);
    const bool wants_rows = TouchesRows(request_.action) ||
                            request_.policy.capability() == v1::CAPABILITY_REQUEST_ACCESS;
    const bool allowed =
        role.mode == AccessMode::kRows || (role.mode == AccessMode::kAggregate && !wants_rows);
    if (!allowed) return Deny(Reason::kModeNotAllowed, rule);
    return std::nullopt;
  }

  Reason CheckGrant(const RolePolicy& role) const {
    if (grant_ == nullptr) return Reason::kGrantMissing;
    const GrantView& grant = *grant_;
    const bool fits = !grant.id.empty() && grant.person == principal_.person &&
                      grant.token == principal_.accessor && grant.dataset == request_.dataset &&
                      grant.purpose == request_.purpose && grant.query_digest != Digest{} &&
                      grant.query_digest == request_.query_digest &&
                      grant.policy_digest == dataset_->digest;
    if (!fits) return Reason::kGrantMismatch;
    if (grant.denied || grant.revoked) return Reason::kGrantOver;
    if (grant.approvals < std::max(role.approvals, kMinApprovals) || grant.approved_at_us <= 0 ||
        now_us_ < grant.approved_at_us) {
      return Reason::kGrantPending;
    }
    if (now_us_ >= grant.expires_at_us) return Reason::kGrantOver;
    if (grant.expires_at_us - grant.approved_at_us > role.max_grant_us) {
      return Reason::kGrantMismatch;
    }
    return Reason::kOk;
  }

  const Principal& principal_;
  const Request& request_;
  const DatasetPolicy* const dataset_;
  const GrantView* const grant_;
  const int64_t now_us_;
  Decision common_;
};

}  // namespace

Decision Decide(const Principal& principal, const Request& request, const DatasetPolicy* dataset,
                const GrantView* grant, const LockdownView* lockdown, int64_t now_us) {
  return Decider(principal, request, dataset, grant, now_us)
      .Run(lockdown != nullptr ? *lockdown : LockdownView{});
}

namespace {

bool Reaches(const Principal& principal, const DatasetPolicy& dataset) {
  if (!principal.authenticated() || dataset.version != kDatasetPolicyVersion) return false;
  return principal.datasets.empty() || Contains(principal.datasets, dataset.name);
}

// Whether a role of the caller may read the dataset, in this mode if one is given, for a purpose
// that the token carries.
bool ReadsFor(const Principal& principal, const DatasetPolicy& dataset,
              std::optional<AccessMode> mode) {
  return std::any_of(principal.roles.begin(), principal.roles.end(), [&](const std::string& name) {
    const Role* role = FindRole(name);
    const auto found = dataset.roles.find(name);
    if (role == nullptr || !role->capabilities.Has(v1::CAPABILITY_READ_CATALOG) ||
        found == dataset.roles.end() || (mode && found->second.mode != *mode)) {
      return false;
    }
    const auto& purposes = found->second.purposes;
    return std::any_of(purposes.begin(), purposes.end(), [&](const std::string& purpose) {
      return principal.purposes.empty() || Contains(principal.purposes, purpose);
    });
  });
}

}  // namespace

bool MaySee(const Principal& principal, const DatasetPolicy& dataset) {
  constexpr CapabilitySet kManages = {v1::CAPABILITY_MANAGE_CATALOG,
                                      v1::CAPABILITY_MANAGE_RETENTION,
                                      v1::CAPABILITY_APPROVE_ACCESS};
  if (!Reaches(principal, dataset)) return false;
  if (CapabilitiesOf(principal.roles).Intersects(kManages)) return true;
  return ReadsFor(principal, dataset, std::nullopt);
}

bool MaySeeExactFigures(const Principal& principal, const DatasetPolicy& dataset) {
  constexpr CapabilitySet kManages = {v1::CAPABILITY_MANAGE_CATALOG,
                                      v1::CAPABILITY_MANAGE_RETENTION};
  if (!Reaches(principal, dataset)) return false;
  if (CapabilitiesOf(principal.roles).Intersects(kManages)) return true;
  return ReadsFor(principal, dataset, AccessMode::kRows);
}

}  // namespace televault::auth
