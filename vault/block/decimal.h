#pragma once

#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/encoding.h"

// Sequences of doubles. Most measured values were decimal numbers once, so value = integer / 10^e
// holds for them exactly (a division of two exact numbers rounds like the parser did); the others
// are kept as exceptions.
namespace televault::block {

// Appends encoding byte and payload. The values must be finite; every bit pattern comes back.
Encoding EncodeDoubles(std::span<const double> values, WipedBuffer& out);

// Any bytes are safe: DATA_LOSS, also for values that are not finite.
absl::StatusOr<Encoding> DecodeDoubles(ByteReader& in, size_t count, double* out);

}  // namespace televault::block
