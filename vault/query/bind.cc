#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/query/binder.h"

namespace televault::query {
namespace {

using ast::Kind;

bool HasAggregate(const ast::Expr& expr) {
  if (expr.kind == Kind::kAggregate) return true;
  return std::any_of(expr.args.begin(), expr.args.end(), HasAggregate);
}

// The name PostgreSQL gives an output column without AS.
std::string DerivedName(const ast::Expr& expr) {
  switch (expr.kind) {
    case Kind::kColumn:
    case Kind::kFunction:
    case Kind::kAggregate:
      return expr.name;
    case Kind::kCast: {
      const std::string inner = DerivedName(expr.args[0]);
      return inner == "?column?" ? expr.name : inner;
    }
    case Kind::kCase:
      return "case";
    case Kind::kCoalesce:
      return "coalesce";
    case Kind::kNullIf:
      return "nullif";
    default:
      return "?column?";
  }
}

v1::FieldKind KindOf(const Expr& expr, const catalog::Schema& schema) {
  switch (expr.type) {
    case SqlType::kBool:
      return v1::FIELD_KIND_BOOL;
    case SqlType::kInt:
      return v1::FIELD_KIND_INT;
    case SqlType::kDouble:
      return v1::FIELD_KIND_DOUBLE;
    case SqlType::kTimestamp:
      return v1::FIELD_KIND_TIMESTAMP;
    case SqlType::kInterval:
      return v1::FIELD_KIND_DURATION;
    case SqlType::kTextList:
      return v1::FIELD_KIND_STRING_LIST;
    default:
      break;
  }
  if (expr.op == Op::kColumn && expr.leaf.mask.kind == MaskKind::kVisible) {
    for (const catalog::Field& field : schema.fields) {
      if (field.column != expr.column) continue;
      if (field.type == catalog::FieldType::kSubject) return v1::FIELD_KIND_SUBJECT;
      if (field.type == catalog::FieldType::kEnum) return v1::FIELD_KIND_ENUM;
    }
  }
  return v1::FIELD_KIND_STRING;
}

}  // namespace

absl::Status Binder::Refuse(int location, std::string_view message) const {
  return SqlError(out_.query.text, location, message);
}

absl::Status Binder::Bind() {
  const ast::Select& select = *out_.query.select;
  out_.grouped = !select.group_by.empty() || select.having.has_value() || select.distinct;
  for (const ast::SelectItem& item : select.items) out_.grouped |= HasAggregate(item.expr);
  for (const ast::SortItem& item : select.order_by) out_.grouped |= HasAggregate(item.expr);
  if (select.where.has_value()) {
    TV_ASSIGN_OR_RETURN(out_.where, BindPredicate(*select.where, "WHERE"));
  }
  TV_RETURN_IF_ERROR(BindGroups());
  aggregates_allowed_ = true;
  TV_RETURN_IF_ERROR(BindOutputs());
  if (select.having.has_value()) {
    TV_ASSIGN_OR_RETURN(const ExprPtr having, BindPredicate(*select.having, "HAVING"));
    TV_ASSIGN_OR_RETURN(out_.having, OverGroups(having, select.having->location));
  }
  TV_RETURN_IF_ERROR(BindOrder());
  TV_RETURN_IF_ERROR(BindLimits());
  CollectColumns();
  ExtractBounds(out_);
  return absl::OkStatus();
}

// GROUP BY takes expressions, positions and output names; a field wins over an output name.
absl::StatusOr<const ast::Expr*> Binder::ResolveGroup(const ast::Expr& expr) const {
  const ast::Select& select = *out_.query.select;
  if (expr.kind == Kind::kInt) {
    if (expr.int_value < 1 || static_cast<uint64_t>(expr.int_value) > select.items.size()) {
      return Refuse(expr.location, "this position is not in the SELECT list");
    }
    return &select.items[static_cast<size_t>(expr.int_value) - 1].expr;
  }
  if (expr.kind == Kind::kColumn && out_.schema.Find(expr.name) == nullptr) {
    for (const ast::SelectItem& item : select.items) {
      if (item.name == expr.name) return &item.expr;
    }
  }
  return &expr;
}

absl::Status Binder::BindGroups() {
  const ast::Select& select = *out_.query.select;
  if (select.distinct) {
    const bool aggregates = std::any_of(select.items.begin(), select.items.end(),
                                        [](const auto& item) { return HasAggregate(item.expr); });
    if (!select.group_by.empty() || select.having.has_value() || aggregates) {
      return Refuse(-1,
                    "DISTINCT does not go with GROUP BY, HAVING or aggregates; "
                    "group by what is selected");
    }
    for (const ast::SelectItem& item : select.items) {
      TV_ASSIGN_OR_RETURN(ExprPtr key, BindExpr(item.expr));
      if (key->type == SqlType::kTextList) {
        return Refuse(item.expr.location, "a list field cannot be grouped or made distinct");
      }
      out_.keys.push_back(std::move(key));
    }
  }
  for (const ast::Expr& group : select.group_by) {
    TV_ASSIGN_OR_RETURN(const ast::Expr* expr, ResolveGroup(group));
    TV_ASSIGN_OR_RETURN(ExprPtr key, BindExpr(*expr));
    if (key->type == SqlType::kTextList) {
      return Refuse(group.location, "a list field cannot be grouped");
    }
    out_.keys.push_back(std::move(key));
  }
  // One word of NULL flags per group.
  if (out_.keys.size() > 64) return Refuse(-1, "at most 64 expressions can be grouped by");
  for (ExprPtr& key : out_.keys) {
    TV_ASSIGN_OR_RETURN(key,
                        Coerce(key, key->type == SqlType::kNull ? SqlType::kText : key->type, -1));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExprPtr> Binder::BindPredicate(const ast::Expr& expr, std::string_view clause) {
  TV_ASSIGN_OR_RETURN(ExprPtr bound, BindExpr(expr));
  auto coerced = Coerce(bound, SqlType::kBool, expr.location);
  if (!coerced.ok()) {
    return Refuse(expr.location, absl::StrCat(ToAbsl(clause), " takes a condition, not a value"));
  }
  return coerced;
}

// Replaces group keys by their slots; every other field is an error.
absl::StatusOr<ExprPtr> Binder::OverGroups(const ExprPtr& expr, int location) const {
  for (size_t i = 0; i < out_.keys.size(); ++i) {
    if (out_.keys[i]->key != expr->key) continue;
    Expr input;
    input.op = Op::kInput;
    input.type = expr->type;
    input.slot = static_cast<uint32_t>(i);
    return Finish(std::move(input), location);
  }
  if (expr->op == Op::kColumn) {
    std::string name;
    for (const catalog::Field& field : out_.schema.fields) {
      if (field.column == expr->column) name = field.name;
    }
    return Refuse(location, absl::StrCat("field ", name,
                                         " must stand in GROUP BY or inside of an aggregate"));
  }
  if (expr->args.empty()) return expr;
  Expr copy = *expr;
  copy.dictionary_column.reset();
  for (ExprPtr& arg : copy.args) {
    TV_ASSIGN_OR_RETURN(arg, OverGroups(arg, location));
  }
  return Finish(std::move(copy), location);
}

absl::StatusOr<ExprPtr> Binder::BindOutputExpr(const ast::Expr& expr) {
  TV_ASSIGN_OR_RETURN(ExprPtr bound, BindExpr(expr));
  const SqlType type = bound->type == SqlType::kNull ? SqlType::kText : bound->type;
  TV_ASSIGN_OR_RETURN(bound, Coerce(bound, type, expr.location));
  return bound;
}

absl::Status Binder::BindOutputs() {
  for (const ast::SelectItem& item : out_.query.select->items) {
    OutputExpr output;
    TV_ASSIGN_OR_RETURN(const ExprPtr bound, BindOutputExpr(item.expr));
    output.column.name = item.name.empty() ? DerivedName(item.expr) : item.name;
    output.column.kind = KindOf(*bound, out_.schema);
    output.expr = bound;
    if (out_.grouped) {
      TV_ASSIGN_OR_RETURN(output.expr, OverGroups(bound, item.expr.location));
    }
    out_.output_columns.push_back(output.column);
    out_.outputs.push_back(std::move(output));
  }
  return absl::OkStatus();
}

absl::Status Binder::BindOrder() {
  const ast::Select& select = *out_.query.select;
  for (const ast::SortItem& item : select.order_by) {
    SortKey key{nullptr, item.descending, item.nulls_first};
    // Unlike GROUP BY, ORDER BY prefers an output name over a field.
    for (size_t i = 0; i < select.items.size() && key.expr == nullptr; ++i) {
      const bool named =
          item.expr.kind == Kind::kColumn && out_.outputs[i].column.name == item.expr.name;
      if (named) key.expr = out_.outputs[i].expr;
    }
    if (item.expr.kind == Kind::kInt) {
      const int64_t position = item.expr.int_value;
      if (position < 1 || static_cast<uint64_t>(position) > out_.outputs.size()) {
        return Refuse(item.expr.location, "this position is not in the SELECT list");
      }
      key.expr = out_.outputs[static_cast<size_t>(position) - 1].expr;
    }
    if (key.expr == nullptr) {
      TV_ASSIGN_OR_RETURN(key.expr, BindOutputExpr(item.expr));
      if (out_.grouped) {
        TV_ASSIGN_OR_RETURN(key.expr, OverGroups(key.expr, item.expr.location));
      }
    }
    if (key.expr->type == SqlType::kTextList) {
      return Refuse(item.expr.location, "a list field has no order");
    }
    out_.order_by.push_back(std::move(key));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> Binder::BindCount(const std::optional<ast::Expr>& expr,
                                                          std::string_view clause) {
  if (!expr.has_value()) return std::optional<uint64_t>();
  TV_ASSIGN_OR_RETURN(ExprPtr bound, BindExpr(*expr));
  auto number = Coerce(bound, SqlType::kInt, expr->location);
  if (!number.ok() || (*number)->op != Op::kConst ||
      (!(*number)->value.null && (*number)->value.i < 0)) {
    return Refuse(expr->location, absl::StrCat(ToAbsl(clause), " takes a whole number from 0"));
  }
  if ((*number)->value.null) return std::optional<uint64_t>();
  return std::optional<uint64_t>(static_cast<uint64_t>((*number)->value.i));
}

absl::Status Binder::BindLimits() {
  aggregates_allowed_ = false;
  TV_ASSIGN_OR_RETURN(out_.limit, BindCount(out_.query.select->limit, "LIMIT"));
  TV_ASSIGN_OR_RETURN(const std::optional<uint64_t> offset,
                      BindCount(out_.query.select->offset, "OFFSET"));
  out_.offset = offset.value_or(0);
  return absl::OkStatus();
}

void Binder::CollectColumns() {
  std::set<uint16_t> columns;
  const auto collect = [&columns](const Expr& expr) {
    const bool read = expr.op == Op::kColumn && expr.leaf.mask.kind != MaskKind::kHidden;
    if (read) columns.insert(expr.column);
  };
  Walk(out_.where, collect);
  for (const ExprPtr& key : out_.keys) Walk(key, collect);
  for (const Aggregate& aggregate : out_.aggregates) {
    Walk(aggregate.arg, collect);
    Walk(aggregate.filter, collect);
  }
  for (const OutputExpr& output : out_.outputs) Walk(output.expr, collect);
  for (const SortKey& key : out_.order_by) Walk(key.expr, collect);
  if (out_.controlled() && out_.schema.has_subject) columns.insert(block::kSubjectColumn);
  out_.columns.assign(columns.begin(), columns.end());
  out_.fields.assign(fields_.begin(), fields_.end());
}

absl::StatusOr<Plan> Bind(const ParsedQuery& query, const catalog::Schema& schema,
                          std::span<const v1::Value> parameters, WallTime now) {
  auto bound = std::make_shared<internal::BoundQuery>();
  bound->query = query;
  bound->schema = schema;
  bound->parameters.assign(parameters.begin(), parameters.end());
  bound->now = now;
  TV_RETURN_IF_ERROR(Binder(*bound).Bind());
  return Plan(std::move(bound));
}

DatasetId Plan::dataset() const { return bound_->schema.dataset; }
uint32_t Plan::schema_revision() const { return bound_->schema.revision; }
const std::vector<OutputColumn>& Plan::output() const { return bound_->output_columns; }
const std::vector<uint16_t>& Plan::columns() const { return bound_->columns; }
const std::vector<std::string>& Plan::fields() const { return bound_->fields; }
TimeRange Plan::time_range() const { return bound_->range; }
bool Plan::is_aggregate() const { return bound_->grouped; }
bool Plan::restricted() const { return bound_->restricted; }

}  // namespace televault::query
