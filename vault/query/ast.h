#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The syntax tree of the SELECT subset, after PostgreSQL's parser and before types are known.
namespace televault::query::ast {

enum class Kind : uint8_t {
  kColumn,     // name
  kStar,       // only inside count(*)
  kNull,       // NULL
  kBool,       // int_value 0 or 1
  kInt,        // int_value
  kDouble,     // double_value: a literal with a point or an exponent
  kString,     // text: a quoted literal, its type follows from where it stands
  kParameter,  // int_value: 1 for $1
  kOperator,   // name: + - * / % = <> < <= > >= ~~ !~~ ~~* !~~* and the unary - and +
  kAnd,
  kOr,
  kNot,
  kIn,              // args[0] IN (args[1], …)
  kIsNull,          // args[0]
  kIsTrue,          // args[0] IS TRUE; int_value: 0 IS TRUE, 1 IS FALSE, 2 IS UNKNOWN
  kIsDistinctFrom,  // args[0], args[1]
  kCase,            // WHEN, THEN, WHEN, THEN, …, and with odd count a final ELSE
  kCoalesce,
  kNullIf,
  kCast,       // args[0] to the type `name`
  kFunction,   // name (lower case), args
  kAggregate,  // name, args; distinct, filter, within_group
};

struct Expr {
  Kind kind = Kind::kNull;
  int location = -1;  // byte offset into the query text, -1 unknown
  std::string name;
  std::string text;
  int64_t int_value = 0;
  double double_value = 0;
  std::vector<Expr> args;
  bool distinct = false;
  bool descending = false;         // WITHIN GROUP (ORDER BY x DESC)
  std::vector<Expr> filter;        // none or one
  std::vector<Expr> within_group;  // none or one
};

struct SelectItem {
  Expr expr;
  std::string name;  // "" = derived from the expression
};

struct SortItem {
  Expr expr;
  bool descending = false;
  bool nulls_first = false;  // resolved: PostgreSQL's default is NULLS LAST for ASC, FIRST for DESC
};

struct Select {
  bool distinct = false;
  std::vector<SelectItem> items;
  std::optional<Expr> where;
  std::vector<Expr> group_by;
  std::optional<Expr> having;
  std::vector<SortItem> order_by;
  std::optional<Expr> limit;
  std::optional<Expr> offset;
};

}  // namespace televault::query::ast
