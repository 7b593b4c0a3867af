#include "vault/retention/retention.h"

#include <algorithm>
#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "tests/unit/partition/partition_harness.h"

namespace televault::retention {
namespace {

using partition::State;
using partition::testing::Machine;
using partition::testing::Process;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;

class RetentionTest : public ::testing::Test {
 protected:
  record::v1::PartitionRecord Record() {
    return process_.meta
        .Get<record::v1::PartitionRecord>(*process_.store.Pin().value(),
                                          store::RecordKind::kPartition, store::RecordId(today_))
        .value();
  }
  // What somebody else changes in the record, by the rules.
  void Change(const std::function<void(record::v1::PartitionRecord&)>& change) {
    const auto records = process_.catalog->LockRecords();
    auto record = Record();
    change(record);
    store::CommitUnit unit;
    unit.leaves.resize(1);
    unit.mutations.push_back(
        process_.meta.Put(store::RecordKind::kPartition, store::RecordId(today_), record).value());
    ASSERT_THAT(process_.journal.Commit(unit), IsOk());
  }

  Machine machine_;
  Process process_{machine_, std::make_unique<SimStore>(std::make_shared<SimDisk>(1))};
  PartitionId today_ = machine_.Today();
  std::optional<microseconds> ttl_;
  std::vector<std::string> methods_;
  std::vector<record::v1::AuditEntry> entries_;
  std::function<void(const std::string& method)> on_leaf_;
  RetentionManager::Parts WithGate(const Gate& gate) {
    return RetentionManager::Parts{
        .store = process_.store,
        .meta = process_.meta,
        .journal = process_.journal,
        .keyring = *machine_.keyring,
        .catalog = *process_.catalog,
        .reader = process_.reader,
        .gate = gate,
        .make_leaf = [this](record::v1::AuditEntry entry) -> absl::StatusOr<store::AuditLeaf> {
          methods_.push_back(entry.method());
          entries_.push_back(entry);
          if (on_leaf_) on_leaf_(entry.method());
          return store::AuditLeaf();
        },
        .sign = [](const std::string& text) -> absl::StatusOr<std::string> { return text; },
        .name_of = [](DatasetId) { return std::string("d"); },
        .pseudonym_of = [](DatasetId) { return std::string("00"); },
        .ttl_of = [this](DatasetId) { return ttl_; }};
  }
  RetentionManager retention_{WithGate(machine_.gate)};
};

TEST_F(RetentionTest, APartitionIsShreddedThenPurgedAtItsDeadline) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(RunReport report, retention_.RunOnce());
  EXPECT_EQ(report.shredded + report.purged, 0u);
  machine_.clock.Advance(std::chrono::hours(24 * 3));
  TV_ASSERT_OK_AND_ASSIGN(report, retention_.RunOnce());
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_EQ(report.purged, 1u) << (report.pending.empty() ? "" : report.pending.front());
  EXPECT_EQ(process_.catalog->Find(today_)->state, State::kPurged);
  EXPECT_NE(Record().receipt_note(), "");
  // What an auditor writes the receipt anew from.
  ASSERT_EQ(entries_.back().method(), "retention.purge");
  const auto& details = entries_.back().details();
  EXPECT_EQ(details.at("receipt"), Record().receipt_note());
  EXPECT_EQ(details.at("day"), FormatDay(today_.day));
  EXPECT_EQ(details.at("events"), "10");
  EXPECT_EQ(details.at("pseudonym"), "00");
  for (const char* name :
       {"deadline", "key_id", "shredded_at", "purged_at", "shredded_leaf", "destruction"}) {
    EXPECT_THAT(Record().receipt_note(),
                ::testing::HasSubstr(std::string(name) + " " + details.at(name) + "\n"));
  }
}

// Each purge listed the blocks of every partition and looked through all files of the store for
// each of its own, before ErasePartition did all of that at once.
TEST_F(RetentionTest, APurgeAsksNothingAboutSingleBlocks) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  ASSERT_THAT(process_.merger.Merge(today_), IsOk());
  // A block that no record names goes as well.
  ASSERT_THAT(process_.store.PutBlock({today_, 77}, std::vector<store::BlockChunk>{{0, "x"}}),
              IsOk());
  machine_.clock.Advance(std::chrono::hours(24 * 3));
  const uint64_t calls = process_.store.block_calls();
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention_.RunOnce());
  EXPECT_EQ(report.purged, 1u);
  EXPECT_EQ(process_.store.block_calls(), calls);
  EXPECT_TRUE(process_.store.ListBlocks()->empty());
}

TEST_F(RetentionTest, APurgeKeepsWhatOthersWroteIntoTheRecordMeanwhile) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  machine_.clock.Advance(std::chrono::hours(24 * 3));
  on_leaf_ = [this](const std::string& method) {
    if (method == "retention.purge.begin") {
      Change([](record::v1::PartitionRecord& record) { record.set_quarantined(true); });
    }
  };
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention_.RunOnce());
  ASSERT_EQ(report.purged, 1u);
  EXPECT_TRUE(Record().quarantined());
  EXPECT_EQ(Record().state(), record::v1::PARTITION_STATE_PURGED);
}

TEST_F(RetentionTest, ABatchThatIsCommittedAfterThePurgeIsPurgedToo) {
  for (const bool restarted : {false, true}) {
    ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(
        partition::PreparedBatch late,
        process_.writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, 10, 10), {}));
    machine_.clock.Advance(std::chrono::hours(24 * 3));
    ASSERT_THAT(retention_.RunOnce(), IsOk());
    ASSERT_EQ(process_.catalog->Find(today_)->state, State::kPurged);
    store::CommitUnit unit;
    unit.leaves.resize(1);
    unit.mutations = std::move(late.mutations);
    ASSERT_THAT(process_.journal.Commit(unit), IsOk());
    if (restarted) {
      process_.catalog =
          partition::PartitionCatalog::Load(process_.store, process_.meta, machine_.clock.Wall())
              .value();
    } else {
      late.on_committed();
    }
    RetentionManager retention(WithGate(machine_.gate));
    TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention.RunOnce());
    EXPECT_EQ(report.purged, 1u);
    size_t values = 0;
    ASSERT_THAT(
        process_.store.Pin().value()->Scan(store::Family::kHot, store::HotPrefix(today_), "",
                                           [&](std::string_view, std::string_view) {
                                             ++values;
                                             return true;
                                           }),
        IsOk());
    EXPECT_EQ(values, 0u) << "restarted " << restarted;
    // A partition has one receipt, and the shred is on record once.
    EXPECT_EQ(methods_.back(), "retention.purge.late");
    EXPECT_EQ(std::count(methods_.begin(), methods_.end(), "retention.purge"), 1);
    EXPECT_EQ(std::count(methods_.begin(), methods_.end(), "retention.shred"), 1);
    methods_.clear();
    today_ = machine_.Today();
  }
}

// Of two batches that prepared to open a day one was committed; what became of the day after that
// (its shred, a shorter deadline, a quarantine) was undone when the other one was committed.
TEST_F(RetentionTest, ALateOpeningUndoesNothingThatTheRecordSays) {
  const auto prepare = [&](int64_t first) {
    return process_.writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, first, 10),
                                   EndOf(today_.day) + std::chrono::hours(24));
  };
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch first, prepare(0));
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch second, prepare(10));
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch third, prepare(20));
  ASSERT_THAT(process_.Commit(first), IsOk());
  const WallTime deadline = EndOf(today_.day) + std::chrono::hours(1);
  Change([&](record::v1::PartitionRecord& record) {
    record.set_quarantined(true);
    record.set_deadline_us(deadline.micros);
  });
  process_.catalog->OnQuarantined(today_);
  process_.catalog->OnDeadline(today_, deadline);
  ASSERT_THAT(process_.Commit(second), IsOk());
  EXPECT_TRUE(Record().quarantined());
  EXPECT_EQ(Record().deadline_us(), deadline.micros);

  machine_.clock.SetWall(EndOf(today_.day) + std::chrono::hours(25));
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention_.RunOnce());
  ASSERT_EQ(report.purged, 1u);
  EXPECT_THAT(process_.Commit(third), HasReason(reason::kOverloaded));
  EXPECT_EQ(Record().state(), record::v1::PARTITION_STATE_PURGED);
  EXPECT_EQ(Record().events(), 20u);
  EXPECT_NE(Record().receipt_note(), "");
}

// The trail has one entry for each opening, and one for each deadline that a later batch moves.
TEST_F(RetentionTest, AnOpeningSaysWhatItChanges) {
  const auto prepare = [&](int64_t first, int days) {
    return process_.writer.Prepare(today_, catalog::Schema(), Process::Rows(today_, first, 10),
                                   EndOf(today_.day) + std::chrono::hours(24 * days));
  };
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch longer, prepare(0, 9));
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch same, prepare(10, 9));
  TV_ASSERT_OK_AND_ASSIGN(partition::PreparedBatch shorter, prepare(20, 3));
  const auto opening = [](const partition::PreparedBatch& prepared) {
    return prepared.open().value();
  };
  const partition::Opening first = opening(longer);
  EXPECT_EQ(first.change, partition::Opening::Change::kOpens);
  EXPECT_EQ(first.id, today_);
  EXPECT_EQ(first.key, machine_.keyring->DataKeys(today_).at(0).id);
  ASSERT_THAT(process_.Commit(longer), IsOk());
  EXPECT_EQ(opening(same).change, partition::Opening::Change::kNone);
  const partition::Opening moved = opening(shorter);
  EXPECT_EQ(moved.change, partition::Opening::Change::kShortens);
  EXPECT_EQ(moved.deadline, EndOf(today_.day) + std::chrono::hours(24 * 3));
  ASSERT_THAT(process_.Commit(shorter), IsOk());
  EXPECT_EQ(opening(same).change, partition::Opening::Change::kNone);
  ASSERT_THAT(process_.Commit(same), IsOk());
  EXPECT_EQ(process_.catalog->Find(today_)->deadline, moved.deadline);
}

TEST_F(RetentionTest, RunsBesideWritersMergesAndReaders) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  const WallTime deadline = process_.catalog->Find(today_)->deadline;
  std::atomic<bool> purged{false};
  std::atomic<int64_t> next{10};
  std::atomic<int> reads{0};
  std::vector<std::jthread> threads;
  for (int writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&] {
      while (!purged) {
        const absl::Status appended = process_.Append(today_, next.fetch_add(10), 10);
        if (!appended.ok()) {
          EXPECT_THAT(appended, HasReason(reason::kExpired));
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (!purged) {
      const absl::Status merged = process_.merger.Merge(today_).status();
      if (merged.ok() || absl::IsUnavailable(merged)) continue;
      EXPECT_THAT(merged, HasReason(reason::kExpired));
    }
  });
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (!purged) {
        const bool late = machine_.clock.Wall() >= deadline;
        const auto numbers = process_.Numbers(today_);
        if (numbers.ok()) {
          EXPECT_FALSE(late);
        } else {
          EXPECT_THAT(numbers, HasReason(reason::kExpired));
        }
        ++reads;
      }
    });
  }
  while (reads < 20) {
    std::this_thread::yield();
    EXPECT_THAT(retention_.RunOnce(), IsOk());
  }
  machine_.clock.SetWall(deadline);
  while (process_.catalog->Find(today_)->state != State::kPurged) {
    EXPECT_THAT(retention_.RunOnce(), IsOk());
  }
  purged = true;
  threads.clear();
  // What was under way when the purge came is gone after the next one.
  ASSERT_THAT(retention_.RunOnce(), IsOk());
  EXPECT_EQ(process_.catalog->Find(today_)->rows(), 0u);
  EXPECT_TRUE(process_.store.ListBlocks()->empty());
  EXPECT_FALSE(process_.catalog->Find(today_)->quarantined);
}

// The hold on the second day ends while the first one is purged, and the key goes then: whoever
// reads the trail must not find it gone under the hold.
TEST_F(RetentionTest, AKeyThatGoesWhileARunIsUnderWayIsNotGoneBeforeIt) {
  const PartitionId before{today_.dataset, Day(today_.day.value() - 1)};
  ASSERT_THAT(process_.Append(before, 0, 10), IsOk());
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  machine_.clock.Advance(std::chrono::hours(24 * 3));
  crypto::LegalHold hold{
      .dataset = today_.dataset, .first_day = today_.day, .last_day = today_.day};
  hold.placed_at = machine_.clock.Wall();
  hold.until = hold.placed_at + std::chrono::hours(24 * 9);
  ASSERT_THAT(machine_.keyring->PlaceHold(hold), IsOk());
  WallTime ended;
  on_leaf_ = [&](const std::string& method) {
    if (method != "retention.purge" || ended.micros != 0) return;
    machine_.clock.Advance(std::chrono::minutes(5));
    ended = machine_.clock.Wall();
    EXPECT_THAT(machine_.keyring->EndHold(hold.id, ended), IsOk());
    EXPECT_THAT(retention_.ShredDue(), IsOk());
  };
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention_.RunOnce());
  ASSERT_NE(ended.micros, 0);
  ASSERT_EQ(report.shredded, 2u);
  EXPECT_EQ(report.purged, 2u);
  EXPECT_GE(Record().shredded_at_us(), ended.micros);
  EXPECT_GE(Record().purged_at_us(), Record().shredded_at_us());
}

TEST_F(RetentionTest, AJumpOfTheClockShredsNothing) {
  class JumpedGate final : public Gate {
   public:
    absl::Status Check(GateAccess, const GateScope&) const override { return absl::OkStatus(); }
    LockEpoch epoch() const override { return LockEpoch(1); }
    WallTime ReadTime() const override { return steady + std::chrono::hours(24 * 365); }
    WallTime SteadyTime() const override { return steady; }
    WallTime steady;
  };
  JumpedGate gate;
  gate.steady = machine_.clock.Wall();
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  RetentionManager retention(WithGate(gate));
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention.RunOnce());
  EXPECT_EQ(report.expired + report.shredded + report.purged, 0u);
  EXPECT_EQ(machine_.keyring->DataKeys(today_).size(), 1u);
}

TEST_F(RetentionTest, ADayOpenedUnderALongerTtlFollowsTheShorterOne) {
  ASSERT_THAT(process_.Append(today_, 0, 10), IsOk());
  Change([](record::v1::PartitionRecord& record) { record.set_quarantined(true); });
  ttl_ = std::chrono::hours(1);
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, retention_.RunOnce());
  EXPECT_TRUE(report.pending.empty());
  const WallTime deadline = EndOf(today_.day) + *ttl_;
  EXPECT_EQ(process_.catalog->Find(today_)->deadline, deadline);
  EXPECT_EQ(Record().deadline_us(), deadline.micros);
  EXPECT_TRUE(Record().quarantined());
  EXPECT_EQ(machine_.keyring->DataKeys(today_).at(0).deadline, deadline);
  EXPECT_EQ(methods_, std::vector<std::string>{"retention.shorten"});
  ttl_ = std::chrono::hours(48);
  ASSERT_THAT(retention_.RunOnce(), IsOk());
  EXPECT_EQ(Record().deadline_us(), deadline.micros) << "a longer TTL moves no deadline";
}

}  // namespace
}  // namespace televault::retention
