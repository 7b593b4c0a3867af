#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"

// Fixed-width bit fields, least significant bit first, no gap between values.
namespace televault::block {

constexpr size_t PackedBytes(size_t count, unsigned width) { return (count * width + 7) / 8; }

// Appends the low `width` bits of each value; width 0..64, higher bits must be 0.
void PackBits(std::span<const uint64_t> values, unsigned width, WipedBuffer& out);

// out[i] = base + field i, modulo 2^64 and then truncated to T. `in` has at least
// PackedBytes(count, width) bytes; width 0..64.
template <class T>
void UnpackBits(Bytes in, unsigned width, uint64_t base, size_t count, T* out);

extern template void UnpackBits<int64_t>(Bytes, unsigned, uint64_t, size_t, int64_t*);
extern template void UnpackBits<uint32_t>(Bytes, unsigned, uint64_t, size_t, uint32_t*);
extern template void UnpackBits<uint64_t>(Bytes, unsigned, uint64_t, size_t, uint64_t*);

}  // namespace televault::block
