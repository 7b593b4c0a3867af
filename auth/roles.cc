#include "auth/roles.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace televault::auth {
namespace {

using ::televault::v1::CAPABILITY_APPEND;
using ::televault::v1::CAPABILITY_APPROVE_ACCESS;
using ::televault::v1::CAPABILITY_LOCKDOWN;
using ::televault::v1::CAPABILITY_MANAGE_CATALOG;
using ::televault::v1::CAPABILITY_MANAGE_PERSONS;
using ::televault::v1::CAPABILITY_MANAGE_RETENTION;
using ::televault::v1::CAPABILITY_MANAGE_TOKENS;
using ::televault::v1::CAPABILITY_OPERATE;
using ::televault::v1::CAPABILITY_QUERY;
using ::televault::v1::CAPABILITY_READ_AUDIT;
using ::televault::v1::CAPABILITY_READ_CATALOG;
using ::televault::v1::CAPABILITY_READ_STATUS;
using ::televault::v1::CAPABILITY_REQUEST_ACCESS;

constexpr size_t kMaxRolesPerToken = 8;

constexpr std::array<Role, 8> kRoles = {{
    {"operator",
     {CAPABILITY_OPERATE, CAPABILITY_MANAGE_PERSONS, CAPABILITY_MANAGE_TOKENS,
      CAPABILITY_READ_STATUS},
     true,
     "Unseals, seals, keeps keys and backups, gives out tokens. Reads no telemetry and no audit."},
    {"steward",
     {CAPABILITY_MANAGE_CATALOG, CAPABILITY_MANAGE_RETENTION, CAPABILITY_APPROVE_ACCESS,
      CAPABILITY_READ_CATALOG, CAPABILITY_READ_STATUS},
     true,
     "Keeps manifests, retention and erasure, approves access. Reads no telemetry."},
    {"collector",
     {CAPABILITY_APPEND},
     false,
     "Appends events to the datasets its token names. Reads nothing."},
    {"analyst",
     {CAPABILITY_QUERY, CAPABILITY_READ_CATALOG},
     false,
     "Runs aggregate queries for the purposes it has. Sees no rows."},
    {"investigator",
     {CAPABILITY_QUERY, CAPABILITY_REQUEST_ACCESS, CAPABILITY_READ_CATALOG},
     true,
     "Reads rows under a live grant, exactly as granted."},
    {"publisher",
     {CAPABILITY_READ_CATALOG},
     false,
     "Prepares public releases with differential privacy. Sees no rows and no raw aggregates."},
    {"auditor",
     {CAPABILITY_READ_AUDIT, CAPABILITY_READ_STATUS},
     false,
     "Reads and verifies the audit trail. Reads no telemetry."},
    {"responder",
     {CAPABILITY_LOCKDOWN, CAPABILITY_READ_STATUS},
     true,
     "Engages lockdown and votes on lifting it. Reads no telemetry."},
}};

constexpr CapabilitySet kReadsTelemetry = {CAPABILITY_QUERY, CAPABILITY_REQUEST_ACCESS};
constexpr CapabilitySet kReadsAudit = {CAPABILITY_READ_AUDIT};
constexpr CapabilitySet kManagesIdentity = {CAPABILITY_OPERATE, CAPABILITY_MANAGE_PERSONS,
                                            CAPABILITY_MANAGE_TOKENS};
constexpr CapabilitySet kAppends = {CAPABILITY_APPEND};
// What whoever reads telemetry must not decide about.
constexpr CapabilitySet kGuardsTelemetry = {CAPABILITY_OPERATE,          CAPABILITY_MANAGE_PERSONS,
                                            CAPABILITY_MANAGE_TOKENS,    CAPABILITY_MANAGE_CATALOG,
                                            CAPABILITY_MANAGE_RETENTION, CAPABILITY_APPROVE_ACCESS,
                                            CAPABILITY_READ_AUDIT,       CAPABILITY_LOCKDOWN};

constexpr bool Combines(CapabilitySet set) {
  return (set.Intersects(kReadsTelemetry) && set.Intersects(kGuardsTelemetry)) ||
         (set.Intersects(kReadsAudit) && set.Intersects(kManagesIdentity)) ||
         (set.Intersects(kAppends) && !kAppends.ContainsAll(set));
}

constexpr bool NoBuiltInRoleCombines() {
  for (const Role& role : kRoles) {
    if (Combines(role.capabilities)) return false;
  }
  return true;
}
static_assert(NoBuiltInRoleCombines());

}  // namespace

std::vector<Capability> CapabilitySet::Members() const {
  std::vector<Capability> members;
  for (int number = 1; number <= ::televault::v1::Capability_MAX; ++number) {
    const auto member = static_cast<Capability>(number);
    if (Has(member)) members.push_back(member);
  }
  return members;
}

std::span<const Role> BuiltInRoles() { return kRoles; }

const Role* FindRole(std::string_view name) {
  const auto it = std::find_if(kRoles.begin(), kRoles.end(),
                               [name](const Role& role) { return role.name == name; });
  return it == kRoles.end() ? nullptr : &*it;
}

CapabilitySet CapabilitiesOf(std::span<const std::string> roles) {
  CapabilitySet set;
  for (const std::string& name : roles) {
    if (const Role* role = FindRole(name)) set.AddAll(role->capabilities);
  }
  return set;
}

bool NeedsConfirmation(std::span<const std::string> roles) {
  return std::any_of(roles.begin(), roles.end(), [](const std::string& name) {
    const Role* role = FindRole(name);
    return role == nullptr || role->guarded;
  });
}

bool CombinesDuties(std::span<const std::string> roles) { return Combines(CapabilitiesOf(roles)); }

absl::Status ValidateRoles(std::span<const std::string> roles) {
  std::string known;
  for (const Role& role : kRoles) {
    absl::StrAppend(&known, known.empty() ? "" : ", ",
                    absl::string_view(role.name.data(), role.name.size()));
  }
  if (roles.empty() || roles.size() > kMaxRolesPerToken) {
    return absl::InvalidArgumentError(
        absl::StrCat("a token has 1 to ", kMaxRolesPerToken, " roles; known roles: ", known));
  }
  for (size_t i = 0; i < roles.size(); ++i) {
    if (FindRole(roles[i]) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("role ", i + 1, " of the list is not known; known roles: ", known));
    }
    const auto before = roles.first(i);
    if (std::find(before.begin(), before.end(), roles[i]) != before.end()) {
      return absl::InvalidArgumentError(absl::StrCat("role ", roles[i], " is listed twice"));
    }
  }
  return absl::OkStatus();
}

TokenKind TokenKindOf(std::span<const std::string> roles) {
  const CapabilitySet set = CapabilitiesOf(roles);
  if (set.Intersects(kManagesIdentity)) return TokenKind::kOperator;
  if (!set.empty() && kAppends.ContainsAll(set)) return TokenKind::kWrite;
  return TokenKind::kRole;
}

}  // namespace televault::auth
