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

enum class NullMode : uint8_t { kNone = 0, kBitmap = 1, kAll = 2 };

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

absl::Status DecodeNulls(ByteReader& in, Column& column) {
  TV_ASSIGN_OR_RETURN(const uint8_t mode, in.LittleEndian<uint8_t>());
  switch (static_cast<NullMode>(mode)) {
    case NullMode::kNone:
      return absl::OkStatus();
    case NullMode::kAll:
      column.nulls.assign(column.rows, 1);
      return absl::OkStatus();
    case NullMode::kBitmap: {
      TV_ASSIGN_OR_RETURN(const Bytes bits, in.Take(PackedBytes(column.rows, 1)));
      column.nulls.resize(column.rows);
      UnpackBitmap(bits, column.rows, column.nulls.data());
      return absl::OkStatus();
    }
  }
  return absl::DataLossError("the null flags have a form that format v1 does not know");
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

template <class T>
void ClearNulls(const WipedVector<uint8_t>& nulls, WipedVector<T>& values) {
  for (size_t i = 0; i < nulls.size(); ++i) {
    if (nulls[i] != 0) values[i] = T{};
  }
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

absl::Status DecodeDictionary(ByteReader& in, size_t most, Dictionary& dictionary) {
  TV_ASSIGN_OR_RETURN(const uint32_t count, in.LittleEndian<uint32_t>());
  if (count > most) return absl::DataLossError("a dictionary has more entries than can be used");
  WipedVector<int64_t> lengths(count);
  TV_RETURN_IF_ERROR(DecodePacked(in, count, lengths.data()));
  dictionary.offsets.resize(size_t{count} + 1);
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    if (lengths[i] < 0 || static_cast<uint64_t>(lengths[i]) > in.remaining() - end) {
      return absl::DataLossError("a dictionary entry is longer than the chunk");
    }
    end += static_cast<uint64_t>(lengths[i]);
    dictionary.offsets[i + 1] = static_cast<uint32_t>(end);
  }
  TV_ASSIGN_OR_RETURN(const Bytes bytes, in.Take(end));
  dictionary.bytes.assign(bytes.begin(), bytes.end());
  return absl::OkStatus();
}

// A copy only where the dictionary is not in canonical form already.
const Column& Canonical(const Column& column, std::optional<Column>& copy) {
  copy = column;
  CompactDictionary(*copy);
  return *copy;
}

Encoding EncodeStrings(const Column& column, WipedBuffer& out) {
  std::optional<Column> copy;
  const Column& compact = Canonical(column, copy);
  EncodeDictionary(compact.dictionary, out);
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

absl::StatusOr<Encoding> DecodeStrings(ByteReader& in, Column& column) {
  TV_RETURN_IF_ERROR(DecodeDictionary(in, column.rows, column.dictionary));
  column.codes.resize(column.rows);
  TV_ASSIGN_OR_RETURN(const Encoding encoding,
                      DecodeSequence(in, column.rows, column.codes.data()));
  ClearNulls(column.nulls, column.codes);
  const size_t entries = column.dictionary.size();
  uint32_t highest = 0;
  for (const uint32_t code : column.codes) highest = std::max(highest, code);
  // With an empty dictionary code 0 stands for the NULLs, and every row must be one.
  const bool all_null =
      entries == 0 && highest == 0 &&
      std::find(column.nulls.begin(), column.nulls.end(), 0) == column.nulls.end() &&
      column.nulls.size() == column.rows;
  if (highest >= entries && !all_null) {
    return absl::DataLossError("a code is not in the dictionary");
  }
  return encoding;
}

absl::StatusOr<Encoding> DecodeLists(ByteReader& in, Column& column, size_t& list_budget) {
  TV_RETURN_IF_ERROR(DecodeDictionary(in, list_budget, column.dictionary));
  WipedVector<int64_t> lengths(column.rows);
  TV_ASSIGN_OR_RETURN(Encoding encoding, DecodeSequence(in, column.rows, lengths.data()));
  TV_ASSIGN_OR_RETURN(const uint32_t total, in.LittleEndian<uint32_t>());
  if (total > list_budget) return absl::DataLossError("more list elements than a chunk may have");
  if (column.dictionary.size() > total) {
    return absl::DataLossError("a dictionary has more entries than can be used");
  }
  list_budget -= total;
  column.list_ends.resize(column.rows);
  uint64_t end = 0;
  for (size_t row = 0; row < column.rows; ++row) {
    const bool fits = lengths[row] >= 0 && static_cast<uint64_t>(lengths[row]) <= total - end;
    if (!fits || (column.IsNull(row) && lengths[row] != 0)) {
      return absl::DataLossError("the list lengths do not match the elements");
    }
    end += static_cast<uint64_t>(lengths[row]);
    column.list_ends[row] = static_cast<uint32_t>(end);
  }
  if (end != total) return absl::DataLossError("the list lengths do not match the elements");
  column.codes.resize(total);
  TV_ASSIGN_OR_RETURN(encoding, DecodeSequence(in, total, column.codes.data()));
  for (const uint32_t code : column.codes) {
    if (code >= column.dictionary.size()) {
      return absl::DataLossError("a code is not in the dictionary");
    }
  }
  return encoding;
}

absl::StatusOr<Encoding> DecodeValues(ByteReader& in, Column& column, size_t& list_budget) {
  switch (column.type) {
    case PhysicalType::kInt: {
      column.ints.resize(column.rows);
      TV_ASSIGN_OR_RETURN(const Encoding encoding,
                          DecodeSequence(in, column.rows, column.ints.data()));
      ClearNulls(column.nulls, column.ints);
      return encoding;
    }
    case PhysicalType::kDouble: {
      column.doubles.resize(column.rows);
      TV_ASSIGN_OR_RETURN(const Encoding encoding,
                          DecodeDoubles(in, column.rows, column.doubles.data()));
      ClearNulls(column.nulls, column.doubles);
      return encoding;
    }
    case PhysicalType::kString:
      return DecodeStrings(in, column);
    case PhysicalType::kStringList:
      return DecodeLists(in, column, list_budget);
  }
  return absl::DataLossError("a column has a type that format v1 does not know");
}

}  // namespace

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
      encoding = EncodeStrings(column, out);
      break;
    case PhysicalType::kStringList:
      encoding = EncodeLists(column, out);
      break;
  }
  if (out.size() - start > limits::kMaxChunkRawBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a chunk of ", out.size() - start,
                                                   " bytes; at most ", limits::kMaxChunkRawBytes,
                                                   " are allowed"));
  }
  return encoding;
}

absl::StatusOr<DecodedBody> DecodeBody(Bytes bytes, PhysicalType type, size_t rows,
                                       size_t& list_budget) {
  if (rows > limits::kRowsPerBlock) {
    return absl::DataLossError("a chunk has more rows than a block may have");
  }
  DecodedBody body;
  body.column.type = type;
  body.column.rows = rows;
  ByteReader in(bytes);
  TV_RETURN_IF_ERROR(DecodeNulls(in, body.column));
  TV_ASSIGN_OR_RETURN(body.encoding, DecodeValues(in, body.column, list_budget));
  if (in.remaining() != 0) return absl::DataLossError("bytes are left over behind a chunk");
  return body;
}

}  // namespace televault::block
