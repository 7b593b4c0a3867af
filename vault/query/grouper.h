#pragma once

#include <cstdint>
#include <vector>

#include "vault/query/accumulate.h"
#include "vault/query/tables.h"
#include "vault/query/vector.h"

namespace televault::query {

// Numbers the groups that rows fall into. Rows whose keys are dictionary codes, booleans or
// constant over the slice find their group in an array; all others through a hash table. Threads:
// one. Borrows: the interner.
class Grouper {
 public:
  Grouper(std::vector<SqlType> types, Interner& interner);
  void StartUnit();
  // Writes one group number per row.
  void Assign(const std::vector<Vector>& keys, size_t rows, uint32_t* groups);
  // The groups of `other` as numbers here.
  std::vector<uint32_t> Absorb(const Grouper& other);
  size_t size() const { return table_.size(); }
  size_t bytes() const { return table_.bytes(); }
  // One vector per key, one row per group. The interner must be at rest.
  std::vector<Vector> Keys() const;

 private:
  const uint32_t* DirectCodes(const std::vector<Vector>& keys, size_t rows);
  bool AssignDirect(const std::vector<Vector>& keys, size_t rows, uint32_t* groups);
  uint32_t GroupOfRow(const std::vector<Vector>& keys, size_t row);

  const std::vector<SqlType> types_;
  Interner& interner_;
  WordTable table_;  // NULL flags, then one word per key
  std::vector<WordEncoder> encoders_;
  std::vector<WipedVector<uint64_t>> words_;
  WipedVector<uint32_t> codes_;
  WipedVector<uint32_t> direct_;     // combined code → group + 1, 0 = not met yet
  std::vector<uint64_t> signature_;  // what direct_ was filled for
};

}  // namespace televault::query
