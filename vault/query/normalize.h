#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vault/query/ast.h"

namespace televault::query {

struct NormalizedQuery {
  std::string text;
  // What stood in the places of the numbers behind those of parameters, in their order.
  std::vector<std::string> literals;
};

// The query written back from its tree with $n in place of every literal, parameters first as they
// are: equal for queries that differ in literals, spacing and comments only. The text holds no
// literal.
NormalizedQuery Normalize(const ast::Select& select, std::string_view dataset);

// The shortest text that reads as the same double: "1.5", "1e+20".
std::string NumberText(double value);

}  // namespace televault::query
