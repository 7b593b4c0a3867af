#pragma once

#include <string_view>

#include "pg_query_tree.pb.h"
#include "vault/base/status.h"
#include "vault/query/ast.h"

namespace televault::query {

struct Statement {
  std::string dataset;
  ast::Select select;
};

// Turns PostgreSQL's tree into the subset's; refuses everything outside of it with its position.
absl::StatusOr<Statement> ConvertStatement(const pg_query::ParseResult& tree, std::string_view sql);

}  // namespace televault::query
