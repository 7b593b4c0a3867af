#include "vault/block/bit_pack.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "vault/base/check.h"

namespace televault::block {
namespace {

static_assert(std::endian::native == std::endian::little);

uint64_t Load64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

constexpr uint64_t Mask(unsigned width) { return width == 64 ? ~0ULL : (1ULL << width) - 1; }

// One field at a constant place: the compiler folds offset and shift.
template <int W, int I>
uint64_t Field(const uint8_t* group) {
  constexpr int kBit = W * I;
  constexpr int kShift = kBit % 8;
  uint64_t value = Load64(group + kBit / 8) >> kShift;
  if constexpr (kShift + W > 64) {
    value |= uint64_t{group[kBit / 8 + 8]} << (64 - kShift);
  }
  return value & Mask(W);
}

template <class T, int W, int... I>
void UnpackGroup(const uint8_t* group, uint64_t base, T* out, std::integer_sequence<int, I...>) {
  ((out[I] = static_cast<T>(base + Field<W, I>(group))), ...);
}

// Eight values are W bytes. Reads up to 9 bytes past the last group's end.
template <class T, int W>
void UnpackGroups(const uint8_t* in, size_t groups, uint64_t base, T* out) {
  for (size_t g = 0; g < groups; ++g) {
    UnpackGroup<T, W>(in + g * W, base, out + g * 8, std::make_integer_sequence<int, 8>());
  }
}

template <class T>
using GroupFn = void (*)(const uint8_t*, size_t, uint64_t, T*);

template <class T, int... W>
constexpr std::array<GroupFn<T>, 65> MakeTable(std::integer_sequence<int, W...>) {
  return {nullptr, &UnpackGroups<T, W + 1>...};
}
template <class T>
constexpr std::array<GroupFn<T>, 65> kGroupFns =
    MakeTable<T>(std::make_integer_sequence<int, 64>());

constexpr size_t kSlack = 9;

}  // namespace

void PackBits(std::span<const uint64_t> values, unsigned width, WipedBuffer& out) {
  TV_CHECK(width <= 64);
  if (width == 0) return;
  const size_t start = out.size();
  const size_t bytes = PackedBytes(values.size(), width);
  out.resize(start + bytes + kSlack);
  uint8_t* to = out.data() + start;
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
  out.resize(start + bytes);
}

template <class T>
void UnpackBits(Bytes in, unsigned width, uint64_t base, size_t count, T* out) {
  TV_CHECK(width <= 64 && in.size() >= PackedBytes(count, width));
  if (width == 0) {
    for (size_t i = 0; i < count; ++i) out[i] = static_cast<T>(base);
    return;
  }
  const GroupFn<T> unpack = kGroupFns<T>[width];
  const size_t whole = in.size() < kSlack ? 0 : (in.size() - kSlack) / width;
  const size_t direct = std::min(whole, count / 8);
  unpack(in.data(), direct, base, out);
  // The last groups are read from a copy with room behind it.
  std::array<uint8_t, 64 + kSlack> padded;
  std::array<T, 8> values;
  for (size_t done = direct * 8; done < count; done += 8) {
    const size_t offset = done / 8 * width;
    padded.fill(0);
    std::memcpy(padded.data(), in.data() + offset, std::min<size_t>(width, in.size() - offset));
    unpack(padded.data(), 1, base, values.data());
    std::memcpy(out + done, values.data(), std::min<size_t>(8, count - done) * sizeof(T));
  }
  sodium_memzero(padded.data(), padded.size());
  sodium_memzero(values.data(), sizeof(values));
}

template void UnpackBits<int64_t>(Bytes, unsigned, uint64_t, size_t, int64_t*);
template void UnpackBits<uint32_t>(Bytes, unsigned, uint64_t, size_t, uint32_t*);
template void UnpackBits<uint64_t>(Bytes, unsigned, uint64_t, size_t, uint64_t*);

}  // namespace televault::block
