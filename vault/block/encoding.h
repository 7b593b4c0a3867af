#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

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
  kDictionary = 8,  // no sequence: a page of a string column's dictionary
  kIndex = 9,       // no sequence: the rows of the entries of such a page
};

enum class Compression : uint8_t { kNone = 0, kZstd = 1, kLz4 = 2 };

// What a reader must know about a chunk before it looks at its bytes. Kept in the block's footer.
struct ChunkCodec {
  Encoding encoding = Encoding::kConstant;
  Compression compression = Compression::kNone;
  uint32_t raw_bytes = 0;  // after decompression

  // As footers have it.
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

// Consecutive entries of a dictionary, and where they ascend the rows of each.
struct EncodedPage {
  EncodedChunk chunk;
  std::optional<EncodedChunk> rows;
  uint32_t entries = 0;
  uint64_t prefix = 0;  // PrefixOf the first entry where entries ascend, else 0
};

// A column as chunks, each opened alone: whoever wants a few rows deciphers little more than those,
// and who counts subjects none of their names.
struct EncodedColumn {
  uint32_t rows_per_chunk = 0;       // a multiple of limits::kRowsPerSmallChunk; the last has less
  std::vector<EncodedChunk> values;  // of strings: codes
  WipedVector<EncodedPage> dictionary;  // of strings only

  // As they are numbered: pages of the dictionary, the rows of their entries, values.
  std::vector<const EncodedChunk*> Chunks() const;
};

// The first eight bytes as a number that orders as they do; what is shorter is filled with zeros.
uint64_t PrefixOf(std::string_view text);

// `column` must be valid (see Validate) and have at most limits::kRowsPerBlock rows. Picks the
// smallest encoding (a cheaper one where sizes are close) and puts zstd on top where that saves at
// least a quarter, and two bits a row. The dictionary is stored without duplicates and unused
// entries, in order of first use; with `indexed` it ascends, and each entry has its rows.
// INVALID_ARGUMENT where a bound of the format is exceeded.
absl::StatusOr<EncodedColumn> EncodeColumn(const Column& column, bool indexed = false);

// All columns of one ingest commit in one buffer, lz4 on top where that helps.
// The batch must be valid and have at most limits::kMaxEventsPerAppend rows.
absl::StatusOr<WipedBuffer> EncodeMicroBatch(const ColumnBatch& batch);

// `wanted` (ascending column numbers) limits the columns decoded; empty: all of them. A number the
// batch does not have is left out of the answer. Any bytes are safe: DATA_LOSS.
absl::StatusOr<ColumnBatch> DecodeMicroBatch(Bytes bytes, std::span<const uint16_t> wanted = {});

}  // namespace televault::block
