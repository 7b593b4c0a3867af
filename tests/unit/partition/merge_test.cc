#include <gtest/gtest.h>

#include "tests/unit/partition/partition_fixture.h"
#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"

namespace televault::partition {
namespace {

using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::StatusIs;

class MergeTest : public PartitionTest {};
TEST_F(MergeTest, MergesSortedByTimeAndKeepsEveryRowOnce) {
  auto process = Start();
  AppendHundred(*process, today_);
  TV_ASSERT_OK_AND_ASSIGN(const bool merged, process->merger.Merge(today_));
  EXPECT_TRUE(merged);
  ASSERT_EQ(process->events.size(), 1u);
  EXPECT_EQ(process->events[0].micro_batches, 10u);
  EXPECT_EQ(process->events[0].rows, 100u);
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process->reader.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const auto units, snapshot->Units(today_));
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].kind, Unit::Kind::kBlock);
  TV_ASSERT_OK_AND_ASSIGN(const auto rows, snapshot->ReadAll(units[0]));
  ASSERT_THAT(block::Validate(rows), IsOk());
  EXPECT_TRUE(std::is_sorted(rows.columns[0].ints.begin(), rows.columns[0].ints.end()));
  EXPECT_EQ(units[0].min_time.micros, rows.columns[0].ints.front());
  EXPECT_EQ(units[0].max_time.micros, rows.columns[0].ints.back());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(100));
  TV_ASSERT_OK_AND_ASSIGN(const bool again, process->merger.Merge(today_));
  EXPECT_FALSE(again) << "nothing is left to merge";
}

TEST_F(MergeTest, MoreRowsThanABlockHoldsMakeSeveral) {
  auto process = Start();
  for (int64_t i = 0; i < 5; ++i) {
    ASSERT_THAT(process->Append(today_, i * 20'000, 20'000), IsOk());
  }
  EXPECT_EQ(process->merger.Due(machine_.clock.Wall()), std::vector<PartitionId>{today_});
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  EXPECT_EQ(process->catalog->Find(today_)->blocks, 2u);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(100'000));
}

TEST_F(MergeTest, SmallBlocksAreRewrittenTogetherWithNewRows) {
  auto process = Start();
  for (int64_t round = 0; round < 20; ++round) {
    ASSERT_THAT(process->Append(today_, round * 10, 10), IsOk());
    ASSERT_THAT(process->merger.Merge(today_), IsOk());
  }
  EXPECT_LT(process->catalog->Find(today_)->blocks, 6u);
  TV_ASSERT_OK_AND_ASSIGN(const auto stored, process->store.ListBlocks());
  EXPECT_EQ(stored.size(), process->catalog->Find(today_)->blocks) << "replaced ones are erased";
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(200));
}

TEST_F(MergeTest, ASnapshotKeepsItsRowsWhileTheyAreMergedAway) {
  auto process = Start();
  AppendHundred(*process, today_);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process->reader.Pin());
    ASSERT_THAT(process->Append(today_, 100, 100), IsOk());
    ASSERT_THAT(process->merger.Merge(today_), IsOk());
    EXPECT_EQ(process->events.back().replaced_blocks, 1u);
    TV_ASSERT_OK_AND_ASSIGN(const auto numbers, Process::Numbers(*snapshot, today_));
    EXPECT_EQ(numbers, UpTo(100));
    EXPECT_EQ(process->store.ListBlocks()->size(), 2u) << "the old block is still being read";
  }
  TV_ASSERT_OK_AND_ASSIGN(const bool merged, process->merger.Merge(today_));
  EXPECT_FALSE(merged);
  EXPECT_EQ(process->store.ListBlocks()->size(), 1u);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(200));
}

TEST_F(MergeTest, ADeathAtAnyWriteOfAMergeLeavesEveryRowOnce) {
  for (const bool apply_last : {false, true}) {
    bool died = true;
    for (uint64_t writes = 0; died; ++writes) {
      SCOPED_TRACE(::testing::Message() << "writes " << writes << " last applied " << apply_last);
      ASSERT_LT(writes, 20u);
      disk_ = std::make_shared<SimDisk>(writes);
      {
        auto process = Start();
        // A first block, so that the merge also replaces one.
        ASSERT_THAT(process->Append(today_, 0, 50'000), IsOk());
        ASSERT_THAT(process->Append(today_, 50'000, 30'000), IsOk());
        ASSERT_THAT(process->merger.Merge(today_), IsOk());
        ASSERT_THAT(process->Append(today_, 80'000, 60'000), IsOk());
        ASSERT_THAT(process->Append(today_, 140'000, 10'000), IsOk());
        process->store.DieAfter(writes, apply_last);
        const absl::Status merged = process->merger.Merge(today_).status();
        died = process->store.died();
        EXPECT_EQ(merged.ok(), !died);
      }
      disk_->Crash();
      auto process = Start();
      ASSERT_THAT(process->merger.SweepOrphans(), IsOk());
      TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
      EXPECT_TRUE(numbers == UpTo(150'000)) << numbers.size() << " rows";
      TV_ASSERT_OK_AND_ASSIGN(const auto stored, process->store.ListBlocks());
      EXPECT_EQ(stored.size(), process->catalog->Find(today_)->blocks);
      ASSERT_THAT(process->merger.Merge(today_), IsOk());
      TV_ASSERT_OK_AND_ASSIGN(const auto again, process->Numbers(today_));
      EXPECT_TRUE(again == UpTo(150'000));
    }
  }
}

TEST_F(MergeTest, ARefusedMergeLeavesNothingBehind) {
  auto process = Start();
  AppendHundred(*process, today_);
  process->journal.Refuse(true);
  EXPECT_THAT(process->merger.Merge(today_), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(process->store.ListBlocks()->empty());
  process->journal.Refuse(false);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(100));
}

// As many rows as a batch may have, with as many columns from `first` on, each of one value: next
// to nothing once it is sealed.
block::ColumnBatch WideBatch(PartitionId partition, uint16_t first, uint16_t columns) {
  constexpr size_t kRows = limits::kMaxEventsPerAppend;
  block::ColumnBatch batch = {.rows = kRows, .numbers = {0}};
  batch.columns.push_back({.type = block::PhysicalType::kInt, .rows = kRows});
  batch.columns[0].ints.assign(kRows, StartOf(partition.day).micros);
  for (uint16_t number = first; number < first + columns; ++number) {
    batch.numbers.push_back(number);
    batch.columns.push_back({.type = block::PhysicalType::kInt, .rows = kRows});
    batch.columns.back().ints.assign(kRows, number);
  }
  return batch;
}

// Micro-batches that compress to a hundredth were all decoded at once: a merge was bounded by rows
// and sealed bytes alone, and took the memory of the machine.
TEST_F(MergeTest, AMergeDecodesNoMoreThanItsMemoryHolds) {
  constexpr size_t kBatches = limits::kMaxMergeRows / limits::kMaxEventsPerAppend;
  auto process = Start();
  const block::ColumnBatch batch = WideBatch(today_, 2, 130);
  const size_t fit = limits::kMaxMergeMemoryBytes / block::MemoryBytes(batch);
  ASSERT_LT(fit, kBatches);
  for (size_t i = 0; i < kBatches; ++i) ASSERT_THAT(process->Append(today_, batch), IsOk());
  ASSERT_LT(process->catalog->Find(today_)->hot_bytes, limits::MiB);
  for (const size_t batches : {fit, kBatches - fit}) {
    TV_ASSERT_OK_AND_ASSIGN(const bool merged, process->merger.Merge(today_));
    EXPECT_TRUE(merged);
    EXPECT_EQ(process->events.back().micro_batches, batches);
  }
  EXPECT_EQ(process->catalog->Find(today_)->block_rows, limits::kMaxMergeRows);
}

// As above, where each batch has other columns: what is joined has all of them in every row.
TEST_F(MergeTest, AMergeCountsTheColumnsThatJoiningFills) {
  auto process = Start();
  for (uint16_t first = 2; first < 242; first += 60) {
    ASSERT_THAT(process->Append(today_, WideBatch(today_, first, 60)), IsOk());
  }
  for (int i = 0; i < 2; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(const bool merged, process->merger.Merge(today_));
    EXPECT_TRUE(merged);
    EXPECT_EQ(process->events.back().micro_batches, 2u);
  }
  EXPECT_EQ(process->catalog->Find(today_)->block_rows, limits::kMaxMergeRows);
}

}  // namespace
}  // namespace televault::partition
