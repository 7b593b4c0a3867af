#pragma once

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/encoding.h"

// A column's bytes before compression: NULLs, dictionary, sequence. Shared by blocks and
// micro-batches.
namespace televault::block {

// Appends the body; the encoding of its main sequence comes back. INVALID_ARGUMENT where a bound
// of the format is exceeded.
absl::StatusOr<Encoding> EncodeBody(const Column& column, WipedBuffer& out);

struct DecodedBody {
  Column column;
  Encoding encoding = Encoding::kConstant;
};

// `bytes` is exactly one body; `list_budget` is what list columns may still use of elements and is
// reduced. Any bytes are safe: DATA_LOSS.
absl::StatusOr<DecodedBody> DecodeBody(Bytes bytes, PhysicalType type, size_t rows,
                                       size_t& list_budget);

}  // namespace televault::block
