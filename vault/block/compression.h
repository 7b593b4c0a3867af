#pragma once

#include <optional>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/encoding.h"

// General-purpose compression on top of the light encodings. All working memory of the libraries
// that holds data is wiped.
namespace televault::block {

// The compressed form, or nothing where it would not be at most `worth` × the size.
std::optional<WipedBuffer> CompressIfWorth(Compression method, Bytes raw, double worth);

// Exactly `raw_bytes` bytes or DATA_LOSS; `raw_bytes` was checked against the format's bound by the
// caller. Any bytes are safe.
absl::StatusOr<WipedBuffer> Decompress(Compression method, Bytes compressed, size_t raw_bytes);

}  // namespace televault::block
