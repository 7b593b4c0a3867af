#include "auth/lockdown.h"

#include <algorithm>

namespace televault::auth {
namespace {

namespace v1 = ::televault::v1;

constexpr size_t kMaxScopeNameBytes = 64;

bool Covers(const LockdownItem& item, const LockdownTarget& target) {
  switch (item.scope) {
    case v1::SCOPE_KIND_DATASET:
      return !target.dataset.empty() && item.name == target.dataset;
    case v1::SCOPE_KIND_ROLE:
      return std::find(target.roles.begin(), target.roles.end(), item.name) != target.roles.end();
    case v1::SCOPE_KIND_TOKEN:
      return !target.token.empty() && item.name == target.token;
    case v1::SCOPE_KIND_PURPOSE:
      return !target.purpose.empty() && item.name == target.purpose;
    default:
      // EVERYTHING, and whatever this version does not know.
      return true;
  }
}

bool IsKnown(const LockdownItem& item) {
  const bool level = item.level >= v1::LOCKDOWN_LEVEL_ROWS && item.level <= v1::LOCKDOWN_LEVEL_SEAL;
  const bool scope =
      item.scope >= v1::SCOPE_KIND_EVERYTHING && item.scope <= v1::SCOPE_KIND_PURPOSE;
  return level && scope;
}

}  // namespace

LockdownLevel StrictestLevel(const LockdownView& view, const LockdownTarget& target) {
  LockdownLevel strictest = view.known ? v1::LOCKDOWN_LEVEL_NONE : v1::LOCKDOWN_LEVEL_ALL;
  for (const LockdownItem& item : view.items) {
    if (!IsKnown(item)) {
      strictest = std::max(strictest, v1::LOCKDOWN_LEVEL_ALL);
    } else if (Covers(item, target)) {
      strictest = std::max(strictest, item.level);
    }
  }
  return strictest;
}

std::string_view LevelName(LockdownLevel level) {
  switch (level) {
    case v1::LOCKDOWN_LEVEL_NONE:
      return "none";
    case v1::LOCKDOWN_LEVEL_ROWS:
      return "rows";
    case v1::LOCKDOWN_LEVEL_READS:
      return "reads";
    case v1::LOCKDOWN_LEVEL_SEAL:
      return "seal";
    default:
      return "all";
  }
}

absl::Status ValidateLockdown(LockdownLevel level, ScopeKind scope, std::string_view name) {
  if (level < v1::LOCKDOWN_LEVEL_ROWS || level > v1::LOCKDOWN_LEVEL_SEAL) {
    return absl::InvalidArgumentError("level must be one of rows, reads, all, seal");
  }
  if (scope < v1::SCOPE_KIND_EVERYTHING || scope > v1::SCOPE_KIND_PURPOSE) {
    return absl::InvalidArgumentError(
        "scope must be everything, or a dataset, role, token or purpose");
  }
  if (scope == v1::SCOPE_KIND_EVERYTHING) {
    return name.empty() ? absl::OkStatus()
                        : absl::InvalidArgumentError("scope everything takes no name");
  }
  if (level == v1::LOCKDOWN_LEVEL_SEAL) {
    return absl::InvalidArgumentError(
        "level seal wipes every key: it only goes with scope everything");
  }
  if (name.empty() || name.size() > kMaxScopeNameBytes) {
    return absl::InvalidArgumentError(
        "the scope needs the name of its dataset, role, token or purpose, 1 to 64 bytes");
  }
  return absl::OkStatus();
}

}  // namespace televault::auth
