#include "vault/block/column_reader.h"

#include <algorithm>
#include <utility>

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/base/simd.h"
#include "vault/block/bit_pack.h"
#include "vault/block/chunk_body.h"

namespace televault::block {
namespace {

using limits::kRowsPerVector;

// Appends the entries to `dictionary`.
absl::Status TakeDictionary(ByteReader& in, size_t most, Dictionary& dictionary) {
  TV_ASSIGN_OR_RETURN(const uint32_t count, in.LittleEndian<uint32_t>());
  if (count > most) return absl::DataLossError("a dictionary has more entries than can be used");
  TV_ASSIGN_OR_RETURN(const SequenceReader packed, SequenceReader::OpenPacked(in, count));
  WipedVector<int64_t> lengths(count);
  packed.DecodeAll(lengths.data());
  const size_t entries = dictionary.size();
  const uint64_t begin = dictionary.bytes.size();
  dictionary.offsets.resize(entries + count + 1);
  uint32_t* const ends = dictionary.offsets.data() + entries + 1;
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    if (lengths[i] < 0 || static_cast<uint64_t>(lengths[i]) > in.remaining() - end) {
      return absl::DataLossError("a dictionary entry is longer than the chunk");
    }
    end += static_cast<uint64_t>(lengths[i]);
    ends[i] = static_cast<uint32_t>(begin + end);
  }
  TV_ASSIGN_OR_RETURN(const Bytes bytes, in.Take(end));
  dictionary.bytes.insert(dictionary.bytes.end(), bytes.begin(), bytes.end());
  return absl::OkStatus();
}

TV_INLINE_BODY uint32_t HighestBody(const uint32_t* codes, size_t count) {
  uint32_t highest = 0;
  for (size_t i = 0; i < count; ++i) highest = std::max(highest, codes[i]);
  return highest;
}
TV_AVX2 uint32_t HighestAvx2(const uint32_t* codes, size_t count) {
  return HighestBody(codes, count);
}
uint32_t Highest(const uint32_t* codes, size_t count) {
  return UseAvx2() ? HighestAvx2(codes, count) : HighestBody(codes, count);
}

// A NULL row holds 0 in memory; on disk it repeats its neighbour, which widens no bit field.
template <class T>
void ClearNulls(const uint8_t* nulls, size_t count, T* values) {
  for (size_t i = 0; i < count; ++i) {
    if (nulls[i] != 0) values[i] = T{};
  }
}

}  // namespace

absl::Status DecodePage(Bytes bytes, uint32_t entries, Dictionary& to) {
  ByteReader in(bytes);
  const size_t before = to.size();
  TV_RETURN_IF_ERROR(TakeDictionary(in, entries, to));
  if (to.size() - before != entries || in.remaining() != 0) {
    return absl::DataLossError("a dictionary is not that of its column");
  }
  return absl::OkStatus();
}

absl::StatusOr<PageIndex> DecodeIndex(Bytes bytes, uint32_t entries, size_t rows) {
  ByteReader in(bytes);
  PageIndex index;
  TV_ASSIGN_OR_RETURN(const SequenceReader counts, SequenceReader::OpenPacked(in, entries));
  index.ends.resize(entries);
  counts.DecodeAll(index.ends.data());
  uint64_t end = 0;
  for (uint32_t& count : index.ends) {
    if (count == 0 || count > rows - end) {
      return absl::DataLossError("an entry of a dictionary has more rows than there are");
    }
    end += count;
    count = static_cast<uint32_t>(end);
  }
  TV_ASSIGN_OR_RETURN(const SequenceReader packed, SequenceReader::OpenPacked(in, end));
  index.rows.resize(end);
  packed.DecodeAll(index.rows.data());
  if (in.remaining() != 0) return absl::DataLossError("bytes are left over behind a chunk");
  for (uint32_t entry = 0; entry < entries; ++entry) {
    const std::span<const uint32_t> of_entry = index.RowsOf(entry);
    for (size_t i = 0; i < of_entry.size(); ++i) {
      if (of_entry[i] >= rows || (i > 0 && of_entry[i] <= of_entry[i - 1])) {
        return absl::DataLossError("the rows of an entry do not ascend to the end");
      }
    }
  }
  return index;
}

ColumnReader::ColumnReader(Column whole)
    : type_(whole.type),
      rows_(whole.rows),
      entries_(whole.dictionary.size()),
      whole_(std::move(whole)),
      is_whole_(true) {}

absl::StatusOr<ColumnReader> ColumnReader::Open(Bytes bytes, PhysicalType type, size_t rows,
                                                size_t& list_budget) {
  if (rows > limits::kRowsPerBlock) {
    return absl::DataLossError("a chunk has more rows than a block may have");
  }
  ColumnReader reader;
  reader.type_ = type;
  reader.rows_ = rows;
  ByteReader in(bytes);
  TV_RETURN_IF_ERROR(reader.OpenNulls(in));
  switch (type) {
    case PhysicalType::kInt: {
      TV_ASSIGN_OR_RETURN(reader.values_, SequenceReader::Open(in, rows));
      reader.encoding_ = reader.values_.encoding();
      break;
    }
    case PhysicalType::kDouble: {
      TV_ASSIGN_OR_RETURN(reader.doubles_, DoubleReader::Open(in, rows));
      reader.encoding_ = reader.doubles_.encoding();
      break;
    }
    case PhysicalType::kString:
      TV_RETURN_IF_ERROR(reader.OpenStrings(in));
      break;
    case PhysicalType::kStringList:
      TV_RETURN_IF_ERROR(reader.OpenLists(in, list_budget));
      break;
    default:
      return absl::DataLossError("a column has a type that format v1 does not know");
  }
  if (in.remaining() != 0) return absl::DataLossError("bytes are left over behind a chunk");
  return reader;
}

absl::Status ColumnReader::OpenNulls(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint8_t mode, in.LittleEndian<uint8_t>());
  switch (static_cast<NullMode>(mode)) {
    case NullMode::kNone:
      return absl::OkStatus();
    case NullMode::kAll:
      all_null_ = rows_ > 0;
      return absl::OkStatus();
    case NullMode::kBitmap: {
      TV_ASSIGN_OR_RETURN(nulls_, in.Take(PackedBytes(rows_, 1)));
      return absl::OkStatus();
    }
  }
  return absl::DataLossError("the null flags have a form that format v1 does not know");
}

absl::Status ColumnReader::OpenStrings(ByteReader& in) {
  ByteReader ahead = in;
  TV_ASSIGN_OR_RETURN(const uint32_t entries, ahead.LittleEndian<uint32_t>());
  lacks_dictionary_ = (entries & kDictionaryElsewhere) != 0;
  if (lacks_dictionary_) {
    in = ahead;
    entries_ = entries & ~kDictionaryElsewhere;
    if (entries_ > limits::kRowsPerBlock) {
      return absl::DataLossError("a dictionary has more entries than can be used");
    }
  } else {
    TV_RETURN_IF_ERROR(TakeDictionary(in, rows_, whole_.dictionary));
    entries_ = whole_.dictionary.size();
  }
  TV_ASSIGN_OR_RETURN(values_, SequenceReader::Open(in, rows_));
  encoding_ = values_.encoding();
  return absl::OkStatus();
}

// Rows are found through the lengths of all before them: they are decoded at once.
absl::Status ColumnReader::OpenLists(ByteReader& in, size_t& list_budget) {
  is_whole_ = true;
  whole_.type = type_;
  whole_.rows = rows_;
  if (all_null_ || !nulls_.empty()) {
    whole_.nulls.resize(rows_);
    ReadNulls(0, rows_, whole_.nulls.data());
  }
  TV_RETURN_IF_ERROR(TakeDictionary(in, list_budget, whole_.dictionary));
  TV_ASSIGN_OR_RETURN(const SequenceReader packed, SequenceReader::Open(in, rows_));
  WipedVector<int64_t> lengths(rows_);
  packed.DecodeAll(lengths.data());
  TV_ASSIGN_OR_RETURN(const uint32_t total, in.LittleEndian<uint32_t>());
  if (total > list_budget) return absl::DataLossError("more list elements than a chunk may have");
  if (whole_.dictionary.size() > total) {
    return absl::DataLossError("a dictionary has more entries than can be used");
  }
  list_budget -= total;
  whole_.list_ends.resize(rows_);
  uint64_t end = 0;
  for (size_t row = 0; row < rows_; ++row) {
    const bool fits = lengths[row] >= 0 && static_cast<uint64_t>(lengths[row]) <= total - end;
    if (!fits || (whole_.IsNull(row) && lengths[row] != 0)) {
      return absl::DataLossError("the list lengths do not match the elements");
    }
    end += static_cast<uint64_t>(lengths[row]);
    whole_.list_ends[row] = static_cast<uint32_t>(end);
  }
  if (end != total) return absl::DataLossError("the list lengths do not match the elements");
  TV_ASSIGN_OR_RETURN(const SequenceReader codes, SequenceReader::Open(in, total));
  encoding_ = codes.encoding();
  whole_.codes.resize(total);
  codes.DecodeAll(whole_.codes.data());
  if (total == 0 || Highest(whole_.codes.data(), total) < whole_.dictionary.size()) {
    return absl::OkStatus();
  }
  return absl::DataLossError("a code is not in the dictionary");
}

void ColumnReader::ReadNulls(size_t first, size_t count, uint8_t* out) const {
  if (all_null_) {
    std::fill_n(out, count, 1);
  } else {
    UnpackBitmap(nulls_.subspan(first / 8), count, out);
  }
}

// With an empty dictionary code 0 stands for the NULLs, and every row must be one.
absl::Status ColumnReader::CheckCodes(const uint32_t* codes, size_t count, bool all_null) const {
  const uint32_t highest = Highest(codes, count);
  if (count == 0 || highest < entries_ || (entries_ == 0 && highest == 0 && all_null)) {
    return absl::OkStatus();
  }
  return absl::DataLossError("a code is not in the dictionary");
}

absl::Status ColumnReader::ReadValues(size_t first, size_t count, ColumnSlice& out) const {
  const size_t begin = first / kRowsPerVector;
  const size_t end = (first + count + kRowsPerVector - 1) / kRowsPerVector;
  const bool all_null = out.nulls != nullptr &&
                        std::all_of(out.nulls, out.nulls + count, [](uint8_t n) { return n != 0; });
  const auto read = [&](auto& values, const auto& decode) -> absl::Status {
    values.resize(count);
    for (size_t vector = begin; vector < end; ++vector) {
      TV_RETURN_IF_ERROR(decode(vector, values.data() + (vector - begin) * kRowsPerVector));
    }
    if (out.nulls != nullptr) ClearNulls(out.nulls, count, values.data());
    return absl::OkStatus();
  };
  const auto integers = [this](size_t vector, auto* to) {
    values_.Decode(vector, to);
    return absl::OkStatus();
  };
  if (type_ == PhysicalType::kInt) {
    TV_RETURN_IF_ERROR(read(out.own_ints, integers));
    out.ints = out.own_ints.data();
  } else if (type_ == PhysicalType::kDouble) {
    TV_RETURN_IF_ERROR(read(out.own_doubles, [this](size_t vector, double* to) {
      return doubles_.Decode(vector, to);
    }));
    out.doubles = out.own_doubles.data();
  } else {
    TV_RETURN_IF_ERROR(read(out.own_codes, integers));
    TV_RETURN_IF_ERROR(CheckCodes(out.own_codes.data(), count, all_null));
    out.codes = out.own_codes.data();
  }
  return absl::OkStatus();
}

absl::Status ColumnReader::Read(size_t first, size_t count, ColumnSlice& out) const {
  TV_CHECK(first % kRowsPerVector == 0 && first + count <= rows_);
  TV_CHECK(count % kRowsPerVector == 0 || first + count == rows_);
  out.type = type_;
  out.rows = count;
  out.dictionary = lacks_dictionary_ ? nullptr : &whole_.dictionary;
  out.nulls = nullptr;
  if (is_whole_) {
    if (!whole_.nulls.empty()) out.nulls = whole_.nulls.data() + first;
    if (type_ == PhysicalType::kInt) out.ints = whole_.ints.data() + first;
    if (type_ == PhysicalType::kDouble) out.doubles = whole_.doubles.data() + first;
    if (type_ == PhysicalType::kString) out.codes = whole_.codes.data() + first;
    if (type_ == PhysicalType::kStringList) {
      out.codes = whole_.codes.data();
      out.list_ends = whole_.list_ends.data() + first;
    }
    return absl::OkStatus();
  }
  if (all_null_ || !nulls_.empty()) {
    out.own_nulls.resize(count);
    ReadNulls(first, count, out.own_nulls.data());
    out.nulls = out.own_nulls.data();
  }
  return ReadValues(first, count, out);
}

namespace {

// What a reader keeps whole (nothing but the dictionary of strings) and all of its rows.
Column Joined(Column kept, ColumnSlice all) {
  kept.type = all.type;
  kept.rows = all.rows;
  kept.nulls = std::move(all.own_nulls);
  kept.ints = std::move(all.own_ints);
  kept.doubles = std::move(all.own_doubles);
  kept.codes = std::move(all.own_codes);
  return kept;
}

}  // namespace

absl::StatusOr<Column> ColumnReader::ReadAll() const& {
  TV_CHECK(!lacks_dictionary_);
  if (is_whole_) return whole_;
  ColumnSlice all;
  TV_RETURN_IF_ERROR(Read(0, rows_, all));
  return Joined(whole_, std::move(all));
}

absl::StatusOr<Column> ColumnReader::ReadAll() && {
  TV_CHECK(!lacks_dictionary_);
  if (is_whole_) return std::move(whole_);
  ColumnSlice all;
  TV_RETURN_IF_ERROR(Read(0, rows_, all));
  return Joined(std::move(whole_), std::move(all));
}

}  // namespace televault::block
