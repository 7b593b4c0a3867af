#include "vault/block/chunk_body.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"

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

void EncodeDictionary(const Dictionary& dictionary, WipedBuffer& out) {
  WipedVector<uint32_t> lengths(dictionary.size());
  for (uint32_t code = 0; code < lengths.size(); ++code) {
    lengths[code] = dictionary.offsets[code + 1] - dictionary.offsets[code];
  }
  Put(out, static_cast<uint32_t>(lengths.size()));
  EncodePacked<uint32_t>(lengths, out);
  PutBytes(out, dictionary.bytes);
}

// A copy only where the dictionary is not in canonical form already.
const Column& Canonical(const Column& column, std::optional<Column>& copy) {
  copy = column;
  CompactDictionary(*copy);
  return *copy;
}

Encoding EncodeStrings(const Column& column, WipedBuffer& out, WipedBuffer* large_dictionary) {
  std::optional<Column> copy;
  const Column& compact = Canonical(column, copy);
  if (large_dictionary != nullptr && compact.dictionary.bytes.size() > kLargeDictionary) {
    Put(out, static_cast<uint32_t>(compact.dictionary.size()) | kDictionaryElsewhere);
    EncodeDictionary(compact.dictionary, *large_dictionary);
  } else {
    EncodeDictionary(compact.dictionary, out);
  }
  if (compact.nulls.empty()) return EncodeSequence<uint32_t>(compact.codes, out);
  return EncodeSequence<uint32_t>(FillNulls(compact.codes, compact.nulls), out);
}

Encoding EncodeLists(const Column& column, WipedBuffer& out) {
  std::optional<Column> copy;
  const Column& compact = Canonical(column, copy);
  EncodeDictionary(compact.dictionary, out);
  WipedVector<uint32_t> lengths(compact.rows);
  for (size_t row = 0; row < compact.rows; ++row) {
    lengths[row] = compact.list_ends[row] - (row == 0 ? 0 : compact.list_ends[row - 1]);
  }
  EncodeSequence<uint32_t>(lengths, out);
  Put(out, static_cast<uint32_t>(compact.codes.size()));
  return EncodeSequence<uint32_t>(compact.codes, out);
}

}  // namespace

absl::StatusOr<Encoding> EncodeBody(const Column& column, WipedBuffer& out,
                                    WipedBuffer* large_dictionary) {
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
  switch (column.type) {
    case PhysicalType::kInt:
      encoding = mode == NullMode::kNone
                     ? EncodeSequence<int64_t>(column.ints, out)
                     : EncodeSequence<int64_t>(FillNulls(column.ints, column.nulls), out);
      break;
    case PhysicalType::kDouble:
      encoding = mode == NullMode::kNone
                     ? EncodeDoubles(column.doubles, out)
                     : EncodeDoubles(FillNulls(column.doubles, column.nulls), out);
      break;
    case PhysicalType::kString:
      encoding = EncodeStrings(column, out, large_dictionary);
      break;
    case PhysicalType::kStringList:
      encoding = EncodeLists(column, out);
      break;
  }
  const size_t bytes =
      std::max(out.size() - start, large_dictionary == nullptr ? 0 : large_dictionary->size());
  if (bytes > limits::kMaxChunkRawBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a chunk of ", bytes, " bytes; at most ",
                                                   limits::kMaxChunkRawBytes, " are allowed"));
  }
  return encoding;
}

}  // namespace televault::block
