#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "televault/v1/types.pb.h"

namespace televault::auth {

using LockdownLevel = ::televault::v1::LockdownLevel;
using ScopeKind = ::televault::v1::ScopeKind;

// One lockdown as far as decisions are concerned.
struct LockdownItem {
  LockdownLevel level = ::televault::v1::LOCKDOWN_LEVEL_UNSPECIFIED;
  ScopeKind scope = ::televault::v1::SCOPE_KIND_UNSPECIFIED;
  // Dataset, role, token accessor or purpose; "" for EVERYTHING.
  std::string name;
};

// The lock state at one moment. A default one is unknown and counts as locked at `all`.
struct LockdownView {
  bool known = false;
  uint64_t epoch = 0;
  std::vector<LockdownItem> items;
};

// What a call touches. Empty members match no scope.
struct LockdownTarget {
  std::string_view dataset;
  std::span<const std::string> roles;
  std::string_view token;
  std::string_view purpose;
};

// The strictest level that covers `target`; NONE where nothing does. An unknown view, and an item
// whose level or scope this version does not know, count as `all` over everything.
LockdownLevel StrictestLevel(const LockdownView& view, const LockdownTarget& target);

// "none", "rows", "reads", "all", "seal"; "all" for anything else.
std::string_view LevelName(LockdownLevel level);

// What a caller may ask for: a level from rows to seal, a known scope, a name exactly where the
// scope wants one. INVALID_ARGUMENT says what would be right.
absl::Status ValidateLockdown(LockdownLevel level, ScopeKind scope, std::string_view name);

}  // namespace televault::auth
