#pragma once

#include <cstdint>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/block/encoding.h"

// Sequences of integers: values, dictionary codes, lengths. A sequence says its encoding, not its
// count: that is known from the outside.
namespace televault::block {

// Appends encoding byte and payload, the smallest encoding of T's values. T: int64_t, uint32_t.
template <class T>
Encoding EncodeSequence(std::span<const T> values, WipedBuffer& out);

// Reads `count` values that EncodeSequence wrote. Any bytes are safe: DATA_LOSS.
// `out` has room for `count`; values that do not fit T are cut off.
template <class T>
absl::StatusOr<Encoding> DecodeSequence(ByteReader& in, size_t count, T* out);

// The payload of kPacked alone, for sequences that are never anything else.
template <class T>
void EncodePacked(std::span<const T> values, WipedBuffer& out);
template <class T>
absl::Status DecodePacked(ByteReader& in, size_t count, T* out);

// Bit i of byte i / 8, least significant first.
void PackBitmap(std::span<const uint8_t> flags, WipedBuffer& out);
void UnpackBitmap(Bytes in, size_t count, uint8_t* out);

}  // namespace televault::block
