#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"

// Columns to bytes and back: block format v1 (docs/formats/block-v1.md). Pure data: no I/O, no
// keys. The bytes are plaintext telemetry, so they live in wiped memory until they are sealed.
namespace televault::block {

// How the main sequence of a chunk (values, or codes of strings) is stored.
enum class Encoding : uint8_t {
  kConstant = 1,
  kRunLength = 2,
  kDelta = 3,   // delta + frame of reference + bit-packing, per vector
  kPacked = 4,  // frame of reference + bit-packing, per vector
  kBitmap = 5,  // 0 and 1 only
  kRaw = 6,
  kDecimal = 7,     // doubles as scaled integers with exceptions
  kDictionary = 8,  // no sequence: the dictionary of a string column, in a chunk of its own
};

enum class Compression : uint8_t { kNone = 0, kZstd = 1, kLz4 = 2 };

// What a reader must know about a chunk before it looks at its bytes. Kept in the block's manifest
// record and part of the seal's additional data.
struct ChunkCodec {
  Encoding encoding = Encoding::kConstant;
  Compression compression = Compression::kNone;
  uint32_t raw_bytes = 0;  // after decompression

  // The number in record.v1.ChunkRecord.codec.
  uint32_t Number() const {
    return static_cast<uint32_t>(encoding) | static_cast<uint32_t>(compression) << 8;
  }
};
// DATA_LOSS where the number is none that format v1 knows.
absl::StatusOr<ChunkCodec> CodecFromNumber(uint32_t number, uint64_t raw_bytes);

struct EncodedChunk {
  ChunkCodec codec;
  WipedBuffer bytes;
};

// A column as chunks: a large dictionary is one of its own, which nobody opens who only counts.
struct EncodedColumn {
  EncodedChunk values;
  std::optional<EncodedChunk> dictionary;
};

// `column` must be valid (see Validate) and have at most limits::kRowsPerBlock rows. Picks the
// smallest encoding (a cheaper one where sizes are close) and puts zstd on top where that saves at
// least a quarter. The dictionary is stored without duplicates and unused entries, in order of
// first use. INVALID_ARGUMENT where a bound of the format is exceeded.
absl::StatusOr<EncodedColumn> EncodeColumn(const Column& column);

// All columns of one ingest commit in one buffer, lz4 on top where that helps.
// The batch must be valid and have at most limits::kMaxEventsPerAppend rows.
absl::StatusOr<WipedBuffer> EncodeMicroBatch(const ColumnBatch& batch);

// `wanted` (ascending column numbers) limits the columns decoded; empty: all of them. A number the
// batch does not have is left out of the answer. Any bytes are safe: DATA_LOSS.
absl::StatusOr<ColumnBatch> DecodeMicroBatch(Bytes bytes, std::span<const uint16_t> wanted = {});

}  // namespace televault::block
