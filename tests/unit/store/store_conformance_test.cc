// One suite for every implementation of the seam.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/unit/store/store_harness.h"
#include "vault/base/limits.h"
#include "vault/store/store.h"

namespace televault::store {
namespace {

using testing::IsOk;
using testing::StatusIs;
using testing::StoreHarness;

using HarnessFactory = std::unique_ptr<StoreHarness> (*)();

constexpr PartitionId kMonday{DatasetId(7), Day(20'000)};
constexpr PartitionId kTuesday{DatasetId(7), Day(20'001)};

std::vector<BlockChunk> Chunks(const std::string& text) {
  return {{kFooterChunk, "footer of " + text}, {0, text + "/0"}, {3, text + "/3"}};
}

class StoreConformance : public ::testing::TestWithParam<HarnessFactory> {
 protected:
  StoreConformance() : harness_(GetParam()()) { Reopen(); }

  void Reopen() {
    store_.reset();
    auto opened = harness_->Open();
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
    auto epoch = store_->AcquireLease();
    ASSERT_THAT(epoch, IsOk());
    epoch_ = *epoch;
  }
  void LosePower(uint64_t seed = 1) {
    harness_->PowerCut(seed);
    store_.reset();
    Reopen();
  }
  CommitOutcome Write(std::vector<Mutation> mutations) {
    return store_->Commit(epoch_, {.mutations = std::move(mutations)});
  }
  std::string Read(Family family, const std::string& key) {
    auto view = store_->Pin();
    EXPECT_THAT(view, IsOk());
    auto value = (*view)->Get(family, key);
    return value.ok() ? *value : value.status().ToString();
  }
  std::map<std::string, std::string> ScanAll(const View& view, Family family,
                                             const std::string& prefix,
                                             const std::string& start = "") {
    std::map<std::string, std::string> found;
    EXPECT_THAT(view.Scan(family, prefix, start,
                          [&](std::string_view key, std::string_view value) {
                            found.emplace(key, value);
                            return true;
                          }),
                IsOk());
    return found;
  }
  std::vector<std::string> ReadColumns(const BlockId& id, std::vector<uint32_t> columns) {
    auto chunks = store_->ReadBlock(id, columns);
    EXPECT_THAT(chunks, IsOk());
    return chunks.ok() ? *chunks : std::vector<std::string>();
  }

  std::unique_ptr<StoreHarness> harness_;
  std::unique_ptr<Store> store_;
  StoreEpoch epoch_;
};

TEST_P(StoreConformance, ACommitIsReadBackAndSurvivesAPowerCut) {
  ASSERT_EQ(
      Write({{Family::kMeta, "a", "1"}, {Family::kAudit, "a", "2"}, {Family::kHot, "a", "3"}}),
      CommitOutcome::kOk);
  ASSERT_EQ(Write({{Family::kMeta, "a", "4"}, {Family::kHot, "b", "5"}}), CommitOutcome::kOk);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Read(Family::kMeta, "a"), "4");
    EXPECT_EQ(Read(Family::kAudit, "a"), "2");
    EXPECT_EQ(Read(Family::kHot, "a"), "3");
    EXPECT_EQ(Read(Family::kHot, "b"), "5");
    LosePower();
  }
}

TEST_P(StoreConformance, EveryCommitIsDurableByItself) {
  for (int i = 0; i < 5; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_EQ(Write({{Family::kMeta, key, "value"}}), CommitOutcome::kOk);
    LosePower(i);
    EXPECT_EQ(Read(Family::kMeta, key), "value");
  }
}

TEST_P(StoreConformance, ALaterMutationOfTheSameCommitWins) {
  ASSERT_EQ(Write({{Family::kMeta, "a", "1"},
                   {Family::kMeta, "a", std::nullopt},
                   {Family::kMeta, "b", std::nullopt},
                   {Family::kMeta, "b", "2"}}),
            CommitOutcome::kOk);
  auto view = store_->Pin();
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT((*view)->Get(Family::kMeta, "a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT((*view)->Get(Family::kMeta, "b"), IsOk());
}

TEST_P(StoreConformance, AViewDoesNotSeeWhatCameAfterIt) {
  ASSERT_EQ(Write({{Family::kMeta, "a", "old"}, {Family::kMeta, "b", "old"}}), CommitOutcome::kOk);
  auto view = store_->Pin();
  ASSERT_THAT(view, IsOk());
  ASSERT_EQ(Write({{Family::kMeta, "a", "new"},
                   {Family::kMeta, "b", std::nullopt},
                   {Family::kMeta, "c", "new"}}),
            CommitOutcome::kOk);
  const std::map<std::string, std::string> expected = {{"a", "old"}, {"b", "old"}};
  EXPECT_EQ(ScanAll(**view, Family::kMeta, ""), expected);
  EXPECT_EQ((*view)->Get(Family::kMeta, "b").value(), "old");
}

TEST_P(StoreConformance, AScanKeepsToItsPrefixStartAndOrder) {
  const std::string top = "\xff";
  ASSERT_EQ(Write({{Family::kHot, "p1", "1"},
                   {Family::kHot, "p3", "3"},
                   {Family::kHot, "p2", "2"},
                   {Family::kHot, "q", "4"},
                   {Family::kHot, top + "1", "5"},
                   {Family::kMeta, "p4", "6"}}),
            CommitOutcome::kOk);
  auto view = store_->Pin();
  ASSERT_THAT(view, IsOk());
  EXPECT_EQ(ScanAll(**view, Family::kHot, "p").size(), 3u);
  EXPECT_EQ(ScanAll(**view, Family::kHot, "p", "p2").size(), 2u);
  EXPECT_EQ(ScanAll(**view, Family::kHot, "p", "a").size(), 3u);
  EXPECT_EQ(ScanAll(**view, Family::kHot, "p", "q").size(), 0u);
  EXPECT_EQ(ScanAll(**view, Family::kHot, top).size(), 1u);
  EXPECT_EQ(ScanAll(**view, Family::kHot, "").size(), 5u);
  std::vector<std::string> order;
  ASSERT_THAT((*view)->Scan(Family::kHot, "p", "",
                            [&](std::string_view key, std::string_view) {
                              order.emplace_back(key);
                              return order.size() < 2;
                            }),
              IsOk());
  EXPECT_EQ(order, (std::vector<std::string>{"p1", "p2"}));
}

TEST_P(StoreConformance, OnlyTheHolderOfTheLeaseWrites) {
  EXPECT_EQ(store_->Commit(StoreEpoch(0), {}), CommitOutcome::kFenced);
  const StoreEpoch first = epoch_;
  TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch second, store_->AcquireLease());
  EXPECT_GT(second, first);
  EXPECT_EQ(store_->Commit(first, {{{Family::kMeta, "a", "1"}}}), CommitOutcome::kFenced);
  EXPECT_EQ(store_->Commit(second, {{{Family::kMeta, "b", "1"}}}), CommitOutcome::kOk);
  auto view = store_->Pin();
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT((*view)->Get(Family::kMeta, "a"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(StoreConformance, AnEpochIsNeverGivenOutTwice) {
  const StoreEpoch first = epoch_;
  LosePower();
  EXPECT_GT(epoch_, first);
  TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch raised, store_->AcquireLease(StoreEpoch(1'000)));
  EXPECT_GT(raised, StoreEpoch(1'000));
  LosePower();
  EXPECT_GT(epoch_, raised);
}

TEST_P(StoreConformance, ABlockIsReadBackAndSurvivesAPowerCut) {
  const BlockId id{kMonday, 5};
  ASSERT_THAT(store_->PutBlock(id, Chunks("x")), IsOk());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ReadColumns(id, {3, kFooterChunk}), (std::vector<std::string>{"x/3", "footer of x"}));
    EXPECT_THAT(store_->ReadBlock(id, std::vector<uint32_t>{0, 1}),
                StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(store_->ReadBlock({kMonday, 6}, std::vector<uint32_t>{0}),
                StatusIs(absl::StatusCode::kNotFound));
    LosePower();
  }
}

TEST_P(StoreConformance, EveryBlockIsDurableByItself) {
  for (uint64_t i = 1; i < 6; ++i) {
    ASSERT_THAT(store_->PutBlock({kMonday, i}, Chunks(std::to_string(i))), IsOk());
    LosePower(i);
    EXPECT_EQ(ReadColumns({kMonday, i}, {0}), std::vector<std::string>{std::to_string(i) + "/0"});
  }
}

TEST_P(StoreConformance, ABlockIsPutOnce) {
  ASSERT_THAT(store_->PutBlock({kMonday, 5}, Chunks("x")), IsOk());
  EXPECT_THAT(store_->PutBlock({kMonday, 5}, Chunks("y")),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(store_->PutBlock({kMonday, 5}, std::vector<BlockChunk>{{9, "other column"}}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(ReadColumns({kMonday, 5}, {0}), std::vector<std::string>{"x/0"});
}

TEST_P(StoreConformance, ABlockThatIsTooLargeEmptyOrAmbiguousIsRefused) {
  const std::string half(limits::kMaxBlockBytes / 2 + 1, 'x');
  EXPECT_THAT(store_->PutBlock({kMonday, 1}, std::vector<BlockChunk>{{0, half}, {1, half}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->PutBlock({kMonday, 1}, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->PutBlock({kMonday, 1}, std::vector<BlockChunk>{{2, "a"}, {2, "b"}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, store_->ListBlocks());
  EXPECT_TRUE(blocks.empty());
}

TEST_P(StoreConformance, BlocksAreListedInOrder) {
  const std::vector<BlockId> ids = {{kTuesday, 1}, {kMonday, 9}, {kMonday, 2}, {kTuesday, ~0ull}};
  for (const BlockId& id : ids) ASSERT_THAT(store_->PutBlock(id, Chunks("x")), IsOk());
  std::vector<BlockId> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, store_->ListBlocks());
  EXPECT_EQ(listed, sorted);
}

TEST_P(StoreConformance, ErasingABlockLeavesItsNeighboursAndMayBeRepeated) {
  for (uint64_t i = 1; i <= 3; ++i) {
    ASSERT_THAT(store_->PutBlock({kMonday, i}, Chunks(std::to_string(i))), IsOk());
  }
  ASSERT_THAT(store_->EraseBlock({kMonday, 2}), IsOk());
  ASSERT_THAT(store_->EraseBlock({kMonday, 2}), IsOk());
  ASSERT_THAT(store_->EraseBlock({kMonday, 77}), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, store_->ListBlocks());
  EXPECT_EQ(listed, (std::vector<BlockId>{{kMonday, 1}, {kMonday, 3}}));
  EXPECT_EQ(ReadColumns({kMonday, 1}, {0}), std::vector<std::string>{"1/0"});
}

TEST_P(StoreConformance, ErasingAPartitionTakesItAllAndNothingElse) {
  for (const PartitionId partition : {kMonday, kTuesday}) {
    ASSERT_EQ(
        Write({{Family::kHot, HotKey(partition, 1), "batch"}, {Family::kMeta, "record", "stays"}}),
        CommitOutcome::kOk);
    ASSERT_THAT(store_->PutBlock({partition, 2}, Chunks("x")), IsOk());
    ASSERT_THAT(store_->PutBlock({partition, 3}, Chunks("y")), IsOk());
  }
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport early, store_->ErasePartition(kMonday));
  EXPECT_FALSE(early.complete) << "a micro-batch is still there";
  EXPECT_THAT(early.remaining, ::testing::HasSubstr("micro-batch"));

  ASSERT_EQ(Write({{Family::kHot, HotKey(kMonday, 1), std::nullopt}}), CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport report, store_->ErasePartition(kMonday));
  EXPECT_TRUE(report.complete) << report.remaining;
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport again, store_->ErasePartition(kMonday));
  EXPECT_TRUE(again.complete) << again.remaining;
  for (int round = 0; round < 2; ++round) {
    TV_ASSERT_OK_AND_ASSIGN(const auto listed, store_->ListBlocks());
    EXPECT_EQ(listed, (std::vector<BlockId>{{kTuesday, 2}, {kTuesday, 3}}));
    EXPECT_EQ(Read(Family::kHot, HotKey(kTuesday, 1)), "batch");
    EXPECT_EQ(Read(Family::kMeta, "record"), "stays");
    LosePower();
  }
}

TEST_P(StoreConformance, ACommitOfTheLargestSizeIsTaken) {
  const std::string value(limits::kMaxCommitBytes - 1, 'x');
  ASSERT_EQ(Write({{Family::kHot, "k", value}}), CommitOutcome::kOk);
  LosePower();
  EXPECT_EQ(Read(Family::kHot, "k").size(), value.size());
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t bytes, store_->DiskBytes());
  EXPECT_GE(bytes, value.size());
}

template <class Harness>
std::unique_ptr<StoreHarness> Make() {
  return std::make_unique<Harness>();
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         ::testing::Values(&Make<testing::SimHarness>,
                                           &Make<testing::RocksHarness>),
                         [](const auto& param_info) { return param_info.param()->name(); });

}  // namespace
}  // namespace televault::store
