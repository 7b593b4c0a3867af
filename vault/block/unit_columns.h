#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/column_reader.h"
#include "vault/block/footer.h"

namespace televault::block {

// Where the chunks of a block come from.
class ChunkOpener {
 public:
  virtual ~ChunkOpener() = default;
  // Chunks [first, first + count), deciphered.
  virtual absl::StatusOr<std::vector<WipedBuffer>> Open(uint32_t first, uint32_t count) = 0;
  // What it means that a chunk does not open or decode.
  virtual absl::Status Explain(const absl::Status& failure) = 0;
};

// A column of a unit. Of a block, a chunk is opened when a row or a text of it is asked for, and
// only the one with the rows that were read last is kept; texts are.
// Threads: one. Borrows: the opener and what the footer says. Failure: as Explain() says.
class UnitColumn {
 public:
  UnitColumn(const FooterColumn& stored, size_t rows, ChunkOpener& opener);
  // One that is decoded already.
  explicit UnitColumn(Column decoded);
  UnitColumn(const UnitColumn&) = delete;
  UnitColumn& operator=(const UnitColumn&) = delete;

  PhysicalType type() const { return type_; }
  size_t rows() const { return rows_; }

  // Opens what Read() of row `first` needs.
  absl::Status Prepare(size_t first);
  // Rows [first, first + count), a slice of at most limits::kRowsPerCheck, or any rows of a decoded
  // column; as ColumnReader::Read says. `out` has a dictionary once texts() were asked for.
  absl::Status Read(size_t first, size_t count, ColumnSlice& out);
  absl::StatusOr<Column> ReadAll();

  // Of strings and lists. Entries of the dictionary, which holds each value once.
  size_t entries() const;
  bool has_texts() const { return texts_ != nullptr; }
  // The whole dictionary; lives as long as this.
  absl::StatusOr<const Dictionary*> Texts();
  // Of strings: the rows that have the value, ascending. In an indexed column it is found on one
  // page or few.
  absl::StatusOr<std::vector<uint32_t>> RowsWith(std::string_view value);
  // The texts of some codes; opens no more pages than they stand on. Each lives as long as this.
  absl::StatusOr<std::vector<std::string_view>> TextsOf(std::span<const uint32_t> codes);

 private:
  absl::Status Explained(const absl::Status& failure) const {
    return failure.ok() || opener_ == nullptr ? failure : opener_->Explain(failure);
  }
  absl::Status OpenRows(size_t first);
  absl::StatusOr<Dictionary> JoinPages();
  absl::StatusOr<const Dictionary*> Page(size_t page);
  absl::StatusOr<std::vector<uint32_t>> LookUp(std::string_view value);
  absl::StatusOr<std::vector<uint32_t>> IndexedRows(size_t page, uint32_t entry);
  absl::StatusOr<std::vector<uint32_t>> SearchRows(std::string_view value);
  absl::StatusOr<std::vector<std::string_view>> FindTexts(std::span<const uint32_t> codes);

  const PhysicalType type_;
  const size_t rows_;
  const FooterColumn* const stored_ = nullptr;  // null: decoded
  ChunkOpener* const opener_ = nullptr;
  size_t rows_per_chunk_;
  std::optional<size_t> open_;  // which chunk
  OpenedChunk chunk_;
  const Dictionary* texts_ = nullptr;
  Dictionary joined_;
  std::vector<std::optional<Dictionary>> pages_;  // those that were opened alone
};

// The columns of a block or of micro-batches, each opened when somebody asks for it: what a filter
// leaves nothing of is never deciphered.
// Threads: one.
class UnitColumns {
 public:
  virtual ~UnitColumns() = default;
  virtual size_t rows() const = 0;
  // Null where the unit was written without the column: it reads as NULL. Lives as long as this.
  virtual absl::StatusOr<UnitColumn*> Find(uint16_t column) = 0;
  // What it means that the unit holds what it must not hold.
  virtual absl::Status Explain(const absl::Status& failure) { return failure; }
};

// Columns that are decoded already.
class DecodedColumns final : public UnitColumns {
 public:
  explicit DecodedColumns(ColumnBatch batch) : rows_(batch.rows) {
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      columns_.emplace_back(batch.numbers[i],
                            std::make_unique<UnitColumn>(std::move(batch.columns[i])));
    }
  }
  size_t rows() const override { return rows_; }
  absl::StatusOr<UnitColumn*> Find(uint16_t column) override {
    for (const auto& [number, known] : columns_) {
      if (number == column) return known.get();
    }
    return nullptr;
  }

 private:
  const size_t rows_;
  std::vector<std::pair<uint16_t, std::unique_ptr<UnitColumn>>> columns_;
};

}  // namespace televault::block
