#pragma once

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/encoding.h"

// A column's bytes before compression: NULLs, dictionary, sequence. Shared by blocks and
// micro-batches. Read by ColumnReader.
namespace televault::block {

// How a body says which rows are NULL.
enum class NullMode : uint8_t { kNone = 0, kBitmap = 1, kAll = 2 };

// Appends the body of a whole column, dictionary included; the encoding of its main sequence comes
// back. INVALID_ARGUMENT where a bound of the format is exceeded.
absl::StatusOr<Encoding> EncodeBody(const Column& column, WipedBuffer& out);

// The same of rows [first, first + count) of a column that is none of lists, without its
// dictionary, of which it says the number of entries alone.
Encoding EncodeRows(const Column& column, size_t first, size_t count, WipedBuffer& out);

// Entries [first, first + count) of a dictionary.
void EncodeDictionary(const Dictionary& dictionary, uint32_t first, uint32_t count,
                      WipedBuffer& out);

// In the number of entries: they stand elsewhere.
inline constexpr uint32_t kDictionaryElsewhere = 0x80000000;

}  // namespace televault::block
