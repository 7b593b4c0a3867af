#include "vault/block/bit_pack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/base/simd.h"

namespace televault::block {
namespace {

static_assert(std::endian::native == std::endian::little);

using limits::kRowsPerVector;

template <class Word>
constexpr unsigned kBitsOf = sizeof(Word) * 8;
template <class Word>
constexpr size_t kLanes = kRowsPerVector / kBitsOf<Word>;

template <class Word>
void PackLanes(const uint64_t* values, unsigned width, uint8_t* to) {
  using Unaligned [[gnu::aligned(1), gnu::may_alias]] = Word;
  auto* const words = reinterpret_cast<Unaligned*>(to);
  for (unsigned row = 0; row < kBitsOf<Word>; ++row) {
    const unsigned bit = row * width;
    const unsigned shift = bit % kBitsOf<Word>;
    Unaligned* const low = words + size_t{bit / kBitsOf<Word>} * kLanes<Word>;
    for (size_t lane = 0; lane < kLanes<Word>; ++lane) {
      const auto value = static_cast<Word>(values[row * kLanes<Word> + lane]);
      low[lane] = static_cast<Word>(low[lane] | value << shift);
      if (shift + width > kBitsOf<Word>) {
        low[kLanes<Word> + lane] = value >> (kBitsOf<Word> - shift);
      }
    }
  }
}

template <class Word, class T>
TV_INLINE_BODY void UnpackLanes(const uint8_t* in, unsigned width, uint64_t base, T* out) {
  using Unaligned [[gnu::aligned(1), gnu::may_alias]] = Word;
  const auto* const words = reinterpret_cast<const Unaligned*>(in);
  const Word mask = static_cast<Word>(~Word{0}) >> (kBitsOf<Word> - width);
  for (unsigned row = 0; row < kBitsOf<Word>; ++row, out += kLanes<Word>) {
    const unsigned bit = row * width;
    const unsigned shift = bit % kBitsOf<Word>;
    const Unaligned* const low = words + size_t{bit / kBitsOf<Word>} * kLanes<Word>;
    if (shift + width <= kBitsOf<Word>) {
      for (size_t lane = 0; lane < kLanes<Word>; ++lane) {
        out[lane] = static_cast<T>(base + ((low[lane] >> shift) & mask));
      }
    } else {
      const Unaligned* const high = low + kLanes<Word>;
      for (size_t lane = 0; lane < kLanes<Word>; ++lane) {
        const Word field = low[lane] >> shift | high[lane] << (kBitsOf<Word> - shift);
        out[lane] = static_cast<T>(base + (field & mask));
      }
    }
  }
}

// Width 1 to 64.
template <class T>
TV_INLINE_BODY void UnpackVectorBody(const uint8_t* in, unsigned width, uint64_t base, T* out) {
  if (width <= 32) {
    UnpackLanes<uint32_t>(in, width, base, out);
  } else {
    UnpackLanes<uint64_t>(in, width, base, out);
  }
}
template <class T>
TV_AVX2 void UnpackVectorAvx2(const uint8_t* in, unsigned width, uint64_t base, T* out) {
  UnpackVectorBody(in, width, base, out);
}
template <class T>
void UnpackVectorPortable(const uint8_t* in, unsigned width, uint64_t base, T* out) {
  UnpackVectorBody(in, width, base, out);
}

uint64_t Load64(const uint8_t* from) {
  uint64_t value = 0;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// A field spreads over nine bytes at most.
constexpr size_t kFieldBytes = 9;

// Field by field; for what is shorter than a vector.
template <class T>
void UnpackFew(Bytes in, unsigned width, uint64_t base, size_t count, T* out) {
  const uint64_t mask = ~uint64_t{0} >> (64 - width);
  std::array<uint8_t, kFieldBytes> end{};  // what is read near the end of `in`
  for (size_t i = 0; i < count; ++i) {
    const size_t bit = i * width;
    const unsigned shift = bit % 8;
    const uint8_t* from = in.data() + bit / 8;
    if (in.size() - bit / 8 < kFieldBytes) {
      end.fill(0);
      std::copy(from, in.data() + in.size(), end.begin());
      from = end.data();
    }
    uint64_t field = Load64(from) >> shift;
    if (shift + width > 64) field |= uint64_t{from[8]} << (64 - shift);
    out[i] = static_cast<T>(base + (field & mask));
  }
  sodium_memzero(end.data(), end.size());
}

// `to` has room for a whole word behind the last field.
void PackFew(std::span<const uint64_t> values, unsigned width, uint8_t* to) {
  uint64_t pending = 0;
  unsigned used = 0;
  for (const uint64_t value : values) {
    pending |= value << used;
    if (used + width >= 64) {
      std::memcpy(to, &pending, 8);
      to += 8;
      // The bits of `value` that did not fit; a shift by 64 is not defined.
      pending = used == 0 ? 0 : value >> (64 - used);
      used = used + width - 64;
    } else {
      used += width;
    }
  }
  std::memcpy(to, &pending, 8);
}

}  // namespace

void PackBits(std::span<const uint64_t> values, unsigned width, WipedBuffer& out) {
  TV_CHECK(width <= 64 && values.size() <= kRowsPerVector);
  if (width == 0) return;
  const size_t start = out.size();
  const size_t bytes = PackedBytes(values.size(), width);
  out.resize(start + bytes + sizeof(uint64_t), 0);
  uint8_t* const to = out.data() + start;
  if (values.size() < kRowsPerVector) {
    PackFew(values, width, to);
  } else if (width <= 32) {
    PackLanes<uint32_t>(values.data(), width, to);
  } else {
    PackLanes<uint64_t>(values.data(), width, to);
  }
  out.resize(start + bytes);
}

template <class T>
void UnpackBits(Bytes in, unsigned width, uint64_t base, size_t count, T* out) {
  TV_CHECK(width <= 64 && count <= kRowsPerVector && in.size() >= PackedBytes(count, width));
  if (width == 0) {
    std::fill_n(out, count, static_cast<T>(base));
  } else if (count < kRowsPerVector) {
    UnpackFew(in, width, base, count, out);
  } else if (UseAvx2()) {
    UnpackVectorAvx2(in.data(), width, base, out);
  } else {
    UnpackVectorPortable(in.data(), width, base, out);
  }
}

template void UnpackBits<int64_t>(Bytes, unsigned, uint64_t, size_t, int64_t*);
template void UnpackBits<uint32_t>(Bytes, unsigned, uint64_t, size_t, uint32_t*);
template void UnpackBits<uint64_t>(Bytes, unsigned, uint64_t, size_t, uint64_t*);

}  // namespace televault::block
