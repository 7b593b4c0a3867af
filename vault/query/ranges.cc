#include <algorithm>
#include <limits>
#include <map>

#include "vault/base/bytes.h"
#include "vault/query/binder.h"
#include "vault/query/calendar.h"

namespace televault::query {
namespace {

constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

Op Mirrored(Op op) {
  switch (op) {
    case Op::kLt:
      return Op::kGt;
    case Op::kLe:
      return Op::kGe;
    case Op::kGt:
      return Op::kLt;
    case Op::kGe:
      return Op::kLe;
    default:
      return op;
  }
}

struct Interval {
  int64_t low = kLowest;
  int64_t high = kHighest;  // inclusive
};

Interval IntervalOf(Op op, int64_t value) {
  switch (op) {
    case Op::kEq:
      return {value, value};
    case Op::kLt:
      return {kLowest, value == kLowest ? value : value - 1};
    case Op::kLe:
      return {kLowest, value};
    case Op::kGt:
      return {value == kHighest ? value : value + 1, kHighest};
    case Op::kGe:
      return {value, kHighest};
    default:
      return {};
  }
}

// Raw times whose start of `unit` lies in `shown`. A start is never after its time, so the lower
// bound stays; the upper one reaches to the end of its unit.
Interval Widened(TimeUnit unit, Interval shown) {
  if (shown.high == kHighest) return shown;
  const auto next = NextUnit(unit, shown.high);
  shown.high = next.has_value() ? *next - 1 : kHighest;
  return shown;
}

class Extractor {
 public:
  explicit Extractor(internal::BoundQuery& bound) : bound_(bound) {}

  void Conjunct(const Expr& expr) {
    if (expr.op == Op::kAnd) {
      for (const ExprPtr& arg : expr.args) Conjunct(*arg);
      return;
    }
    const bool comparison = expr.op >= Op::kEq && expr.op <= Op::kGe && expr.op != Op::kNe;
    if (!comparison) return;
    if (expr.args[1]->op == Op::kConst) Compare(expr.op, *expr.args[0], expr.args[1]->value);
    if (expr.args[0]->op == Op::kConst) {
      Compare(Mirrored(expr.op), *expr.args[1], expr.args[0]->value);
    }
  }

  void Finish() {
    for (const auto& [column, interval] : intervals_) {
      bound_.bounds.push_back({column, interval.low, interval.high});
      if (column != block::kEventTimeColumn) continue;
      bound_.range.begin = WallTime{interval.low};
      bound_.range.end = WallTime{interval.high == kHighest ? kHighest : interval.high + 1};
    }
  }

 private:
  void Compare(Op op, const Expr& side, const Scalar& value) {
    if (value.null) return;
    const Expr* leaf = &side;
    if (side.op == Op::kColumn && side.leaf.subject && op == Op::kEq) {
      const bool plain = side.leaf.mask.kind == MaskKind::kVisible;
      const absl::StatusOr<std::string> raw = FromHex(value.s);
      if (plain && raw.ok() && raw->size() == 16) bound_.subject = *raw;
      return;
    }
    if (!IsIntLike(side.type)) return;
    Interval interval = IntervalOf(op, value.i);
    if (side.op == Op::kDateTrunc) {
      interval = Widened(side.unit, interval);
      leaf = side.args[0].get();
    }
    const bool readable = leaf->op == Op::kColumn && leaf->leaf.mask.kind == MaskKind::kVisible;
    if (!readable) return;
    if (leaf->leaf.truncate.has_value()) interval = Widened(*leaf->leaf.truncate, interval);
    Interval& known = intervals_[leaf->column];
    known.low = std::max(known.low, interval.low);
    known.high = std::min(known.high, interval.high);
  }

  internal::BoundQuery& bound_;
  std::map<uint16_t, Interval> intervals_;
};

}  // namespace

void ExtractBounds(internal::BoundQuery& bound) {
  if (bound.where == nullptr) return;
  Extractor extractor(bound);
  extractor.Conjunct(*bound.where);
  extractor.Finish();
}

}  // namespace televault::query
