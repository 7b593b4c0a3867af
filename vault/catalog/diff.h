#pragma once

#include <string>
#include <vector>

#include "vault/catalog/finding.h"
#include "vault/catalog/manifest.h"

namespace televault::catalog {

struct ManifestDiff {
  std::vector<std::string> changes;  // one sentence each; empty: nothing is written differently
  std::vector<Finding> findings;     // E701 (warning) to E704
};

// What applying `after` over `before` changes, in words, and what of it is not allowed. A value for
// which there are no better words is named by its path.
ManifestDiff Diff(const Manifest& before, const Manifest& after);

}  // namespace televault::catalog
