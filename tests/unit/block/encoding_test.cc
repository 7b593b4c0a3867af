#include "vault/block/encoding.h"

#include <cmath>
#include <limits>
#include <set>

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/base/limits.h"

namespace televault::block {
namespace {

using block::testing::Decoded;
using block::testing::DoubleColumn;
using block::testing::IntColumn;
using block::testing::ListColumn;
using block::testing::RandomBatch;
using block::testing::RandomColumn;
using block::testing::Shape;
using block::testing::StringColumn;
using block::testing::Values;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

absl::Status Check(const Column& column) {
  return Validate({.rows = column.rows, .numbers = {0}, .columns = {column}});
}

void ExpectRoundTrip(const Column& column) {
  ASSERT_THAT(Check(column), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
  TV_ASSERT_OK_AND_ASSIGN(const Column back, Decoded(encoded, column.type, column.rows));
  EXPECT_THAT(Check(back), IsOk());
  EXPECT_TRUE(Values(back) == Values(column));
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn again, EncodeColumn(back));
  const block::testing::EncodedChunks first(encoded, column.type);
  const block::testing::EncodedChunks second(again, column.type);
  EXPECT_TRUE(second.chunks == first.chunks) << "a second encoding differs";
  EXPECT_EQ(again.values.front().codec.Number(), encoded.values.front().codec.Number());
}

Column Ints(std::vector<int64_t> values) {
  Column column = {.type = PhysicalType::kInt, .rows = values.size()};
  column.ints.assign(values.begin(), values.end());
  return column;
}

Column Doubles(std::vector<double> values) {
  Column column = {.type = PhysicalType::kDouble, .rows = values.size()};
  column.doubles.assign(values.begin(), values.end());
  return column;
}

Encoding EncodingOf(const Column& column) {
  return EncodeColumn(column)->values.front().codec.encoding;
}

TEST(EncodingTest, EveryTypeShapeAndSizeComesBackAsItWas) {
  std::mt19937_64 rng(1);
  for (const PhysicalType type : {PhysicalType::kInt, PhysicalType::kDouble, PhysicalType::kString,
                                  PhysicalType::kStringList}) {
    for (const Shape shape :
         {Shape::kConstant, Shape::kRuns, Shape::kSmall, Shape::kSorted, Shape::kWild}) {
      for (const size_t rows : {0, 1, 2, 7, 8, 1023, 1024, 1025, 5000}) {
        for (const double nulls : {0.0, 0.3, 1.0}) {
          SCOPED_TRACE(::testing::Message()
                       << "type " << static_cast<int>(type) << " shape " << static_cast<int>(shape)
                       << " rows " << rows << " nulls " << nulls);
          ExpectRoundTrip(RandomColumn(rng, type, shape, rows, nulls));
        }
      }
    }
  }
}

TEST(EncodingTest, AFullBlockOfDistinctStringsComesBackAsItWas) {
  std::mt19937_64 rng(2);
  ExpectRoundTrip(StringColumn(rng, Shape::kWild, limits::kRowsPerBlock, 0));
  ExpectRoundTrip(IntColumn(rng, Shape::kWild, limits::kRowsPerBlock, 0.01));
}

TEST(EncodingTest, ExtremeIntegersComeBackAsTheyWere) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  ExpectRoundTrip(Ints({kMin}));
  ExpectRoundTrip(Ints({kMin, kMax, 0, -1, 1, kMax, kMin}));
  std::vector<int64_t> alternating;
  for (int i = 0; i < 3000; ++i) alternating.push_back(i % 2 == 0 ? kMin : kMax);
  ExpectRoundTrip(Ints(alternating));
}

TEST(EncodingTest, EveryBitWidthComesBackAsItWas) {
  std::mt19937_64 rng(3);
  for (unsigned width = 1; width <= 64; ++width) {
    SCOPED_TRACE(width);
    std::vector<int64_t> values;
    for (int i = 0; i < 1500; ++i) {
      values.push_back(static_cast<int64_t>(width == 64 ? rng() : rng() % (1ULL << width)));
    }
    ExpectRoundTrip(Ints(values));
  }
}

TEST(EncodingTest, EveryBitOfADoubleComesBack) {
  const double least = std::numeric_limits<double>::denorm_min();
  const double most = std::numeric_limits<double>::max();
  ExpectRoundTrip(Doubles({0.0, -0.0, least, -least, most, -most, 0.1, 0.3, 1e-300, 1e22}));
  std::vector<double> mixed;
  for (int i = 0; i < 4000; ++i) mixed.push_back(i % 100 == 0 ? std::sqrt(i + 2.0) : i * 0.01);
  ExpectRoundTrip(Doubles(mixed));
  EXPECT_EQ(EncodingOf(Doubles(mixed)), Encoding::kDecimal);
}

TEST(EncodingTest, DoublesThatAreNotFiniteAreRefusedBothWays) {
  EXPECT_THAT(Check(Doubles({1.0, std::numeric_limits<double>::infinity()})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not finite")));
  EXPECT_THAT(Check(Doubles({std::nan("")})), StatusIs(absl::StatusCode::kInvalidArgument));
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(Doubles({std::nan("")})));
  const EncodedChunk chunk = encoded.values.front();
  EXPECT_THAT(Decoded(chunk.codec, chunk.bytes, PhysicalType::kDouble, 1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not finite")));
}

TEST(EncodingTest, PicksTheEncodingThatSuitsTheValues) {
  std::mt19937_64 rng(4);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kConstant, 5000, 0)), Encoding::kConstant);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kConstant, 5000, 0.2)), Encoding::kConstant);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kRuns, 5000, 0)), Encoding::kRunLength);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kSmall, 5000, 0)), Encoding::kPacked);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kSorted, 5000, 0)), Encoding::kDelta);
  EXPECT_EQ(EncodingOf(IntColumn(rng, Shape::kWild, 5000, 0)), Encoding::kRaw);
  std::vector<int64_t> flags;
  for (int i = 0; i < 5000; ++i) flags.push_back(static_cast<int64_t>(rng() % 2));
  EXPECT_EQ(EncodingOf(Ints(flags)), Encoding::kBitmap);
}

TEST(EncodingTest, SmallIntegersTakeTheirBitsAndNoMore) {
  std::mt19937_64 rng(5);
  const Column column = IntColumn(rng, Shape::kSmall, limits::kRowsPerBlock, 0);
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
  const EncodedChunk chunk = encoded.values.front();
  EXPECT_EQ(encoded.rows_per_chunk, 2 * limits::kRowsPerSmallChunk);
  EXPECT_LT(chunk.codec.raw_bytes, encoded.rows_per_chunk * 10 / 8 + 1024);
}

TEST(EncodingTest, CompressesTextThatRepeatsItself) {
  Column column = {.type = PhysicalType::kString, .rows = 2000};
  for (int i = 0; i < 2000; ++i) {
    column.codes.push_back(
        column.dictionary.Add("/home/user/projects/telemetry/" + std::to_string(i) + "/index.ts"));
  }
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
  ASSERT_GT(encoded.dictionary.size(), 1u);
  const EncodedChunk& chunk = encoded.dictionary.front().chunk;
  EXPECT_EQ(chunk.codec.compression, Compression::kZstd);
  EXPECT_LT(chunk.bytes.size() * 4, chunk.codec.raw_bytes * 3);
  ExpectRoundTrip(column);
}

TEST(EncodingTest, DropsDuplicateAndUnusedDictionaryEntries) {
  Column column = {.type = PhysicalType::kString, .rows = 3};
  for (const char* text : {"unused", "a", "b", "a"}) column.dictionary.Add(text);
  column.codes = {3, 2, 1};
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
  TV_ASSERT_OK_AND_ASSIGN(const Column back, Decoded(encoded, PhysicalType::kString, 3));
  EXPECT_EQ(back.dictionary.size(), 2u);
  EXPECT_EQ(back.dictionary.at(0), "a");
  EXPECT_EQ(back.codes[2], 0u);
}

TEST(EncodingTest, RefusesMoreRowsThanABlockHas) {
  std::mt19937_64 rng(6);
  EXPECT_THAT(EncodeColumn(IntColumn(rng, Shape::kConstant, limits::kRowsPerBlock + 1, 0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536")));
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(Ints({1})));
  const EncodedChunk chunk = encoded.values.front();
  EXPECT_THAT(Decoded(chunk.codec, chunk.bytes, PhysicalType::kInt, size_t{1} << 40),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(EncodingTest, TellsThatARecordAndItsChunkDisagree) {
  std::mt19937_64 rng(7);
  const Column column = IntColumn(rng, Shape::kSmall, 2000, 0);
  TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
  const EncodedChunk chunk = encoded.values.front();
  ChunkCodec other = chunk.codec;
  other.encoding = Encoding::kRaw;
  EXPECT_THAT(Decoded(other, chunk.bytes, PhysicalType::kInt, 2000),
              StatusIs(absl::StatusCode::kDataLoss));
  other = chunk.codec;
  ++other.raw_bytes;
  EXPECT_THAT(Decoded(other, chunk.bytes, PhysicalType::kInt, 2000),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Decoded(chunk.codec, chunk.bytes, PhysicalType::kInt, 1999),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(EncodingTest, RefusesADecompressionBombBeforeInflating) {
  EXPECT_THAT(CodecFromNumber(0x0101, limits::kMaxChunkRawBytes + 1),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("inflates")));
  EXPECT_THAT(CodecFromNumber(0x010A, 10), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(CodecFromNumber(0x0301, 10), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(CodecFromNumber(0, 10), StatusIs(absl::StatusCode::kDataLoss));
  // An lz4 header that promises 100 MB from ten bytes.
  WipedBuffer bytes = {1, 2, 0x00, 0xE1, 0xF5, 0x05, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_THAT(DecodeMicroBatch(bytes), StatusIs(absl::StatusCode::kDataLoss));
}

// Every decoded column, also of broken bytes, keeps the invariants: nothing later has to check.
TEST(EncodingTest, FlippedAndCutBytesNeverGiveAColumnThatIsNotValid) {
  std::mt19937_64 rng(8);
  int survived = 0;
  for (const PhysicalType type : {PhysicalType::kInt, PhysicalType::kDouble, PhysicalType::kString,
                                  PhysicalType::kStringList}) {
    for (const Shape shape : {Shape::kRuns, Shape::kSmall, Shape::kSorted}) {
      const Column column = RandomColumn(rng, type, shape, 300, 0.1);
      TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(column));
      for (int round = 0; round < 400; ++round) {
        EncodedColumn broken = encoded;
        const bool page = !broken.dictionary.empty() && round % 2 == 0;
        EncodedChunk& chunk = page ? broken.dictionary.front().chunk : broken.values.front();
        chunk.bytes[rng() % chunk.bytes.size()] = static_cast<uint8_t>(rng());
        if (round % 4 == 0) chunk.bytes.resize(rng() % chunk.bytes.size());
        if (chunk.codec.compression == Compression::kNone) {
          chunk.codec.raw_bytes = static_cast<uint32_t>(chunk.bytes.size());
        }
        const absl::StatusOr<Column> back = Decoded(broken, type, 300);
        if (!back.ok()) continue;
        ++survived;
        EXPECT_THAT(Check(*back), IsOk());
      }
    }
  }
  EXPECT_GT(survived, 100) << "the flips must reach past the first checks";
}

TEST(MicroBatchTest, ComesBackAsItWas) {
  std::mt19937_64 rng(9);
  for (const size_t rows : {0, 1, 10, 1000, 65536}) {
    const ColumnBatch batch = RandomBatch(rng, rows);
    ASSERT_THAT(Validate(batch), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const WipedBuffer bytes, EncodeMicroBatch(batch));
    TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch back, DecodeMicroBatch(bytes));
    EXPECT_THAT(Validate(back), IsOk());
    EXPECT_EQ(back.numbers, batch.numbers);
    for (size_t i = 0; i < batch.columns.size(); ++i) {
      EXPECT_TRUE(Values(back.columns[i]) == Values(batch.columns[i])) << "column " << i;
    }
  }
}

TEST(MicroBatchTest, DecodesOnlyTheColumnsThatAreWanted) {
  std::mt19937_64 rng(10);
  TV_ASSERT_OK_AND_ASSIGN(const WipedBuffer bytes, EncodeMicroBatch(RandomBatch(rng, 100)));
  const std::vector<uint16_t> wanted = {1, 4, 5};
  TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch back, DecodeMicroBatch(bytes, wanted));
  EXPECT_EQ(back.numbers, (std::vector<uint16_t>{1, 5}));
}

TEST(MicroBatchTest, EveryCutOfItIsRefused) {
  std::mt19937_64 rng(11);
  TV_ASSERT_OK_AND_ASSIGN(const WipedBuffer bytes, EncodeMicroBatch(RandomBatch(rng, 20)));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeMicroBatch(Bytes(bytes).first(size)).ok()) << size;
  }
}

TEST(MicroBatchTest, RefusesAnotherVersion) {
  std::mt19937_64 rng(12);
  TV_ASSERT_OK_AND_ASSIGN(WipedBuffer bytes, EncodeMicroBatch(RandomBatch(rng, 20)));
  bytes[0] = 2;
  EXPECT_THAT(DecodeMicroBatch(bytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 2")));
}

}  // namespace
}  // namespace televault::block
