#include "vault/block/encoding.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/block/chunk_body.h"
#include "vault/block/column_reader.h"
#include "vault/block/compression.h"
#include "vault/block/sequence.h"

namespace televault::block {
namespace {

constexpr double kZstdWorth = 0.75;
constexpr size_t kLeastToCompress = 128;  // below, a frame's own bytes eat what it saves

// `rows`: 0 for what has none, such as a page.
EncodedChunk Compressed(Encoding encoding, WipedBuffer bytes, size_t rows) {
  EncodedChunk chunk{
      .codec = {.encoding = encoding, .raw_bytes = static_cast<uint32_t>(bytes.size())}};
  std::optional<WipedBuffer> smaller;
  if (bytes.size() >= kLeastToCompress) {
    smaller = CompressIfWorth(Compression::kZstd, bytes, kZstdWorth);
  }
  // Inflating costs more than unpacking a bit or two.
  if (smaller.has_value() && bytes.size() - smaller->size() >= rows / 4) {
    chunk.codec.compression = Compression::kZstd;
    chunk.bytes = *std::move(smaller);
  } else {
    chunk.bytes = std::move(bytes);
  }
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
    return absl::DataLossError("a chunk has not the length that its footer says");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChunkCodec> CodecFromNumber(uint32_t number, uint64_t raw_bytes) {
  const uint32_t encoding = number & 0xFF;
  const uint32_t compression = number >> 8;
  if (encoding < static_cast<uint32_t>(Encoding::kConstant) ||
      encoding > static_cast<uint32_t>(Encoding::kIndex) ||
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

uint64_t PrefixOf(std::string_view text) {
  uint64_t prefix = 0;
  for (size_t i = 0; i < sizeof(prefix); ++i) {
    prefix = prefix << 8 | (i < text.size() ? static_cast<uint8_t>(text[i]) : 0);
  }
  return prefix;
}

namespace {

// Of the whole dictionary, as if it were one page.
PageIndex IndexOf(const Column& column) {
  PageIndex index;
  index.ends.resize(column.dictionary.size());
  for (size_t row = 0; row < column.rows; ++row) {
    if (!column.IsNull(row)) ++index.ends[column.codes[row]];
  }
  std::partial_sum(index.ends.begin(), index.ends.end(), index.ends.begin());
  index.rows.resize(index.ends.empty() ? 0 : index.ends.back());
  WipedVector<uint32_t> next(index.ends.size());
  for (size_t code = 1; code < next.size(); ++code) next[code] = index.ends[code - 1];
  for (uint32_t row = 0; row < column.rows; ++row) {
    if (!column.IsNull(row)) index.rows[next[column.codes[row]]++] = row;
  }
  return index;
}

EncodedChunk EncodeIndex(const PageIndex& all, uint32_t first, uint32_t count) {
  WipedVector<uint32_t> counts(count);
  WipedVector<uint32_t> rows;
  for (uint32_t i = 0; i < count; ++i) {
    const std::span<const uint32_t> of_entry = all.RowsOf(first + i);
    counts[i] = static_cast<uint32_t>(of_entry.size());
    rows.insert(rows.end(), of_entry.begin(), of_entry.end());
  }
  EncodedChunk index = {.codec = {.encoding = Encoding::kIndex}};
  EncodePacked<uint32_t>(counts, index.bytes);
  EncodePacked<uint32_t>(rows, index.bytes);
  index.codec.raw_bytes = static_cast<uint32_t>(index.bytes.size());
  return index;
}

WipedVector<EncodedPage> EncodePages(const Column& column, bool indexed) {
  const Dictionary& dictionary = column.dictionary;
  const PageIndex index = indexed ? IndexOf(column) : PageIndex();
  WipedVector<EncodedPage> pages;
  const auto entries = static_cast<uint32_t>(dictionary.size());
  for (uint32_t first = 0; first < entries;) {
    uint32_t end = first + 1;
    const size_t begin = dictionary.offsets[first];
    while (end < entries && dictionary.offsets[end + 1] - begin <= limits::kDictionaryPageBytes) {
      ++end;
    }
    WipedBuffer body;
    EncodeDictionary(dictionary, first, end - first, body);
    EncodedPage page = {.chunk = Compressed(Encoding::kDictionary, std::move(body), 0),
                        .entries = end - first};
    if (indexed) {
      page.rows = EncodeIndex(index, first, end - first);
      page.prefix = PrefixOf(dictionary.at(first));
    }
    pages.push_back(std::move(page));
    first = end;
  }
  return pages;
}

// Rows of so many bytes that opening them is not mostly overhead: by those at the beginning and in
// the middle, whichever take more.
uint32_t ChooseRowsPerChunk(const Column& column) {
  size_t bytes = 0;
  for (const size_t first : {size_t{0}, column.rows / 2}) {
    WipedBuffer sample;
    EncodeRows(column, first, std::min(column.rows - first, limits::kRowsPerSmallChunk), sample);
    bytes = std::max(bytes, sample.size());
  }
  size_t rows = limits::kRowsPerSmallChunk;
  for (; bytes < limits::kWorthAChunk && rows < limits::kRowsPerBlock; bytes *= 2) rows *= 2;
  return static_cast<uint32_t>(rows);
}

absl::Status CheckDictionary(const Dictionary& dictionary) {
  if (dictionary.bytes.size() <= limits::kMaxChunkRawBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a dictionary of ", dictionary.bytes.size(),
                                                 " bytes; at most ", limits::kMaxChunkRawBytes,
                                                 " are allowed"));
}

}  // namespace

std::vector<const EncodedChunk*> EncodedColumn::Chunks() const {
  std::vector<const EncodedChunk*> chunks;
  for (const EncodedPage& page : dictionary) chunks.push_back(&page.chunk);
  for (const EncodedPage& page : dictionary) {
    if (page.rows.has_value()) chunks.push_back(&*page.rows);
  }
  for (const EncodedChunk& chunk : values) chunks.push_back(&chunk);
  return chunks;
}

absl::StatusOr<EncodedColumn> EncodeColumn(const Column& column, bool indexed) {
  EncodedColumn encoded;
  if (column.rows > limits::kRowsPerBlock || column.type == PhysicalType::kStringList) {
    encoded.rows_per_chunk = limits::kRowsPerBlock;
    WipedBuffer body;
    TV_ASSIGN_OR_RETURN(const Encoding encoding, EncodeBody(column, body));
    encoded.values.push_back(Compressed(encoding, std::move(body), column.rows));
    return encoded;
  }
  std::optional<Column> compact;
  if (column.type == PhysicalType::kString) {
    compact = column;
    CompactDictionary(*compact);
    if (indexed) SortDictionary(*compact);
    TV_RETURN_IF_ERROR(CheckDictionary(compact->dictionary));
    encoded.dictionary = EncodePages(*compact, indexed);
  }
  const Column& rows = compact.has_value() ? *compact : column;
  encoded.rows_per_chunk = ChooseRowsPerChunk(rows);
  for (size_t first = 0; first < rows.rows || first == 0; first += encoded.rows_per_chunk) {
    const size_t count = std::min<size_t>(encoded.rows_per_chunk, rows.rows - first);
    WipedBuffer body;
    const Encoding encoding = EncodeRows(rows, first, count, body);
    encoded.values.push_back(Compressed(encoding, std::move(body), count));
  }
  return encoded;
}

absl::StatusOr<OpenedChunk> OpenChunk(const ChunkCodec& codec, WipedBuffer bytes, PhysicalType type,
                                      size_t rows) {
  TV_RETURN_IF_ERROR(Inflate(codec, bytes));
  size_t list_budget = limits::kMaxListElementsPerChunk;
  TV_ASSIGN_OR_RETURN(ColumnReader reader, ColumnReader::Open(bytes, type, rows, list_budget));
  if (reader.encoding() != codec.encoding) {
    return absl::DataLossError("a chunk has not the encoding that its footer says");
  }
  // A moved buffer stays where it is.
  return OpenedChunk{std::move(bytes), std::move(reader)};
}

absl::Status OpenPage(const ChunkCodec& codec, WipedBuffer bytes, uint32_t entries,
                      Dictionary& to) {
  if (codec.encoding != Encoding::kDictionary) {
    return absl::DataLossError("a page of a dictionary has another codec");
  }
  TV_RETURN_IF_ERROR(Inflate(codec, bytes));
  return DecodePage(bytes, entries, to);
}

absl::StatusOr<PageIndex> OpenIndex(const ChunkCodec& codec, WipedBuffer bytes, uint32_t entries,
                                    size_t rows) {
  if (codec.encoding != Encoding::kIndex) {
    return absl::DataLossError("the rows of a page have another codec");
  }
  TV_RETURN_IF_ERROR(Inflate(codec, bytes));
  return DecodeIndex(bytes, entries, rows);
}

}  // namespace televault::block
