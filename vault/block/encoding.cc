#include "vault/block/encoding.h"

#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/block/chunk_body.h"
#include "vault/block/compression.h"

namespace televault::block {
namespace {

constexpr double kZstdWorth = 0.75;
constexpr size_t kLeastToCompress = 128;  // below, a frame's own bytes eat what it saves

}  // namespace

absl::StatusOr<ChunkCodec> CodecFromNumber(uint32_t number, uint64_t raw_bytes) {
  const uint32_t encoding = number & 0xFF;
  const uint32_t compression = number >> 8;
  if (encoding < static_cast<uint32_t>(Encoding::kConstant) ||
      encoding > static_cast<uint32_t>(Encoding::kDecimal) ||
      compression > static_cast<uint32_t>(Compression::kLz4)) {
    return absl::DataLossError(
        absl::StrCat("codec ", number, " is none that block format v1 knows"));
  }
  if (raw_bytes > limits::kMaxChunkRawBytes) {
    return absl::DataLossError(absl::StrCat("a chunk says it inflates to ", raw_bytes,
                                            " bytes; at most ", limits::kMaxChunkRawBytes,
                                            " are allowed"));
  }
  return ChunkCodec{.encoding = static_cast<Encoding>(encoding),
                    .compression = static_cast<Compression>(compression),
                    .raw_bytes = static_cast<uint32_t>(raw_bytes)};
}

absl::StatusOr<EncodedChunk> EncodeChunk(const Column& column) {
  EncodedChunk chunk;
  TV_ASSIGN_OR_RETURN(chunk.codec.encoding, EncodeBody(column, chunk.bytes));
  chunk.codec.raw_bytes = static_cast<uint32_t>(chunk.bytes.size());
  if (chunk.bytes.size() < kLeastToCompress) return chunk;
  std::optional<WipedBuffer> smaller = CompressIfWorth(Compression::kZstd, chunk.bytes, kZstdWorth);
  if (smaller.has_value()) {
    chunk.codec.compression = Compression::kZstd;
    chunk.bytes = *std::move(smaller);
  }
  return chunk;
}

absl::StatusOr<Column> DecodeChunk(const ChunkCodec& codec, Bytes bytes, PhysicalType type,
                                   size_t rows) {
  if (codec.raw_bytes > limits::kMaxChunkRawBytes) {
    return absl::DataLossError("a chunk says it inflates to more than the format allows");
  }
  WipedBuffer inflated;
  if (codec.compression != Compression::kNone) {
    TV_ASSIGN_OR_RETURN(inflated, Decompress(codec.compression, bytes, codec.raw_bytes));
    bytes = inflated;
  } else if (bytes.size() != codec.raw_bytes) {
    return absl::DataLossError("a chunk has not the length that its record says");
  }
  size_t list_budget = limits::kMaxListElementsPerChunk;
  TV_ASSIGN_OR_RETURN(DecodedBody body, DecodeBody(bytes, type, rows, list_budget));
  if (body.encoding != codec.encoding) {
    return absl::DataLossError("a chunk has not the encoding that its record says");
  }
  return std::move(body.column);
}

}  // namespace televault::block
