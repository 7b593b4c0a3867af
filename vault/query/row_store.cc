#include "vault/query/row_store.h"

#include <algorithm>
#include <numeric>

namespace televault::query {

RowStore::RowStore(const std::vector<SqlType>& types, Interner& texts) : texts_(texts) {
  for (const SqlType type : types) columns_.push_back(Vector::Make(type, 0, false));
}

void RowStore::Append(const std::vector<Vector>& columns, size_t rows) {
  for (size_t c = 0; c < columns.size(); ++c) {
    const Vector& from = columns[c];
    Vector& to = columns_[c];
    for (size_t i = 0; i < rows; ++i) {
      const bool null = from.IsNull(i);
      to.own_nulls.push_back(null ? 1 : 0);
      switch (from.type) {
        case SqlType::kBool:
          to.own_bools.push_back(!null && from.BoolAt(i) ? 1 : 0);
          break;
        case SqlType::kDouble:
          to.own_doubles.push_back(null ? 0 : from.DoubleAt(i));
          break;
        case SqlType::kText:
          to.own_codes.push_back(null ? 0 : texts_.Intern(from.TextAt(i)));
          break;
        case SqlType::kTextList: {
          const auto at = static_cast<ptrdiff_t>(from.At(i));
          for (uint32_t e = from.list_ends[at - 1]; !null && e < from.list_ends[at]; ++e) {
            to.own_codes.push_back(texts_.Intern(from.dictionary->at(from.codes[e])));
          }
          to.own_list_ends.push_back(static_cast<uint32_t>(to.own_codes.size()));
          break;
        }
        default:
          to.own_ints.push_back(null ? 0 : from.IntAt(i));
          break;
      }
    }
    to.rows += rows;
    to.nulls = to.own_nulls.data();
    to.bools = to.own_bools.data();
    to.ints = to.own_ints.data();
    to.doubles = to.own_doubles.data();
    to.codes = to.own_codes.data();
    if (to.type == SqlType::kTextList) to.list_ends = to.own_list_ends.data() + 1;
    to.dictionary = &texts_.dictionary();
  }
  rows_ += rows;
}

size_t RowStore::bytes() const {
  size_t total = 0;
  for (const Vector& column : columns_) {
    total += column.own_nulls.capacity() + column.own_bools.capacity() +
             (column.own_ints.capacity() + column.own_doubles.capacity()) * 8 +
             (column.own_codes.capacity() + column.own_list_ends.capacity()) * 4;
  }
  return total;
}

void RowStore::Keep(const std::vector<uint32_t>& order) {
  for (Vector& column : columns_) column = Vector::Gather(column, order.data(), order.size());
  rows_ = order.size();
}

std::vector<uint32_t> SortRows(const std::vector<SortColumn>& columns, size_t rows) {
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&columns](uint32_t a, uint32_t b) {
    for (const SortColumn& column : columns) {
      const bool a_null = column.values->IsNull(a);
      const bool b_null = column.values->IsNull(b);
      if (a_null != b_null) return a_null == column.nulls_first;
      if (a_null) continue;
      const int compared = CompareValues(*column.values, a, *column.values, b);
      if (compared != 0) return column.descending ? compared > 0 : compared < 0;
    }
    return false;
  });
  return order;
}

}  // namespace televault::query
