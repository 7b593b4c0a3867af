// Format v1 as it is on disks out there: fixed rows, and the bytes they were written as. A change
// that makes one of these tests fail breaks stored data; it needs a new format version.
//
// To add a file for a new case: run this test with TELEVAULT_WRITE_GOLDEN=1 (existing files are
// never overwritten).

#include <bit>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/block/encoding.h"
#include "vault/block/footer.h"
#include "vault/block/wire.h"

namespace televault::block {
namespace {

using block::testing::Decoded;
using block::testing::Values;
using televault::testing::IsOk;

std::string PathOf(const std::string& name) { return "tests/golden/block/" + name + ".bin"; }

// The golden bytes; written first where they are missing and writing was asked for.
WipedBuffer Golden(const std::string& name, const WipedBuffer& current) {
  std::ifstream in(PathOf(name), std::ios::binary);
  if (!in && std::getenv("TELEVAULT_WRITE_GOLDEN") != nullptr) {
    std::ofstream(PathOf(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(current.data()),
               static_cast<std::streamsize>(current.size()));
    in.open(PathOf(name), std::ios::binary);
  }
  EXPECT_TRUE(in) << PathOf(name) << " is missing";
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Column Ints(size_t rows, const std::function<int64_t(int64_t)>& value, int64_t null_every = 0) {
  Column column = {.type = PhysicalType::kInt, .rows = rows};
  if (null_every != 0) column.nulls.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    const auto i = static_cast<int64_t>(row);
    const bool null = null_every != 0 && i % null_every == 0;
    if (null) column.nulls[row] = 1;
    column.ints.push_back(null ? 0 : value(i));
  }
  return column;
}

Column Doubles(size_t rows, const std::function<double(int64_t)>& value) {
  Column column = {.type = PhysicalType::kDouble, .rows = rows};
  for (size_t row = 0; row < rows; ++row) {
    column.doubles.push_back(value(static_cast<int64_t>(row)));
  }
  return column;
}

Column Strings(size_t rows, const std::function<std::string(int64_t)>& value) {
  Column column = {.type = PhysicalType::kString, .rows = rows};
  for (size_t row = 0; row < rows; ++row) {
    column.codes.push_back(column.dictionary.Add(value(static_cast<int64_t>(row))));
  }
  return column;
}

Column Lists(size_t rows) {
  Column column = {.type = PhysicalType::kStringList, .rows = rows};
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < row % 3; ++i) {
      column.codes.push_back(column.dictionary.Add("flag-" + std::to_string((row + i) % 5)));
    }
    column.list_ends.push_back(static_cast<uint32_t>(column.codes.size()));
  }
  return column;
}

// Values without any pattern that an encoding could use.
int64_t Scramble(int64_t i) {
  auto x = static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
  return static_cast<int64_t>(x ^ x >> 31);
}

struct ChunkCase {
  std::string name;
  Encoding encoding;
  Compression compression;
  Column column;
  bool indexed = false;
};

std::vector<ChunkCase> ChunkCases() {
  const auto none = Compression::kNone;
  return {
      {"int-constant", Encoding::kConstant, none, Ints(1500, [](int64_t) { return -7; })},
      {"int-run-length", Encoding::kRunLength, none, Ints(1500, [](int64_t i) { return i / 200; })},
      {"int-delta", Encoding::kDelta, none,
       Ints(1500,
            [](int64_t i) { return 1'795'435'200'000'000 + i * 1000 + (Scramble(i) & 127); })},
      {"int-packed", Encoding::kPacked, none,
       Ints(
           1500, [](int64_t i) { return Scramble(i) & 1023; }, 7)},
      {"int-bitmap", Encoding::kBitmap, none,
       Ints(1500, [](int64_t i) { return (Scramble(i) >> 40) & 1; })},
      {"int-raw", Encoding::kRaw, none, Ints(40, Scramble)},
      {"double-decimal", Encoding::kDecimal, none,
       Doubles(300, [](int64_t i) { return i == 5 ? -0.0 : static_cast<double>(i * 37) / 100; })},
      {"double-raw", Encoding::kRaw, none,
       // Without the highest bit of the exponent every pattern is finite.
       Doubles(40, [](int64_t i) { return std::bit_cast<double>(Scramble(i) & ~(1LL << 62)); })},
      {"string-dictionary", Encoding::kPacked, none,
       Strings(200, [](int64_t i) { return "v" + std::to_string((Scramble(i) >> 50) & 7); })},
      {"string-zstd", Encoding::kDelta, Compression::kZstd,
       Strings(300, [](int64_t i) { return "/srv/www/assets/" + std::to_string(i) + ".js"; })},
      {"string-pages", Encoding::kDelta, Compression::kZstd,
       Strings(20'000, [](int64_t i) { return "/srv/www/assets/" + std::to_string(i) + ".js"; })},
      {"string-indexed", Encoding::kPacked, none,
       Strings(500, [](int64_t i) { return std::to_string((Scramble(i) >> 50) & 15); }), true},
      {"string-list", Encoding::kPacked, none, Lists(30)},
  };
}

ColumnBatch FixedBatch(size_t rows) {
  ColumnBatch batch = {.rows = rows, .numbers = {0, 1, 2, 3, 7}};
  batch.columns.push_back(
      Ints(rows, [](int64_t i) { return 1'795'435'200'000'000 + i * 250'000; }));
  batch.columns.push_back(Strings(rows, [](int64_t i) {
    std::string text = std::to_string(i % 11);
    text.resize(16, 's');
    return text;
  }));
  batch.columns.push_back(Ints(
      rows, [](int64_t i) { return i % 10; }, 4));
  batch.columns.push_back(Doubles(rows, [](int64_t i) { return static_cast<double>(i) / 8; }));
  batch.columns.push_back(Lists(rows));
  return batch;
}

void ExpectSameRows(const ColumnBatch& back, const ColumnBatch& batch) {
  ASSERT_THAT(Validate(back), IsOk());
  ASSERT_EQ(back.numbers, batch.numbers);
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    EXPECT_TRUE(Values(back.columns[i]) == Values(batch.columns[i])) << "column " << i;
  }
}

// A column's chunks in one file: what a footer says of them, then each with its length.
WipedBuffer FileOf(const EncodedColumn& column) {
  WipedBuffer file;
  const auto put = [&file](const EncodedChunk& chunk) {
    Put(file, chunk.codec.Number());
    Put(file, chunk.codec.raw_bytes);
    Put(file, static_cast<uint32_t>(chunk.bytes.size()));
    PutBytes(file, chunk.bytes);
  };
  Put(file, column.rows_per_chunk);
  Put(file, static_cast<uint32_t>(column.dictionary.size()));
  for (const EncodedPage& page : column.dictionary) {
    Put(file, page.entries);
    Put(file, page.prefix);
    put(page.chunk);
    if (page.rows.has_value()) put(*page.rows);
  }
  for (const EncodedChunk& chunk : column.values) put(chunk);
  return file;
}

absl::StatusOr<EncodedChunk> TakeChunk(ByteReader& in) {
  TV_ASSIGN_OR_RETURN(const uint32_t number, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t raw_bytes, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t size, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const Bytes bytes, in.Take(size));
  TV_ASSIGN_OR_RETURN(const ChunkCodec codec, CodecFromNumber(number, raw_bytes));
  return EncodedChunk{codec, WipedBuffer(bytes.begin(), bytes.end())};
}

absl::StatusOr<EncodedColumn> ColumnOf(Bytes file, bool indexed) {
  ByteReader in(file);
  EncodedColumn column;
  TV_ASSIGN_OR_RETURN(column.rows_per_chunk, in.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t pages, in.LittleEndian<uint32_t>());
  for (uint32_t p = 0; p < pages; ++p) {
    EncodedPage page;
    TV_ASSIGN_OR_RETURN(page.entries, in.LittleEndian<uint32_t>());
    TV_ASSIGN_OR_RETURN(page.prefix, in.LittleEndian<uint64_t>());
    TV_ASSIGN_OR_RETURN(page.chunk, TakeChunk(in));
    if (indexed) {
      TV_ASSIGN_OR_RETURN(page.rows, TakeChunk(in));
    }
    column.dictionary.push_back(std::move(page));
  }
  while (in.remaining() > 0) {
    TV_ASSIGN_OR_RETURN(EncodedChunk chunk, TakeChunk(in));
    column.values.push_back(std::move(chunk));
  }
  return column;
}

TEST(GoldenTest, ChunksOfEveryEncodingAreReadAndWrittenAsEver) {
  for (const ChunkCase& test : ChunkCases()) {
    SCOPED_TRACE(test.name);
    TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn encoded, EncodeColumn(test.column, test.indexed));
    EXPECT_EQ(encoded.values.front().codec.encoding, test.encoding);
    const EncodedChunk& compressed =
        encoded.dictionary.empty() ? encoded.values.front() : encoded.dictionary.front().chunk;
    EXPECT_EQ(compressed.codec.compression, test.compression);
    const WipedBuffer file = FileOf(encoded);
    const WipedBuffer golden = Golden(test.name, file);
    TV_ASSERT_OK_AND_ASSIGN(const EncodedColumn stored, ColumnOf(golden, test.indexed));
    TV_ASSERT_OK_AND_ASSIGN(const Column back,
                            Decoded(stored, test.column.type, test.column.rows, test.indexed));
    EXPECT_TRUE(Values(back) == Values(test.column));
    // What zstd writes may change with its version; what it reads may not.
    if (test.compression == Compression::kNone) {
      EXPECT_TRUE(file == golden);
    }
  }
}

TEST(GoldenTest, AMicroBatchIsReadAndWrittenAsEver) {
  const ColumnBatch batch = FixedBatch(5);
  TV_ASSERT_OK_AND_ASSIGN(const WipedBuffer bytes, EncodeMicroBatch(batch));
  const WipedBuffer golden = Golden("micro-batch-5", bytes);
  TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch back, DecodeMicroBatch(golden));
  ExpectSameRows(back, batch);
  EXPECT_TRUE(bytes[1] != 0 || bytes == golden);
}

TEST(GoldenTest, ACompressedMicroBatchIsReadAsEver) {
  const ColumnBatch batch = FixedBatch(3000);
  TV_ASSERT_OK_AND_ASSIGN(const WipedBuffer bytes, EncodeMicroBatch(batch));
  EXPECT_EQ(bytes[1], 2) << "this case is about lz4";
  TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch back,
                          DecodeMicroBatch(Golden("micro-batch-lz4", bytes)));
  ExpectSameRows(back, batch);
}

TEST(GoldenTest, AFooterIsReadAndWrittenAsEver) {
  const ColumnBatch batch = FixedBatch(500);
  std::vector<EncodedColumn> encoded;
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    TV_ASSERT_OK_AND_ASSIGN(EncodedColumn column, EncodeColumn(batch.columns[i], i == 1));
    // What zstd writes may change with its version.
    for (EncodedPage& page : column.dictionary) page.chunk.codec = {};
    encoded.push_back(std::move(column));
  }
  const WipedBuffer bytes = EncodeFooter(MakeFooter(batch, encoded, 3));
  const WipedBuffer golden = Golden("footer", bytes);
  EXPECT_TRUE(bytes == golden);
  TV_ASSERT_OK_AND_ASSIGN(const Footer back, DecodeFooter(golden));
  EXPECT_EQ(back.rows, 500u);
  EXPECT_TRUE(back.subjects.MayContain("3sssssssssssssss"));
  EXPECT_FALSE(back.subjects.MayContain("nobodynobodynobo"));
}

}  // namespace
}  // namespace televault::block
