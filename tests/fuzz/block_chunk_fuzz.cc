// First nine bytes: type, codec (2), rows (2), inflated length (4); the rest is the chunk.
#include <cstdint>

#include "vault/base/check.h"
#include "vault/block/chunk_body.h"
#include "vault/block/column_reader.h"

namespace {

// Two rows, codes 0 and 1, of a dictionary of two entries that stands elsewhere.
const televault::WipedBuffer kCodesBody = {0, 2, 0, 0, 0x80, 5, 0b10};
const televault::block::ChunkCodec kCodes = {.encoding = televault::block::Encoding::kBitmap,
                                             .raw_bytes = 7};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  if (size < 9) return 0;
  const auto type = static_cast<block::PhysicalType>(1 + data[0] % 4);
  const uint32_t number = data[1] | uint32_t{data[2]} << 8;
  const size_t rows = data[3] | size_t{data[4]} << 8;
  const Bytes bytes(data + 9, size - 9);
  // With compression the size is what the attacker says; without it has to fit.
  const uint64_t raw_bytes =
      data[2] == 0 ? bytes.size()
                   : uint64_t{data[5]} | uint64_t{data[6]} << 8 | uint64_t{data[7]} << 16;
  const absl::StatusOr<block::ChunkCodec> codec = block::CodecFromNumber(number, raw_bytes);
  if (!codec.ok()) return 0;
  // A dictionary of its own goes with the column of which it is the rest.
  const bool is_dictionary = codec->encoding == block::Encoding::kDictionary;
  absl::StatusOr<block::OpenedChunk> chunk =
      is_dictionary ? block::OpenChunk(kCodes, kCodesBody, block::PhysicalType::kString, 2)
                    : block::OpenChunk(*codec, WipedBuffer(bytes.begin(), bytes.end()), type, rows);
  if (!chunk.ok()) return 0;
  if (is_dictionary) {
    const absl::Status set =
        block::OpenDictionary(*codec, WipedBuffer(bytes.begin(), bytes.end()), chunk->reader);
    TV_CHECK(set.ok() == !chunk->reader.lacks_dictionary());
    return 0;
  }
  if (chunk->reader.lacks_dictionary()) {
    block::ColumnSlice slice;
    chunk->reader.Read(0, rows, slice).IgnoreError();
    return 0;
  }
  const absl::StatusOr<block::Column> column = chunk->reader.ReadAll();
  if (!column.ok()) return 0;
  // What was decoded is valid, and encodes and decodes again.
  TV_CHECK(block::Validate({.rows = rows, .numbers = {0}, .columns = {*column}}).ok());
  const absl::StatusOr<block::EncodedColumn> again = block::EncodeColumn(*column);
  TV_CHECK(again.ok());
  absl::StatusOr<block::OpenedChunk> back =
      block::OpenChunk(again->values.codec, again->values.bytes, type, rows);
  TV_CHECK(back.ok());
  if (again->dictionary.has_value()) {
    TV_CHECK(block::OpenDictionary(again->dictionary->codec, again->dictionary->bytes, back->reader)
                 .ok());
  }
  TV_CHECK(back->reader.ReadAll().ok());
  return 0;
}
