#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/decimal.h"
#include "vault/block/encoding.h"
#include "vault/block/sequence.h"

namespace televault::block {

// Some consecutive rows of a column, as ColumnReader shows them. Points into the reader or into
// buffers of its own, which are wiped when freed and used again for the next slice.
// Invariants: those of Column; `list_ends` are places in `codes`, and where the slice is not the
// first of its column the entry before them is the begin of its first row.
struct ColumnSlice {
  PhysicalType type = PhysicalType::kInt;
  size_t rows = 0;
  const uint8_t* nulls = nullptr;  // null: no NULL in these rows
  const int64_t* ints = nullptr;
  const double* doubles = nullptr;
  const uint32_t* codes = nullptr;
  const uint32_t* list_ends = nullptr;
  const Dictionary* dictionary = nullptr;  // null where the reader lacks it

  WipedVector<uint8_t> own_nulls;
  WipedVector<int64_t> own_ints;
  WipedVector<double> own_doubles;
  WipedVector<uint32_t> own_codes;
};

// One encoded column, decoded a few rows at a time where somebody asks for them, or whole.
// Refuses nothing by itself: what the bytes say is checked, by Open() or by what decodes it.
// Threads: any may read at the same time. Borrows: the bytes handed to Open().
// Failure: DATA_LOSS for any bytes that are no column.
class ColumnReader {
 public:
  // `bytes` is exactly one body (see chunk_body.h). `list_budget` is what list columns may still
  // use of elements and is reduced.
  static absl::StatusOr<ColumnReader> Open(Bytes bytes, PhysicalType type, size_t rows,
                                           size_t& list_budget);
  // Of a column that is decoded already.
  explicit ColumnReader(Column whole);

  PhysicalType type() const { return type_; }
  size_t rows() const { return rows_; }
  // Of the main sequence.
  Encoding encoding() const { return encoding_; }
  // Of strings: whether the dictionary stands elsewhere. Then slices have none, and the column
  // cannot be read whole.
  bool lacks_dictionary() const { return lacks_dictionary_; }
  // Of the dictionary, wherever it stands.
  size_t entries() const { return entries_; }
  const Dictionary& dictionary() const { return whole_.dictionary; }

  // Rows [first, first + count), which lie within the column; `first` is a multiple of
  // limits::kRowsPerVector, and so is `count` unless the column ends there.
  absl::Status Read(size_t first, size_t count, ColumnSlice& out) const;
  absl::StatusOr<Column> ReadAll() const&;
  absl::StatusOr<Column> ReadAll() &&;

 private:
  ColumnReader() = default;
  absl::Status OpenNulls(ByteReader& in);
  absl::Status OpenStrings(ByteReader& in);
  absl::Status OpenLists(ByteReader& in, size_t& list_budget);
  void ReadNulls(size_t first, size_t count, uint8_t* out) const;
  absl::Status ReadValues(size_t first, size_t count, ColumnSlice& out) const;
  absl::Status CheckCodes(const uint32_t* codes, size_t count, bool all_null) const;

  PhysicalType type_ = PhysicalType::kInt;
  size_t rows_ = 0;
  Encoding encoding_ = Encoding::kConstant;
  bool all_null_ = false;
  size_t entries_ = 0;  // of the dictionary
  bool lacks_dictionary_ = false;
  Bytes nulls_;  // a bit per row; empty: none, or all
  SequenceReader values_;
  DoubleReader doubles_;
  // Dictionary of strings; lists, and what was handed in decoded, are there whole.
  Column whole_;
  bool is_whole_ = false;
};

// A chunk that can be read, and what it is read from.
struct OpenedChunk {
  WipedBuffer body;
  ColumnReader reader;
};

// `bytes` as EncodeColumn made them for the values. Any bytes are safe: DATA_LOSS, never more
// memory than the bounds of the format allow.
absl::StatusOr<OpenedChunk> OpenChunk(const ChunkCodec& codec, WipedBuffer bytes, PhysicalType type,
                                      size_t rows);
// The same of a page of a dictionary, with exactly `entries` entries: they come behind those of
// `to`, which is of no use after a failure.
absl::Status OpenPage(const ChunkCodec& codec, WipedBuffer bytes, uint32_t entries, Dictionary& to);
// `bytes` are one such page.
absl::Status DecodePage(Bytes bytes, uint32_t entries, Dictionary& to);

// The rows of each entry of a page, ascending.
struct PageIndex {
  WipedVector<uint32_t> ends;  // of each entry, in `rows`
  WipedVector<uint32_t> rows;

  std::span<const uint32_t> RowsOf(uint32_t entry) const {
    const uint32_t begin = entry == 0 ? 0 : ends[entry - 1];
    return std::span(rows).subspan(begin, ends[entry] - begin);
  }
};
// As EncodeColumn made them for a page of `entries` entries of a column of `rows` rows.
absl::StatusOr<PageIndex> OpenIndex(const ChunkCodec& codec, WipedBuffer bytes, uint32_t entries,
                                    size_t rows);
absl::StatusOr<PageIndex> DecodeIndex(Bytes bytes, uint32_t entries, size_t rows);

}  // namespace televault::block
