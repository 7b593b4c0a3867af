#include "vault/block/encoding.h"

#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/block/chunk_body.h"
#include "vault/block/column_reader.h"
#include "vault/block/compression.h"

namespace televault::block {
namespace {

constexpr double kZstdWorth = 0.75;
constexpr size_t kLeastToCompress = 128;  // below, a frame's own bytes eat what it saves

EncodedChunk Compressed(Encoding encoding, WipedBuffer bytes) {
  EncodedChunk chunk{
      .codec = {.encoding = encoding, .raw_bytes = static_cast<uint32_t>(bytes.size())}};
  std::optional<WipedBuffer> smaller;
  if (bytes.size() >= kLeastToCompress) {
    smaller = CompressIfWorth(Compression::kZstd, bytes, kZstdWorth);
  }
  if (smaller.has_value()) chunk.codec.compression = Compression::kZstd;
  chunk.bytes = smaller.has_value() ? *std::move(smaller) : std::move(bytes);
  return chunk;
}

// The body of a chunk.
absl::Status Inflate(const ChunkCodec& codec, WipedBuffer& bytes) {
  if (codec.raw_bytes > limits::kMaxChunkRawBytes) {
    return absl::DataLossError("a chunk says it inflates to more than the format allows");
  }
  if (codec.compression != Compression::kNone) {
    TV_ASSIGN_OR_RETURN(bytes, Decompress(codec.compression, bytes, codec.raw_bytes));
  } else if (bytes.size() != codec.raw_bytes) {
    return absl::DataLossError("a chunk has not the length that its record says");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChunkCodec> CodecFromNumber(uint32_t number, uint64_t raw_bytes) {
  const uint32_t encoding = number & 0xFF;
  const uint32_t compression = number >> 8;
  if (encoding < static_cast<uint32_t>(Encoding::kConstant) ||
      encoding > static_cast<uint32_t>(Encoding::kDictionary) ||
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

absl::StatusOr<EncodedColumn> EncodeColumn(const Column& column) {
  EncodedColumn encoded;
  WipedBuffer values;
  WipedBuffer dictionary;
  TV_ASSIGN_OR_RETURN(const Encoding encoding, EncodeBody(column, values, &dictionary));
  encoded.values = Compressed(encoding, std::move(values));
  if (!dictionary.empty()) {
    encoded.dictionary = Compressed(Encoding::kDictionary, std::move(dictionary));
  }
  return encoded;
}

absl::StatusOr<OpenedChunk> OpenChunk(const ChunkCodec& codec, WipedBuffer bytes, PhysicalType type,
                                      size_t rows) {
  TV_RETURN_IF_ERROR(Inflate(codec, bytes));
  size_t list_budget = limits::kMaxListElementsPerChunk;
  TV_ASSIGN_OR_RETURN(ColumnReader reader, ColumnReader::Open(bytes, type, rows, list_budget));
  if (reader.encoding() != codec.encoding) {
    return absl::DataLossError("a chunk has not the encoding that its record says");
  }
  // A moved buffer stays where it is.
  return OpenedChunk{std::move(bytes), std::move(reader)};
}

absl::Status OpenDictionary(const ChunkCodec& codec, WipedBuffer bytes, ColumnReader& reader) {
  if (codec.encoding != Encoding::kDictionary) {
    return absl::DataLossError("a dictionary's chunk has another codec");
  }
  TV_RETURN_IF_ERROR(Inflate(codec, bytes));
  return reader.SetDictionary(bytes);
}

}  // namespace televault::block
