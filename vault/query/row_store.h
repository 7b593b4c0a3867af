#pragma once

#include <cstdint>
#include <vector>

#include "vault/query/tables.h"
#include "vault/query/vector.h"

namespace televault::query {

// Rows kept for sorting: output columns first, sort keys behind them.
// Threads: one. Borrows: the interner, which holds the texts.
class RowStore {
 public:
  RowStore(const std::vector<SqlType>& types, Interner& texts);
  void Append(const std::vector<Vector>& columns, size_t rows);
  size_t rows() const { return rows_; }
  size_t bytes() const;
  // Keeps the rows that `order` names, in that order.
  void Keep(const std::vector<uint32_t>& order);
  const std::vector<Vector>& columns() const { return columns_; }

 private:
  Interner& texts_;
  size_t rows_ = 0;
  std::vector<Vector> columns_;
};

struct SortColumn {
  const Vector* values = nullptr;
  bool descending = false;
  bool nulls_first = false;
};

// Row numbers in order; equal rows keep theirs.
std::vector<uint32_t> SortRows(const std::vector<SortColumn>& columns, size_t rows);

}  // namespace televault::query
