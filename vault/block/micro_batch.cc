#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/block/chunk_body.h"
#include "vault/block/column_reader.h"
#include "vault/block/compression.h"
#include "vault/block/encoding.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

constexpr uint8_t kVersion = 1;
constexpr double kLz4Worth = 0.9;  // inflating lz4 costs next to nothing

struct Entry {
  uint16_t number = 0;
  PhysicalType type = PhysicalType::kInt;
  Encoding encoding = Encoding::kConstant;
  uint32_t bytes = 0;
};

absl::StatusOr<WipedBuffer> EncodePayload(const ColumnBatch& batch) {
  WipedBuffer bodies;
  std::vector<Entry> entries;
  size_t list_elements = 0;
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const Column& column = batch.columns[i];
    if (column.type == PhysicalType::kStringList) list_elements += column.codes.size();
    const size_t start = bodies.size();
    TV_ASSIGN_OR_RETURN(const Encoding encoding, EncodeBody(column, bodies));
    entries.push_back({.number = batch.numbers[i],
                       .type = column.type,
                       .encoding = encoding,
                       .bytes = static_cast<uint32_t>(bodies.size() - start)});
    if (bodies.size() > limits::kMaxMicroBatchRawBytes / 2) {
      return absl::InvalidArgumentError(absl::StrCat("a micro-batch of more than ",
                                                     limits::kMaxMicroBatchRawBytes / 2,
                                                     " bytes; send fewer events at once"));
    }
  }
  if (list_elements > limits::kMaxListElementsPerChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat("a micro-batch of ", list_elements, " list elements; at most ",
                     limits::kMaxListElementsPerChunk, " are allowed"));
  }
  WipedBuffer payload;
  payload.reserve(6 + 8 * entries.size() + bodies.size());
  Put(payload, static_cast<uint32_t>(batch.rows));
  Put(payload, static_cast<uint16_t>(entries.size()));
  for (const Entry& entry : entries) {
    Put(payload, entry.number);
    Put(payload, static_cast<uint8_t>(entry.type));
    Put(payload, static_cast<uint8_t>(entry.encoding));
    Put(payload, entry.bytes);
  }
  PutBytes(payload, bodies);
  return payload;
}

absl::StatusOr<std::vector<Entry>> DecodeDirectory(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint16_t count, in.LittleEndian<uint16_t>());
  if (count > limits::kMaxColumns) {
    return absl::DataLossError("a micro-batch has more columns than the format allows");
  }
  std::vector<Entry> entries(count);
  for (size_t i = 0; i < count; ++i) {
    TV_ASSIGN_OR_RETURN(entries[i].number, in.LittleEndian<uint16_t>());
    TV_ASSIGN_OR_RETURN(const uint8_t type, in.LittleEndian<uint8_t>());
    TV_ASSIGN_OR_RETURN(const uint8_t encoding, in.LittleEndian<uint8_t>());
    TV_ASSIGN_OR_RETURN(entries[i].bytes, in.LittleEndian<uint32_t>());
    entries[i].type = static_cast<PhysicalType>(type);
    entries[i].encoding = static_cast<Encoding>(encoding);
    if (i > 0 && entries[i].number <= entries[i - 1].number) {
      return absl::DataLossError("the column numbers of a micro-batch do not ascend");
    }
  }
  return entries;
}

absl::StatusOr<ColumnBatch> DecodePayload(Bytes payload, std::span<const uint16_t> wanted) {
  ByteReader in(payload);
  ColumnBatch batch;
  TV_ASSIGN_OR_RETURN(batch.rows, in.LittleEndian<uint32_t>());
  if (batch.rows > limits::kMaxEventsPerAppend) {
    return absl::DataLossError("a micro-batch has more rows than the format allows");
  }
  TV_ASSIGN_OR_RETURN(const std::vector<Entry> entries, DecodeDirectory(in));
  size_t list_budget = limits::kMaxListElementsPerChunk;
  for (const Entry& entry : entries) {
    TV_ASSIGN_OR_RETURN(const Bytes bytes, in.Take(entry.bytes));
    if (!wanted.empty() && !std::binary_search(wanted.begin(), wanted.end(), entry.number)) {
      continue;
    }
    TV_ASSIGN_OR_RETURN(ColumnReader reader,
                        ColumnReader::Open(bytes, entry.type, batch.rows, list_budget));
    if (reader.encoding() != entry.encoding) {
      return absl::DataLossError("a column has not the encoding that its micro-batch says");
    }
    batch.numbers.push_back(entry.number);
    if (reader.lacks_dictionary()) {
      return absl::DataLossError("a micro-batch has a column without its dictionary");
    }
    TV_ASSIGN_OR_RETURN(Column column, std::move(reader).ReadAll());
    batch.columns.push_back(std::move(column));
  }
  if (in.remaining() != 0) return absl::DataLossError("bytes are left over behind a micro-batch");
  return batch;
}

}  // namespace

absl::StatusOr<WipedBuffer> EncodeMicroBatch(const ColumnBatch& batch) {
  if (batch.rows > limits::kMaxEventsPerAppend) {
    return absl::InvalidArgumentError(absl::StrCat("a micro-batch of ", batch.rows,
                                                   " rows; at most ", limits::kMaxEventsPerAppend,
                                                   " are allowed"));
  }
  TV_ASSIGN_OR_RETURN(const WipedBuffer payload, EncodePayload(batch));
  const std::optional<WipedBuffer> smaller = CompressIfWorth(Compression::kLz4, payload, kLz4Worth);
  WipedBuffer out;
  Put(out, kVersion);
  Put(out, static_cast<uint8_t>(smaller.has_value() ? Compression::kLz4 : Compression::kNone));
  Put(out, static_cast<uint32_t>(payload.size()));
  PutBytes(out, smaller.has_value() ? *smaller : payload);
  return out;
}

absl::StatusOr<ColumnBatch> DecodeMicroBatch(Bytes bytes, std::span<const uint16_t> wanted) {
  ByteReader in(bytes);
  TV_ASSIGN_OR_RETURN(const uint8_t version, in.LittleEndian<uint8_t>());
  TV_ASSIGN_OR_RETURN(const uint8_t compression, in.LittleEndian<uint8_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t raw_bytes, in.LittleEndian<uint32_t>());
  if (version != kVersion) {
    return absl::DataLossError(absl::StrCat("a micro-batch of version ", version,
                                            "; this program reads version ", kVersion));
  }
  if (raw_bytes > limits::kMaxMicroBatchRawBytes) {
    return absl::DataLossError("a micro-batch inflates to more than the format allows");
  }
  TV_ASSIGN_OR_RETURN(const Bytes payload, in.Take(in.remaining()));
  if (static_cast<Compression>(compression) == Compression::kNone) {
    if (payload.size() != raw_bytes) {
      return absl::DataLossError("a micro-batch has not the length that it says");
    }
    return DecodePayload(payload, wanted);
  }
  if (static_cast<Compression>(compression) != Compression::kLz4) {
    return absl::DataLossError("a micro-batch has a compression that version 1 does not know");
  }
  TV_ASSIGN_OR_RETURN(const WipedBuffer inflated,
                      Decompress(Compression::kLz4, payload, raw_bytes));
  return DecodePayload(inflated, wanted);
}

}  // namespace televault::block
