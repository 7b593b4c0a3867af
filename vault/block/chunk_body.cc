#include "vault/block/chunk_body.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/block/bit_pack.h"
#include "vault/block/decimal.h"
#include "vault/block/sequence.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

NullMode EncodeNulls(const Column& column, WipedBuffer& out) {
  const auto& nulls = column.nulls;
  const auto count = static_cast<size_t>(std::count(nulls.begin(), nulls.end(), 1));
  const NullMode mode = count == 0             ? NullMode::kNone
                        : count == column.rows ? NullMode::kAll
                                               : NullMode::kBitmap;
  Put(out, static_cast<uint8_t>(mode));
  if (mode == NullMode::kBitmap) PackBitmap(nulls, out);
  return mode;
}

// A NULL row holds 0 in memory; on disk it repeats its neighbour, which widens no bit field.
template <class T>
WipedVector<T> FillNulls(const WipedVector<T>& values, const WipedVector<uint8_t>& nulls) {
  WipedVector<T> filled = values;
  const auto first = std::find(nulls.begin(), nulls.end(), 0);
  T last = first == nulls.end() ? T{} : values[static_cast<size_t>(first - nulls.begin())];
  for (size_t i = 0; i < filled.size(); ++i) {
    if (nulls[i] != 0) {
      filled[i] = last;
    } else {
      last = filled[i];
    }
  }
  return filled;
}

// A copy whose dictionary has every value once and in order of first use.
Column Compacted(const Column& column) {
  Column copy = column;
  CompactDictionary(copy);
  return copy;
}

void EncodeWholeDictionary(const Dictionary& dictionary, WipedBuffer& out) {
  EncodeDictionary(dictionary, 0, static_cast<uint32_t>(dictionary.size()), out);
}

Encoding EncodeCodes(const Column& column, WipedBuffer& out) {
  if (column.nulls.empty()) return EncodeSequence<uint32_t>(column.codes, out);
  return EncodeSequence<uint32_t>(FillNulls(column.codes, column.nulls), out);
}

Encoding EncodeLists(const Column& column, WipedBuffer& out) {
  const Column compact = Compacted(column);
  EncodeWholeDictionary(compact.dictionary, out);
  WipedVector<uint32_t> lengths(compact.rows);
  for (size_t row = 0; row < compact.rows; ++row) {
    lengths[row] = compact.list_ends[row] - (row == 0 ? 0 : compact.list_ends[row - 1]);
  }
  EncodeSequence<uint32_t>(lengths, out);
  Put(out, static_cast<uint32_t>(compact.codes.size()));
  return EncodeSequence<uint32_t>(compact.codes, out);
}

Encoding EncodeNumbers(const Column& column, NullMode mode, WipedBuffer& out) {
  if (column.type == PhysicalType::kInt) {
    if (mode == NullMode::kNone) return EncodeSequence<int64_t>(column.ints, out);
    return EncodeSequence<int64_t>(FillNulls(column.ints, column.nulls), out);
  }
  if (mode == NullMode::kNone) return EncodeDoubles(column.doubles, out);
  return EncodeDoubles(FillNulls(column.doubles, column.nulls), out);
}

template <class T>
WipedVector<T> Part(const WipedVector<T>& values, size_t first, size_t count) {
  if (values.empty()) return {};
  const auto begin = values.begin() + static_cast<ptrdiff_t>(first);
  return {begin, begin + static_cast<ptrdiff_t>(count)};
}

}  // namespace

void EncodeDictionary(const Dictionary& dictionary, uint32_t first, uint32_t count,
                      WipedBuffer& out) {
  WipedVector<uint32_t> lengths(count);
  for (uint32_t i = 0; i < count; ++i) {
    lengths[i] = dictionary.offsets[first + i + 1] - dictionary.offsets[first + i];
  }
  Put(out, count);
  EncodePacked<uint32_t>(lengths, out);
  const uint32_t begin = dictionary.offsets[first];
  PutBytes(out, Bytes(dictionary.bytes).subspan(begin, dictionary.offsets[first + count] - begin));
}

absl::StatusOr<Encoding> EncodeBody(const Column& column, WipedBuffer& out) {
  if (column.rows > limits::kRowsPerBlock) {
    return absl::InvalidArgumentError(absl::StrCat("a chunk of ", column.rows, " rows; at most ",
                                                   limits::kRowsPerBlock, " are allowed"));
  }
  if (column.type == PhysicalType::kStringList &&
      column.codes.size() > limits::kMaxListElementsPerChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk of ", column.codes.size(), " list elements; at most ",
                     limits::kMaxListElementsPerChunk, " are allowed"));
  }
  const size_t start = out.size();
  const NullMode mode = EncodeNulls(column, out);
  Encoding encoding = Encoding::kConstant;
  if (column.type == PhysicalType::kString) {
    const Column compact = Compacted(column);
    EncodeWholeDictionary(compact.dictionary, out);
    encoding = EncodeCodes(compact, out);
  } else if (column.type == PhysicalType::kStringList) {
    encoding = EncodeLists(column, out);
  } else {
    encoding = EncodeNumbers(column, mode, out);
  }
  if (out.size() - start > limits::kMaxChunkRawBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a chunk of ", out.size() - start,
                                                   " bytes; at most ", limits::kMaxChunkRawBytes,
                                                   " are allowed"));
  }
  return encoding;
}

Encoding EncodeRows(const Column& column, size_t first, size_t count, WipedBuffer& out) {
  TV_CHECK(column.type != PhysicalType::kStringList && first + count <= column.rows);
  const Column part = {.type = column.type,
                       .rows = count,
                       .nulls = Part(column.nulls, first, count),
                       .ints = Part(column.ints, first, count),
                       .doubles = Part(column.doubles, first, count),
                       .codes = Part(column.codes, first, count)};
  const NullMode mode = EncodeNulls(part, out);
  if (column.type != PhysicalType::kString) return EncodeNumbers(part, mode, out);
  Put(out, static_cast<uint32_t>(column.dictionary.size()) | kDictionaryElsewhere);
  return EncodeCodes(part, out);
}

}  // namespace televault::block
