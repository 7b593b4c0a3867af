#include "vault/query/parse_tree.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/query/parse.h"

namespace televault::query {
namespace {

using ast::Expr;
using ast::Kind;
using pg_query::Node;

constexpr std::array<std::string_view, 16> kFunctions = {
    "abs",    "ceil",  "ceiling", "date_bin", "date_trunc", "floor",
    "length", "lower", "now",     "round",    "upper",      "width_bucket"};
constexpr std::array<std::string_view, 10> kAggregates = {
    "avg",    "count",       "max", "min", "percentile_cont", "percentile_disc",
    "stddev", "stddev_samp", "sum"};
constexpr std::array<std::string_view, 12> kOperators = {"+",  "-", "*",  "/", "%", "=",
                                                         "<>", "<", "<=", ">", ">="};

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& names, std::string_view name) {
  for (const std::string_view known : names) {
    if (!known.empty() && known == name) return true;
  }
  return false;
}

// Walks PostgreSQL's tree. Borrows the text for positions.
class Converter {
 public:
  explicit Converter(std::string_view sql) : sql_(sql) {}

  absl::StatusOr<Statement> Convert(const pg_query::ParseResult& tree);

 private:
  absl::Status Refuse(int location, std::string_view message) const {
    return SqlError(sql_, location, message);
  }
  absl::Status CheckClauses(const pg_query::SelectStmt& select) const;
  absl::StatusOr<std::string> Dataset(const pg_query::SelectStmt& select) const;
  absl::StatusOr<ast::Select> ConvertSelect(const pg_query::SelectStmt& select);
  absl::StatusOr<ast::SortItem> ConvertSort(const pg_query::SortBy& sort);

  // Counts what it converts: every way into an expression leads through here.
  absl::Status Count(const Node& node);
  absl::StatusOr<Expr> ConvertExpr(const Node& node, size_t depth);
  absl::Status ConvertArgs(const google::protobuf::RepeatedPtrField<Node>& nodes, size_t depth,
                           Expr& into);
  absl::StatusOr<Expr> ConvertColumn(const pg_query::ColumnRef& column);
  absl::StatusOr<Expr> ConvertConst(const pg_query::A_Const& constant);
  absl::StatusOr<Expr> ConvertOperator(const pg_query::A_Expr& expr, size_t depth);
  absl::StatusOr<Expr> ConvertBinary(const pg_query::A_Expr& expr, Kind kind, std::string name,
                                     size_t depth);
  absl::StatusOr<Expr> ConvertIn(const pg_query::A_Expr& expr, size_t depth);
  absl::StatusOr<Expr> ConvertBetween(const pg_query::A_Expr& expr, size_t depth);
  absl::StatusOr<Expr> ConvertBool(const pg_query::BoolExpr& expr, size_t depth);
  absl::StatusOr<Expr> ConvertTest(const pg_query::BooleanTest& test, size_t depth);
  absl::StatusOr<Expr> ConvertCase(const pg_query::CaseExpr& expr, size_t depth);
  absl::StatusOr<Expr> ConvertCast(const pg_query::TypeCast& cast, size_t depth);
  absl::StatusOr<Expr> ConvertCall(const pg_query::FuncCall& call, size_t depth);
  absl::Status ConvertAggregateParts(const pg_query::FuncCall& call, size_t depth, Expr& into);
  absl::StatusOr<Expr> ConvertKeyword(const pg_query::SQLValueFunction& function);

  std::string_view sql_;
  size_t nodes_ = 0;
};

std::string LastName(const google::protobuf::RepeatedPtrField<Node>& names) {
  return names.empty() ? std::string() : names[names.size() - 1].string().sval();
}

Expr Make(Kind kind, int location, std::string name = "") {
  Expr expr;
  expr.kind = kind;
  expr.location = location;
  expr.name = std::move(name);
  return expr;
}

Expr Negate(Expr inner) {
  Expr expr = Make(Kind::kNot, inner.location);
  expr.args.push_back(std::move(inner));
  return expr;
}

absl::StatusOr<Statement> Converter::Convert(const pg_query::ParseResult& tree) {
  if (tree.stmts_size() != 1) return Refuse(-1, "exactly one SELECT statement is possible");
  const Node& node = tree.stmts(0).stmt();
  if (!node.has_select_stmt()) {
    return Refuse(tree.stmts(0).stmt_location(),
                  "only SELECT is possible; `televault query --explain` shows a plan");
  }
  const pg_query::SelectStmt& select = node.select_stmt();
  TV_RETURN_IF_ERROR(CheckClauses(select));
  Statement statement;
  TV_ASSIGN_OR_RETURN(statement.dataset, Dataset(select));
  TV_ASSIGN_OR_RETURN(statement.select, ConvertSelect(select));
  return statement;
}

absl::Status Converter::CheckClauses(const pg_query::SelectStmt& select) const {
  if (select.op() != pg_query::SETOP_NONE && select.op() != pg_query::SET_OPERATION_UNDEFINED) {
    return Refuse(-1, "UNION, INTERSECT and EXCEPT are not possible; ask once per part");
  }
  if (select.has_with_clause()) return Refuse(-1, "WITH is not possible; one SELECT is");
  if (select.has_into_clause()) return Refuse(-1, "SELECT INTO is not possible: nothing writes");
  if (select.values_lists_size() > 0) return Refuse(-1, "VALUES is not possible; use SELECT");
  if (select.window_clause_size() > 0) return Refuse(-1, "windows are not possible");
  if (select.locking_clause_size() > 0) return Refuse(-1, "FOR UPDATE and the like do not apply");
  if (select.group_distinct()) return Refuse(-1, "GROUP BY DISTINCT is not possible");
  if (select.limit_option() == pg_query::LIMIT_OPTION_WITH_TIES) {
    return Refuse(-1, "WITH TIES is not possible; use LIMIT n");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Converter::Dataset(const pg_query::SelectStmt& select) const {
  if (select.from_clause_size() != 1 || !select.from_clause(0).has_range_var()) {
    return Refuse(-1, "FROM takes exactly one dataset; joins and subqueries are not possible");
  }
  const pg_query::RangeVar& from = select.from_clause(0).range_var();
  if (!from.schemaname().empty() || !from.catalogname().empty()) {
    return Refuse(from.location(), "a dataset has a plain name without a schema");
  }
  if (from.has_alias()) return Refuse(from.location(), "a dataset takes no alias");
  if (from.relname().size() > limits::kMaxNameBytes) {
    return Refuse(from.location(), "no dataset has a name that long");
  }
  return from.relname();
}

absl::StatusOr<ast::Select> Converter::ConvertSelect(const pg_query::SelectStmt& select) {
  ast::Select out;
  out.distinct = select.distinct_clause_size() > 0;
  // Plain DISTINCT is a list of one empty node; DISTINCT ON names its expressions.
  if (out.distinct && select.distinct_clause(0).node_case() != Node::NODE_NOT_SET) {
    return Refuse(-1, "DISTINCT ON is not possible; use SELECT DISTINCT or GROUP BY");
  }
  if (select.target_list_size() == 0) return Refuse(-1, "name at least one column after SELECT");
  const size_t clauses = static_cast<size_t>(select.target_list_size()) +
                         static_cast<size_t>(select.group_clause_size()) +
                         static_cast<size_t>(select.sort_clause_size());
  if (clauses > limits::kMaxSelectItems) {
    return Refuse(-1, absl::StrCat("at most ", limits::kMaxSelectItems,
                                   " expressions in SELECT, GROUP BY and ORDER BY together"));
  }
  for (const Node& node : select.target_list()) {
    ast::SelectItem item;
    item.name = node.res_target().name();
    TV_ASSIGN_OR_RETURN(item.expr, ConvertExpr(node.res_target().val(), 0));
    out.items.push_back(std::move(item));
  }
  for (const Node& node : select.group_clause()) {
    TV_ASSIGN_OR_RETURN(Expr expr, ConvertExpr(node, 0));
    out.group_by.push_back(std::move(expr));
  }
  for (const Node& node : select.sort_clause()) {
    TV_ASSIGN_OR_RETURN(ast::SortItem item, ConvertSort(node.sort_by()));
    out.order_by.push_back(std::move(item));
  }
  const std::pair<bool, const Node*> optional_nodes[] = {
      {select.has_where_clause(), &select.where_clause()},
      {select.has_having_clause(), &select.having_clause()},
      {select.has_limit_count(), &select.limit_count()},
      {select.has_limit_offset(), &select.limit_offset()}};
  std::optional<Expr>* const targets[] = {&out.where, &out.having, &out.limit, &out.offset};
  for (size_t i = 0; i < std::size(targets); ++i) {
    if (!optional_nodes[i].first) continue;
    TV_ASSIGN_OR_RETURN(*targets[i], ConvertExpr(*optional_nodes[i].second, 0));
  }
  return out;
}

absl::StatusOr<ast::SortItem> Converter::ConvertSort(const pg_query::SortBy& sort) {
  if (sort.sortby_dir() == pg_query::SORTBY_USING) {
    return Refuse(sort.location(), "ORDER BY takes ASC or DESC, not USING");
  }
  ast::SortItem item;
  item.descending = sort.sortby_dir() == pg_query::SORTBY_DESC;
  item.nulls_first = item.descending;
  if (sort.sortby_nulls() == pg_query::SORTBY_NULLS_FIRST) item.nulls_first = true;
  if (sort.sortby_nulls() == pg_query::SORTBY_NULLS_LAST) item.nulls_first = false;
  TV_ASSIGN_OR_RETURN(item.expr, ConvertExpr(sort.node(), 0));
  return item;
}

absl::Status Converter::Count(const Node& node) {
  nodes_ += 1 + node.a_const().sval().sval().size() / limits::kTextBytesPerNode;
  if (nodes_ <= limits::kMaxExpressionNodes) return absl::OkStatus();
  return Refuse(
      -1, absl::StrCat("written out, the expressions have more than ", limits::kMaxExpressionNodes,
                       " parts; BETWEEN and CASE x WHEN repeat what they test: nest them "
                       "less, or test something shorter"));
}

absl::StatusOr<Expr> Converter::ConvertExpr(const Node& node, size_t depth) {
  if (depth >= limits::kMaxExpressionDepth) {
    return Refuse(
        -1, absl::StrCat("expressions nest at most ", limits::kMaxExpressionDepth, " levels deep"));
  }
  TV_RETURN_IF_ERROR(Count(node));
  switch (node.node_case()) {
    case Node::kColumnRef:
      return ConvertColumn(node.column_ref());
    case Node::kAConst:
      return ConvertConst(node.a_const());
    case Node::kAExpr:
      return ConvertOperator(node.a_expr(), depth + 1);
    case Node::kBoolExpr:
      return ConvertBool(node.bool_expr(), depth + 1);
    case Node::kBooleanTest:
      return ConvertTest(node.boolean_test(), depth + 1);
    case Node::kCaseExpr:
      return ConvertCase(node.case_expr(), depth + 1);
    case Node::kTypeCast:
      return ConvertCast(node.type_cast(), depth + 1);
    case Node::kFuncCall:
      return ConvertCall(node.func_call(), depth + 1);
    case Node::kSqlvalueFunction:
      return ConvertKeyword(node.sqlvalue_function());
    case Node::kParamRef: {
      Expr expr = Make(Kind::kParameter, node.param_ref().location());
      expr.int_value = node.param_ref().number();
      return expr;
    }
    case Node::kCoalesceExpr: {
      Expr expr = Make(Kind::kCoalesce, node.coalesce_expr().location());
      TV_RETURN_IF_ERROR(ConvertArgs(node.coalesce_expr().args(), depth + 1, expr));
      return expr;
    }
    case Node::kNullTest: {
      Expr expr = Make(Kind::kIsNull, node.null_test().location());
      TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(node.null_test().arg(), depth + 1));
      expr.args.push_back(std::move(arg));
      const bool negated = node.null_test().nulltesttype() == pg_query::IS_NOT_NULL;
      return negated ? Negate(std::move(expr)) : std::move(expr);
    }
    case Node::kSubLink:
      return Refuse(node.sub_link().location(), "subqueries are not possible; ask in two steps");
    default:
      return Refuse(-1,
                    "this kind of expression is not possible; columns, literals, $n parameters, "
                    "operators, CASE, casts and the functions in docs/sql.md are");
  }
}

absl::Status Converter::ConvertArgs(const google::protobuf::RepeatedPtrField<Node>& nodes,
                                    size_t depth, Expr& into) {
  for (const Node& node : nodes) {
    TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(node, depth));
    into.args.push_back(std::move(arg));
  }
  return absl::OkStatus();
}

absl::StatusOr<Expr> Converter::ConvertColumn(const pg_query::ColumnRef& column) {
  if (column.fields_size() == 1 && column.fields(0).has_string()) {
    return Make(Kind::kColumn, column.location(), column.fields(0).string().sval());
  }
  if (column.fields_size() == 1 && column.fields(0).has_a_star()) {
    return Refuse(column.location(), "SELECT * is not possible: name the fields, each one counts");
  }
  return Refuse(column.location(), "a field has a plain name without the dataset's in front");
}

absl::StatusOr<Expr> Converter::ConvertConst(const pg_query::A_Const& constant) {
  if (constant.isnull()) return Make(Kind::kNull, constant.location());
  switch (constant.val_case()) {
    case pg_query::A_Const::kIval: {
      Expr expr = Make(Kind::kInt, constant.location());
      expr.int_value = constant.ival().ival();
      return expr;
    }
    case pg_query::A_Const::kBoolval: {
      Expr expr = Make(Kind::kBool, constant.location());
      expr.int_value = constant.boolval().boolval() ? 1 : 0;
      return expr;
    }
    case pg_query::A_Const::kSval: {
      Expr expr = Make(Kind::kString, constant.location());
      expr.text = constant.sval().sval();
      return expr;
    }
    case pg_query::A_Const::kFval: {
      // Whole numbers beyond 32 bits arrive here too.
      const std::string& text = constant.fval().fval();
      Expr expr = Make(Kind::kInt, constant.location());
      if (absl::SimpleAtoi(text, &expr.int_value)) return expr;
      expr.kind = Kind::kDouble;
      if (!absl::SimpleAtod(text, &expr.double_value)) {
        return Refuse(constant.location(), "the number is outside of what a double holds");
      }
      return expr;
    }
    default:
      return Refuse(constant.location(), "bit strings are not possible; use numbers or texts");
  }
}

absl::StatusOr<Expr> Converter::ConvertOperator(const pg_query::A_Expr& expr, size_t depth) {
  const std::string name = LastName(expr.name());
  switch (expr.kind()) {
    case pg_query::AEXPR_OP:
      if (!IsOneOf(kOperators, name)) {
        return Refuse(expr.location(),
                      "this operator is not possible; + - * / % and comparisons are");
      }
      if (expr.has_lexpr()) return ConvertBinary(expr, Kind::kOperator, name, depth);
      if (name != "-" && name != "+") return Refuse(expr.location(), "an operand is missing");
      {
        Expr unary = Make(Kind::kOperator, expr.location(), name);
        TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(expr.rexpr(), depth));
        unary.args.push_back(std::move(arg));
        return unary;
      }
    case pg_query::AEXPR_LIKE:
    case pg_query::AEXPR_ILIKE: {
      const bool negated = name.front() == '!';
      TV_ASSIGN_OR_RETURN(
          Expr like, ConvertBinary(expr, Kind::kOperator, negated ? name.substr(1) : name, depth));
      return negated ? Negate(std::move(like)) : std::move(like);
    }
    case pg_query::AEXPR_DISTINCT:
      return ConvertBinary(expr, Kind::kIsDistinctFrom, "", depth);
    case pg_query::AEXPR_NOT_DISTINCT: {
      TV_ASSIGN_OR_RETURN(Expr inner, ConvertBinary(expr, Kind::kIsDistinctFrom, "", depth));
      return Negate(std::move(inner));
    }
    case pg_query::AEXPR_NULLIF:
      return ConvertBinary(expr, Kind::kNullIf, "", depth);
    case pg_query::AEXPR_IN:
      return ConvertIn(expr, depth);
    case pg_query::AEXPR_BETWEEN:
    case pg_query::AEXPR_NOT_BETWEEN:
      return ConvertBetween(expr, depth);
    default:
      return Refuse(expr.location(), "this operator is not possible; IN, BETWEEN and LIKE are");
  }
}

absl::StatusOr<Expr> Converter::ConvertBinary(const pg_query::A_Expr& expr, Kind kind,
                                              std::string name, size_t depth) {
  Expr out = Make(kind, expr.location(), std::move(name));
  for (const Node* side : {&expr.lexpr(), &expr.rexpr()}) {
    TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(*side, depth));
    out.args.push_back(std::move(arg));
  }
  return out;
}

absl::StatusOr<Expr> Converter::ConvertIn(const pg_query::A_Expr& expr, size_t depth) {
  if (!expr.rexpr().has_list()) {
    return Refuse(expr.location(), "IN takes a list of values in parentheses");
  }
  Expr in = Make(Kind::kIn, expr.location());
  TV_ASSIGN_OR_RETURN(Expr tested, ConvertExpr(expr.lexpr(), depth));
  in.args.push_back(std::move(tested));
  TV_RETURN_IF_ERROR(ConvertArgs(expr.rexpr().list().items(), depth, in));
  return LastName(expr.name()) == "<>" ? Negate(std::move(in)) : std::move(in);
}

absl::StatusOr<Expr> Converter::ConvertBetween(const pg_query::A_Expr& expr, size_t depth) {
  if (expr.rexpr().list().items_size() != 2) {
    return Refuse(expr.location(), "BETWEEN takes two bounds joined by AND");
  }
  Expr both = Make(Kind::kAnd, expr.location());
  const char* const names[] = {">=", "<="};
  for (int i = 0; i < 2; ++i) {
    Expr side = Make(Kind::kOperator, expr.location(), names[i]);
    TV_ASSIGN_OR_RETURN(Expr tested, ConvertExpr(expr.lexpr(), depth + 1));
    TV_ASSIGN_OR_RETURN(Expr bound, ConvertExpr(expr.rexpr().list().items(i), depth + 1));
    side.args.push_back(std::move(tested));
    side.args.push_back(std::move(bound));
    both.args.push_back(std::move(side));
  }
  const bool negated = expr.kind() == pg_query::AEXPR_NOT_BETWEEN;
  return negated ? Negate(std::move(both)) : std::move(both);
}

absl::StatusOr<Expr> Converter::ConvertBool(const pg_query::BoolExpr& expr, size_t depth) {
  const Kind kind = expr.boolop() == pg_query::AND_EXPR  ? Kind::kAnd
                    : expr.boolop() == pg_query::OR_EXPR ? Kind::kOr
                                                         : Kind::kNot;
  Expr out = Make(kind, expr.location());
  TV_RETURN_IF_ERROR(ConvertArgs(expr.args(), depth, out));
  return out;
}

absl::StatusOr<Expr> Converter::ConvertTest(const pg_query::BooleanTest& test, size_t depth) {
  // The enum goes IS TRUE, IS NOT TRUE, IS FALSE, IS NOT FALSE, IS UNKNOWN, IS NOT UNKNOWN.
  const int number = static_cast<int>(test.booltesttype()) - static_cast<int>(pg_query::IS_TRUE);
  Expr out = Make(Kind::kIsTrue, test.location());
  out.int_value = number / 2;
  TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(test.arg(), depth));
  out.args.push_back(std::move(arg));
  return number % 2 == 1 ? Negate(std::move(out)) : std::move(out);
}

absl::StatusOr<Expr> Converter::ConvertCase(const pg_query::CaseExpr& expr, size_t depth) {
  Expr out = Make(Kind::kCase, expr.location());
  for (const Node& node : expr.args()) {
    TV_ASSIGN_OR_RETURN(Expr when, ConvertExpr(node.case_when().expr(), depth));
    if (expr.has_arg()) {
      Expr equal = Make(Kind::kOperator, node.case_when().location(), "=");
      TV_ASSIGN_OR_RETURN(Expr tested, ConvertExpr(expr.arg(), depth));
      equal.args.push_back(std::move(tested));
      equal.args.push_back(std::move(when));
      when = std::move(equal);
    }
    TV_ASSIGN_OR_RETURN(Expr then, ConvertExpr(node.case_when().result(), depth));
    out.args.push_back(std::move(when));
    out.args.push_back(std::move(then));
  }
  if (expr.has_defresult()) {
    TV_ASSIGN_OR_RETURN(Expr otherwise, ConvertExpr(expr.defresult(), depth));
    out.args.push_back(std::move(otherwise));
  }
  return out;
}

absl::StatusOr<Expr> Converter::ConvertCast(const pg_query::TypeCast& cast, size_t depth) {
  const pg_query::TypeName& type = cast.type_name();
  const int location = cast.location() >= 0 ? cast.location() : type.location();
  // numeric(p,s), varchar(n) and interval fields change values in ways that types here cannot.
  if (type.typmods_size() > 0 || type.array_bounds_size() > 0 || type.setof()) {
    return Refuse(location, "write the type alone, e.g. x::double precision, interval '3 days'");
  }
  Expr out = Make(Kind::kCast, location, LastName(type.names()));
  TV_ASSIGN_OR_RETURN(Expr arg, ConvertExpr(cast.arg(), depth));
  out.args.push_back(std::move(arg));
  return out;
}

absl::StatusOr<Expr> Converter::ConvertCall(const pg_query::FuncCall& call, size_t depth) {
  const std::string name = LastName(call.funcname());
  const bool aggregate = IsOneOf(kAggregates, name);
  if (call.has_over()) return Refuse(call.location(), "window functions are not possible");
  if (call.func_variadic()) return Refuse(call.location(), "VARIADIC is not possible");
  if (!aggregate && !IsOneOf(kFunctions, name)) {
    return Refuse(call.location(),
                  "this function is not possible; date_trunc, date_bin, now, lower, upper, "
                  "length, abs, round, floor, ceil, width_bucket and the aggregates count, sum, "
                  "avg, min, max, stddev, percentile_cont, percentile_disc are");
  }
  Expr out = Make(aggregate ? Kind::kAggregate : Kind::kFunction, call.location(), name);
  TV_RETURN_IF_ERROR(ConvertArgs(call.args(), depth, out));
  const bool modified =
      call.agg_distinct() || call.has_agg_filter() || call.agg_star() || call.agg_order_size() > 0;
  if (!aggregate && modified) {
    return Refuse(call.location(), "only aggregates take *, DISTINCT, ORDER BY or FILTER");
  }
  if (aggregate) TV_RETURN_IF_ERROR(ConvertAggregateParts(call, depth, out));
  return out;
}

absl::Status Converter::ConvertAggregateParts(const pg_query::FuncCall& call, size_t depth,
                                              Expr& into) {
  if (call.agg_star()) {
    if (into.name != "count") return Refuse(call.location(), "only count takes *");
    into.args.push_back(Make(Kind::kStar, call.location()));
  }
  into.distinct = call.agg_distinct();
  const bool percentile = into.name.starts_with("percentile_");
  if (into.distinct && into.name != "count") {
    return Refuse(call.location(), "DISTINCT is possible in count(DISTINCT x) only");
  }
  if (percentile != call.agg_within_group() || call.agg_order_size() != (percentile ? 1 : 0)) {
    return Refuse(call.location(),
                  percentile ? "write percentile_cont(0.95) WITHIN GROUP (ORDER BY x)"
                             : "ORDER BY inside of an aggregate belongs to percentiles only");
  }
  if (percentile) {
    TV_ASSIGN_OR_RETURN(ast::SortItem item, ConvertSort(call.agg_order(0).sort_by()));
    into.descending = item.descending;
    into.within_group.push_back(std::move(item.expr));
  }
  if (call.has_agg_filter()) {
    TV_ASSIGN_OR_RETURN(Expr filter, ConvertExpr(call.agg_filter(), depth));
    into.filter.push_back(std::move(filter));
  }
  return absl::OkStatus();
}

absl::StatusOr<Expr> Converter::ConvertKeyword(const pg_query::SQLValueFunction& function) {
  if (function.op() == pg_query::SVFOP_CURRENT_TIMESTAMP) {
    return Make(Kind::kFunction, function.location(), "now");
  }
  if (function.op() == pg_query::SVFOP_CURRENT_DATE) {
    Expr cast = Make(Kind::kCast, function.location(), "date");
    cast.args.push_back(Make(Kind::kFunction, function.location(), "now"));
    return cast;
  }
  return Refuse(function.location(), "not possible here; now() and current_date are");
}

}  // namespace

absl::StatusOr<Statement> ConvertStatement(const pg_query::ParseResult& tree,
                                           std::string_view sql) {
  return Converter(sql).Convert(tree);
}

}  // namespace televault::query
