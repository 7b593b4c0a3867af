#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/query/expr.h"
#include "vault/query/vector.h"

namespace televault::query {

// The rows that an expression is evaluated on: `count` rows from `begin`, or those that `selection`
// names. Columns come from the evaluator's unit, kInput slots from `inputs`.
struct Rows {
  uint32_t begin = 0;
  uint32_t count = 0;
  const uint32_t* selection = nullptr;
  const std::vector<Vector>* inputs = nullptr;

  uint32_t At(size_t i) const {
    return selection != nullptr ? selection[i] : begin + static_cast<uint32_t>(i);
  }
};

enum class EvalError : uint8_t { kNone, kOverflow, kDivisionByZero, kBadText, kBadArgument };

// Computes expressions over a unit, one slice at a time. Evaluates conditional branches only where
// they apply, as PostgreSQL does; what depends on one text column alone is computed once per
// dictionary entry and unit.
// Threads: one. Borrows: the unit's batch between StartUnit() and the next, `disclosure`.
// Failure: the first error of a row is kept in status(); with `errors_are_null` there is none and
// the row's value is NULL.
class Evaluator {
 public:
  Evaluator(bool errors_are_null, const Disclosure* disclosure)
      : errors_are_null_(errors_are_null), disclosure_(disclosure) {}

  // Forgets everything that was kept for the unit before.
  void StartUnit(const block::ColumnBatch* batch);

  Vector Evaluate(const Expr& expr, const Rows& rows);

  // The rows of `rows` on which `predicate` is true, ascending.
  std::vector<uint32_t> Filter(const Expr& predicate, const Rows& rows);

  // `count` rows of the unit from `begin`, or those on which `where` (null = all) is true; the
  // answer borrows `selected`. Fails as status() says.
  absl::StatusOr<Rows> Select(const ExprPtr& where, uint32_t begin, uint32_t count,
                              std::vector<uint32_t>& selected);

  // OK, or INVALID_ARGUMENT that says what failed, never on which value.
  absl::Status status() const;

 private:
  friend class Kernels;

  Vector EvaluateOp(const Expr& expr, const Rows& rows);
  Vector EvaluateColumn(const Expr& expr, const Rows& rows);
  Vector ColumnView(const Expr& expr, const block::Column& column, const Rows& rows);
  Vector ListColumn(const block::Column& column, const Rows& rows);
  Vector LiftedLeaf(const Expr& expr, const Rows& rows);
  // nullopt where an entry that no row may use fails: then rows are evaluated one by one.
  std::optional<Vector> EvaluateByDictionary(const Expr& expr, const Rows& rows);
  const block::Dictionary* LeafDictionary(const Expr& expr, const block::Column& column);
  Vector EvaluateAndOr(const Expr& expr, const Rows& rows);
  Vector EvaluateIn(const Expr& expr, const Rows& rows);
  Vector EvaluateBranches(const Expr& expr, const Rows& rows);
  void Fail(EvalError error, Vector& out, size_t row);

  const bool errors_are_null_;
  const Disclosure* const disclosure_;
  const block::ColumnBatch* batch_ = nullptr;
  EvalError error_ = EvalError::kNone;
  const block::Dictionary* lifting_ = nullptr;  // set while entries stand for rows
  std::unordered_map<const Expr*, std::optional<Vector>> by_dictionary_;
  std::unordered_map<uint16_t, std::shared_ptr<block::Dictionary>> leaf_dictionaries_;
};

// Scalar work on whole vectors: operators and functions whose arguments are always evaluated.
class Kernels {
 public:
  explicit Kernels(Evaluator& evaluator) : evaluator_(evaluator) {}
  Vector Apply(const Expr& expr, std::vector<Vector>& args, size_t rows);

 private:
  Vector Arithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows);
  Vector IntArithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows);
  Vector DoubleArithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows);
  Vector IntervalScale(const Expr& expr, const Vector& a, const Vector& b, size_t rows);
  Vector Comparison(const Expr& expr, const Vector& a, const Vector& b, size_t rows);
  Vector IsDistinct(const Vector& a, const Vector& b, size_t rows);
  Vector Unary(const Expr& expr, const Vector& a, size_t rows);
  Vector Like(const Expr& expr, const Vector& text, const Vector& pattern, size_t rows);
  Vector Cast(const Expr& expr, const Vector& a, size_t rows);
  Vector CastFromText(const Expr& expr, const Vector& a, size_t rows);
  Vector CastToText(const Vector& a, size_t rows);
  Vector ChangeCase(const Expr& expr, const Vector& a, size_t rows);
  Vector RoundTo(const Vector& a, const Vector& digits, size_t rows);
  Vector WidthBucket(std::vector<Vector>& args, size_t rows);
  Vector Time(const Expr& expr, std::vector<Vector>& args, size_t rows);

  Evaluator& evaluator_;
};

}  // namespace televault::query
