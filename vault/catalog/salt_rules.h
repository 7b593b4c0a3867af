#pragma once

#include <optional>
#include <set>
#include <span>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"

namespace televault::store {
class MetaStore;
class View;
}  // namespace televault::store

namespace televault::catalog {

// Which salts of a dataset's subjects are needed: what its manifests, of all revisions, say about
// them. An older revision made the pseudonyms of older days.
struct SaltRules {
  std::vector<std::optional<microseconds>> rotations;  // nothing: never
  microseconds late_past{0};                           // how late an event may come
  microseconds early_future{0};

  // The periods of those days, and of every day that an event may still come for.
  std::set<int64_t> PeriodsOf(std::span<const Day> days, WallTime now) const;
};

absl::StatusOr<SaltRules> SaltRulesOf(const store::MetaStore& meta, const store::View& view,
                                      DatasetId dataset);

}  // namespace televault::catalog
