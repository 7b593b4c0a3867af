#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/query/binder.h"
#include "vault/query/calendar.h"

// Functions and aggregates.
namespace televault::query {

using ast::Kind;

absl::StatusOr<ExprPtr> Binder::BindFunction(const ast::Expr& expr) {
  struct Signature {
    std::string_view name;
    Op op;
    SqlType result;
    std::vector<SqlType> args;
  };
  static const Signature kSignatures[] = {
      {"lower", Op::kLower, SqlType::kText, {SqlType::kText}},
      {"upper", Op::kUpper, SqlType::kText, {SqlType::kText}},
      {"length", Op::kLength, SqlType::kInt, {SqlType::kText}},
      {"round", Op::kRound, SqlType::kDouble, {SqlType::kDouble}},
      {"round", Op::kRoundTo, SqlType::kDouble, {SqlType::kDouble, SqlType::kInt}},
      {"floor", Op::kFloor, SqlType::kDouble, {SqlType::kDouble}},
      {"ceil", Op::kCeil, SqlType::kDouble, {SqlType::kDouble}},
      {"ceiling", Op::kCeil, SqlType::kDouble, {SqlType::kDouble}},
      {"width_bucket",
       Op::kWidthBucket,
       SqlType::kInt,
       {SqlType::kDouble, SqlType::kDouble, SqlType::kDouble, SqlType::kInt}},
      {"date_trunc", Op::kDateTrunc, SqlType::kTimestamp, {SqlType::kText, SqlType::kTimestamp}},
      {"date_bin",
       Op::kDateBin,
       SqlType::kTimestamp,
       {SqlType::kInterval, SqlType::kTimestamp, SqlType::kTimestamp}}};
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  if (expr.name == "now" && args.empty()) {
    Scalar now;
    now.null = false;
    now.i = out_.now.micros;
    return MakeConstant(now, SqlType::kTimestamp);
  }
  if (expr.name == "abs" && args.size() == 1 && IsNumeric(args[0]->type)) {
    const SqlType type = args[0]->type;
    return Finish(MakeNode(Op::kAbs, type, std::move(args)), expr.location);
  }
  for (const Signature& signature : kSignatures) {
    if (signature.name != expr.name || signature.args.size() != args.size()) continue;
    for (size_t i = 0; i < args.size(); ++i) {
      TV_ASSIGN_OR_RETURN(args[i], Coerce(args[i], signature.args[i], expr.location));
    }
    Expr call = MakeNode(signature.op, signature.result, {});
    if (signature.op == Op::kDateTrunc) {
      const Expr& unit = *args[0];
      const auto parsed =
          unit.op == Op::kConst && !unit.value.null ? ParseTimeUnit(unit.value.s) : std::nullopt;
      if (!parsed.has_value()) {
        return Refuse(expr.location,
                      "date_trunc takes a literal unit: second, minute, hour, day, week, month, "
                      "quarter or year");
      }
      call.unit = *parsed;
      args.erase(args.begin());
    }
    call.args = std::move(args);
    return Finish(std::move(call), expr.location);
  }
  return Refuse(expr.location,
                absl::StrCat(expr.name, " does not take arguments of this number or type"));
}

absl::StatusOr<ExprPtr> Binder::BindAggregate(const ast::Expr& expr) {
  if (in_aggregate_) return Refuse(expr.location, "aggregates do not nest");
  if (!aggregates_allowed_) {
    return Refuse(expr.location, "aggregates stand in SELECT, HAVING and ORDER BY only");
  }
  in_aggregate_ = true;
  Aggregate aggregate;
  const absl::Status typed = TypeAggregate(expr, aggregate);
  in_aggregate_ = false;
  TV_RETURN_IF_ERROR(typed);
  aggregate.key =
      absl::StrCat(static_cast<int>(aggregate.kind), "|", aggregate.fraction, "|",
                   aggregate.descending, "|", aggregate.arg == nullptr ? "" : aggregate.arg->key,
                   "|", aggregate.filter == nullptr ? "" : aggregate.filter->key);
  size_t index = 0;
  while (index < out_.aggregates.size() && out_.aggregates[index].key != aggregate.key) ++index;
  Expr input;
  input.op = Op::kInput;
  input.type = aggregate.type;
  input.slot = static_cast<uint32_t>(out_.keys.size() + index);
  if (index == out_.aggregates.size()) out_.aggregates.push_back(std::move(aggregate));
  return Finish(std::move(input), expr.location);
}

absl::Status Binder::TypeAggregate(const ast::Expr& expr, Aggregate& aggregate) {
  if (!expr.filter.empty()) {
    TV_ASSIGN_OR_RETURN(aggregate.filter, BindPredicate(expr.filter[0], "FILTER"));
    aggregate.filter_location = expr.filter[0].location;
  }
  const bool star = expr.args.size() == 1 && expr.args[0].kind == Kind::kStar;
  if (star) return absl::OkStatus();
  const bool percentile = !expr.within_group.empty();
  if (expr.args.size() != 1) return Refuse(expr.location, "this aggregate takes one argument");
  const ast::Expr& value = percentile ? expr.within_group[0] : expr.args[0];
  aggregate.arg_location = value.location < 0 ? expr.location : value.location;
  TV_ASSIGN_OR_RETURN(ExprPtr arg, BindExpr(value));
  if (arg->type == SqlType::kNull || (arg->op == Op::kConst && arg->value.untyped)) {
    TV_ASSIGN_OR_RETURN(arg, Coerce(arg, SqlType::kText, expr.location));
  }
  if (percentile) {
    TV_ASSIGN_OR_RETURN(ExprPtr fraction, BindExpr(expr.args[0]));
    TV_ASSIGN_OR_RETURN(fraction, Coerce(fraction, SqlType::kDouble, expr.location));
    const bool in_range = fraction->op == Op::kConst && !fraction->value.null &&
                          fraction->value.d >= 0 && fraction->value.d <= 1;
    if (!in_range) return Refuse(expr.location, "the fraction is a literal from 0 to 1");
    aggregate.fraction = fraction->value.d;
    aggregate.descending = expr.descending;
  }
  TV_RETURN_IF_ERROR(TypeAnswer(expr, arg->type, aggregate));
  const bool to_double = aggregate.type == SqlType::kDouble && arg->type == SqlType::kInt &&
                         aggregate.kind != AggregateKind::kAvg;
  if (to_double) {
    TV_ASSIGN_OR_RETURN(arg, Coerce(arg, SqlType::kDouble, expr.location));
  }
  aggregate.arg = std::move(arg);
  return absl::OkStatus();
}

// What the aggregate answers for an argument of `type`.
absl::Status Binder::TypeAnswer(const ast::Expr& expr, SqlType type, Aggregate& aggregate) const {
  const bool number = IsNumeric(type);
  const bool summable = number || type == SqlType::kInterval;
  bool fits = type != SqlType::kTextList;
  aggregate.type = type;
  if (expr.name == "count") {
    aggregate.kind = expr.distinct ? AggregateKind::kCountDistinct : AggregateKind::kCount;
    aggregate.type = SqlType::kInt;
    fits = fits || !expr.distinct;
  } else if (expr.name == "sum") {
    aggregate.kind = AggregateKind::kSum;
    fits = summable;
  } else if (expr.name == "avg") {
    aggregate.kind = AggregateKind::kAvg;
    fits = summable;
    if (number) aggregate.type = SqlType::kDouble;
  } else if (expr.name == "min" || expr.name == "max") {
    aggregate.kind = expr.name == "min" ? AggregateKind::kMin : AggregateKind::kMax;
    fits = fits && type != SqlType::kBool;
  } else if (expr.name == "percentile_cont") {
    aggregate.kind = AggregateKind::kPercentileCont;
    fits = summable;
    if (number) aggregate.type = SqlType::kDouble;
  } else if (expr.name == "percentile_disc") {
    aggregate.kind = AggregateKind::kPercentileDisc;
  } else {
    aggregate.kind = AggregateKind::kStddev;
    aggregate.type = SqlType::kDouble;
    fits = number;
  }
  if (!fits) {
    return Refuse(expr.location, absl::StrCat(expr.name, " does not take a ", ToAbsl(NameOf(type)),
                                              "; cast it first"));
  }
  return absl::OkStatus();
}

}  // namespace televault::query
