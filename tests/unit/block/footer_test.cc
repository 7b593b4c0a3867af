#include "vault/block/footer.h"

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/block/batch_ops.h"

namespace televault::block {
namespace {

using block::testing::RandomBatch;
using televault::testing::IsOk;
using televault::testing::StatusIs;

Column Strings(const std::vector<std::string>& values) {
  Column column = {.type = PhysicalType::kString, .rows = values.size()};
  for (const std::string& value : values) column.codes.push_back(column.dictionary.Add(value));
  return column;
}

Footer FooterOf(const ColumnBatch& batch) {
  std::vector<EncodedColumn> encoded;
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    encoded.push_back(*EncodeColumn(batch.columns[i], IsIndexed(batch.numbers[i])));
  }
  return MakeFooter(batch, encoded, 7);
}

TEST(ZoneMapTest, BoundsHoldForEveryValueAndSkipNulls) {
  std::mt19937_64 rng(1);
  Column column = testing::IntColumn(rng, testing::Shape::kSmall, 1000, 0.5);
  for (size_t row = 0; row < 1000; ++row) {
    if (!column.IsNull(row)) column.ints[row] += 10'000;  // NULL rows hold 0
  }
  const ZoneMap zone = MakeZoneMap(column);
  EXPECT_GE(zone.min_int, 9'500);
  EXPECT_LE(zone.max_int, 10'499);
  EXPECT_FALSE(zone.MayContain(int64_t{0}));
  EXPECT_GT(zone.nulls, 300u);
  EXPECT_LE(zone.distinct, 1000u);
}

TEST(ZoneMapTest, LongTextIsCutButTheBoundsStillHold) {
  const std::string low = std::string(60, 'b') + "low";
  const std::string high = std::string(60, 'y') + "zzz";
  const ZoneMap zone = MakeZoneMap(Strings({high, "m", low}));
  EXPECT_LT(zone.max_text.size(), 30u);
  for (const std::string& value : {low, high, std::string("m")}) {
    EXPECT_TRUE(zone.MayContain(std::string_view(value))) << value;
  }
  EXPECT_FALSE(zone.MayContain(std::string_view("a")));
  EXPECT_FALSE(zone.MayContain(std::string_view("z")));
}

TEST(ZoneMapTest, TextThatCannotGrowHasNoUpperBound) {
  const std::string highest(60, '\xFF');
  const ZoneMap zone = MakeZoneMap(Strings({highest}));
  EXPECT_TRUE(zone.max_text_open);
  EXPECT_TRUE(zone.MayContain(std::string_view(highest)));
}

TEST(ZoneMapTest, OnlyNullsMeansNoBounds) {
  const ZoneMap zone = MakeZoneMap(NullColumn(PhysicalType::kString, 5));
  EXPECT_FALSE(zone.has_bounds);
  EXPECT_EQ(zone.nulls, 5u);
  EXPECT_FALSE(zone.MayContain(std::string_view("")));
}

TEST(SubjectFilterTest, NeverMissesASubjectAndRarelyInventsOne) {
  Dictionary subjects;
  const auto subject = [](int64_t i) {
    std::string text = std::to_string(i * 7919);
    text.resize(16, '#');
    return text;
  };
  for (int i = 0; i < 20'000; ++i) subjects.Add(subject(i));
  const SubjectFilter filter(subjects);
  int invented = 0;
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(filter.MayContain(subject(i)));
    invented += filter.MayContain(subject(i + 1'000'000));
  }
  EXPECT_LT(invented, 300) << "expected under 1.5 % of 20,000";
  EXPECT_FALSE(SubjectFilter(Dictionary{}).MayContain(subject(1)));
}

TEST(FooterTest, ComesBackAsItWas) {
  std::mt19937_64 rng(2);
  const ColumnBatch batch = SortByTime(RandomBatch(rng, 2000));
  const Footer footer = FooterOf(batch);
  EXPECT_EQ(footer.min_time.micros, batch.columns[0].ints.front());
  EXPECT_EQ(footer.max_time.micros, batch.columns[0].ints.back());
  const WipedBuffer bytes = EncodeFooter(footer);
  TV_ASSERT_OK_AND_ASSIGN(const Footer back, DecodeFooter(bytes));
  EXPECT_TRUE(EncodeFooter(back) == bytes);
  EXPECT_EQ(back.schema_revision, 7u);
  EXPECT_EQ(back.columns.size(), 6u);
  EXPECT_TRUE(back.has_subjects);
  EXPECT_TRUE(back.subjects.MayContain(batch.Find(1)->dictionary.at(0)));
  EXPECT_EQ(back.Find(4), nullptr);
  EXPECT_EQ(back.Find(5)->zone.nulls, footer.Find(5)->zone.nulls);
}

TEST(FooterTest, EveryCutOfItIsRefused) {
  std::mt19937_64 rng(3);
  const WipedBuffer bytes = EncodeFooter(FooterOf(RandomBatch(rng, 30)));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeFooter(Bytes(bytes).first(size)), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(FooterTest, FlippedBytesAreRefusedOrHarmless) {
  std::mt19937_64 rng(4);
  const WipedBuffer good = EncodeFooter(FooterOf(RandomBatch(rng, 30)));
  int accepted = 0;
  for (int round = 0; round < 5000; ++round) {
    WipedBuffer bytes = good;
    bytes[rng() % bytes.size()] = static_cast<uint8_t>(rng());
    const absl::StatusOr<Footer> back = DecodeFooter(bytes);
    if (!back.ok()) continue;
    ++accepted;
    EXPECT_LE(back->rows, 65'536u);
    (void)back->subjects.MayContain("0123456789abcdef");
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace televault::block
