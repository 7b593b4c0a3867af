#include "vault/block/footer.h"

#include <algorithm>
#include <array>
#include <bit>

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMaxBoundBytes = 24;  // a version, a path's head; not a whole document
constexpr size_t kBitsPerSubject = 10;
constexpr unsigned kProbes = 7;
constexpr size_t kMaxFilterBytes = (limits::kRowsPerBlock * kBitsPerSubject + 63) / 64 * 8;

enum ZoneFlags : uint8_t { kHasBounds = 1, kMaxOpen = 2 };

WipedBuffer Prefix(std::string_view text) {
  const Bytes bytes = AsBytes(text.substr(0, kMaxBoundBytes));
  return {bytes.begin(), bytes.end()};
}

// Not below any string that starts like `text`: the last byte that can grow is raised.
void SetMaxText(std::string_view text, ZoneMap& zone) {
  zone.max_text = Prefix(text);
  if (text.size() <= kMaxBoundBytes) return;
  while (!zone.max_text.empty() && zone.max_text.back() == 0xFF) zone.max_text.pop_back();
  if (zone.max_text.empty()) {
    zone.max_text_open = true;
  } else {
    ++zone.max_text.back();
  }
}

void SetTextBounds(const Column& column, ZoneMap& zone) {
  const uint32_t entries = static_cast<uint32_t>(column.dictionary.size());
  std::vector<bool> used(entries);
  const bool strings = column.type == PhysicalType::kString;
  for (size_t i = 0; i < column.codes.size(); ++i) {
    if (!strings || !column.IsNull(i)) used[column.codes[i]] = true;
  }
  std::string_view low;
  std::string_view high;
  for (uint32_t code = 0; code < entries; ++code) {
    if (!used[code]) continue;
    const std::string_view text = column.dictionary.at(code);
    if (zone.distinct == 0 || text < low) low = text;
    if (zone.distinct == 0 || text > high) high = text;
    ++zone.distinct;
  }
  if (zone.distinct == 0) return;
  zone.has_bounds = true;
  zone.min_text = Prefix(low);
  SetMaxText(high, zone);
}

template <class T>
void SetBounds(const Column& column, const WipedVector<T>& values, ZoneMap& zone, T& low, T& high) {
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.IsNull(row)) continue;
    if (!zone.has_bounds || values[row] < low) low = values[row];
    if (!zone.has_bounds || values[row] > high) high = values[row];
    zone.has_bounds = true;
  }
}

// A bound, not a count: what the range allows, or the rows that hold a value.
uint32_t DistinctInts(const ZoneMap& zone, size_t rows) {
  const uint64_t values = rows - zone.nulls;
  if (!zone.has_bounds) return 0;
  const uint64_t span = static_cast<uint64_t>(zone.max_int) - static_cast<uint64_t>(zone.min_int);
  return static_cast<uint32_t>(span < values ? span + 1 : values);
}

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDULL;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53ULL;
  return x ^ (x >> 33);
}

struct Probe {
  uint64_t first;
  uint64_t step;
  explicit Probe(std::string_view subject) {
    uint64_t a = 0x9E3779B97F4A7C15ULL ^ subject.size();
    uint64_t b = 0;
    for (size_t at = 0; at < subject.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, subject.data() + at, std::min<size_t>(8, subject.size() - at));
      a = Mix(a ^ word);
      b = Mix(b + a);
    }
    first = a;
    step = b | 1;
  }
  // The bit of probe i in a filter of `bits` bits, without a division.
  size_t Bit(unsigned i, size_t bits) const {
    const uint64_t hash = first + i * step;
    return static_cast<size_t>((static_cast<unsigned __int128>(hash) * bits) >> 64);
  }
};

void PutText(WipedBuffer& out, const WipedBuffer& text) {
  Put(out, static_cast<uint8_t>(text.size()));
  PutBytes(out, text);
}

absl::StatusOr<WipedBuffer> TakeText(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint8_t size, in.LittleEndian<uint8_t>());
  if (size > kMaxBoundBytes) return absl::DataLossError("a footer's text bound is too long");
  TV_ASSIGN_OR_RETURN(const Bytes text, in.Take(size));
  return WipedBuffer(text.begin(), text.end());
}

void PutZone(WipedBuffer& out, PhysicalType type, const ZoneMap& zone) {
  Put(out, zone.nulls);
  Put(out, zone.distinct);
  Put(out, static_cast<uint8_t>((zone.has_bounds ? kHasBounds : 0) |
                                (zone.max_text_open ? kMaxOpen : 0)));
  if (!zone.has_bounds) return;
  switch (type) {
    case PhysicalType::kInt:
      Put(out, zone.min_int);
      Put(out, zone.max_int);
      break;
    case PhysicalType::kDouble:
      Put(out, std::bit_cast<int64_t>(zone.min_double));
      Put(out, std::bit_cast<int64_t>(zone.max_double));
      break;
    default:
      PutText(out, zone.min_text);
      PutText(out, zone.max_text);
  }
}

absl::StatusOr<ZoneMap> TakeZone(ByteReader& in, PhysicalType type) {
  ZoneMap zone;
  TV_ASSIGN_OR_RETURN(zone.nulls, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(zone.distinct, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const uint8_t flags, in.LittleEndian<uint8_t>());
  if (flags > (kHasBounds | kMaxOpen)) return absl::DataLossError("a footer has unknown flags");
  zone.has_bounds = (flags & kHasBounds) != 0;
  zone.max_text_open = (flags & kMaxOpen) != 0;
  if (!zone.has_bounds) return zone;
  switch (type) {
    case PhysicalType::kInt: {
      TV_ASSIGN_OR_RETURN(zone.min_int, in.LittleEndian<int64_t>());
      TV_ASSIGN_OR_RETURN(zone.max_int, in.LittleEndian<int64_t>());
      return zone;
    }
    case PhysicalType::kDouble: {
      TV_ASSIGN_OR_RETURN(const int64_t low, in.LittleEndian<int64_t>());
      TV_ASSIGN_OR_RETURN(const int64_t high, in.LittleEndian<int64_t>());
      zone.min_double = std::bit_cast<double>(low);
      zone.max_double = std::bit_cast<double>(high);
      return zone;
    }
    default: {
      TV_ASSIGN_OR_RETURN(zone.min_text, TakeText(in));
      TV_ASSIGN_OR_RETURN(zone.max_text, TakeText(in));
      return zone;
    }
  }
}

void PutCodec(WipedBuffer& out, const ChunkCodec& codec) {
  Put(out, static_cast<uint16_t>(codec.Number()));
  Put(out, codec.raw_bytes);
}

absl::StatusOr<ChunkCodec> TakeCodec(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint16_t codec, in.LittleEndian<uint16_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t raw_bytes, in.LittleEndian<uint32_t>());
  return CodecFromNumber(codec, raw_bytes);
}

absl::Status TakePages(ByteReader& in, FooterColumn& column) {
  TV_ASSIGN_OR_RETURN(const uint32_t pages, in.LittleEndian<uint32_t>());
  if (pages > limits::kRowsPerBlock || (pages > 0 && column.type != PhysicalType::kString)) {
    return absl::DataLossError("a footer has more pages of a dictionary than a column may have");
  }
  size_t raw_bytes = 0;
  for (uint32_t p = 0; p < pages; ++p) {
    DictionaryPage page;
    TV_ASSIGN_OR_RETURN(page.codec, TakeCodec(in));
    TV_ASSIGN_OR_RETURN(page.entries, in.LittleEndian<uint32_t>());
    if (column.indexed) {
      TV_ASSIGN_OR_RETURN(page.index, TakeCodec(in));
      TV_ASSIGN_OR_RETURN(page.prefix, in.LittleEndian<uint64_t>());
    }
    page.first = column.entries();
    raw_bytes += page.codec.raw_bytes;
    const bool fits = page.entries > 0 && page.entries <= limits::kRowsPerBlock - page.first &&
                      raw_bytes <= 2 * limits::kMaxChunkRawBytes;
    const bool ascends =
        !column.indexed || p == 0 || page.prefix >= column.dictionary.back().prefix;
    if (!fits || !ascends) {
      return absl::DataLossError("a footer has a dictionary that no column of a block has");
    }
    column.dictionary.push_back(page);
  }
  return absl::OkStatus();
}

absl::StatusOr<FooterColumn> TakeColumn(ByteReader& in, size_t rows) {
  FooterColumn column;
  TV_ASSIGN_OR_RETURN(column.number, in.LittleEndian<uint16_t>());
  TV_ASSIGN_OR_RETURN(const uint8_t type, in.LittleEndian<uint8_t>());
  if (type < 1 || type > static_cast<uint8_t>(PhysicalType::kStringList)) {
    return absl::DataLossError("a footer has a column of a type that format v1 does not know");
  }
  column.type = static_cast<PhysicalType>(type);
  TV_ASSIGN_OR_RETURN(const uint8_t small_chunks, in.LittleEndian<uint8_t>());
  column.rows_per_chunk = static_cast<uint32_t>(small_chunks * limits::kRowsPerSmallChunk);
  const bool lists = column.type == PhysicalType::kStringList;
  if (column.rows_per_chunk == 0 || column.rows_per_chunk > limits::kRowsPerBlock ||
      (lists && column.rows_per_chunk != limits::kRowsPerBlock)) {
    return absl::DataLossError("a footer has chunks of a size that format v1 does not allow");
  }
  TV_ASSIGN_OR_RETURN(const uint8_t indexed, in.LittleEndian<uint8_t>());
  if (indexed > 1 || (indexed == 1 && column.type != PhysicalType::kString)) {
    return absl::DataLossError("a footer has unknown flags");
  }
  column.indexed = indexed == 1;
  TV_RETURN_IF_ERROR(TakePages(in, column));
  const size_t chunks = (rows + column.rows_per_chunk - 1) / column.rows_per_chunk;
  for (size_t i = 0; i < chunks; ++i) {
    TV_ASSIGN_OR_RETURN(const ChunkCodec codec, TakeCodec(in));
    column.values.push_back(codec);
  }
  TV_ASSIGN_OR_RETURN(column.zone, TakeZone(in, column.type));
  return column;
}

absl::Status TakeColumns(ByteReader& in, Footer& footer) {
  TV_ASSIGN_OR_RETURN(const uint16_t columns, in.LittleEndian<uint16_t>());
  if (columns > limits::kMaxColumns) return absl::DataLossError("a footer has too many columns");
  for (size_t i = 0; i < columns; ++i) {
    TV_ASSIGN_OR_RETURN(FooterColumn column, TakeColumn(in, footer.rows));
    column.first_chunk = footer.chunks();
    if (i > 0 && column.number <= footer.columns.back().number) {
      return absl::DataLossError("the column numbers of a footer do not ascend");
    }
    if (column.zone.nulls > footer.rows) {
      return absl::DataLossError("a footer has more NULLs than rows");
    }
    footer.columns.push_back(std::move(column));
  }
  return absl::OkStatus();
}

}  // namespace

bool ZoneMap::MayContain(std::string_view value) const {
  if (!has_bounds || value < min_text_view()) return false;
  return max_text_open || value <= max_text_view();
}

bool ZoneMap::MayContain(int64_t value) const {
  return has_bounds && value >= min_int && value <= max_int;
}

SubjectFilter::SubjectFilter(const Dictionary& subjects) {
  if (subjects.size() == 0) return;
  bits_.resize((subjects.size() * kBitsPerSubject + 63) / 64 * 8);
  for (uint32_t code = 0; code < subjects.size(); ++code) {
    const Probe probe(subjects.at(code));
    for (unsigned i = 0; i < kProbes; ++i) {
      const size_t bit = probe.Bit(i, bits_.size() * 8);
      bits_[bit / 8] = static_cast<uint8_t>(bits_[bit / 8] | 1U << (bit % 8));
    }
  }
}

bool SubjectFilter::MayContain(std::string_view subject) const {
  if (bits_.empty()) return false;
  const Probe probe(subject);
  for (unsigned i = 0; i < kProbes; ++i) {
    const size_t bit = probe.Bit(i, bits_.size() * 8);
    if ((bits_[bit / 8] >> (bit % 8) & 1) == 0) return false;
  }
  return true;
}

absl::StatusOr<SubjectFilter> SubjectFilter::FromBits(Bytes bits) {
  if (bits.size() % 8 != 0 || bits.size() > kMaxFilterBytes) {
    return absl::DataLossError("a subject filter has a size that format v1 does not know");
  }
  SubjectFilter filter;
  filter.bits_.assign(bits.begin(), bits.end());
  return filter;
}

const FooterColumn* Footer::Find(uint16_t number) const {
  const auto at = std::lower_bound(
      columns.begin(), columns.end(), number,
      [](const FooterColumn& column, uint16_t wanted) { return column.number < wanted; });
  return at != columns.end() && at->number == number ? &*at : nullptr;
}

uint32_t Footer::chunks() const {
  return columns.empty() ? 0 : columns.back().first_chunk + columns.back().chunks();
}

size_t Footer::MemoryBytes() const {
  size_t bytes = sizeof(Footer) + subjects.bits().size();
  for (const FooterColumn& column : columns) {
    bytes += sizeof(FooterColumn) + 2 * kMaxBoundBytes +
             column.dictionary.size() * sizeof(DictionaryPage) +
             column.values.size() * sizeof(ChunkCodec);
  }
  return bytes;
}

ZoneMap MakeZoneMap(const Column& column) {
  ZoneMap zone;
  zone.nulls = static_cast<uint32_t>(std::count(column.nulls.begin(), column.nulls.end(), 1));
  switch (column.type) {
    case PhysicalType::kInt:
      SetBounds(column, column.ints, zone, zone.min_int, zone.max_int);
      zone.distinct = DistinctInts(zone, column.rows);
      break;
    case PhysicalType::kDouble:
      SetBounds(column, column.doubles, zone, zone.min_double, zone.max_double);
      break;
    default:
      SetTextBounds(column, zone);
  }
  return zone;
}

FooterColumn MakeFooterColumn(const EncodedColumn& encoded, PhysicalType type, bool indexed) {
  FooterColumn column = {
      .type = type, .rows_per_chunk = encoded.rows_per_chunk, .indexed = indexed};
  for (const EncodedPage& page : encoded.dictionary) {
    column.dictionary.push_back({.codec = page.chunk.codec,
                                 .index = page.rows.has_value() ? page.rows->codec : ChunkCodec(),
                                 .entries = page.entries,
                                 .prefix = page.prefix,
                                 .first = column.entries()});
  }
  for (const EncodedChunk& chunk : encoded.values) column.values.push_back(chunk.codec);
  return column;
}

Footer MakeFooter(const ColumnBatch& batch, std::span<const EncodedColumn> encoded,
                  uint32_t schema_revision) {
  TV_CHECK(batch.rows > 0 && encoded.size() == batch.columns.size());
  Footer footer;
  footer.rows = static_cast<uint32_t>(batch.rows);
  footer.schema_revision = schema_revision;
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const PhysicalType type = batch.columns[i].type;
    const bool indexed = type == PhysicalType::kString && IsIndexed(batch.numbers[i]);
    FooterColumn column = MakeFooterColumn(encoded[i], type, indexed);
    column.number = batch.numbers[i];
    column.first_chunk = footer.chunks();
    column.zone = MakeZoneMap(batch.columns[i]);
    footer.columns.push_back(std::move(column));
  }
  const FooterColumn* time = footer.Find(kEventTimeColumn);
  TV_CHECK(time != nullptr && time->type == PhysicalType::kInt);
  footer.min_time = {time->zone.min_int};
  footer.max_time = {time->zone.max_int};
  const Column* subjects = batch.Find(kSubjectColumn);
  if (subjects != nullptr && subjects->type == PhysicalType::kString) {
    footer.has_subjects = true;
    footer.subjects = SubjectFilter(subjects->dictionary);
  }
  return footer;
}

WipedBuffer EncodeFooter(const Footer& footer) {
  WipedBuffer out;
  Put(out, kVersion);
  Put(out, footer.rows);
  Put(out, footer.schema_revision);
  Put(out, footer.min_time.micros);
  Put(out, footer.max_time.micros);
  Put(out, static_cast<uint16_t>(footer.columns.size()));
  for (const FooterColumn& column : footer.columns) {
    Put(out, column.number);
    Put(out, static_cast<uint8_t>(column.type));
    Put(out, static_cast<uint8_t>(column.rows_per_chunk / limits::kRowsPerSmallChunk));
    Put(out, static_cast<uint8_t>(column.indexed ? 1 : 0));
    Put(out, static_cast<uint32_t>(column.dictionary.size()));
    for (const DictionaryPage& page : column.dictionary) {
      PutCodec(out, page.codec);
      Put(out, page.entries);
      if (!column.indexed) continue;
      PutCodec(out, page.index);
      Put(out, page.prefix);
    }
    for (const ChunkCodec& codec : column.values) PutCodec(out, codec);
    PutZone(out, column.type, column.zone);
  }
  Put(out, static_cast<uint8_t>(footer.has_subjects ? 1 : 0));
  Put(out, static_cast<uint32_t>(footer.subjects.bits().size()));
  PutBytes(out, footer.subjects.bits());
  return out;
}

absl::StatusOr<Footer> DecodeFooter(Bytes bytes) {
  if (bytes.size() > limits::kMaxFooterBytes) return absl::DataLossError("a footer is too long");
  ByteReader in(bytes);
  Footer footer;
  TV_ASSIGN_OR_RETURN(const uint8_t version, in.LittleEndian<uint8_t>());
  if (version != kVersion) return absl::DataLossError("a footer has an unknown version");
  TV_ASSIGN_OR_RETURN(footer.rows, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(footer.schema_revision, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(footer.min_time.micros, in.LittleEndian<int64_t>());
  TV_ASSIGN_OR_RETURN(footer.max_time.micros, in.LittleEndian<int64_t>());
  if (footer.rows == 0 || footer.rows > limits::kRowsPerBlock) {
    return absl::DataLossError("a footer has a row count that format v1 does not allow");
  }
  TV_RETURN_IF_ERROR(TakeColumns(in, footer));
  TV_ASSIGN_OR_RETURN(const uint8_t has_subjects, in.LittleEndian<uint8_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t filter_bytes, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const Bytes bits, in.Take(filter_bytes));
  if (has_subjects > 1) return absl::DataLossError("a footer has unknown flags");
  footer.has_subjects = has_subjects == 1;
  TV_ASSIGN_OR_RETURN(footer.subjects, SubjectFilter::FromBits(bits));
  if (in.remaining() != 0) return absl::DataLossError("bytes are left over behind a footer");
  return footer;
}

}  // namespace televault::block
