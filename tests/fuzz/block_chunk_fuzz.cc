// First nine bytes: type, codec (2), rows (2), inflated length (4); the rest is the chunk.
#include <algorithm>
#include <cstdint>

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/unit_columns.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  if (size < 9) return 0;
  const auto type = static_cast<block::PhysicalType>(1 + data[0] % 4);
  const uint32_t number = data[1] | uint32_t{data[2]} << 8;
  const size_t rows = data[3] | size_t{data[4]} << 8;
  const WipedBuffer bytes(data + 9, data + size);
  // With compression the size is what the attacker says; without it has to fit.
  const uint64_t raw_bytes =
      data[2] == 0 ? bytes.size()
                   : uint64_t{data[5]} | uint64_t{data[6]} << 8 | uint64_t{data[7]} << 16;
  const absl::StatusOr<block::ChunkCodec> codec = block::CodecFromNumber(number, raw_bytes);
  if (!codec.ok()) return 0;
  if (codec->encoding == block::Encoding::kDictionary) {
    block::Dictionary page;
    const absl::Status opened = block::OpenPage(*codec, bytes, static_cast<uint32_t>(rows), page);
    TV_CHECK(!opened.ok() || page.size() == rows);
    return 0;
  }
  if (codec->encoding == block::Encoding::kIndex) {
    // The type says how many entries there are.
    const uint32_t entries = data[0];
    const auto index = block::OpenIndex(*codec, bytes, entries, rows);
    for (uint32_t entry = 0; index.ok() && entry < entries; ++entry) {
      TV_CHECK(index->RowsOf(entry).back() < rows);
    }
    return 0;
  }
  const absl::StatusOr<block::OpenedChunk> chunk = block::OpenChunk(*codec, bytes, type, rows);
  if (!chunk.ok()) return 0;
  if (chunk->reader.lacks_dictionary()) {
    // Codes of a dictionary that stands elsewhere.
    block::ColumnSlice slice;
    for (size_t first = 0; first < rows; first += limits::kRowsPerCheck) {
      const size_t count = std::min(limits::kRowsPerCheck, rows - first);
      if (!chunk->reader.Read(first, count, slice).ok()) continue;
      for (size_t i = 0; i < count; ++i) {
        const bool null = slice.nulls != nullptr && slice.nulls[i] != 0;
        TV_CHECK(null || slice.codes[i] < chunk->reader.entries());
      }
    }
    return 0;
  }
  const absl::StatusOr<block::Column> column = chunk->reader.ReadAll();
  if (!column.ok()) return 0;
  // What was decoded is valid, and encodes and decodes again.
  TV_CHECK(block::Validate({.rows = rows, .numbers = {0}, .columns = {*column}}).ok());
  const absl::StatusOr<block::EncodedColumn> again = block::EncodeColumn(*column);
  TV_CHECK(again.ok());
  for (const block::EncodedPage& page : again->dictionary) {
    block::Dictionary texts;
    TV_CHECK(block::OpenPage(page.chunk.codec, page.chunk.bytes, page.entries, texts).ok());
  }
  for (size_t i = 0; i < again->values.size(); ++i) {
    const size_t count = std::min<size_t>(again->rows_per_chunk, rows - i * again->rows_per_chunk);
    TV_CHECK(block::OpenChunk(again->values[i].codec, again->values[i].bytes, type, count).ok());
  }
  return 0;
}
