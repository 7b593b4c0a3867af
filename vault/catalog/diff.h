#pragma once

#include <string>
#include <vector>

#include "vault/catalog/finding.h"
#include "vault/catalog/manifest.h"

namespace televault::catalog {

struct ManifestDiff {
  std::vector<std::string> changes;  // one sentence each; empty: nothing that matters changed
  std::vector<Finding> findings;     // E701 (warning) to E704
};

// What applying `after` over `before` changes, in words, and what of it is not allowed.
ManifestDiff Diff(const Manifest& before, const Manifest& after);

}  // namespace televault::catalog
