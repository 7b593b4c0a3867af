#include "vault/block/batch_ops.h"

#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"

namespace televault::block {
namespace {

using block::testing::RandomBatch;
using block::testing::Values;
using televault::testing::IsOk;
using televault::testing::StatusIs;

std::vector<std::string> Joined(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
  std::vector<std::string> out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

TEST(BatchOpsTest, ConcatenatesRowsAndMergesDictionaries) {
  std::mt19937_64 rng(1);
  std::vector<ColumnBatch> parts = {RandomBatch(rng, 500), RandomBatch(rng, 700)};
  TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch joined, Concat(parts));
  ASSERT_THAT(Validate(joined), IsOk());
  EXPECT_EQ(joined.rows, 1200u);
  for (size_t i = 0; i < joined.columns.size(); ++i) {
    EXPECT_EQ(Values(joined.columns[i]),
              Joined(Values(parts[0].columns[i]), Values(parts[1].columns[i])));
  }
  EXPECT_LE(joined.Find(1)->dictionary.size(), 500u) << "there are 500 subjects";
}

TEST(BatchOpsTest, AColumnThatOneBatchLacksIsNullThere) {
  std::mt19937_64 rng(2);
  std::vector<ColumnBatch> parts = {RandomBatch(rng, 10), RandomBatch(rng, 5)};
  for (const size_t lacking : {5, 4, 3, 2}) {
    parts[1].numbers.erase(parts[1].numbers.begin() + static_cast<long>(lacking));
    parts[1].columns.erase(parts[1].columns.begin() + static_cast<long>(lacking));
  }
  for (int order = 0; order < 2; ++order) {
    TV_ASSERT_OK_AND_ASSIGN(const ColumnBatch joined, Concat(parts));
    ASSERT_THAT(Validate(joined), IsOk());
    const size_t null_row = order == 0 ? 10 : 0;
    for (size_t i = 2; i < 6; ++i) EXPECT_TRUE(joined.columns[i].IsNull(null_row)) << i;
    std::swap(parts[0], parts[1]);
  }
}

TEST(BatchOpsTest, RefusesToJoinTwoTypesUnderOneNumber) {
  std::mt19937_64 rng(3);
  std::vector<ColumnBatch> parts = {RandomBatch(rng, 10), RandomBatch(rng, 5)};
  std::swap(parts[1].columns[2], parts[1].columns[3]);
  EXPECT_THAT(Concat(parts), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(BatchOpsTest, SortsByTimeAndKeepsRowsTogether) {
  std::mt19937_64 rng(4);
  ColumnBatch batch = RandomBatch(rng, 3000);
  for (size_t row = 0; row < batch.rows; ++row) {
    batch.columns[0].ints[row] = static_cast<int64_t>(rng() % 100);
    batch.columns[2].ints[row] = batch.columns[2].IsNull(row) ? 0 : batch.columns[0].ints[row];
  }
  const ColumnBatch sorted = SortByTime(batch);
  ASSERT_THAT(Validate(sorted), IsOk());
  EXPECT_TRUE(std::is_sorted(sorted.columns[0].ints.begin(), sorted.columns[0].ints.end()));
  for (size_t row = 0; row < sorted.rows; ++row) {
    if (sorted.columns[2].IsNull(row)) continue;
    EXPECT_EQ(sorted.columns[2].ints[row], sorted.columns[0].ints[row]);
  }
}

TEST(BatchOpsTest, ASliceHasItsRowsAndOnlyTheValuesTheyUse) {
  std::mt19937_64 rng(5);
  const ColumnBatch batch = RandomBatch(rng, 1000);
  const ColumnBatch slice = Slice(batch, 100, 3);
  ASSERT_THAT(Validate(slice), IsOk());
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const std::vector<std::string> all = Values(batch.columns[i]);
    EXPECT_EQ(Values(slice.columns[i]),
              std::vector<std::string>(all.begin() + 100, all.begin() + 103));
  }
  EXPECT_LE(slice.Find(1)->dictionary.size(), 3u);
}

TEST(BatchOpsTest, FiltersTheRowsThatAreFlagged) {
  std::mt19937_64 rng(6);
  const ColumnBatch batch = RandomBatch(rng, 100);
  std::vector<uint8_t> keep(100, 0);
  keep[7] = 1;
  keep[99] = 255;
  const ColumnBatch out = Filter(batch, keep);
  ASSERT_THAT(Validate(out), IsOk());
  EXPECT_EQ(out.rows, 2u);
  EXPECT_EQ(out.columns[0].ints[1], batch.columns[0].ints[99]);
}

TEST(ValidateTest, FindsEveryBrokenInvariant) {
  std::mt19937_64 rng(7);
  const ColumnBatch good = RandomBatch(rng, 50);
  ASSERT_THAT(Validate(good), IsOk());
  const auto broken = [&](auto&& change) {
    ColumnBatch batch = good;
    change(batch);
    return Validate(batch);
  };
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(broken([](auto& b) { b.numbers[1] = 0; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.rows = 49; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.numbers.pop_back(); }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[0].ints.pop_back(); }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[2].nulls[3] = 2; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[2].nulls.pop_back(); }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[1].codes[3] = 50; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[1].dictionary.offsets[3] = 1 << 20; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[5].list_ends.back() += 1; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[5].list_ends[0] = 1 << 20; }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[2].nulls.assign(50, 1); }), invalid);
  EXPECT_THAT(broken([](auto& b) { b.columns[0].type = static_cast<PhysicalType>(9); }), invalid);
}

}  // namespace
}  // namespace televault::block
