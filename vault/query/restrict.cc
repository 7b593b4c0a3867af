#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "vault/base/bytes.h"
#include "vault/query/binder.h"
#include "vault/query/calendar.h"

namespace televault::query {
namespace {

absl::Status Deny(std::string_view message) {
  return WithReason(absl::PermissionDeniedError(ToAbsl(message)), reason::kDenied);
}

absl::Status Deny(const internal::BoundQuery& bound, int location, std::string_view message) {
  const std::string position = PositionOf(bound.query.text, location);
  return Deny(absl::StrCat(position, position.empty() ? "" : ": ", ToAbsl(message)));
}

bool IsSubject(const Expr& expr) { return expr.op == Op::kColumn && expr.leaf.subject; }

bool IsEventTime(const Expr& expr) {
  return expr.op == Op::kColumn && expr.column == block::kEventTimeColumn;
}

bool Reads(const ExprPtr& expr, bool (*test)(const Expr&)) {
  bool found = false;
  Walk(expr, [&](const Expr& node) { found |= test(node); });
  return found;
}

absl::Status DenySubject(const ExprPtr& expr) {
  if (!Reads(expr, IsSubject)) return absl::OkStatus();
  return Deny(
      "aggregate access never shows or tests the subject; count(DISTINCT subject) is "
      "possible");
}

// A time that event_time is compared with must not cut its finest unit in two.
absl::Status CheckTimeBounds(const ExprPtr& expr) {
  absl::Status status;
  Walk(expr, [&](const Expr& node) {
    const bool compares = (node.op >= Op::kEq && node.op <= Op::kGe) || node.op == Op::kIn ||
                          node.op == Op::kIsDistinct;
    if (!compares) return;
    std::optional<TimeUnit> finest;
    for (const ExprPtr& arg : node.args) {
      Walk(arg, [&](const Expr& below) {
        if (IsEventTime(below)) finest = below.leaf.truncate;
      });
    }
    if (!finest.has_value()) return;
    for (const ExprPtr& arg : node.args) {
      const bool time =
          arg->op == Op::kConst && !arg->value.null && arg->type == SqlType::kTimestamp;
      if (!time || TruncateTime(*finest, arg->value.i) == arg->value.i) continue;
      status =
          Deny(absl::StrCat("aggregate access sees event_time by the ", ToAbsl(NameOf(*finest)),
                            "; compare it with the start of one, e.g. date_trunc('",
                            ToAbsl(NameOf(*finest)), "', now())"));
    }
  });
  return status;
}

// A field as it is; whole numbers may become double precision, which never fails. Whatever else
// depends on the row can choose rows: a CASE weighs one so that it shows in a sum, an added
// constant hides who dominates, and what overflows or divides by zero is NULL and thereby left out.
bool IsField(const Expr& expr) {
  const bool widened =
      expr.op == Op::kCast && expr.type == SqlType::kDouble && expr.args[0]->type == SqlType::kInt;
  return widened ? IsField(*expr.args[0]) : expr.op == Op::kColumn;
}

absl::Status CheckAggregate(const internal::BoundQuery& bound, const Aggregate& aggregate) {
  TV_RETURN_IF_ERROR(DenySubject(aggregate.filter));
  if (aggregate.kind == AggregateKind::kCountAll) return absl::OkStatus();
  if (aggregate.kind != AggregateKind::kCountDistinct) {
    TV_RETURN_IF_ERROR(DenySubject(aggregate.arg));
  }
  const bool counts_all =
      aggregate.kind == AggregateKind::kCount && aggregate.arg->op == Op::kConst;
  if (counts_all || IsField(*aggregate.arg)) return absl::OkStatus();
  return Deny(bound, aggregate.arg_location,
              "aggregate access aggregates fields as they are, not expressions; compute with the "
              "answer, e.g. 2 * sum(x), and choose rows with WHERE, FILTER or GROUP BY");
}

// Two conditions are two answers that could be subtracted from each other: each is held against the
// rows that it leaves out, not against the other.
absl::Status CheckFilters(const internal::BoundQuery& bound) {
  const Aggregate* first = nullptr;
  for (const Aggregate& aggregate : bound.aggregates) {
    if (aggregate.filter == nullptr) continue;
    if (first == nullptr) first = &aggregate;
    if (aggregate.filter->key == first->filter->key) continue;
    return Deny(bound, aggregate.filter_location,
                "aggregate access takes one FILTER condition for each query, here is another one; "
                "repeat the first, group by what tells them apart, or ask two queries");
  }
  return absl::OkStatus();
}

absl::Status CheckAggregateMode(const internal::BoundQuery& bound) {
  if (!bound.grouped) {
    return Deny(
        "aggregate access shows no rows; use count, sum, avg or another aggregate, with "
        "GROUP BY where groups are wanted, or request row access");
  }
  TV_RETURN_IF_ERROR(DenySubject(bound.where));
  TV_RETURN_IF_ERROR(CheckTimeBounds(bound.where));
  for (const ExprPtr& key : bound.keys) {
    TV_RETURN_IF_ERROR(DenySubject(key));
    TV_RETURN_IF_ERROR(CheckTimeBounds(key));
  }
  for (const Aggregate& aggregate : bound.aggregates) {
    TV_RETURN_IF_ERROR(CheckAggregate(bound, aggregate));
    TV_RETURN_IF_ERROR(CheckTimeBounds(aggregate.filter));
    TV_RETURN_IF_ERROR(CheckTimeBounds(aggregate.arg));
  }
  return CheckFilters(bound);
}

constexpr std::string_view kAggregateNames[] = {
    "count(*)", "count",           "count(DISTINCT)", "sum", "avg", "min", "max",
    "stddev",   "percentile_cont", "percentile_disc"};

std::string MaskText(const Mask& mask) {
  switch (mask.kind) {
    case MaskKind::kVisible:
      return "visible";
    case MaskKind::kHidden:
      return "hidden";
    case MaskKind::kHash:
      return "hash";
    case MaskKind::kTruncate:
      return absl::StrCat("truncate(", mask.length, ")");
    case MaskKind::kYear:
      return "year";
  }
  return "";
}

std::string FieldsIn(const internal::BoundQuery& bound, const std::vector<ExprPtr>& exprs) {
  std::vector<std::string> names;
  for (const ExprPtr& expr : exprs) {
    Walk(expr, [&](const Expr& node) {
      if (node.op != Op::kColumn) return;
      for (const catalog::Field& field : bound.schema.fields) {
        if (field.column != node.column) continue;
        const bool fresh = std::find(names.begin(), names.end(), field.name) == names.end();
        if (fresh) names.push_back(field.name);
      }
    });
  }
  return names.empty() ? "no field" : absl::StrJoin(names, ", ");
}

std::string GroupLines(const internal::BoundQuery& bound) {
  std::string text;
  if (bound.having != nullptr) absl::StrAppend(&text, "filter groups\n");
  if (bound.controlled()) {
    absl::StrAppend(&text, "disclosure control: k=", bound.disclosure.k_min,
                    bound.schema.has_subject ? " subjects\n" : " rows\n");
  }
  std::vector<std::string> names;
  for (const Aggregate& aggregate : bound.aggregates) {
    names.emplace_back(kAggregateNames[static_cast<size_t>(aggregate.kind)]);
    if (aggregate.filter != nullptr) names.back() += " filter";
  }
  absl::StrAppend(&text, "aggregate ", names.empty() ? "nothing" : absl::StrJoin(names, ", "));
  if (!bound.keys.empty()) absl::StrAppend(&text, " by ", FieldsIn(bound, bound.keys));
  return text + "\n";
}

}  // namespace

absl::StatusOr<Plan> Restrict(const Plan& plan, const Disclosure& disclosure) {
  const internal::BoundQuery& open = plan.bound();
  auto bound = std::make_shared<internal::BoundQuery>();
  bound->query = open.query;
  bound->schema = open.schema;
  bound->parameters = open.parameters;
  bound->now = open.now;
  bound->disclosure = disclosure;
  bound->disclosure.k_min = std::max<uint32_t>(disclosure.k_min, 2);
  bound->restricted = true;
  TV_RETURN_IF_ERROR(Binder(*bound).Bind());
  if (bound->controlled()) TV_RETURN_IF_ERROR(CheckAggregateMode(*bound));
  return Plan(std::move(bound));
}

std::string Explain(const Plan& plan) {
  const internal::BoundQuery& bound = plan.bound();
  std::string text = absl::StrCat("output ", bound.outputs.size(), " columns\n");
  if (bound.limit.has_value() || bound.offset > 0) absl::StrAppend(&text, "limit\n");
  if (!bound.order_by.empty()) {
    absl::StrAppend(&text, "sort by ", bound.order_by.size(), " keys\n");
  }
  if (bound.grouped) text += GroupLines(bound);
  if (bound.where != nullptr) {
    absl::StrAppend(&text, "filter on ", FieldsIn(bound, {bound.where}), "\n");
  }
  for (const auto& [field, mask] : bound.disclosure.masks) {
    absl::StrAppend(&text, "mask ", field, ": ", MaskText(mask), "\n");
  }
  if (!bound.bounds.empty()) {
    absl::StrAppend(&text, "prune by ", bound.bounds.size(), " ranges\n");
  }
  absl::StrAppend(&text, "scan ", bound.schema.name, ": ", bound.columns.size(), " columns\n");
  return text;
}

}  // namespace televault::query
