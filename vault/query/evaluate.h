#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "vault/base/status.h"
#include "vault/block/unit_columns.h"
#include "vault/query/expr.h"
#include "vault/query/vector.h"

namespace televault::query {

// The rows that an expression is evaluated on: the first `count`, or those that `selection` names.
// Columns come from the evaluator's slice, kInput slots from `inputs`.
struct Rows {
  uint32_t count = 0;
  const uint32_t* selection = nullptr;
  const std::vector<Vector>* inputs = nullptr;

  uint32_t At(size_t i) const {
    return selection != nullptr ? selection[i] : static_cast<uint32_t>(i);
  }
};

enum class EvalError : uint8_t { kNone, kOverflow, kDivisionByZero, kBadText, kBadArgument };

// Computes expressions over a unit, one slice at a time; a column is opened and decoded when the
// first expression needs it. Evaluates conditional branches only where they apply, as PostgreSQL
// does; what depends on one text column alone is computed once per dictionary entry and unit.
// Threads: one. Borrows: the unit between StartUnit() and the next, `disclosure`. Answers may show
// the slice they were computed on: they end with it.
// Failure: the first error of a row is kept in status(), and with `errors_are_null` such a row's
// value is NULL instead; a column that cannot be read is an error in any case.
class Evaluator {
 public:
  Evaluator(bool errors_are_null, const Disclosure* disclosure)
      : errors_are_null_(errors_are_null), disclosure_(disclosure) {}

  // Forgets everything that was kept for the unit before.
  void StartUnit(block::UnitColumns* unit);
  // Opens what the slice needs of a column before anybody asks; with `codes_only` not its texts.
  void Prepare(uint16_t column, bool codes_only);
  // The rows that follow are [first, first + rows) of the unit; as ColumnReader::Read says.
  void StartSlice(size_t first, size_t rows);
  // What the slice has of a column; null where the unit lacks it or it cannot be read. With
  // `codes_only` it may lack the dictionary of texts.
  const block::ColumnSlice* Slice(uint16_t column, bool codes_only = false);

  Vector Evaluate(const Expr& expr, const Rows& rows);

  // The rows of `rows` on which `predicate` is true, ascending.
  std::vector<uint32_t> Filter(const Expr& predicate, const Rows& rows);

  // The rows of the slice, or those on which `where` (null = all) is true; the answer borrows
  // `selected`. Fails as status() says.
  absl::StatusOr<Rows> Select(const ExprPtr& where, std::vector<uint32_t>& selected);

  // OK, or INVALID_ARGUMENT that says what failed, never on which value; what the unit says of a
  // column that cannot be read.
  absl::Status status() const;

 private:
  friend class Kernels;

  Vector EvaluateOp(const Expr& expr, const Rows& rows);
  Vector EvaluateColumn(const Expr& expr, const Rows& rows);
  Vector ColumnView(const Expr& expr, const block::ColumnSlice& slice, const Rows& rows);
  Vector ListColumn(const block::ColumnSlice& slice, const Rows& rows);
  // Texts of few rows, without opening those of all others.
  Vector FewTexts(const Expr& expr, block::UnitColumn& column, const block::ColumnSlice& slice,
                  const Rows& rows);
  // `expr` is `subject = 'text'`: the rows of the unit, ascending.
  const std::vector<uint32_t>& RowsOfSubject(const Expr& expr, const std::string& text);
  Vector EqualsSubject(const Expr& expr, const std::string& text, const Rows& rows);
  std::vector<uint32_t> FilterSubject(const Expr& expr, const std::string& text, const Rows& rows);
  Vector LiftedLeaf(const Expr& expr, const Rows& rows);
  // nullopt where an entry that no row may use fails: then rows are evaluated one by one.
  std::optional<Vector> EvaluateByDictionary(const Expr& expr, const Rows& rows);
  const block::Dictionary* LeafDictionary(const Expr& expr, const block::Dictionary& stored);
  std::string ShownText(const Expr& leaf, std::string_view stored) const;
  Vector EvaluateAndOr(const Expr& expr, const Rows& rows);
  Vector EvaluateIn(const Expr& expr, const Rows& rows);
  Vector EvaluateBranches(const Expr& expr, const Rows& rows);
  void Fail(EvalError error, Vector& out, size_t row);

  const bool errors_are_null_;
  const Disclosure* const disclosure_;
  // A column of the unit and what the slice has of it.
  struct Loaded {
    bool looked_up = false;
    block::UnitColumn* column = nullptr;  // null: the unit lacks it
    bool current = false;
    block::ColumnSlice slice;
  };
  Loaded& Find(uint16_t column);
  const block::Dictionary* Texts(block::UnitColumn& column);

  block::UnitColumns* unit_ = nullptr;
  size_t first_ = 0;  // of the slice
  size_t rows_ = 0;
  std::map<uint16_t, Loaded> loaded_;
  absl::Status unreadable_;
  EvalError error_ = EvalError::kNone;
  const block::Dictionary* lifting_ = nullptr;  // set while entries stand for rows
  std::unordered_map<const Expr*, std::optional<Vector>> by_dictionary_;
  std::unordered_map<uint16_t, std::shared_ptr<block::Dictionary>> leaf_dictionaries_;
  // Of subjects that are looked for.
  std::unordered_map<const Expr*, std::vector<uint32_t>> rows_of_subjects_;
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
