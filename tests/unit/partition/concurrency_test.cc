#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/partition/partition_harness.h"

namespace televault::partition {
namespace {

using partition::testing::Machine;
using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;

// What writers, merges, readers and a shred do to each other.
class PartitionConcurrencyTest : public ::testing::Test {
 protected:
  Machine machine_;
  std::shared_ptr<SimDisk> disk_ = std::make_shared<SimDisk>(1);
  Process process_{machine_, std::make_unique<SimStore>(disk_)};
  const PartitionId today_ = machine_.Today();
};

TEST_F(PartitionConcurrencyTest, AMergeThatOvertakesAWritersReportLeavesTheFiguresRight) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(
      PreparedBatch late,
      process_.writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, 10, 10),
                              EndOf(today_.day) + std::chrono::hours(24)));
  store::CommitUnit unit;
  unit.leaves.resize(1);
  unit.mutations = std::move(late.mutations);
  ASSERT_THAT(process_.journal.Commit(unit), IsOk());
  ASSERT_THAT(process_.merger.Merge(today_), IsOk());
  EXPECT_EQ(process_.catalog->Find(today_)->hot_rows, 0u) << "more went than came: shown as none";
  late.on_committed();
  for (const PartitionInfo& info :
       {*process_.catalog->Find(today_), process_.catalog->All().at(0),
        process_.catalog->List(today_.dataset, today_.day, today_.day).at(0)}) {
    EXPECT_EQ(info.rows(), 20u);
    EXPECT_EQ(info.hot_batches, 0u);
    EXPECT_EQ(info.hot_rows, 0u);
    EXPECT_EQ(info.hot_bytes, 0u);
  }
}

// A query of the first seconds of a day saw a batch without the rows of that day: the partition
// counted only once its opening was reported.
TEST_F(PartitionConcurrencyTest, AViewShowsThePartitionsThatItsCommitsOpened) {
  const PartitionId tomorrow{today_.dataset, Day(today_.day.value() + 1)};
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto before, process_.reader.Pin());
  TV_ASSERT_OK_AND_ASSIGN(
      PreparedBatch opening,
      process_.writer.Prepare(tomorrow, catalog::Schema(), Process::Rows(tomorrow, 0, 10),
                              EndOf(tomorrow.day) + std::chrono::hours(24)));
  TV_ASSERT_OK_AND_ASSIGN(const auto records, process_.Write(opening));
  TV_ASSERT_OK_AND_ASSIGN(const auto after, process_.reader.Pin());
  EXPECT_FALSE(process_.catalog->Find(tomorrow).has_value()) << "not reported yet";
  TV_ASSERT_OK_AND_ASSIGN(const auto listed,
                          after->Partitions(today_.dataset, today_.day, tomorrow.day));
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[1].id, tomorrow);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, Process::Numbers(*after, tomorrow));
  EXPECT_EQ(numbers, UpTo(10));
  TV_ASSERT_OK_AND_ASSIGN(const auto none, Process::Numbers(*before, tomorrow));
  EXPECT_TRUE(none.empty()) << "it was pinned before the commit";
  opening.on_committed();
  TV_ASSERT_OK_AND_ASSIGN(const auto again,
                          after->Partitions(today_.dataset, today_.day, tomorrow.day));
  EXPECT_EQ(again.size(), 2u);
}

TEST_F(PartitionConcurrencyTest, AFooterThatIsOpenedDuringAShredIsNotKept) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  ASSERT_THAT(process_.merger.Merge(today_), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process_.reader.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const auto units, snapshot->Units(today_));
  bool shred = true;
  process_.store.BeforeReads([&] {
    if (!std::exchange(shred, false)) return;
    const std::vector<PartitionId> partitions = {today_};
    ASSERT_THAT(machine_.keyring->Shred(std::span<const PartitionId>(partitions)), IsOk());
    process_.reader.Forget(today_);
  });
  EXPECT_THAT(snapshot->Footer(units.at(0)), HasReason(reason::kExpired));
  EXPECT_FALSE(shred);
  EXPECT_THAT(snapshot->Footer(units.at(0)), HasReason(reason::kExpired));
}

TEST_F(PartitionConcurrencyTest, ReadersSeeEachCommittedBatchOnceWhileWritersAndMergesRun) {
  constexpr int64_t kWriters = 3, kBatches = 40, kRows = 10;
  std::atomic<int64_t> committed{0};
  std::atomic<int64_t> writing{kWriters};
  std::vector<std::jthread> threads;
  for (int64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int64_t i = 0; i < kBatches; ++i) {
        EXPECT_THAT(process_.Append(today_, (writer * kBatches + i) * kRows, kRows), IsOk());
        committed += kRows;
      }
      --writing;
    });
  }
  threads.emplace_back([&] {
    while (committed == 0) std::this_thread::yield();
    while (writing > 0) EXPECT_THAT(process_.merger.Merge(today_), IsOk());
  });
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (committed == 0) std::this_thread::yield();
      while (writing > 0) {
        const auto before = static_cast<size_t>(committed.load());
        const auto numbers = process_.Numbers(today_);
        ASSERT_THAT(numbers, IsOk());
        EXPECT_GE(numbers->size(), before);
        EXPECT_EQ(numbers->size() % kRows, 0u) << "a batch is there as a whole or not at all";
        EXPECT_EQ(std::adjacent_find(numbers->begin(), numbers->end()), numbers->end());
      }
    });
  }
  threads.clear();
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process_.Numbers(today_));
  EXPECT_EQ(numbers, UpTo(kWriters * kBatches * kRows));
  ASSERT_THAT(process_.merger.Merge(today_), IsOk());
  const PartitionInfo info = *process_.catalog->Find(today_);
  EXPECT_EQ(info.hot_batches + info.hot_rows + info.hot_bytes, 0u);
  EXPECT_EQ(info.block_rows, numbers.size());
  EXPECT_EQ(process_.store.ListBlocks()->size(), info.blocks);
}

TEST_F(PartitionConcurrencyTest, AShredUnderReadersEndsTheirReadingAndIsNoDamage) {
  std::vector<PartitionId> partitions;
  for (uint32_t dataset = 1; dataset < 5; ++dataset)
    partitions.push_back({DatasetId(dataset), today_.day});
  for (const PartitionId partition : partitions)
    ASSERT_THAT(process_.Append(partition, 0, 10), IsOk());
  ASSERT_THAT(process_.merger.Merge(partitions[0]), IsOk());
  std::atomic<bool> shredded{false};
  std::atomic<int> reads{0};
  std::vector<std::jthread> threads;
  for (int reader = 0; reader < 3; ++reader) {
    threads.emplace_back([&] {
      for (bool last = false; !last;) {
        last = shredded;
        for (const PartitionId partition : partitions) {
          const auto numbers = process_.Numbers(partition);
          if (numbers.ok()) {
            EXPECT_EQ(*numbers, UpTo(10));
            EXPECT_FALSE(last) << "read after its shred";
          } else {
            EXPECT_THAT(numbers, HasReason(reason::kExpired));
          }
        }
        ++reads;
      }
    });
  }
  while (reads < 10) std::this_thread::yield();
  for (const PartitionId& partition : partitions) {
    ASSERT_THAT(machine_.keyring->Shred(std::span<const PartitionId>(&partition, 1)), IsOk());
    process_.reader.Forget(partition);
  }
  shredded = true;
  threads.clear();
  for (const PartitionId partition : partitions)
    EXPECT_FALSE(process_.catalog->Find(partition)->quarantined);
}

}  // namespace
}  // namespace televault::partition
