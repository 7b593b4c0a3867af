#pragma once

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/block/encoding.h"

// A column's bytes before compression: NULLs, dictionary, sequence. Shared by blocks and
// micro-batches. Read by ColumnReader.
namespace televault::block {

// How a body says which rows are NULL.
enum class NullMode : uint8_t { kNone = 0, kBitmap = 1, kAll = 2 };

// Appends the body; the encoding of its main sequence comes back. With `large_dictionary` a string
// column's dictionary of more than kLargeDictionary bytes goes there instead. INVALID_ARGUMENT
// where a bound of the format is exceeded.
absl::StatusOr<Encoding> EncodeBody(const Column& column, WipedBuffer& out,
                                    WipedBuffer* large_dictionary = nullptr);

inline constexpr size_t kLargeDictionary = 32 * limits::KiB;
// In the number of entries: the dictionary stands in a chunk of its own.
inline constexpr uint32_t kDictionaryElsewhere = 0x80000000;

}  // namespace televault::block
