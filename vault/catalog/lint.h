#pragma once

#include <vector>

#include "vault/base/time.h"
#include "vault/catalog/finding.h"
#include "vault/catalog/manifest.h"

namespace televault::catalog {

// Every rule that needs no history (E1xx to E6xx and their warnings), after `lint_ok` was applied:
// an excused finding is left out, an excuse that excuses nothing is error E005. Sorted by place.
// `today` decides about review dates. Structure errors are ReadManifest's.
std::vector<Finding> Lint(const Manifest& manifest, Day today);

// ReadManifest and, where the structure is sound, Lint.
std::vector<Finding> LintText(std::string_view yaml, Day today);

bool HasErrors(const std::vector<Finding>& findings);

}  // namespace televault::catalog
