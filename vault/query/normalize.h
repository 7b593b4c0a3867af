#pragma once

#include <string>
#include <string_view>

#include "vault/query/ast.h"

namespace televault::query {

// The query written back from its tree with $n in place of every literal, parameters first as they
// are: equal for queries that differ in literals, spacing and comments only. Holds no literal.
std::string NormalizedText(const ast::Select& select, std::string_view dataset);

}  // namespace televault::query
