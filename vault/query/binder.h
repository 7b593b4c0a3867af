#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/query/expr.h"

namespace televault::query {

// Gives one parsed query its types over one schema, with the masks of one disclosure.
// Refuses unknown fields, types that do not fit and fields outside of GROUP BY.
// Threads: one; used once. Borrows: what it was built from.
class Binder {
 public:
  // `bound` has query, schema, parameters, now, disclosure and restricted filled in.
  explicit Binder(internal::BoundQuery& bound) : out_(bound) {}
  absl::Status Bind();

 private:
  absl::Status Refuse(int location, std::string_view message) const;

  // Clauses.
  absl::Status BindGroups();
  absl::StatusOr<const ast::Expr*> ResolveGroup(const ast::Expr& expr) const;
  absl::Status BindOutputs();
  absl::Status BindOrder();
  absl::Status BindLimits();
  absl::StatusOr<ExprPtr> BindOutputExpr(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindPredicate(const ast::Expr& expr, std::string_view clause);
  absl::StatusOr<ExprPtr> OverGroups(const ExprPtr& expr, int location) const;
  absl::StatusOr<std::optional<uint64_t>> BindCount(const std::optional<ast::Expr>& expr,
                                                    std::string_view clause);
  void CollectColumns();

  // Expressions.
  absl::Status Count(size_t text_bytes);
  absl::StatusOr<ExprPtr> BindExpr(const ast::Expr& expr);
  absl::StatusOr<std::vector<ExprPtr>> BindArgs(const std::vector<ast::Expr>& args);
  absl::StatusOr<ExprPtr> BindColumn(const ast::Expr& expr);
  Leaf LeafOf(const catalog::Field& field, SqlType type) const;
  absl::StatusOr<ExprPtr> BindParameter(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindOperator(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindArithmetic(const ast::Expr& expr, Op op, std::vector<ExprPtr> args);
  absl::StatusOr<ExprPtr> BindTimeShift(const ast::Expr& expr, Op op, ExprPtr time,
                                        ExprPtr interval);
  absl::StatusOr<ExprPtr> BindLogic(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindCase(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindUniform(const ast::Expr& expr, Op op, SqlType result);
  absl::StatusOr<ExprPtr> BindCast(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindFunction(const ast::Expr& expr);
  absl::StatusOr<ExprPtr> BindAggregate(const ast::Expr& expr);
  absl::Status TypeAggregate(const ast::Expr& expr, Aggregate& aggregate);
  absl::Status TypeAnswer(const ast::Expr& expr, SqlType type, Aggregate& aggregate) const;

  absl::StatusOr<ExprPtr> Coerce(ExprPtr expr, SqlType type, int location) const;
  // Gives all of them one type, as PostgreSQL resolves CASE, IN and comparisons.
  absl::Status Unify(std::vector<ExprPtr>& exprs, size_t first, size_t step, int location) const;
  // Fills key and dictionary_column, and computes what depends on constants alone.
  absl::StatusOr<ExprPtr> Finish(Expr expr, int location) const;

  internal::BoundQuery& out_;
  std::set<std::string> fields_;
  size_t nodes_ = 0;
  bool aggregates_allowed_ = false;
  bool in_aggregate_ = false;
};

// Typed literals.
ExprPtr MakeConstant(Scalar value, SqlType type);
// Not bound yet: Finish() does that.
Expr MakeNode(Op op, SqlType type, std::vector<ExprPtr> args);

// The part of `where` that bounds event_time, other int-like columns and the subject.
void ExtractBounds(internal::BoundQuery& bound);

// Calls `visit` on `expr` and everything below it; null is nothing.
template <class Visit>
void Walk(const ExprPtr& expr, const Visit& visit) {
  if (expr == nullptr) return;
  visit(*expr);
  for (const ExprPtr& arg : expr->args) Walk(arg, visit);
}

}  // namespace televault::query
