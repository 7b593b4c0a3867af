#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "vault/base/secret.h"
#include "vault/block/column.h"
#include "vault/query/expr.h"

namespace televault::query {

// A run of values of one type: either views into a block's column or values it owns (wiped when
// freed). A constant holds one entry that stands for every row.
// Threads: one writer, then any reader. Borrows: what the pointers show, unless owned.
// Invariants: (1) the pointer that belongs to `type` is set: bools for kBool; ints for int-like;
// doubles; codes and dictionary for kText; list_ends, codes and dictionary for kTextList.
// (2) nulls is null or shows as many flags as there are entries. (3) A NULL entry's value is never
// looked at.
struct Vector {
  SqlType type = SqlType::kNull;
  size_t rows = 0;
  bool constant = false;
  // The dictionary outlives the unit's other slices: results per code may be kept.
  bool stable_dictionary = false;
  const uint8_t* nulls = nullptr;
  const uint8_t* bools = nullptr;
  const int64_t* ints = nullptr;
  const double* doubles = nullptr;
  const uint32_t* codes = nullptr;
  const uint32_t* list_ends = nullptr;  // absolute ends in `codes`; [-1] is the first row's begin
  const block::Dictionary* dictionary = nullptr;

  WipedVector<uint8_t> own_nulls;
  WipedVector<uint8_t> own_bools;
  WipedVector<int64_t> own_ints;
  WipedVector<double> own_doubles;
  WipedVector<uint32_t> own_codes;
  WipedVector<uint32_t> own_list_ends;
  std::shared_ptr<block::Dictionary> own_dictionary;  // shared: gathered vectors keep it

  Vector() = default;
  Vector(Vector&&) noexcept = default;
  Vector& operator=(Vector&&) noexcept = default;
  Vector(const Vector&) = delete;
  Vector& operator=(const Vector&) = delete;

  size_t entries() const { return constant ? 1 : rows; }
  size_t At(size_t row) const { return constant ? 0 : row; }
  bool IsNull(size_t row) const { return nulls != nullptr && nulls[At(row)] != 0; }
  bool BoolAt(size_t row) const { return bools[At(row)] != 0; }
  int64_t IntAt(size_t row) const { return ints[At(row)]; }
  double DoubleAt(size_t row) const { return doubles[At(row)]; }
  // Of a number.
  double Magnitude(size_t row) const {
    return std::fabs(type == SqlType::kDouble ? DoubleAt(row) : static_cast<double>(IntAt(row)));
  }
  std::string_view TextAt(size_t row) const { return dictionary->at(codes[At(row)]); }
  bool IsTrue(size_t row) const { return !IsNull(row) && BoolAt(row); }

  // Makes room for owned entries; `with_nulls` gives cleared flags.
  static Vector Make(SqlType type, size_t rows, bool with_nulls);
  static Vector Constant(const Scalar& value, SqlType type, size_t rows);
  static Vector AllNull(SqlType type, size_t rows);
  // The entries that `rows` names, owned.
  static Vector Gather(const Vector& from, const uint32_t* rows, size_t count);

  uint8_t* MutableNulls();  // cleared flags on first use
  void SetNull(size_t row) { MutableNulls()[row] = 1; }
};

// −1, 0, 1 as PostgreSQL orders two non-NULL values of one type (texts by bytes, NaN last).
int CompareValues(const Vector& a, size_t row_a, const Vector& b, size_t row_b);

}  // namespace televault::query
