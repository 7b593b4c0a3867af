#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"

// Whole-batch operations of merge and query. Every batch handed in must be valid; every batch
// handed out is, with dictionaries that hold each value once and no value that no row uses.
namespace televault::block {

// A column of `rows` NULLs.
Column NullColumn(PhysicalType type, size_t rows);

// The rows of `batches` one after the other. A column that a batch lacks is NULL there.
// INVALID_ARGUMENT if two batches give one column number different types, or if the result would
// exceed 2^32 - 1 rows, list elements or dictionary bytes.
absl::StatusOr<ColumnBatch> Concat(std::span<const ColumnBatch> batches);

// Rows [first, first + count); the range must lie within the batch.
Column Slice(const Column& column, size_t first, size_t count);
ColumnBatch Slice(const ColumnBatch& batch, size_t first, size_t count);

// The rows named, in that order; each below the number of rows, repeats allowed.
Column Take(const Column& column, std::span<const uint32_t> rows);
ColumnBatch Take(const ColumnBatch& batch, std::span<const uint32_t> rows);

// The rows whose entry in `keep` (one per row) is not 0.
ColumnBatch Filter(const ColumnBatch& batch, std::span<const uint8_t> keep);

// Ascending event_time (column 0, which must exist); rows of equal time keep their order.
ColumnBatch SortByTime(const ColumnBatch& batch);

// Drops dictionary duplicates and unused entries; codes are numbered in order of first use.
void CompactDictionary(Column& column);

// The entries in ascending order of their bytes; the dictionary has no duplicates.
void SortDictionary(Column& column);

// Bytes of the values as they lie in memory: what triggers and budgets count.
size_t MemoryBytes(const Column& column);
size_t MemoryBytes(const ColumnBatch& batch);

}  // namespace televault::block
