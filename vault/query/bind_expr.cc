#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/query/binder.h"
#include "vault/query/calendar.h"
#include "vault/query/evaluate.h"

namespace televault::query {
namespace {

using ast::Kind;

SqlType TypeOf(catalog::FieldType type) {
  switch (type) {
    case catalog::FieldType::kBool:
      return SqlType::kBool;
    case catalog::FieldType::kInt:
      return SqlType::kInt;
    case catalog::FieldType::kDouble:
      return SqlType::kDouble;
    case catalog::FieldType::kTimestamp:
      return SqlType::kTimestamp;
    case catalog::FieldType::kDuration:
      return SqlType::kInterval;
    case catalog::FieldType::kStringList:
      return SqlType::kTextList;
    default:
      return SqlType::kText;
  }
}

// Unambiguous: every variable part is preceded by its length or ends in a fixed mark.
std::string KeyOf(const Expr& expr) {
  std::string key = absl::StrCat(static_cast<int>(expr.op), ":", static_cast<int>(expr.type));
  if (expr.op == Op::kColumn) return absl::StrCat("c", expr.column);
  if (expr.op == Op::kInput) return absl::StrCat("i", expr.slot);
  if (expr.op == Op::kConst && expr.value.null) return key + "n";
  absl::StrAppend(&key, ",", expr.value.i, ",", expr.value.months, ",",
                  absl::Hex(std::bit_cast<uint64_t>(expr.value.d)), ",",
                  static_cast<int>(expr.unit), ",", expr.value.s.size(), "'", expr.value.s, "(");
  for (const ExprPtr& arg : expr.args) absl::StrAppend(&key, arg->key, ";");
  return key + ")";
}

Scalar ScalarOf(const Vector& vector) {
  Scalar value;
  value.type = vector.type;
  value.null = vector.IsNull(0);
  if (value.null) return value;
  switch (vector.type) {
    case SqlType::kBool:
      value.i = vector.BoolAt(0) ? 1 : 0;
      break;
    case SqlType::kDouble:
      value.d = vector.DoubleAt(0);
      break;
    case SqlType::kText:
      value.s = std::string(vector.TextAt(0));
      break;
    default:
      value.i = vector.IntAt(0);
      break;
  }
  return value;
}

std::optional<SqlType> CastTarget(const std::string& name) {
  const std::pair<std::string_view, SqlType> types[] = {{"bool", SqlType::kBool},
                                                        {"boolean", SqlType::kBool},
                                                        {"int2", SqlType::kInt},
                                                        {"int4", SqlType::kInt},
                                                        {"int8", SqlType::kInt},
                                                        {"float4", SqlType::kDouble},
                                                        {"float8", SqlType::kDouble},
                                                        {"numeric", SqlType::kDouble},
                                                        {"text", SqlType::kText},
                                                        {"varchar", SqlType::kText},
                                                        {"timestamp", SqlType::kTimestamp},
                                                        {"timestamptz", SqlType::kTimestamp},
                                                        {"date", SqlType::kTimestamp},
                                                        {"interval", SqlType::kInterval}};
  for (const auto& [known, type] : types) {
    if (known == name) return type;
  }
  return std::nullopt;
}

bool CanCast(SqlType from, SqlType to) {
  switch (to) {
    case SqlType::kBool:
      return from == SqlType::kInt || from == SqlType::kText;
    case SqlType::kInt:
      return from == SqlType::kBool || from == SqlType::kDouble || from == SqlType::kText;
    case SqlType::kDouble:
      return from == SqlType::kInt || from == SqlType::kText;
    case SqlType::kText:
      return from != SqlType::kTextList && from != SqlType::kInterval;
    default:
      return from == SqlType::kText;
  }
}

std::optional<Op> OperatorOf(const std::string& name) {
  const std::pair<std::string_view, Op> operators[] = {
      {"+", Op::kAdd}, {"-", Op::kSub},   {"*", Op::kMul},    {"/", Op::kDiv}, {"%", Op::kMod},
      {"=", Op::kEq},  {"<>", Op::kNe},   {"<", Op::kLt},     {"<=", Op::kLe}, {">", Op::kGt},
      {">=", Op::kGe}, {"~~", Op::kLike}, {"~~*", Op::kILike}};
  for (const auto& [known, op] : operators) {
    if (known == name) return op;
  }
  return std::nullopt;
}

// Parses a quoted literal as the type that its surroundings ask for.
std::optional<Scalar> ReadLiteral(const std::string& text, SqlType type) {
  Scalar value;
  value.type = type;
  value.null = false;
  switch (type) {
    case SqlType::kText:
      value.s = text;
      return value;
    case SqlType::kTimestamp: {
      const auto time = ParseTimestamp(text);
      if (!time.has_value()) return std::nullopt;
      value.i = *time;
      return value;
    }
    case SqlType::kInterval: {
      const auto interval = ParseInterval(text);
      if (!interval.has_value()) return std::nullopt;
      value.i = interval->micros;
      value.months = interval->months;
      return value;
    }
    default:
      break;
  }
  Scalar source;
  source.null = false;
  source.s = text;
  Expr cast = MakeNode(Op::kCast, type, {MakeConstant(source, SqlType::kText)});
  Evaluator evaluator(false, nullptr);
  Rows one;
  one.count = 1;
  const Vector result = evaluator.Evaluate(cast, one);
  if (!evaluator.status().ok()) return std::nullopt;
  return ScalarOf(result);
}

}  // namespace

std::string_view NameOf(SqlType type) {
  constexpr std::string_view kNames[] = {"null", "boolean",   "integer",  "double precision",
                                         "text", "timestamp", "interval", "list of text"};
  return kNames[static_cast<size_t>(type)];
}

Expr MakeNode(Op op, SqlType type, std::vector<ExprPtr> args) {
  Expr expr;
  expr.op = op;
  expr.type = type;
  expr.args = std::move(args);
  return expr;
}

ExprPtr MakeConstant(Scalar value, SqlType type) {
  Expr expr;
  expr.op = Op::kConst;
  expr.type = type;
  expr.value = std::move(value);
  expr.value.type = type;
  expr.key = KeyOf(expr);
  return std::make_shared<const Expr>(std::move(expr));
}

absl::StatusOr<ExprPtr> Binder::Finish(Expr expr, int location) const {
  bool constant = expr.op != Op::kColumn && expr.op != Op::kInput;
  bool liftable = constant && expr.type != SqlType::kTextList;
  for (const ExprPtr& arg : expr.args) {
    if (arg->op == Op::kConst) {
      if (arg->value.months != 0) {
        return Refuse(location,
                      "months and years have no fixed length: add them to a timestamp only");
      }
      continue;
    }
    constant = false;
    liftable =
        liftable && arg->dictionary_column.has_value() &&
        (!expr.dictionary_column.has_value() || expr.dictionary_column == arg->dictionary_column);
    if (liftable) expr.dictionary_column = arg->dictionary_column;
  }
  if (expr.op != Op::kColumn && (!liftable || constant)) expr.dictionary_column.reset();
  expr.key = KeyOf(expr);
  if (constant && expr.op != Op::kConst) {
    Evaluator evaluator(false, nullptr);
    Rows one;
    one.count = 1;
    const Vector value = evaluator.Evaluate(expr, one);
    // What fails is left for the rows: no row, no error.
    if (evaluator.status().ok()) return MakeConstant(ScalarOf(value), expr.type);
  }
  return std::make_shared<const Expr>(std::move(expr));
}

absl::StatusOr<ExprPtr> Binder::Coerce(ExprPtr expr, SqlType type, int location) const {
  const bool literal = expr->op == Op::kConst;
  if (literal && expr->type == SqlType::kNull) return MakeConstant(Scalar{}, type);
  if (literal && expr->value.untyped) {
    const auto value = ReadLiteral(expr->value.s, type);
    if (!value.has_value()) {
      return Refuse(location, absl::StrCat("this literal is not a ", ToAbsl(NameOf(type))));
    }
    return MakeConstant(*value, type);
  }
  if (expr->type == type) return expr;
  if (expr->type == SqlType::kInt && type == SqlType::kDouble) {
    return Finish(MakeNode(Op::kCast, type, {std::move(expr)}), location);
  }
  return Refuse(location, absl::StrCat("a ", ToAbsl(NameOf(type)), " is needed here, not a ",
                                       ToAbsl(NameOf(expr->type)), "; cast it with ::"));
}

absl::Status Binder::Unify(std::vector<ExprPtr>& exprs, size_t first, size_t step,
                           int location) const {
  SqlType type = SqlType::kNull;
  for (size_t i = first; i < exprs.size(); i += step) {
    const Expr& expr = *exprs[i];
    const bool untyped = expr.op == Op::kConst && expr.value.untyped;
    if (untyped || expr.type == SqlType::kNull) continue;
    const bool widen = type == SqlType::kInt && expr.type == SqlType::kDouble;
    if (type == SqlType::kNull || widen) type = expr.type;
  }
  if (type == SqlType::kNull) type = SqlType::kText;
  for (size_t i = first; i < exprs.size(); i += step) {
    TV_ASSIGN_OR_RETURN(exprs[i], Coerce(exprs[i], type, location));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ExprPtr>> Binder::BindArgs(const std::vector<ast::Expr>& args) {
  std::vector<ExprPtr> bound;
  for (const ast::Expr& arg : args) {
    TV_ASSIGN_OR_RETURN(ExprPtr expr, BindExpr(arg));
    bound.push_back(std::move(expr));
  }
  return bound;
}

absl::Status Binder::Count(size_t text_bytes) {
  nodes_ += 1 + text_bytes / limits::kTextBytesPerNode;
  if (nodes_ <= limits::kMaxBoundNodes) return absl::OkStatus();
  return Refuse(-1, absl::StrCat("with the texts of its parameters and what GROUP BY repeats, the "
                                 "query has more than ",
                                 limits::kMaxBoundNodes,
                                 " parts; group by fewer or shorter expressions, or shorten lists "
                                 "of values"));
}

absl::StatusOr<ExprPtr> Binder::BindExpr(const ast::Expr& expr) {
  TV_RETURN_IF_ERROR(Count(expr.text.size()));
  Scalar value;
  value.null = false;
  switch (expr.kind) {
    case Kind::kColumn:
      return BindColumn(expr);
    case Kind::kNull:
      return MakeConstant(Scalar{}, SqlType::kNull);
    case Kind::kBool:
    case Kind::kInt:
      value.i = expr.int_value;
      return MakeConstant(value, expr.kind == Kind::kInt ? SqlType::kInt : SqlType::kBool);
    case Kind::kDouble:
      value.d = expr.double_value;
      return MakeConstant(value, SqlType::kDouble);
    case Kind::kString:
      value.s = expr.text;
      value.untyped = true;
      return MakeConstant(value, SqlType::kText);
    case Kind::kParameter:
      return BindParameter(expr);
    case Kind::kOperator:
      return BindOperator(expr);
    case Kind::kIn:
      return BindUniform(expr, Op::kIn, SqlType::kBool);
    case Kind::kIsDistinctFrom:
      return BindUniform(expr, Op::kIsDistinct, SqlType::kBool);
    case Kind::kCoalesce:
      return BindUniform(expr, Op::kCoalesce, SqlType::kNull);
    case Kind::kNullIf:
      return BindUniform(expr, Op::kNullIf, SqlType::kNull);
    case Kind::kCase:
      return BindCase(expr);
    case Kind::kCast:
      return BindCast(expr);
    case Kind::kFunction:
      return BindFunction(expr);
    case Kind::kAggregate:
      return BindAggregate(expr);
    case Kind::kStar:
      return Refuse(expr.location, "* stands in count(*) only");
    default:
      return BindLogic(expr);
  }
}

Leaf Binder::LeafOf(const catalog::Field& field, SqlType type) const {
  Leaf leaf;
  leaf.subject = field.type == catalog::FieldType::kSubject;
  if (!out_.restricted) return leaf;
  const auto mask = out_.disclosure.masks.find(field.name);
  if (mask != out_.disclosure.masks.end()) leaf.mask = mask->second;
  const bool text = type == SqlType::kText;
  switch (leaf.mask.kind) {
    case MaskKind::kVisible:
    case MaskKind::kHidden:
      break;
    case MaskKind::kHash:
      if (!text || out_.disclosure.hash == nullptr) leaf.mask.kind = MaskKind::kHidden;
      break;
    case MaskKind::kTruncate:
      if (!text || leaf.subject) leaf.mask.kind = MaskKind::kHidden;
      break;
    case MaskKind::kYear:
      leaf.mask.kind = type == SqlType::kTimestamp ? MaskKind::kVisible : MaskKind::kHidden;
      leaf.truncate = TimeUnit::kYear;
      break;
  }
  const bool coarse = field.column == block::kEventTimeColumn && !leaf.truncate.has_value() &&
                      out_.controlled() &&
                      out_.disclosure.time_granularity != TimeGranularity::kExact;
  if (coarse) {
    const bool days = out_.disclosure.time_granularity == TimeGranularity::kDay;
    leaf.truncate = days ? TimeUnit::kDay : TimeUnit::kHour;
  }
  return leaf;
}

absl::StatusOr<ExprPtr> Binder::BindColumn(const ast::Expr& expr) {
  const catalog::Field* field = out_.schema.Find(expr.name);
  if (field == nullptr) {
    return Refuse(expr.location,
                  "the dataset has no such field; `televault dataset show` lists its fields");
  }
  fields_.insert(field->name);
  Expr column;
  column.op = Op::kColumn;
  column.type = TypeOf(field->type);
  column.column = field->column;
  column.leaf = LeafOf(*field, column.type);
  const bool coded = column.type == SqlType::kText && column.leaf.mask.kind != MaskKind::kHidden;
  if (coded) column.dictionary_column = field->column;
  return Finish(std::move(column), expr.location);
}

absl::StatusOr<ExprPtr> Binder::BindParameter(const ast::Expr& expr) {
  if (expr.int_value < 1 || static_cast<uint64_t>(expr.int_value) > out_.parameters.size()) {
    return Refuse(expr.location, "no value was sent for this parameter");
  }
  const v1::Value& given = out_.parameters[static_cast<size_t>(expr.int_value) - 1];
  Scalar value;
  value.null = false;
  switch (given.kind_case()) {
    case v1::Value::kBoolValue:
      value.i = given.bool_value() ? 1 : 0;
      return MakeConstant(value, SqlType::kBool);
    case v1::Value::kIntValue:
      value.i = given.int_value();
      return MakeConstant(value, SqlType::kInt);
    case v1::Value::kDoubleValue:
      if (!std::isfinite(given.double_value())) {
        return Refuse(expr.location, "a number parameter must be finite");
      }
      value.d = given.double_value();
      return MakeConstant(value, SqlType::kDouble);
    case v1::Value::kStringValue:
      TV_RETURN_IF_ERROR(Count(given.string_value().size()));
      value.s = given.string_value();
      value.untyped = true;
      return MakeConstant(value, SqlType::kText);
    case v1::Value::kTimestampUs:
      value.i = given.timestamp_us();
      return MakeConstant(value, SqlType::kTimestamp);
    case v1::Value::kDurationUs:
      value.i = given.duration_us();
      return MakeConstant(value, SqlType::kInterval);
    case v1::Value::kListValue:
      return Refuse(expr.location, "a list cannot be a parameter; send its values one by one");
    default:
      return MakeConstant(Scalar{}, SqlType::kNull);
  }
}

absl::StatusOr<ExprPtr> Binder::BindOperator(const ast::Expr& expr) {
  const auto op = OperatorOf(expr.name);
  if (!op.has_value()) return Refuse(expr.location, "this operator is not possible");
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  if (args.size() == 1) {
    const SqlType type = args[0]->type;
    if (!IsNumeric(type) && type != SqlType::kInterval) {
      return Refuse(expr.location, "a sign stands before numbers and intervals only");
    }
    if (*op == Op::kAdd) return args[0];
    return Finish(MakeNode(Op::kNeg, type, std::move(args)), expr.location);
  }
  if (*op == Op::kLike || *op == Op::kILike) {
    for (ExprPtr& arg : args) {
      TV_ASSIGN_OR_RETURN(arg, Coerce(arg, SqlType::kText, expr.location));
    }
    return Finish(MakeNode(*op, SqlType::kBool, std::move(args)), expr.location);
  }
  if (*op >= Op::kEq) {
    TV_RETURN_IF_ERROR(Unify(args, 0, 1, expr.location));
    if (args[0]->type == SqlType::kTextList) {
      return Refuse(expr.location, "list fields cannot be compared; IS NULL is possible");
    }
    return Finish(MakeNode(*op, SqlType::kBool, std::move(args)), expr.location);
  }
  return BindArithmetic(expr, *op, std::move(args));
}

absl::StatusOr<ExprPtr> Binder::BindArithmetic(const ast::Expr& expr, Op op,
                                               std::vector<ExprPtr> args) {
  const auto open = [](const ExprPtr& arg) {
    return arg->op == Op::kConst && (arg->value.untyped || arg->type == SqlType::kNull);
  };
  const int at = expr.location;
  for (size_t i = 0; i < 2; ++i) {
    if (!open(args[i])) continue;
    SqlType other = open(args[1 - i]) ? SqlType::kDouble : args[1 - i]->type;
    const bool shift = other == SqlType::kTimestamp && op == Op::kAdd;
    if (shift) other = SqlType::kInterval;
    TV_ASSIGN_OR_RETURN(args[i], Coerce(args[i], other, at));
  }
  const SqlType left = args[0]->type;
  const SqlType right = args[1]->type;
  const bool additive = op == Op::kAdd || op == Op::kSub;
  if (IsNumeric(left) && IsNumeric(right)) {
    TV_RETURN_IF_ERROR(Unify(args, 0, 1, at));
    const SqlType type = args[0]->type;
    return Finish(MakeNode(op, type, std::move(args)), at);
  }
  if (left == SqlType::kTimestamp && right == SqlType::kInterval && additive) {
    return BindTimeShift(expr, op, std::move(args[0]), std::move(args[1]));
  }
  if (left == SqlType::kInterval && right == SqlType::kTimestamp && op == Op::kAdd) {
    return BindTimeShift(expr, op, std::move(args[1]), std::move(args[0]));
  }
  const bool difference = left == SqlType::kTimestamp && right == left && op == Op::kSub;
  const bool interval_sum = left == SqlType::kInterval && right == left && additive;
  if (difference || interval_sum)
    return Finish(MakeNode(op, SqlType::kInterval, std::move(args)), at);
  const bool product = op == Op::kMul && ((left == SqlType::kInterval && IsNumeric(right)) ||
                                          (right == SqlType::kInterval && IsNumeric(left)));
  const bool quotient = op == Op::kDiv && left == SqlType::kInterval && IsNumeric(right);
  if (!product && !quotient) {
    return Refuse(at, absl::StrCat("this operator does not take ", ToAbsl(NameOf(left)), " and ",
                                   ToAbsl(NameOf(right))));
  }
  if (quotient) {
    TV_ASSIGN_OR_RETURN(args[1], Coerce(args[1], SqlType::kDouble, at));
  }
  return Finish(MakeNode(op, SqlType::kInterval, std::move(args)), at);
}

absl::StatusOr<ExprPtr> Binder::BindTimeShift(const ast::Expr& expr, Op op, ExprPtr time,
                                              ExprPtr interval) {
  const bool calendar = interval->op == Op::kConst && interval->value.months != 0;
  if (calendar) {
    Expr months = MakeNode(Op::kAddMonths, SqlType::kTimestamp, {std::move(time)});
    months.value.months = op == Op::kSub ? -interval->value.months : interval->value.months;
    TV_ASSIGN_OR_RETURN(time, Finish(std::move(months), expr.location));
    Scalar rest = interval->value;
    rest.months = 0;
    interval = MakeConstant(rest, SqlType::kInterval);
  }
  return Finish(MakeNode(op, SqlType::kTimestamp, {std::move(time), std::move(interval)}),
                expr.location);
}

absl::StatusOr<ExprPtr> Binder::BindLogic(const ast::Expr& expr) {
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  if (expr.kind == Kind::kIsNull) {
    TV_ASSIGN_OR_RETURN(
        args[0], Coerce(args[0], args[0]->type == SqlType::kNull ? SqlType::kText : args[0]->type,
                        expr.location));
    return Finish(MakeNode(Op::kIsNull, SqlType::kBool, std::move(args)), expr.location);
  }
  for (ExprPtr& arg : args) {
    TV_ASSIGN_OR_RETURN(arg, Coerce(arg, SqlType::kBool, expr.location));
  }
  const Op op = expr.kind == Kind::kAnd   ? Op::kAnd
                : expr.kind == Kind::kOr  ? Op::kOr
                : expr.kind == Kind::kNot ? Op::kNot
                                          : Op::kIsBool;
  Expr logic = MakeNode(op, SqlType::kBool, std::move(args));
  logic.value.i = expr.int_value;
  return Finish(std::move(logic), expr.location);
}

absl::StatusOr<ExprPtr> Binder::BindUniform(const ast::Expr& expr, Op op, SqlType result) {
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  TV_RETURN_IF_ERROR(Unify(args, 0, 1, expr.location));
  if (args[0]->type == SqlType::kTextList) {
    return Refuse(expr.location, "list fields cannot be compared; IS NULL is possible");
  }
  const SqlType type = result == SqlType::kNull ? args[0]->type : result;
  return Finish(MakeNode(op, type, std::move(args)), expr.location);
}

absl::StatusOr<ExprPtr> Binder::BindCase(const ast::Expr& expr) {
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  const bool has_else = args.size() % 2 == 1;
  ExprPtr otherwise = has_else ? args.back() : MakeConstant(Scalar{}, SqlType::kNull);
  if (has_else) args.pop_back();
  std::vector<ExprPtr> results;
  for (size_t i = 1; i < args.size(); i += 2) results.push_back(args[i]);
  results.push_back(std::move(otherwise));
  TV_RETURN_IF_ERROR(Unify(results, 0, 1, expr.location));
  for (size_t i = 0; i < args.size(); i += 2) {
    TV_ASSIGN_OR_RETURN(args[i], Coerce(args[i], SqlType::kBool, expr.location));
    args[i + 1] = results[i / 2];
  }
  args.push_back(results.back());
  const SqlType type = results.back()->type;
  if (type == SqlType::kTextList) return Refuse(expr.location, "CASE cannot give a list");
  return Finish(MakeNode(Op::kCase, type, std::move(args)), expr.location);
}

absl::StatusOr<ExprPtr> Binder::BindCast(const ast::Expr& expr) {
  const auto type = CastTarget(expr.name);
  if (!type.has_value()) {
    return Refuse(expr.location,
                  "this type is not possible; boolean, bigint, double precision, text, "
                  "timestamptz, date and interval are");
  }
  TV_ASSIGN_OR_RETURN(std::vector<ExprPtr> args, BindArgs(expr.args));
  const bool open =
      args[0]->op == Op::kConst && (args[0]->value.untyped || args[0]->type == SqlType::kNull);
  ExprPtr cast;
  if (open || args[0]->type == *type) {
    TV_ASSIGN_OR_RETURN(cast, Coerce(args[0], *type, expr.location));
  } else if (CanCast(args[0]->type, *type)) {
    TV_ASSIGN_OR_RETURN(cast, Finish(MakeNode(Op::kCast, *type, std::move(args)), expr.location));
  } else {
    return Refuse(expr.location, absl::StrCat("a ", ToAbsl(NameOf(args[0]->type)),
                                              " cannot be cast to ", ToAbsl(NameOf(*type))));
  }
  if (expr.name != "date") return cast;
  Expr day = MakeNode(Op::kDateTrunc, SqlType::kTimestamp, {std::move(cast)});
  day.unit = TimeUnit::kDay;
  return Finish(std::move(day), expr.location);
}

}  // namespace televault::query
