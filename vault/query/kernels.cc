#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/query/calendar.h"
#include "vault/query/evaluate.h"
#include "vault/query/like.h"

namespace televault::query {
namespace {

// Marks rows where either argument is NULL.
void UniteNulls(Vector& out, const Vector& a, const Vector& b) {
  if (a.nulls == nullptr && b.nulls == nullptr) return;
  uint8_t* nulls = out.MutableNulls();
  for (const Vector* arg : {&a, &b}) {
    if (arg->nulls == nullptr) continue;
    for (size_t i = 0; i < out.rows; ++i) nulls[i] |= arg->nulls[arg->At(i)];
  }
}

// out[i] = f(a[i], b[i]) with the constant cases pulled out of the loop.
template <class In, class Out, class F>
void Map(const In* a, bool a_constant, const In* b, bool b_constant, Out* out, size_t rows, F f) {
  if (b_constant && !a_constant) {
    const In right = b[0];
    for (size_t i = 0; i < rows; ++i) out[i] = f(a[i], right);
  } else if (a_constant && !b_constant) {
    const In left = a[0];
    for (size_t i = 0; i < rows; ++i) out[i] = f(left, b[i]);
  } else if (a_constant) {
    std::fill_n(out, rows, f(a[0], b[0]));
  } else {
    for (size_t i = 0; i < rows; ++i) out[i] = f(a[i], b[i]);
  }
}

template <class In>
void MapComparison(Op op, const In* a, bool ac, const In* b, bool bc, uint8_t* out, size_t rows) {
  switch (op) {
    case Op::kEq:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x == y; });
    case Op::kNe:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x != y; });
    case Op::kLt:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x < y; });
    case Op::kLe:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x <= y; });
    case Op::kGt:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x > y; });
    default:
      return Map(a, ac, b, bc, out, rows, [](In x, In y) -> uint8_t { return x >= y; });
  }
}

// A double as an integer of the same order: NaN is the greatest and equals NaN, −0 equals 0.
int64_t OrderOf(double value) {
  if (value != value) return std::numeric_limits<int64_t>::max();
  const auto bits = std::bit_cast<int64_t>(value + 0.0);
  return bits < 0 ? std::numeric_limits<int64_t>::min() - bits : bits;
}

// Vectors of doubles compare like integers. NULL entries may hold anything.
const int64_t* OrdersOf(const Vector& doubles, WipedVector<int64_t>& orders) {
  orders.resize(doubles.entries());
  for (size_t i = 0; i < orders.size(); ++i) orders[i] = OrderOf(doubles.doubles[i]);
  return orders.data();
}

bool Holds(Op op, int order) {
  switch (op) {
    case Op::kEq:
      return order == 0;
    case Op::kNe:
      return order != 0;
    case Op::kLt:
      return order < 0;
    case Op::kLe:
      return order <= 0;
    case Op::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

// The int64 nearest to `value`, halves to even; false outside of the type.
bool RoundToInt(double value, int64_t* out) {
  const double whole = std::nearbyint(value);
  if (!(whole >= -9223372036854775808.0 && whole < 9223372036854775808.0)) return false;
  *out = static_cast<int64_t>(whole);
  return true;
}

EvalError IntOp(Op op, int64_t x, int64_t y, int64_t* out) {
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(x, y, out);
      break;
    case Op::kSub:
      overflow = __builtin_sub_overflow(x, y, out);
      break;
    case Op::kMul:
      overflow = __builtin_mul_overflow(x, y, out);
      break;
    default:
      if (y == 0) return EvalError::kDivisionByZero;
      if (y == -1) {
        overflow = op == Op::kDiv && __builtin_sub_overflow(int64_t{0}, x, out);
        if (op == Op::kMod) *out = 0;
      } else {
        *out = op == Op::kDiv ? x / y : x % y;
      }
      break;
  }
  return overflow ? EvalError::kOverflow : EvalError::kNone;
}

EvalError DoubleOp(Op op, double x, double y, double* out) {
  switch (op) {
    case Op::kAdd:
      *out = x + y;
      break;
    case Op::kSub:
      *out = x - y;
      break;
    case Op::kMul:
      *out = x * y;
      break;
    default:
      if (y == 0) return EvalError::kDivisionByZero;
      *out = op == Op::kDiv ? x / y : std::fmod(x, y);
      break;
  }
  const bool overflow = std::isinf(*out) && !std::isinf(x) && !std::isinf(y);
  return overflow ? EvalError::kOverflow : EvalError::kNone;
}

std::string DoubleText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return std::string(buffer.data(), end);
}

size_t CharacterCount(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

Vector Kernels::Apply(const Expr& expr, std::vector<Vector>& args, size_t rows) {
  switch (expr.op) {
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kDiv:
    case Op::kMod:
      return Arithmetic(expr, args[0], args[1], rows);
    case Op::kEq:
    case Op::kNe:
    case Op::kLt:
    case Op::kLe:
    case Op::kGt:
    case Op::kGe:
      return Comparison(expr, args[0], args[1], rows);
    case Op::kIsDistinct:
      return IsDistinct(args[0], args[1], rows);
    case Op::kNullIf: {
      std::vector<uint32_t> all(rows);
      for (size_t i = 0; i < rows; ++i) all[i] = static_cast<uint32_t>(i);
      Vector out = Vector::Gather(args[0], all.data(), rows);
      for (size_t i = 0; i < rows; ++i) {
        const bool equal =
            !args[0].IsNull(i) && !args[1].IsNull(i) && CompareValues(args[0], i, args[1], i) == 0;
        if (equal) out.SetNull(i);
      }
      return out;
    }
    case Op::kLike:
    case Op::kILike:
      return Like(expr, args[0], args[1], rows);
    case Op::kCast:
      return Cast(expr, args[0], rows);
    case Op::kLower:
    case Op::kUpper:
      return ChangeCase(expr, args[0], rows);
    case Op::kRoundTo:
      return RoundTo(args[0], args[1], rows);
    case Op::kWidthBucket:
      return WidthBucket(args, rows);
    case Op::kDateTrunc:
    case Op::kDateBin:
    case Op::kAddMonths:
      return Time(expr, args, rows);
    default:
      return Unary(expr, args[0], rows);
  }
}

Vector Kernels::Arithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows) {
  if (expr.type == SqlType::kDouble) return DoubleArithmetic(expr, a, b, rows);
  const bool scales = a.type == SqlType::kDouble || b.type == SqlType::kDouble;
  return scales ? IntervalScale(expr, a, b, rows) : IntArithmetic(expr, a, b, rows);
}

Vector Kernels::IntArithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows) {
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, b);
  for (size_t i = 0; i < rows; ++i) {
    const EvalError error = IntOp(expr.op, a.IntAt(i), b.IntAt(i), &out.own_ints[i]);
    if (error != EvalError::kNone && !out.IsNull(i)) evaluator_.Fail(error, out, i);
  }
  return out;
}

Vector Kernels::DoubleArithmetic(const Expr& expr, const Vector& a, const Vector& b, size_t rows) {
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, b);
  for (size_t i = 0; i < rows; ++i) {
    const EvalError error = DoubleOp(expr.op, a.DoubleAt(i), b.DoubleAt(i), &out.own_doubles[i]);
    if (error != EvalError::kNone && !out.IsNull(i)) evaluator_.Fail(error, out, i);
  }
  return out;
}

// interval * double, double * interval, interval / double.
Vector Kernels::IntervalScale(const Expr& expr, const Vector& a, const Vector& b, size_t rows) {
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, b);
  const bool left = a.type == SqlType::kInterval;
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const auto micros = static_cast<double>(left ? a.IntAt(i) : b.IntAt(i));
    double result = 0;
    EvalError error = DoubleOp(expr.op, micros, left ? b.DoubleAt(i) : a.DoubleAt(i), &result);
    if (error == EvalError::kNone && !RoundToInt(result, &out.own_ints[i])) {
      error = EvalError::kOverflow;
    }
    if (error != EvalError::kNone) evaluator_.Fail(error, out, i);
  }
  return out;
}

Vector Kernels::Comparison(const Expr& expr, const Vector& a, const Vector& b, size_t rows) {
  Vector out = Vector::Make(SqlType::kBool, rows, false);
  UniteNulls(out, a, b);
  uint8_t* result = out.own_bools.data();
  if (IsIntLike(a.type)) {
    MapComparison(expr.op, a.ints, a.constant, b.ints, b.constant, result, rows);
    return out;
  }
  if (a.type == SqlType::kDouble && b.type == SqlType::kDouble) {
    WipedVector<int64_t> left;
    WipedVector<int64_t> right;
    MapComparison(expr.op, OrdersOf(a, left), a.constant, OrdersOf(b, right), b.constant, result,
                  rows);
    return out;
  }
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    result[i] = Holds(expr.op, CompareValues(a, i, b, i)) ? 1 : 0;
  }
  return out;
}

Vector Kernels::IsDistinct(const Vector& a, const Vector& b, size_t rows) {
  Vector out = Vector::Make(SqlType::kBool, rows, false);
  for (size_t i = 0; i < rows; ++i) {
    const bool a_null = a.IsNull(i);
    const bool b_null = b.IsNull(i);
    const bool distinct = a_null || b_null ? a_null != b_null : CompareValues(a, i, b, i) != 0;
    out.own_bools[i] = distinct ? 1 : 0;
  }
  return out;
}

Vector Kernels::Unary(const Expr& expr, const Vector& a, size_t rows) {
  if (expr.op == Op::kIsNull || expr.op == Op::kIsBool) {
    Vector out = Vector::Make(SqlType::kBool, rows, false);
    for (size_t i = 0; i < rows; ++i) {
      const bool null = a.IsNull(i);
      const bool asks_null = expr.op == Op::kIsNull || expr.value.i == 2;
      out.own_bools[i] = asks_null ? null : !null && a.BoolAt(i) == (expr.value.i == 0);
    }
    return out;
  }
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, a);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    switch (expr.op) {
      case Op::kNot:
        out.own_bools[i] = a.BoolAt(i) ? 0 : 1;
        break;
      case Op::kLength:
        out.own_ints[i] = static_cast<int64_t>(CharacterCount(a.TextAt(i)));
        break;
      case Op::kNeg:
      case Op::kAbs:
        if (expr.type == SqlType::kDouble) {
          out.own_doubles[i] = expr.op == Op::kNeg ? -a.DoubleAt(i) : std::fabs(a.DoubleAt(i));
        } else if (expr.op == Op::kAbs && a.IntAt(i) >= 0) {
          out.own_ints[i] = a.IntAt(i);
        } else if (__builtin_sub_overflow(int64_t{0}, a.IntAt(i), &out.own_ints[i])) {
          evaluator_.Fail(EvalError::kOverflow, out, i);
        }
        break;
      case Op::kRound:
        out.own_doubles[i] = std::nearbyint(a.DoubleAt(i));
        break;
      case Op::kFloor:
        out.own_doubles[i] = std::floor(a.DoubleAt(i));
        break;
      default:
        TV_CHECK(expr.op == Op::kCeil);
        out.own_doubles[i] = std::ceil(a.DoubleAt(i));
        break;
    }
  }
  return out;
}

Vector Kernels::Like(const Expr& expr, const Vector& text, const Vector& pattern, size_t rows) {
  Vector out = Vector::Make(SqlType::kBool, rows, false);
  UniteNulls(out, text, pattern);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const LikeResult match = MatchLike(text.TextAt(i), pattern.TextAt(i), expr.op == Op::kILike);
    out.own_bools[i] = match == LikeResult::kYes ? 1 : 0;
    if (match == LikeResult::kBadPattern) evaluator_.Fail(EvalError::kBadArgument, out, i);
  }
  return out;
}

Vector Kernels::Cast(const Expr& expr, const Vector& a, size_t rows) {
  if (a.type == SqlType::kText) return CastFromText(expr, a, rows);
  if (expr.type == SqlType::kText) return CastToText(a, rows);
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, a);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    if (expr.type == SqlType::kDouble) {
      out.own_doubles[i] = static_cast<double>(a.IntAt(i));
    } else if (expr.type == SqlType::kBool) {
      out.own_bools[i] = a.IntAt(i) != 0 ? 1 : 0;
    } else if (a.type == SqlType::kBool) {
      out.own_ints[i] = a.BoolAt(i) ? 1 : 0;
    } else if (!RoundToInt(a.DoubleAt(i), &out.own_ints[i])) {
      evaluator_.Fail(EvalError::kOverflow, out, i);
    }
  }
  return out;
}

Vector Kernels::CastFromText(const Expr& expr, const Vector& a, size_t rows) {
  Vector out = Vector::Make(expr.type, rows, false);
  UniteNulls(out, a, a);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const absl::string_view text = absl::StripAsciiWhitespace(ToAbsl(a.TextAt(i)));
    const std::string_view trimmed(text.data(), text.size());
    bool good = true;
    if (expr.type == SqlType::kInt) {
      good = absl::SimpleAtoi(text, &out.own_ints[i]);
    } else if (expr.type == SqlType::kDouble) {
      good = absl::SimpleAtod(text, &out.own_doubles[i]) && std::isfinite(out.own_doubles[i]);
    } else if (expr.type == SqlType::kBool) {
      const std::string word = absl::AsciiStrToLower(text);
      const bool yes =
          word == "true" || word == "t" || word == "yes" || word == "on" || word == "1";
      const bool no =
          word == "false" || word == "f" || word == "no" || word == "off" || word == "0";
      out.own_bools[i] = yes ? 1 : 0;
      good = yes || no;
    } else if (expr.type == SqlType::kTimestamp) {
      const auto parsed = ParseTimestamp(trimmed);
      good = parsed.has_value();
      out.own_ints[i] = parsed.value_or(0);
    } else {
      const auto parsed = ParseInterval(trimmed);
      good = parsed.has_value() && parsed->months == 0;
      out.own_ints[i] = good ? parsed->micros : 0;
    }
    if (!good) evaluator_.Fail(EvalError::kBadText, out, i);
  }
  return out;
}

Vector Kernels::CastToText(const Vector& a, size_t rows) {
  Vector out = Vector::Make(SqlType::kText, rows, false);
  UniteNulls(out, a, a);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    std::string text;
    if (a.type == SqlType::kBool) {
      text = a.BoolAt(i) ? "true" : "false";
    } else if (a.type == SqlType::kDouble) {
      text = DoubleText(a.DoubleAt(i));
    } else if (a.type == SqlType::kTimestamp) {
      text = FormatTimestamp(a.IntAt(i));
    } else {
      text = absl::StrCat(a.IntAt(i));
    }
    out.own_codes[i] = out.own_dictionary->Add(text);
  }
  return out;
}

Vector Kernels::ChangeCase(const Expr& expr, const Vector& a, size_t rows) {
  Vector out = Vector::Make(SqlType::kText, rows, false);
  UniteNulls(out, a, a);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const absl::string_view text = ToAbsl(a.TextAt(i));
    out.own_codes[i] = out.own_dictionary->Add(expr.op == Op::kLower ? absl::AsciiStrToLower(text)
                                                                     : absl::AsciiStrToUpper(text));
  }
  return out;
}

// Half away from zero, as PostgreSQL rounds numeric.
Vector Kernels::RoundTo(const Vector& a, const Vector& digits, size_t rows) {
  Vector out = Vector::Make(SqlType::kDouble, rows, false);
  UniteNulls(out, a, digits);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const int64_t places = std::clamp<int64_t>(digits.IntAt(i), -300, 300);
    const double value = a.DoubleAt(i);
    const double scale = std::pow(10.0, static_cast<double>(std::abs(places)));
    const double scaled = places >= 0 ? value * scale : value / scale;
    const double rounded = places >= 0 ? std::round(scaled) / scale : std::round(scaled) * scale;
    // Beyond the precision of a double there is nothing left to round.
    out.own_doubles[i] = std::isfinite(scaled) && std::isfinite(rounded) ? rounded : value;
  }
  return out;
}

// Bucket of an equal-width histogram: 0 below, count + 1 at or above the upper bound.
Vector Kernels::WidthBucket(std::vector<Vector>& args, size_t rows) {
  Vector out = Vector::Make(SqlType::kInt, rows, false);
  UniteNulls(out, args[0], args[1]);
  UniteNulls(out, args[2], args[3]);
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    const double value = args[0].DoubleAt(i);
    double low = args[1].DoubleAt(i);
    double high = args[2].DoubleAt(i);
    const int64_t count = args[3].IntAt(i);
    if (count <= 0 || count > std::numeric_limits<int32_t>::max() || low == high ||
        !std::isfinite(low) || !std::isfinite(high) || std::isnan(value)) {
      evaluator_.Fail(EvalError::kBadArgument, out, i);
      continue;
    }
    // A falling histogram is a rising one over the negated axis.
    const double sign = low < high ? 1 : -1;
    const double from_low = (value - low) * sign;
    const double width = (high - low) * sign;
    if (from_low < 0) {
      out.own_ints[i] = 0;
    } else if (from_low >= width) {
      out.own_ints[i] = count + 1;
    } else {
      const auto bucket = static_cast<int64_t>(from_low / width * static_cast<double>(count));
      out.own_ints[i] = std::min(bucket, count - 1) + 1;
    }
  }
  return out;
}

Vector Kernels::Time(const Expr& expr, std::vector<Vector>& args, size_t rows) {
  Vector out = Vector::Make(expr.type, rows, false);
  for (const Vector& arg : args) UniteNulls(out, arg, arg);
  std::optional<int64_t> low;
  int64_t high = 0;  // the last truncated unit, half open
  for (size_t i = 0; i < rows; ++i) {
    if (out.IsNull(i)) continue;
    std::optional<int64_t> result;
    EvalError error = EvalError::kOverflow;
    if (expr.op == Op::kDateTrunc) {
      const int64_t time = args[0].IntAt(i);
      if (!low.has_value() || time < *low || time >= high) {
        low = TruncateTime(expr.unit, time);
        high = NextUnit(expr.unit, time).value_or(low.value_or(0));
      }
      result = low;
    } else if (expr.op == Op::kAddMonths) {
      result = AddMonths(args[0].IntAt(i), expr.value.months);
    } else if (args[0].IntAt(i) <= 0) {
      error = EvalError::kBadArgument;
    } else {
      result = BinTime(args[0].IntAt(i), args[1].IntAt(i), args[2].IntAt(i));
    }
    out.own_ints[i] = result.value_or(0);
    if (!result.has_value()) evaluator_.Fail(error, out, i);
  }
  return out;
}

}  // namespace televault::query
