#include <gtest/gtest.h>
#include <memory>
#include <thread>

#include "tests/unit/partition/partition_fixture.h"
#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/partition/purge.h"
#include "vault/store/rocks_store.h"

namespace televault::partition {
namespace {

using partition::testing::Machine;
using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

TEST_F(PartitionTest, ReadsWhatWasWritten) {
  auto process = Start();
  AppendHundred(*process, today_);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(100));
  const PartitionInfo info = *process->catalog->Find(today_);
  EXPECT_EQ(info.hot_rows, 100u);
  EXPECT_EQ(info.hot_batches, 10u);
}

TEST_F(PartitionTest, AStartRebuildsTheFigures) {
  PartitionInfo before;
  {
    auto process = Start();
    AppendHundred(*process, today_);
    TV_ASSERT_OK_AND_ASSIGN(const bool merged, process->merger.Merge(today_));
    EXPECT_TRUE(merged);
    ASSERT_THAT(process->Append(today_, 100, 5), IsOk());
    before = *process->catalog->Find(today_);
  }
  auto process = Start();
  const PartitionInfo after = *process->catalog->Find(today_);
  EXPECT_EQ(after.deadline, before.deadline);
  EXPECT_EQ(after.key, before.key);
  EXPECT_EQ(after.hot_rows, 5u);
  EXPECT_EQ(after.hot_bytes, before.hot_bytes);
  EXPECT_EQ(after.blocks, 1u);
  EXPECT_EQ(after.block_rows, 100u);
  EXPECT_EQ(after.block_bytes, before.block_bytes);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(105));
}

TEST_F(PartitionTest, NoPlaintextReachesTheStore) {
  auto process = Start();
  AppendHundred(*process, today_);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  ASSERT_THAT(process->Append(today_, 100, 50), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto view, process->store.Pin());
  size_t values = 0;
  const auto visit = [&](std::string_view key, std::string_view value) {
    ++values;
    for (const std::string_view marker : {"PLAINTEXT", "subject-"}) {
      EXPECT_EQ(value.find(marker), std::string_view::npos);
      EXPECT_EQ(key.find(marker), std::string_view::npos);
    }
    return true;
  };
  ASSERT_THAT(view->Scan(store::Family::kHot, "", "", visit), IsOk());
  ASSERT_THAT(view->Scan(store::Family::kMeta, "", "", visit), IsOk());
  EXPECT_GE(values, 4u);
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, process->store.ListBlocks());
  ASSERT_EQ(blocks.size(), 1u);
  const std::vector<uint32_t> columns = {0, 1, 2, 3, store::kFooterChunk};
  TV_ASSERT_OK_AND_ASSIGN(const auto chunks, process->store.ReadBlock(blocks[0], columns));
  for (const std::string& chunk : chunks) visit("", chunk);
}

TEST_F(PartitionTest, ADamagedBlockQuarantinesItsPartition) {
  auto process = Start();
  AppendHundred(*process, today_);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  std::vector<PartitionId> reported;
  process->reader.SetQuarantineListener(
      [&](PartitionId id, std::string_view) { reported.push_back(id); });
  process->store.DamageReads(true);
  EXPECT_THAT(process->Numbers(today_), HasReason(reason::kQuarantined));
  process->store.DamageReads(false);
  EXPECT_THAT(process->Numbers(today_), HasReason(reason::kQuarantined)) << "it stays";
  EXPECT_EQ(reported, std::vector<PartitionId>{today_});
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process->reader.Pin());
  EXPECT_THAT(snapshot->Partitions(today_.dataset, today_.day, today_.day),
              HasReason(reason::kQuarantined));
}

// Puts `value` at the hot key past every layer above the store.
void Overwrite(Process& process, const std::string& key, std::optional<std::string> value) {
  store::CommitUnit unit;
  unit.leaves.resize(1);
  unit.mutations.push_back({.family = store::Family::kHot, .key = key, .value = std::move(value)});
  ASSERT_THAT(process.journal.Commit(unit), IsOk());
}

TEST_F(PartitionTest, AnExchangedOrLostMicroBatchIsNoticed) {
  for (const bool lost : {false, true}) {
    disk_ = std::make_shared<SimDisk>(1);
    auto process = Start();
    AppendHundred(*process, today_);
    std::vector<std::pair<std::string, std::string>> hot;
    TV_ASSERT_OK_AND_ASSIGN(const auto view, process->store.Pin());
    ASSERT_THAT(view->Scan(store::Family::kHot, "", "",
                           [&](std::string_view key, std::string_view value) {
                             hot.emplace_back(key, value);
                             return true;
                           }),
                IsOk());
    ASSERT_EQ(hot.size(), 10u);
    Overwrite(*process, hot[0].first,
              lost ? std::nullopt : std::optional<std::string>(hot[1].second));
    EXPECT_THAT(process->Numbers(today_), HasReason(reason::kQuarantined));
  }
}

TEST_F(PartitionTest, NothingIsReadableFromTheDeadlineOn) {
  auto process = Start();
  AppendHundred(*process, today_);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  ASSERT_THAT(process->Append(today_, 100, 10), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process->reader.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const auto units, snapshot->Units(today_));
  ASSERT_EQ(units.size(), 2u);
  const WallTime deadline = process->catalog->Find(today_)->deadline;
  machine_.clock.SetWall(deadline - microseconds(1));
  EXPECT_THAT(snapshot->ReadAll(units[0]), IsOk());
  machine_.clock.SetWall(deadline);
  for (const Unit& unit : units) {
    EXPECT_THAT(snapshot->ReadAll(unit), HasReason(reason::kExpired));
    EXPECT_THAT(snapshot->Footer(unit), HasReason(reason::kExpired));
  }
  EXPECT_THAT(snapshot->Units(today_), HasReason(reason::kExpired));
  TV_ASSERT_OK_AND_ASSIGN(const auto readable,
                          snapshot->Partitions(today_.dataset, today_.day, today_.day));
  EXPECT_TRUE(readable.empty());
  EXPECT_THAT(process->Append(today_, 110, 1), HasReason(reason::kExpired));
  EXPECT_THAT(process->merger.Merge(today_), HasReason(reason::kExpired));
}

TEST_F(PartitionTest, FootersPruneByValueAndBySubject) {
  auto process = Start();
  AppendHundred(*process, today_);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto snapshot, process->reader.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const auto units, snapshot->Units(today_));
  TV_ASSERT_OK_AND_ASSIGN(const auto footer, snapshot->Footer(units[0]));
  EXPECT_TRUE(footer->Find(2)->zone.MayContain(int64_t{99}));
  EXPECT_FALSE(footer->Find(2)->zone.MayContain(int64_t{100}));
  TV_ASSERT_OK_AND_ASSIGN(const bool known,
                          snapshot->MayContainSubject(units[0], "subject-7......."));
  TV_ASSERT_OK_AND_ASSIGN(const bool unknown,
                          snapshot->MayContainSubject(units[0], "nobody-at-all..."));
  EXPECT_TRUE(known);
  EXPECT_FALSE(unknown);
  const std::vector<uint16_t> wanted = {2, 9};
  TV_ASSERT_OK_AND_ASSIGN(const auto rows, snapshot->Read(units[0], wanted));
  EXPECT_EQ(rows.numbers, std::vector<uint16_t>{2}) << "a column it lacks is left out";
}

TEST_F(PartitionTest, MergesWhenTheDesignSaysSo) {
  auto process = Start();
  const auto due = [&] { return process->merger.Due(machine_.clock.Wall()).size(); };
  for (int64_t i = 0; i < 7; ++i) ASSERT_THAT(process->Append(today_, i, 1), IsOk());
  machine_.clock.Advance(std::chrono::minutes(2));
  EXPECT_EQ(due(), 0u) << "seven micro-batches wait";
  ASSERT_THAT(process->Append(today_, 7, 1), IsOk());
  EXPECT_EQ(due(), 1u) << "eight, the oldest of 60 s";
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  ASSERT_THAT(process->Append(today_, 8, 1), IsOk());
  EXPECT_EQ(due(), 0u);
  machine_.clock.SetWall(EndOf(today_.day) + std::chrono::minutes(2));
  EXPECT_EQ(due(), 1u) << "the day has closed";
}

TEST_F(PartitionTest, RefusesBatchesThatDoNotBelong) {
  auto process = Start();
  const PartitionId tomorrow{today_.dataset, Day(today_.day.value() + 1)};
  EXPECT_THAT(process->Append(tomorrow, Process::Rows(today_, 0, 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another day")));
  EXPECT_THAT(process->Append(today_, Process::Rows(today_, 0, 0)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  block::ColumnBatch broken = Process::Rows(today_, 0, 3);
  broken.columns[2].ints.pop_back();
  EXPECT_THAT(process->Append(today_, broken), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(process->catalog->All().size(), 0u);
}

TEST_F(PartitionTest, TwoCallersThatOpenAPartitionAgreeOnItsRecord) {
  auto process = Start();
  catalog::Schema schema;
  const auto prepare = [&](int64_t first, int days) {
    return process->writer.Prepare(today_, schema, Process::Rows(today_, first, 10),
                                   EndOf(today_.day) + std::chrono::hours(24 * days));
  };
  TV_ASSERT_OK_AND_ASSIGN(PreparedBatch a, prepare(0, 3));
  TV_ASSERT_OK_AND_ASSIGN(PreparedBatch b, prepare(10, 9));
  EXPECT_TRUE(a.open && b.open) << "nobody knows yet whether the first one commits";
  for (PreparedBatch* prepared : {&b, &a}) ASSERT_THAT(process->Commit(*prepared), IsOk());
  EXPECT_EQ(process->catalog->Find(today_)->deadline,
            EndOf(today_.day) + std::chrono::hours(24 * 3));
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(20));
  auto restarted = Start();
  EXPECT_EQ(restarted->catalog->Find(today_)->deadline,
            EndOf(today_.day) + std::chrono::hours(24 * 3));
}

TEST_F(PartitionTest, AnOpeningThatWasGivenUpLeavesNoLaterDeadline) {
  auto process = Start();
  catalog::Schema schema;
  const auto prepare = [&](int days) {
    return process->writer.Prepare(today_, schema, Process::Rows(today_, 0, 10),
                                   EndOf(today_.day) + std::chrono::hours(24 * days));
  };
  ASSERT_THAT(prepare(9), IsOk()) << "never committed";
  TV_ASSERT_OK_AND_ASSIGN(PreparedBatch prepared, prepare(2));
  ASSERT_THAT(process->Commit(prepared), IsOk());
  const WallTime deadline = EndOf(today_.day) + std::chrono::hours(48);
  EXPECT_EQ(process->catalog->Find(today_)->deadline, deadline);
  EXPECT_EQ(Start()->catalog->Find(today_)->deadline, deadline);
  EXPECT_EQ(machine_.keyring->DataKeys(today_).at(0).deadline, deadline);
}

// Running queries look again at the deadlines of what they read when this number is another one.
TEST_F(PartitionTest, EveryMoveOfADeadlineShowsInTheNumberOfChanges) {
  auto process = Start();
  AppendHundred(*process, today_);
  const uint64_t before = process->catalog->deadline_changes();
  PartitionInfo reopened = *process->catalog->Find(today_);
  reopened.deadline = reopened.deadline - microseconds(1);
  process->catalog->OnOpened(reopened);
  const uint64_t between = process->catalog->deadline_changes();
  EXPECT_NE(between, before);
  process->catalog->OnDeadline(today_, reopened.deadline - microseconds(1));
  EXPECT_NE(process->catalog->deadline_changes(), between);
}

// A key that was made under a shorter TTL and not used: it was shredded at its deadline, the
// partition's record named a later one, and every query over the day failed from then on.
TEST_F(PartitionTest, APartitionLivesNoLongerThanAKeyThatWasThereBefore) {
  const WallTime deadline = EndOf(today_.day) + std::chrono::hours(1);
  ASSERT_THAT(machine_.keyring->EnsureDataKey(today_, deadline), IsOk());
  auto process = Start();
  ASSERT_THAT(process->Append(today_, 0, 10), IsOk());
  EXPECT_EQ(process->catalog->Find(today_)->deadline, deadline);
  // Where that deadline is over, the key goes first.
  const PartitionId other{DatasetId(5), today_.day};
  ASSERT_THAT(machine_.keyring->EnsureDataKey(other, machine_.clock.Wall()), IsOk());
  EXPECT_THAT(process->Append(other, 0, 10), HasReason(reason::kOverloaded));
  const std::vector<PartitionId> due = {other};
  ASSERT_THAT(machine_.keyring->Shred(std::span<const PartitionId>(due)), IsOk());
  EXPECT_THAT(process->Append(other, 0, 10), IsOk());
  EXPECT_EQ(Start()->catalog->Find(today_)->deadline, deadline);
}

// Each refused or abandoned opening stayed until the restart: listed to readers, counted towards
// the limit of live partitions, its deadline a bound to later ones.
TEST_F(PartitionTest, AnOpeningIsForgottenWithItsLastHolder) {
  auto process = Start();
  const WallTime deadline = EndOf(today_.day) + std::chrono::hours(24);
  const auto prepare = [&](size_t rows) {
    return process->writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, 0, rows),
                                   deadline);
  };
  const auto listed = [&] { return process->catalog->FindForReading(today_).has_value(); };
  machine_.keyring->Seal();
  EXPECT_THAT(prepare(10), HasReason(reason::kSealed));
  EXPECT_FALSE(listed());
  ASSERT_THAT(machine_.keyring->Unseal(machine_.root), IsOk());
  {
    TV_ASSERT_OK_AND_ASSIGN(const PreparedBatch a, prepare(10));
    ASSERT_THAT(prepare(10), IsOk()) << "and given up";
    EXPECT_TRUE(listed()) << "the first may still be committed";
  }
  EXPECT_FALSE(listed());
  EXPECT_TRUE(process->catalog->ListForReading(today_.dataset, today_.day, today_.day).empty());
  {
    TV_ASSERT_OK_AND_ASSIGN(const PreparedBatch late, prepare(10));
    ASSERT_THAT(process->Append(today_, 0, 10), IsOk());
  }
  EXPECT_TRUE(listed()) << "committed by the other one";
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today_));
  EXPECT_EQ(numbers, UpTo(10));
}

TEST_F(PartitionTest, AWriteIsRefusedByTheGatesTimeAndNotTheWallClock) {
  class LateGate final : public Gate {
   public:
    absl::Status Check(GateAccess, const GateScope&) const override { return absl::OkStatus(); }
    LockEpoch epoch() const override { return LockEpoch(1); }
    WallTime ReadTime() const override { return now; }
    WallTime now;
  };
  auto process = Start();
  LateGate gate;
  PartitionWriter writer(*process->catalog, *machine_.keyring, process->meta, process->journal,
                         gate, machine_.random, machine_.vault);
  const WallTime deadline = EndOf(today_.day) + std::chrono::hours(24);
  gate.now = deadline;
  EXPECT_THAT(writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, 0, 10), deadline),
              HasReason(reason::kExpired));
}

TEST_F(PartitionTest, MaintenanceExcludesItself) {
  auto process = Start();
  AppendHundred(*process, today_);
  {
    const auto lock = process->catalog->TryLock(today_);
    ASSERT_TRUE(lock.has_value());
    EXPECT_FALSE(process->catalog->TryLock(today_).has_value());
    EXPECT_THAT(process->merger.Merge(today_), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(process->merger.Merge(today_), IsOk());
}

TEST_F(PartitionTest, WritersOfARecordWaitForEachOther) {
  auto process = Start();
  int value = 0;
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] {
      for (int i = 0; i < 1'000; ++i) {
        const auto records = process->catalog->LockRecords();
        const int read = value;
        std::this_thread::yield();
        value = read + 1;
      }
    });
  }
  writers.clear();
  EXPECT_EQ(value, 4'000);
  // The answer to a call may be sent, and the lock released, on another thread.
  auto held = std::make_shared<PartitionCatalog::RecordLock>(process->catalog->LockRecords());
  std::jthread([moved = std::move(held)]() mutable { moved.reset(); }).join();
  const auto again = process->catalog->LockRecords();
}

TEST_F(PartitionTest, APurgePlanNamesEverythingAndItsCommitLeavesNothing) {
  auto process = Start();
  const PartitionId other{DatasetId(5), today_.day};
  AppendHundred(*process, today_);
  AppendHundred(*process, other);
  ASSERT_THAT(process->merger.Merge(today_), IsOk());
  ASSERT_THAT(process->Append(today_, 100, 5), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(PurgePlan plan, PlanPurge(process->store, process->meta, today_));
  EXPECT_EQ(plan.rows, 105u);
  EXPECT_EQ(plan.sealed_bytes, process->catalog->Find(today_)->bytes());
  store::CommitUnit unit;
  unit.leaves.resize(1);
  unit.mutations = std::move(plan.mutations);
  ASSERT_THAT(process->journal.Commit(unit), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto erased, process->store.ErasePartition(today_));
  EXPECT_TRUE(erased.complete) << erased.remaining;
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, process->store.ListBlocks());
  EXPECT_TRUE(blocks.empty());
  TV_ASSERT_OK_AND_ASSIGN(const PurgePlan after, PlanPurge(process->store, process->meta, today_));
  EXPECT_EQ(after.rows, 0u);
  EXPECT_TRUE(after.mutations.empty());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(other));
  EXPECT_EQ(numbers, UpTo(100));
}

TEST_F(PartitionTest, AShreddedKeyEndsReadingAndMerging) {
  auto process = Start();
  AppendHundred(*process, today_);
  const std::vector<PartitionId> partitions = {today_};
  ASSERT_THAT(machine_.keyring->Shred(std::span<const PartitionId>(partitions)), IsOk());
  EXPECT_THAT(process->Numbers(today_), HasReason(reason::kExpired));
  EXPECT_FALSE(process->catalog->Find(today_)->quarantined) << "that is no damage";
  EXPECT_THAT(process->merger.Merge(today_), HasReason(reason::kExpired));
  EXPECT_THAT(process->Append(today_, 100, 1), HasReason(reason::kExpired));
  EXPECT_TRUE(machine_.keyring->DataKeys(today_).empty()) << "nobody made a new key";
}

// The same on the real engine: files, ingested blocks, a start on what is on the disk.
TEST(PartitionOnRocksTest, WritesMergesStartsAgainAndPurges) {
  Machine machine;
  const PartitionId today = machine.Today();
  const auto start = [&] {
    return std::make_unique<Process>(
        machine, store::OpenRocksStore({.directory = machine.directory.Path("store"),
                                        .fs = PosixFileSystem(),
                                        .keep_free_bytes = 0,
                                        .reserve_bytes = 0})
                     .value());
  };
  {
    auto process = start();
    for (int64_t i = 0; i < 9; ++i) {
      ASSERT_THAT(process->Append(today, i * 10'000, 10'000), IsOk());
    }
    ASSERT_THAT(process->merger.Merge(today), IsOk());
    ASSERT_THAT(process->Append(today, 90'000, 10), IsOk());
  }
  auto process = start();
  ASSERT_THAT(process->merger.SweepOrphans(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process->Numbers(today));
  EXPECT_TRUE(numbers == UpTo(90'010)) << numbers.size() << " rows";
  TV_ASSERT_OK_AND_ASSIGN(PurgePlan plan, PlanPurge(process->store, process->meta, today));
  EXPECT_EQ(plan.rows, 90'010u);
  store::CommitUnit unit;
  unit.leaves.resize(1);
  unit.mutations = std::move(plan.mutations);
  ASSERT_THAT(process->journal.Commit(unit), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const store::EraseReport report, process->store.ErasePartition(today));
  EXPECT_TRUE(report.complete) << report.remaining;
}

}  // namespace
}  // namespace televault::partition
