#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/status.h"
#include "vault/query/ast.h"

namespace televault::query {

// One SELECT of the subset in docs/sql.md, not yet bound to a dataset's schema.
struct ParsedQuery {
  std::string dataset;                // the one name after FROM
  std::string normalized;             // literals replaced by $n: safe for audit entries and grants
  std::vector<std::string> literals;  // in the order of their numbers in `normalized`
  std::string fingerprint;            // 16 hex digits, equal for queries of equal shape
  std::string text;                   // as received; never leaves in an error text
  std::shared_ptr<const ast::Select> select;  // shared: plans of one query point at the same tree
};

// Reads one SELECT statement of at most limits::kMaxSqlBytes; nesting is bounded by
// limits::kMaxExpressionDepth.
// Errors: INVALID_ARGUMENT with reason INVALID_SQL; the text names line and column and what is
// possible, and never repeats a literal.
absl::StatusOr<ParsedQuery> Parse(std::string_view sql);

// "line 2, column 14" for a byte offset into `sql`; "" where it is unknown (negative).
std::string PositionOf(std::string_view sql, int offset);

// INVALID_ARGUMENT with reason INVALID_SQL; `offset` may be -1.
absl::Status SqlError(std::string_view sql, int offset, std::string_view message);

}  // namespace televault::query
