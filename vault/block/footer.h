#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
#include "vault/block/encoding.h"

namespace televault::block {

// Bounds of one column of one block. A predicate that no value between the bounds can satisfy
// cannot be satisfied by any row. List elements count as values of their column.
struct ZoneMap {
  uint32_t nulls = 0;       // rows that are NULL
  uint32_t distinct = 0;    // at most so many distinct values; 0: not known
  bool has_bounds = false;  // false: every row is NULL (or every list empty)
  int64_t min_int = 0;
  int64_t max_int = 0;
  double min_double = 0;
  double max_double = 0;
  // Strings: `min_text` is a prefix of the smallest value, so not above it; `max_text` is not below
  // any value unless `max_text_open`, which means that no upper bound is kept.
  WipedBuffer min_text;
  WipedBuffer max_text;
  bool max_text_open = false;

  std::string_view min_text_view() const { return AsText(min_text); }
  std::string_view max_text_view() const { return AsText(max_text); }
  // False only if no value of the column can equal `value`.
  bool MayContain(std::string_view value) const;
  bool MayContain(int64_t value) const;
};

// Which subject pseudonyms may be in a block: a Bloom filter, under 1 % false positives.
class SubjectFilter {
 public:
  SubjectFilter() = default;
  // `subjects`: the dictionary of the subject column, every entry in use.
  explicit SubjectFilter(const Dictionary& subjects);
  // False only if no row of the block has this subject.
  bool MayContain(std::string_view subject) const;
  Bytes bits() const { return bits_; }
  // DATA_LOSS unless a multiple of 8 bytes within bounds; empty: no subject in the block.
  static absl::StatusOr<SubjectFilter> FromBits(Bytes bits);

 private:
  WipedBuffer bits_;
};

// Consecutive entries of a dictionary, in a chunk of their own.
struct DictionaryPage {
  ChunkCodec codec;
  ChunkCodec index;      // where the column is indexed
  uint32_t entries = 0;  // at least one
  uint64_t prefix = 0;   // PrefixOf the first entry where entries ascend, else 0
  uint32_t first = 0;    // code of the first entry: entries of the pages before
};

// The chunks of a column are numbered from `first_chunk` on: the pages of its dictionary, where it
// is indexed as many with their rows, then its values.
struct FooterColumn {
  uint16_t number = 0;
  PhysicalType type = PhysicalType::kInt;
  uint32_t rows_per_chunk = 0;
  bool indexed = false;  // the entries of the dictionary ascend, and have their rows
  WipedVector<DictionaryPage> dictionary;
  std::vector<ChunkCodec> values;
  uint32_t first_chunk = 0;
  ZoneMap zone;

  uint32_t pages() const { return static_cast<uint32_t>(dictionary.size()); }
  uint32_t index_chunk(size_t page) const {
    return first_chunk + pages() + static_cast<uint32_t>(page);
  }
  uint32_t values_chunk(size_t chunk) const {
    return first_chunk + pages() * (indexed ? 2 : 1) + static_cast<uint32_t>(chunk);
  }
  uint32_t chunks() const { return values_chunk(values.size()) - first_chunk; }
  uint32_t entries() const {
    return dictionary.empty() ? 0 : dictionary.back().first + dictionary.back().entries;
  }
};

// What is known about a block without opening its chunks.
struct Footer {
  uint32_t rows = 0;
  uint32_t schema_revision = 0;
  WallTime min_time;
  WallTime max_time;
  WipedVector<FooterColumn> columns;  // ascending number
  bool has_subjects = false;          // the block has a subject column
  SubjectFilter subjects;

  const FooterColumn* Find(uint16_t number) const;
  // Of all columns.
  uint32_t chunks() const;
  // Bytes this object keeps in memory, for bounded caches.
  size_t MemoryBytes() const;
};

ZoneMap MakeZoneMap(const Column& column);

// What a footer says of a column's chunks; number, place in the block and zone are left to the
// caller.
FooterColumn MakeFooterColumn(const EncodedColumn& encoded, PhysicalType type, bool indexed);
// A footer for `batch`; `encoded` are its columns in the same order. The batch must be valid, not
// empty and have an event_time column.
Footer MakeFooter(const ColumnBatch& batch, std::span<const EncodedColumn> encoded,
                  uint32_t schema_revision);
// Whether the column is indexed: subjects are looked up one by one.
inline bool IsIndexed(uint16_t column) { return column == kSubjectColumn; }

WipedBuffer EncodeFooter(const Footer& footer);
// Any bytes are safe: DATA_LOSS.
absl::StatusOr<Footer> DecodeFooter(Bytes bytes);

}  // namespace televault::block
