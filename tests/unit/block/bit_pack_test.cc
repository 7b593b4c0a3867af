#include "vault/block/bit_pack.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "vault/base/limits.h"
#include "vault/base/simd.h"

namespace televault::block {
namespace {

std::vector<uint64_t> RandomFields(std::mt19937_64& random, size_t count, unsigned width) {
  std::vector<uint64_t> fields(count);
  for (uint64_t& field : fields) field = width == 0 ? 0 : random() >> (64 - width);
  return fields;
}

template <class T>
std::vector<T> Unpacked(const WipedBuffer& packed, unsigned width, uint64_t base, size_t count) {
  std::vector<T> values(count);
  UnpackBits<T>(packed, width, base, count, values.data());
  return values;
}

TEST(BitPackTest, EveryWidthComesBackOnBothPaths) {
  std::mt19937_64 random(1);
  for (const size_t count : {1, 2, 7, 8, 9, 100, 1023, 1024}) {
    for (unsigned width = 0; width <= 64; ++width) {
      SCOPED_TRACE(::testing::Message() << count << " fields of " << width << " bits");
      const std::vector<uint64_t> fields = RandomFields(random, count, width);
      // Read from an odd address, as chunks are, with nothing behind it.
      WipedBuffer packed(1);
      PackBits(fields, width, packed);
      packed.erase(packed.begin());
      ASSERT_EQ(packed.size(), PackedBytes(count, width));
      const uint64_t base = random();
      std::vector<uint64_t> expected(fields);
      for (uint64_t& value : expected) value += base;
      const auto wide = Unpacked<uint64_t>(packed, width, base, count);
      const auto narrow = Unpacked<uint32_t>(packed, width, base, count);
      EXPECT_TRUE(wide == expected);
      const PortableScope portable;
      EXPECT_TRUE(Unpacked<uint64_t>(packed, width, base, count) == wide);
      EXPECT_TRUE(Unpacked<uint32_t>(packed, width, base, count) == narrow);
      EXPECT_TRUE(std::equal(narrow.begin(), narrow.end(), expected.begin(),
                             [](uint32_t a, uint64_t b) { return a == static_cast<uint32_t>(b); }));
    }
  }
}

// What docs/formats/block-v1.md says, field by field.
TEST(BitPackTest, AWholeVectorLiesInLanes) {
  std::mt19937_64 random(2);
  for (const unsigned width : {1U, 5U, 31U, 32U, 33U, 64U}) {
    const std::vector<uint64_t> fields = RandomFields(random, limits::kRowsPerVector, width);
    WipedBuffer packed;
    PackBits(fields, width, packed);
    const size_t word_bits = width <= 32 ? 32 : 64;
    const size_t lanes = limits::kRowsPerVector / word_bits;
    for (size_t i = 0; i < fields.size(); ++i) {
      for (size_t bit = 0; bit < width; ++bit) {
        const size_t of_lane = i / lanes * width + bit;
        const size_t word = of_lane / word_bits * lanes + i % lanes;
        const size_t at = word * word_bits + of_lane % word_bits;
        ASSERT_EQ(packed[at / 8] >> (at % 8) & 1U, fields[i] >> bit & 1U)
            << "width " << width << ", field " << i << ", bit " << bit;
      }
    }
  }
}

}  // namespace
}  // namespace televault::block
