#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"

// Bit fields of one width (0 to 64), up to a vector of limits::kRowsPerVector of them.
//
// A whole vector lies in lanes, so that one instruction works on neighbours: words of 32 bits up to
// width 32, of 64 bits beyond, as many lanes as give each of them one field for each bit of a word.
// Field i belongs to lane i mod lanes; a lane's fields follow each other without gaps, the least
// significant bit first, and word w of all lanes stands together. Fewer fields follow each other
// without lanes.
namespace televault::block {

constexpr size_t PackedBytes(size_t count, unsigned width) { return (count * width + 7) / 8; }

// Appends the low `width` bits of each value, whose higher bits must be 0.
void PackBits(std::span<const uint64_t> values, unsigned width, WipedBuffer& out);

// out[i] = base + field i, modulo 2^64 and then truncated to T. `in` has at least
// PackedBytes(count, width) bytes. T: int64_t, uint32_t, uint64_t.
template <class T>
void UnpackBits(Bytes in, unsigned width, uint64_t base, size_t count, T* out);

extern template void UnpackBits<int64_t>(Bytes, unsigned, uint64_t, size_t, int64_t*);
extern template void UnpackBits<uint32_t>(Bytes, unsigned, uint64_t, size_t, uint32_t*);
extern template void UnpackBits<uint64_t>(Bytes, unsigned, uint64_t, size_t, uint64_t*);

}  // namespace televault::block
