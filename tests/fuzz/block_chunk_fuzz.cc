// First nine bytes: type, codec (2), rows (2), inflated length (4); the rest is the chunk.
#include <cstdint>

#include "vault/base/check.h"
#include "vault/block/encoding.h"

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
  const absl::StatusOr<block::Column> column = block::DecodeChunk(*codec, bytes, type, rows);
  if (!column.ok()) return 0;
  // What was decoded is valid, and encodes and decodes again.
  TV_CHECK(block::Validate({.rows = rows, .numbers = {0}, .columns = {*column}}).ok());
  const absl::StatusOr<block::EncodedChunk> again = block::EncodeChunk(*column);
  TV_CHECK(again.ok());
  TV_CHECK(block::DecodeChunk(again->codec, again->bytes, type, rows).ok());
  return 0;
}
