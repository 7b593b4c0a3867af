#include "vault/query/vector.h"

#include <algorithm>

#include "vault/base/check.h"

namespace televault::query {

Vector Vector::Make(SqlType type, size_t rows, bool with_nulls) {
  Vector out;
  out.type = type;
  out.rows = rows;
  switch (type) {
    case SqlType::kBool:
      out.own_bools.resize(rows);
      out.bools = out.own_bools.data();
      break;
    case SqlType::kDouble:
      out.own_doubles.resize(rows);
      out.doubles = out.own_doubles.data();
      break;
    case SqlType::kText:
      out.own_codes.resize(rows);
      out.codes = out.own_codes.data();
      out.own_dictionary = std::make_shared<block::Dictionary>();
      out.dictionary = out.own_dictionary.get();
      break;
    case SqlType::kTextList:
      // One leading entry: the begin of the first row.
      out.own_list_ends.assign(rows + 1, 0);
      out.list_ends = out.own_list_ends.data() + 1;
      out.own_dictionary = std::make_shared<block::Dictionary>();
      out.dictionary = out.own_dictionary.get();
      break;
    default:
      out.own_ints.resize(rows);
      out.ints = out.own_ints.data();
      break;
  }
  if (with_nulls) out.MutableNulls();
  return out;
}

uint8_t* Vector::MutableNulls() {
  if (own_nulls.empty()) {
    own_nulls.assign(std::max<size_t>(entries(), 1), 0);
    if (nulls != nullptr) std::copy_n(nulls, entries(), own_nulls.data());
    nulls = own_nulls.data();
  }
  return own_nulls.data();
}

Vector Vector::Constant(const Scalar& value, SqlType type, size_t rows) {
  if (value.null) return AllNull(type, rows);
  Vector out = Make(type, 1, false);
  out.constant = true;
  out.rows = rows;
  switch (type) {
    case SqlType::kBool:
      out.own_bools[0] = static_cast<uint8_t>(value.i);
      break;
    case SqlType::kDouble:
      out.own_doubles[0] = value.d;
      break;
    case SqlType::kText:
      out.own_codes[0] = out.own_dictionary->Add(value.s);
      break;
    default:
      out.own_ints[0] = value.i;
      break;
  }
  return out;
}

Vector Vector::AllNull(SqlType type, size_t rows) {
  Vector out = Make(type, 1, false);
  out.constant = true;
  out.rows = rows;
  out.SetNull(0);
  return out;
}

Vector Vector::Gather(const Vector& from, const uint32_t* rows, size_t count) {
  Vector out = Make(from.type, count, from.nulls != nullptr);
  for (size_t i = 0; i < count && from.nulls != nullptr; ++i) {
    out.own_nulls[i] = from.nulls[from.At(rows[i])];
  }
  switch (from.type) {
    case SqlType::kBool:
      for (size_t i = 0; i < count; ++i) out.own_bools[i] = from.bools[from.At(rows[i])];
      break;
    case SqlType::kDouble:
      for (size_t i = 0; i < count; ++i) out.own_doubles[i] = from.doubles[from.At(rows[i])];
      break;
    case SqlType::kText:
      for (size_t i = 0; i < count; ++i) out.own_codes[i] = from.codes[from.At(rows[i])];
      break;
    case SqlType::kTextList:
      for (size_t i = 0; i < count && !from.constant; ++i) {
        const uint32_t begin = from.list_ends[static_cast<ptrdiff_t>(rows[i]) - 1];
        const uint32_t end = from.list_ends[rows[i]];
        out.own_codes.insert(out.own_codes.end(), from.codes + begin, from.codes + end);
        out.own_list_ends[i + 1] = static_cast<uint32_t>(out.own_codes.size());
      }
      out.codes = out.own_codes.data();
      break;
    default:
      for (size_t i = 0; i < count; ++i) out.own_ints[i] = from.ints[from.At(rows[i])];
      break;
  }
  out.own_dictionary = from.own_dictionary;
  out.dictionary = from.dictionary;
  out.stable_dictionary = from.stable_dictionary;
  return out;
}

namespace {

template <class T>
int Compare(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int CompareDoubles(double a, double b) {
  const bool a_nan = a != a;
  const bool b_nan = b != b;
  if (a_nan || b_nan) return Compare(a_nan, b_nan);
  return Compare(a, b);
}

}  // namespace

int CompareValues(const Vector& a, size_t row_a, const Vector& b, size_t row_b) {
  switch (a.type) {
    case SqlType::kBool:
      return Compare(a.BoolAt(row_a), b.BoolAt(row_b));
    case SqlType::kDouble:
      return CompareDoubles(a.DoubleAt(row_a), b.DoubleAt(row_b));
    case SqlType::kText:
      return Compare(a.TextAt(row_a), b.TextAt(row_b));
    case SqlType::kTextList:
      return 0;
    default:
      return Compare(a.IntAt(row_a), b.IntAt(row_b));
  }
}

}  // namespace televault::query
