#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "vault/base/check.h"
#include "vault/block/encoding.h"
#include "vault/block/footer.h"
#include "vault/block/unit_columns.h"

namespace televault::testing {

// A batch as the chunks of a block, none of them sealed.
class MemoryBlock final : public block::UnitColumns, private block::ChunkOpener {
 public:
  // `note` is told of which column a chunk is opened, and whether it has texts.
  using Note = std::function<void(uint16_t column, bool texts)>;
  explicit MemoryBlock(
      const block::ColumnBatch& batch, Note note = [](uint16_t, bool) {})
      : rows_(batch.rows), note_(std::move(note)) {
    std::vector<block::EncodedColumn> encoded;
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      auto column = block::EncodeColumn(batch.columns[i], block::IsIndexed(batch.numbers[i]));
      TV_CHECK(column.ok());
      for (const block::EncodedChunk* const chunk : column->Chunks()) {
        const bool texts = chunk->codec.encoding == block::Encoding::kDictionary;
        chunks_.push_back({batch.numbers[i], texts, chunk->bytes});
      }
      encoded.push_back(*std::move(column));
    }
    footer_ = block::MakeFooter(batch, encoded, 1);
  }

  size_t rows() const override { return rows_; }
  const block::Footer& footer() const { return footer_; }
  absl::StatusOr<block::UnitColumn*> Find(uint16_t column) override {
    const block::FooterColumn* const stored = footer_.Find(column);
    if (stored == nullptr) return nullptr;
    block::ChunkOpener& opener = *this;
    return &columns_.try_emplace(column, *stored, rows_, opener).first->second;
  }
  absl::Status Explain(const absl::Status& failure) override { return failure; }

 private:
  struct Chunk {
    uint16_t column = 0;
    bool texts = false;
    WipedBuffer bytes;
  };
  absl::StatusOr<std::vector<WipedBuffer>> Open(uint32_t first, uint32_t count) override {
    std::vector<WipedBuffer> opened;
    for (uint32_t n = first; n < first + count; ++n) {
      note_(chunks_[n].column, chunks_[n].texts);
      opened.push_back(chunks_[n].bytes);
    }
    return opened;
  }

  const size_t rows_;
  const Note note_;
  std::vector<Chunk> chunks_;
  block::Footer footer_;
  std::map<uint16_t, block::UnitColumn> columns_;
};

}  // namespace televault::testing
