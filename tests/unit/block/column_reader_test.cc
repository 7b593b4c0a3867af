#include "vault/block/column_reader.h"

#include <algorithm>
#include <random>

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/base/limits.h"
#include "vault/base/simd.h"

namespace televault::block {
namespace {

using block::testing::RandomColumn;
using block::testing::Shape;
using block::testing::Values;
using televault::testing::IsOk;
using televault::testing::StatusIs;

constexpr size_t kSlice = limits::kRowsPerCheck;

absl::StatusOr<OpenedChunk> Opened(const Column& column) {
  TV_ASSIGN_OR_RETURN(const EncodedColumn encoded, EncodeColumn(column));
  return block::testing::Opened(encoded, column.type, column.rows);
}

// A slice as a column of its own.
Column Copied(const ColumnSlice& slice, bool first) {
  Column column{.type = slice.type, .rows = slice.rows, .dictionary = *slice.dictionary};
  if (slice.nulls != nullptr) column.nulls.assign(slice.nulls, slice.nulls + slice.rows);
  if (slice.type == PhysicalType::kInt) column.ints.assign(slice.ints, slice.ints + slice.rows);
  if (slice.type == PhysicalType::kDouble) {
    column.doubles.assign(slice.doubles, slice.doubles + slice.rows);
  }
  if (slice.type == PhysicalType::kString) {
    column.codes.assign(slice.codes, slice.codes + slice.rows);
  }
  if (slice.type == PhysicalType::kStringList) {
    const uint32_t begin = first ? 0 : slice.list_ends[-1];
    for (size_t row = 0; row < slice.rows; ++row) {
      column.list_ends.push_back(slice.list_ends[row] - begin);
    }
    column.codes.assign(slice.codes + begin, slice.codes + begin + column.list_ends.back());
  }
  return column;
}

TEST(ColumnReaderTest, SlicesInAnyOrderAreTheRowsOfTheColumn) {
  std::mt19937_64 random(3);
  for (const PhysicalType type : {PhysicalType::kInt, PhysicalType::kDouble, PhysicalType::kString,
                                  PhysicalType::kStringList}) {
    for (const Shape shape :
         {Shape::kConstant, Shape::kRuns, Shape::kSmall, Shape::kSorted, Shape::kWild}) {
      for (const double nulls : {0.0, 0.3, 1.0}) {
        SCOPED_TRACE(::testing::Message() << "type " << static_cast<int>(type) << " shape "
                                          << static_cast<int>(shape) << " nulls " << nulls);
        const size_t rows = 3 * kSlice + 100;
        const Column column = RandomColumn(random, type, shape, rows, nulls);
        TV_ASSERT_OK_AND_ASSIGN(const OpenedChunk chunk, Opened(column));
        const ColumnReader whole(column);
        ColumnSlice encoded;
        ColumnSlice decoded;
        for (const size_t first : {3 * kSlice, size_t{0}, 2 * kSlice, kSlice}) {
          const size_t count = std::min(kSlice, rows - first);
          ASSERT_THAT(chunk.reader.Read(first, count, encoded), IsOk());
          ASSERT_THAT(whole.Read(first, count, decoded), IsOk());
          EXPECT_TRUE(Values(Copied(encoded, first == 0)) == Values(Copied(decoded, first == 0)));
        }
      }
    }
  }
}

TEST(ColumnReaderTest, CodesAreReadWithoutALargeDictionary) {
  std::mt19937_64 random(5);
  const Column column = RandomColumn(random, PhysicalType::kString, Shape::kWild, 2 * kSlice, 0.1);
  TV_ASSERT_OK_AND_ASSIGN(EncodedColumn encoded, EncodeColumn(column));
  ASSERT_TRUE(encoded.dictionary.has_value());
  TV_ASSERT_OK_AND_ASSIGN(OpenedChunk chunk, OpenChunk(encoded.values.codec, encoded.values.bytes,
                                                       column.type, column.rows));
  ASSERT_TRUE(chunk.reader.lacks_dictionary());
  ColumnSlice codes;
  ASSERT_THAT(chunk.reader.Read(kSlice, kSlice, codes), IsOk());
  EXPECT_EQ(codes.dictionary, nullptr);
  const WipedVector<uint32_t> alone(codes.codes, codes.codes + kSlice);

  // Neither that of another column, nor half of it.
  TV_ASSERT_OK_AND_ASSIGN(
      const EncodedColumn other,
      EncodeColumn(RandomColumn(random, PhysicalType::kString, Shape::kWild, 2 * kSlice + 1, 0.0)));
  EXPECT_THAT(OpenDictionary(other.dictionary->codec, other.dictionary->bytes, chunk.reader),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(OpenDictionary(encoded.values.codec, encoded.values.bytes, chunk.reader),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(chunk.reader.lacks_dictionary());

  ASSERT_THAT(OpenDictionary(encoded.dictionary->codec, encoded.dictionary->bytes, chunk.reader),
              IsOk());
  ASSERT_THAT(chunk.reader.Read(kSlice, kSlice, codes), IsOk());
  ASSERT_NE(codes.dictionary, nullptr);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), codes.codes));
  TV_ASSERT_OK_AND_ASSIGN(const Column back, chunk.reader.ReadAll());
  EXPECT_TRUE(Values(back) == Values(column));
}

TEST(ColumnReaderTest, BothPathsDecodeTheSame) {
  std::mt19937_64 random(4);
  for (const Shape shape : {Shape::kSmall, Shape::kSorted, Shape::kWild}) {
    Column column = RandomColumn(random, PhysicalType::kDouble, shape, 5'000, 0.1);
    // Integers on both sides of what converts easily, and what is no decimal at all.
    column.doubles[7] = 2251799813685247;
    column.doubles[8] = -2251799813685249;
    column.doubles[2'000] = 1.0 / 3;
    column.doubles[4'999] = -0.0;
    column.nulls.clear();
    TV_ASSERT_OK_AND_ASSIGN(const OpenedChunk chunk, Opened(column));
    TV_ASSERT_OK_AND_ASSIGN(const Column fast, chunk.reader.ReadAll());
    EXPECT_TRUE(Values(fast) == Values(column));
    const PortableScope portable;
    TV_ASSERT_OK_AND_ASSIGN(const Column plain, chunk.reader.ReadAll());
    EXPECT_TRUE(Values(plain) == Values(fast));
  }
}

}  // namespace
}  // namespace televault::block
