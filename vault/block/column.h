#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::block {

// How a column is held in memory and encoded; the meaning of the values (schema type) is the
// catalog's. Numbers are part of block format v1.
enum class PhysicalType : uint8_t {
  kInt = 1,         // int64: bool (0/1), int, timestamp and duration (microseconds)
  kDouble = 2,      // IEEE 754 binary64; finite
  kString = 3,      // dictionary-coded: string, enum, subject (16 raw bytes)
  kStringList = 4,  // list of dictionary-coded strings
};

// Distinct strings, addressed by code (0, 1, …). Decoded telemetry, so wiped when freed.
// Invariant: offsets.size() == size() + 1, offsets are non-decreasing, the last is bytes.size().
struct Dictionary {
  WipedVector<uint32_t> offsets{0};
  WipedBuffer bytes;

  size_t size() const { return offsets.size() - 1; }
  std::string_view at(uint32_t code) const {
    return {reinterpret_cast<const char*>(bytes.data()) + offsets[code],
            offsets[code + 1] - offsets[code]};
  }
  // Appends without looking for a duplicate; returns the new code.
  uint32_t Add(std::string_view value) {
    bytes.insert(bytes.end(), value.begin(), value.end());
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
    return static_cast<uint32_t>(size() - 1);
  }
};

// One column of `rows` values.
// Invariants: (1) the vector that belongs to `type` has `rows` entries (for lists, `list_ends` has
// `rows` entries and `codes` has list_ends.back() entries). (2) `nulls` is empty (no NULL) or has
// `rows` entries of 0 or 1. (3) A NULL row holds 0, 0.0, code 0 (if the dictionary is empty, code 0
// is still stored and never looked up) or an empty list. (4) Every code of a non-NULL row is below
// dictionary.size().
struct Column {
  PhysicalType type = PhysicalType::kInt;
  size_t rows = 0;
  WipedVector<uint8_t> nulls;
  WipedVector<int64_t> ints;
  WipedVector<double> doubles;
  WipedVector<uint32_t> codes;
  WipedVector<uint32_t> list_ends;
  Dictionary dictionary;

  bool IsNull(size_t row) const { return !nulls.empty() && nulls[row] != 0; }
};

// Columns of equal length, identified by their column number (stable across manifest revisions;
// 0 is event_time, 1 is subject, declared fields start at 2).
struct ColumnBatch {
  size_t rows = 0;
  std::vector<uint16_t> numbers;  // ascending
  std::vector<Column> columns;    // parallel to numbers

  const Column* Find(uint16_t number) const {
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] == number) return &columns[i];
    }
    return nullptr;
  }
};

inline constexpr uint16_t kEventTimeColumn = 0;
inline constexpr uint16_t kSubjectColumn = 1;
inline constexpr uint16_t kFirstFieldColumn = 2;

// Checks every invariant above; for batches that were decoded from bytes or built by a client.
absl::Status Validate(const ColumnBatch& batch);

}  // namespace televault::block
