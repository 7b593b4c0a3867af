#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/column_reader.h"

namespace televault::block {

// The columns of a block or of micro-batches, each opened when somebody asks for it: what a filter
// leaves nothing of is never deciphered.
// Threads: one.
class UnitColumns {
 public:
  virtual ~UnitColumns() = default;
  virtual size_t rows() const = 0;
  // Null where the unit was written without the column: it reads as NULL. Lives as long as this.
  // A dictionary holds each value once. With `codes_only` the reader may lack it; it may come
  // later.
  virtual absl::StatusOr<const ColumnReader*> Find(uint16_t column, bool codes_only) = 0;
  // What it means that rows of a column do not decode.
  virtual absl::Status Explain(const absl::Status& failure) { return failure; }
};

// Columns that are decoded already.
class DecodedColumns final : public UnitColumns {
 public:
  explicit DecodedColumns(ColumnBatch batch) : rows_(batch.rows) {
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      columns_.emplace_back(batch.numbers[i], ColumnReader(std::move(batch.columns[i])));
    }
  }
  size_t rows() const override { return rows_; }
  absl::StatusOr<const ColumnReader*> Find(uint16_t column, bool /*codes_only*/) override {
    for (const auto& [number, reader] : columns_) {
      if (number == column) return &reader;
    }
    return nullptr;
  }

 private:
  const size_t rows_;
  std::vector<std::pair<uint16_t, ColumnReader>> columns_;
};

}  // namespace televault::block
