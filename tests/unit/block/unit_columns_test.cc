#include "vault/block/unit_columns.h"

#include <algorithm>
#include <map>
#include <random>

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/base/limits.h"
#include "vault/base/simd.h"

namespace televault::block {
namespace {

using block::testing::Decoded;
using block::testing::EncodedChunks;
using block::testing::RandomColumn;
using block::testing::Shape;
using block::testing::Values;
using televault::testing::IsOk;
using televault::testing::StatusIs;

constexpr size_t kSlice = limits::kRowsPerCheck;

// A slice as a column of its own.
Column Copied(const ColumnSlice& slice, bool first) {
  Column column{.type = slice.type, .rows = slice.rows};
  if (slice.dictionary != nullptr) column.dictionary = *slice.dictionary;
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

TEST(UnitColumnTest, SlicesInAnyOrderAreTheRowsOfTheColumn) {
  std::mt19937_64 random(3);
  for (const PhysicalType type : {PhysicalType::kInt, PhysicalType::kDouble, PhysicalType::kString,
                                  PhysicalType::kStringList}) {
    for (const Shape shape :
         {Shape::kConstant, Shape::kRuns, Shape::kSmall, Shape::kSorted, Shape::kWild}) {
      for (const double nulls : {0.0, 0.3, 1.0}) {
        SCOPED_TRACE(::testing::Message() << "type " << static_cast<int>(type) << " shape "
                                          << static_cast<int>(shape) << " nulls " << nulls);
        const size_t rows = 2 * limits::kRowsPerSmallChunk + kSlice + 100;
        const Column column = RandomColumn(random, type, shape, rows, nulls);
        TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
        EncodedChunks chunks(encoded, type);
        UnitColumn stored(chunks.stored, rows, chunks);
        ASSERT_THAT(stored.Texts(), IsOk());
        UnitColumn whole(column);
        ColumnSlice read;
        ColumnSlice decoded;
        for (const size_t first : {limits::kRowsPerSmallChunk, 2 * limits::kRowsPerSmallChunk,
                                   2 * limits::kRowsPerSmallChunk + kSlice, size_t{0}, kSlice}) {
          const size_t count = std::min(kSlice, rows - first);
          ASSERT_THAT(stored.Read(first, count, read), IsOk());
          ASSERT_THAT(whole.Read(first, count, decoded), IsOk());
          EXPECT_TRUE(Values(Copied(read, first == 0)) == Values(Copied(decoded, first == 0)));
        }
      }
    }
  }
}

TEST(UnitColumnTest, RowsAreReadWithoutTheTextsAndTheOtherChunks) {
  std::mt19937_64 random(5);
  const size_t rows = 4 * limits::kRowsPerSmallChunk;
  const Column column = RandomColumn(random, PhysicalType::kString, Shape::kWild, rows, 0.1);
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column, true));
  ASSERT_EQ(encoded.values.size(), 4u);
  const auto pages = static_cast<uint32_t>(encoded.dictionary.size());
  ASSERT_GT(pages, 10u);
  EncodedChunks chunks(encoded, column.type, true);
  UnitColumn stored(chunks.stored, rows, chunks);
  ColumnSlice slice;
  ASSERT_THAT(stored.Read(2 * limits::kRowsPerSmallChunk, kSlice, slice), IsOk());
  EXPECT_EQ(slice.dictionary, nullptr);
  EXPECT_EQ(chunks.opened, std::vector<uint32_t>{2 * pages + 2});
  // The texts of the first rows of that slice stand on a few pages.
  std::vector<uint32_t> codes;
  std::vector<std::string> expected;
  for (size_t row = 0; codes.size() < 3; ++row) {
    if (slice.nulls != nullptr && slice.nulls[row] != 0) continue;
    codes.push_back(slice.codes[row]);
    expected.emplace_back(column.dictionary.at(column.codes[2 * limits::kRowsPerSmallChunk + row]));
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto texts, stored.TextsOf(codes));
  EXPECT_EQ(std::vector<std::string>(texts.begin(), texts.end()), expected);
  EXPECT_LE(chunks.opened.size(), 4u);
  TV_ASSERT_OK_AND_ASSIGN(const Dictionary* const all, stored.Texts());
  EXPECT_EQ(all->size(), stored.entries());
  EXPECT_EQ(all->at(codes[0]), expected[0]);
}

TEST(UnitColumnTest, RowsOfAValueAreFoundOnOnePage) {
  std::mt19937_64 random(6);
  Column column = {.type = PhysicalType::kString, .rows = 30'000};
  column.nulls.resize(column.rows);
  std::map<std::string, std::vector<uint32_t>> expected;
  for (uint32_t row = 0; row < column.rows; ++row) {
    column.nulls[row] = row % 50 == 7 ? 1 : 0;
    // Long runs of one prefix, so that pages begin alike.
    std::string value = row % 2 == 0 ? "same-prefix" : std::string(1, static_cast<char>(random()));
    value += std::to_string(random() % 20'000);
    value.resize(24, '.');
    column.codes.push_back(column.IsNull(row) ? 0 : column.dictionary.Add(value));
    if (!column.IsNull(row)) expected[value].push_back(row);
  }
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column, true));
  ASSERT_GT(encoded.dictionary.size(), 20u);
  EncodedChunks chunks(encoded, column.type, true);
  UnitColumn decoded(column);
  UnitColumn stored(chunks.stored, column.rows, chunks);
  size_t most = 0;
  size_t looked = 0;
  for (const auto& [value, rows] : expected) {
    if (++looked % 97 != 0) continue;
    chunks.opened.clear();
    UnitColumn fresh(chunks.stored, column.rows, chunks);
    TV_ASSERT_OK_AND_ASSIGN(const std::vector<uint32_t> found, fresh.RowsWith(value));
    EXPECT_EQ(found, rows);
    if (!value.starts_with("same")) most = std::max(most, chunks.opened.size());
    TV_ASSERT_OK_AND_ASSIGN(const auto absent, stored.RowsWith(value + "x"));
    EXPECT_TRUE(absent.empty());
    if (looked % 970 == 0) {
      TV_ASSERT_OK_AND_ASSIGN(const std::vector<uint32_t> searched, decoded.RowsWith(value));
      EXPECT_EQ(searched, rows);
    }
  }
  EXPECT_LE(most, 3u) << "chunks that one look opened";
  for (const char* absent : {"", "\x01", "same-prefix", "same-prefiy", "\xff\xff\xff"}) {
    TV_ASSERT_OK_AND_ASSIGN(const auto rows, stored.RowsWith(absent));
    EXPECT_TRUE(rows.empty());
  }
}

TEST(UnitColumnTest, AnIndexThatDoesNotFitIsRefused) {
  Column column = {.type = PhysicalType::kString, .rows = 6};
  for (const char* text : {"a", "b", "c"}) column.dictionary.Add(text);
  column.codes = {0, 1, 1, 2, 0, 1};
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column, true));
  const EncodedChunk& chunk = *encoded.dictionary.front().rows;
  TV_ASSERT_OK_AND_ASSIGN(const PageIndex index, DecodeIndex(chunk.bytes, 3, 6));
  EXPECT_THAT(index.RowsOf(1), ::testing::ElementsAre(1, 2, 5));
  for (const auto& [entries, rows] : {std::pair(2u, 6u), {4u, 6u}, {3u, 5u}, {0u, 6u}}) {
    EXPECT_THAT(DecodeIndex(chunk.bytes, entries, rows), StatusIs(absl::StatusCode::kDataLoss));
  }
  for (size_t size = 0; size < chunk.bytes.size(); ++size) {
    EXPECT_THAT(DecodeIndex(Bytes(chunk.bytes).first(size), 3, 6),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  std::mt19937_64 random(9);
  for (int round = 0; round < 2'000; ++round) {
    WipedBuffer broken = chunk.bytes;
    broken[random() % broken.size()] = static_cast<uint8_t>(random());
    const auto opened = DecodeIndex(broken, 3, 6);
    if (!opened.ok()) continue;
    for (uint32_t entry = 0; entry < 3; ++entry) {
      for (const uint32_t row : opened->RowsOf(entry)) EXPECT_LT(row, 6u);
    }
  }
}

TEST(UnitColumnTest, ChunksThatDoNotBelongTogetherAreRefused) {
  std::mt19937_64 random(8);
  const size_t rows = 4 * limits::kRowsPerSmallChunk;
  const Column column = RandomColumn(random, PhysicalType::kString, Shape::kWild, rows, 0.1);
  const Column other = RandomColumn(random, PhysicalType::kString, Shape::kWild, rows, 0.2);
  TV_ASSERT_OK_AND_ASSIGN(EncodedColumn encoded, EncodeColumn(column, true));
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn others, EncodeColumn(other, true));
  ColumnSlice slice;
  {
    EncodedColumn mixed = encoded;
    mixed.values[1] = others.values[1];
    EncodedChunks chunks(mixed, column.type, true);
    UnitColumn stored(chunks.stored, rows, chunks);
    EXPECT_THAT(stored.Read(0, kSlice, slice), IsOk());
    EXPECT_THAT(stored.Read(limits::kRowsPerSmallChunk, kSlice, slice),
                StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(stored.ReadAll().status(), StatusIs(absl::StatusCode::kDataLoss));
  }
  {
    EncodedColumn mixed = encoded;
    ++mixed.dictionary[0].entries;
    EncodedChunks chunks(mixed, column.type, true);
    UnitColumn stored(chunks.stored, rows, chunks);
    EXPECT_THAT(stored.Texts().status(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(stored.Read(0, kSlice, slice), StatusIs(absl::StatusCode::kDataLoss));
  }
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
    TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
    TV_ASSERT_OK_AND_ASSIGN(const Column fast, Decoded(encoded, column.type, column.rows));
    EXPECT_TRUE(Values(fast) == Values(column));
    const PortableScope portable;
    TV_ASSERT_OK_AND_ASSIGN(const Column plain, Decoded(encoded, column.type, column.rows));
    EXPECT_TRUE(Values(plain) == Values(fast));
  }
}

}  // namespace
}  // namespace televault::block
