#include "vault/backup/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/partition/partition_harness.h"

namespace televault::backup {
namespace {

using partition::State;
using partition::testing::Machine;
using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;
using ::testing::SizeIs;

class ShredLedgerTest : public ::testing::Test {
 protected:
  PartitionId DaysAgo(int days) const {
    return {DatasetId(4), Day(machine_.Today().day.value() - days)};
  }
  // As after a restore: the store of before, the keyring of now.
  void Reopen() {
    process_ = std::make_unique<Process>(machine_, std::make_unique<SimStore>(disk_));
  }
  LedgerReport Apply() {
    ShredLedger ledger(
        {.store = process_->store,
         .meta = process_->meta,
         .keyring = *machine_.keyring,
         .now = machine_.clock.Wall(),
         .name_of = [](DatasetId) { return std::string("set"); },
         .commit =
             [this](ShredLedger::Entries entries, std::vector<store::Mutation> mutations) {
               EXPECT_FALSE(entries.empty()) << "nothing changes without an entry";
               for (const auto& entry : entries) ++entries_[entry.method()];
               store::CommitUnit unit;
               unit.leaves.resize(entries.size());
               unit.mutations = std::move(mutations);
               return process_->journal.Commit(unit).status();
             },
         .may_go_on = [] { return absl::OkStatus(); }});
    const auto report = ledger.Apply();
    EXPECT_THAT(report, IsOk());
    Reopen();
    return report.ok() ? *report : LedgerReport();
  }

  Machine machine_;
  std::shared_ptr<SimDisk> disk_ = std::make_shared<SimDisk>(1);
  std::unique_ptr<Process> process_ =
      std::make_unique<Process>(machine_, std::make_unique<SimStore>(disk_));
  std::map<std::string, int> entries_;
};

TEST_F(ShredLedgerTest, ChangesNothingWhereTheKeyringKnowsEveryKey) {
  ASSERT_THAT(process_->Append(DaysAgo(0), 0, 10), IsOk());
  ASSERT_THAT(process_->merger.Merge(DaysAgo(0)), IsOk());
  const LedgerReport report = Apply();
  EXPECT_EQ(report.shredded + report.shortened + report.units_dropped, 0u);
  EXPECT_THAT(entries_, SizeIs(0));
  EXPECT_THAT(process_->Numbers(DaysAgo(0)), IsOk());
}

TEST_F(ShredLedgerTest, APartitionWithoutAKeyIsShreddedWhateverItsDeadline) {
  ASSERT_THAT(process_->Append(DaysAgo(0), 0, 10), IsOk());
  ASSERT_THAT(process_->Append(DaysAgo(1), 0, 7), IsOk());
  ASSERT_THAT(machine_.keyring->Shred(std::vector<PartitionId>{DaysAgo(1)}), IsOk());
  Reopen();
  EXPECT_EQ(process_->catalog->Find(DaysAgo(1))->state, State::kLive);
  EXPECT_EQ(Apply().shredded, 1u);
  EXPECT_EQ(entries_["retention.shred"], 1);
  const auto info = *process_->catalog->Find(DaysAgo(1));
  EXPECT_EQ(info.state, State::kShredded);
  EXPECT_FALSE(info.quarantined);
  EXPECT_LE(info.deadline, machine_.clock.Wall());
  TV_ASSERT_OK_AND_ASSIGN(const auto view, process_->store.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const auto record,
                          process_->meta.Get<record::v1::PartitionRecord>(
                              *view, store::RecordKind::kPartition, store::RecordId(DaysAgo(1))));
  EXPECT_EQ(record.events(), 7u);
  EXPECT_EQ(record.destruction(), "best_effort");
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process_->Numbers(DaysAgo(0)));
  EXPECT_EQ(numbers, UpTo(10)) << "another day is left alone";
  EXPECT_EQ(Apply().shredded, 0u) << "once";
}

TEST_F(ShredLedgerTest, WhatIsSealedUnderAReplacedKeyIsDropped) {
  const PartitionId day = DaysAgo(0);
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  ASSERT_THAT(process_->merger.Merge(day), IsOk());
  ASSERT_THAT(process_->Append(day, 10, 5), IsOk());
  const KeyId old = process_->catalog->Find(day)->key;
  TV_ASSERT_OK_AND_ASSIGN(const auto fresh, machine_.keyring->RotateDataKey(day));
  crypto::ShredRequest request;
  request.keys = {{day, old}};
  ASSERT_THAT(machine_.keyring->Shred(request), IsOk());
  Reopen();
  const LedgerReport report = Apply();
  EXPECT_EQ(report.shredded, 0u);
  EXPECT_EQ(report.units_dropped, 2u);
  EXPECT_EQ(report.events_dropped, 15u);
  EXPECT_EQ(entries_["backup.restore.drop"], 1);
  const auto info = *process_->catalog->Find(day);
  EXPECT_EQ(info.state, State::kLive);
  EXPECT_EQ(info.key, fresh->id) << "what is written next opens";
  EXPECT_EQ(info.rows(), 0u);
  ASSERT_THAT(process_->Append(day, 0, 3), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process_->Numbers(day));
  EXPECT_EQ(numbers, UpTo(3));
}

TEST_F(ShredLedgerTest, TheKeyringsDeadlineCounts) {
  const PartitionId day = DaysAgo(0);
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  const WallTime sooner = machine_.clock.Wall() + std::chrono::hours(1);
  ASSERT_THAT(machine_.keyring->SetDeadlines({{day, sooner}}), IsOk());
  Reopen();
  EXPECT_GT(process_->catalog->Find(day)->deadline, sooner);
  EXPECT_EQ(Apply().shortened, 1u);
  EXPECT_EQ(process_->catalog->Find(day)->deadline, sooner);
  EXPECT_EQ(entries_["retention.shorten"], 1);
}

TEST_F(ShredLedgerTest, GrantsAndRequestsEnd) {
  const auto put = [&](const std::string& id, int64_t approved_us, int64_t lapses_us) {
    record::v1::AccessRequestRecord record;
    record.set_id(id);
    record.set_approved_at_us(approved_us);
    record.set_lapses_at_us(lapses_us);
    record.set_grant_s(3'600);
    TV_ASSERT_OK_AND_ASSIGN(
        store::Mutation mutation,
        process_->meta.Put(store::RecordKind::kAccessRequest, store::RecordId::Named(id), record));
    store::CommitUnit unit;
    unit.leaves.resize(1);
    unit.mutations.push_back(std::move(mutation));
    ASSERT_THAT(process_->journal.Commit(unit), IsOk());
  };
  const int64_t now = machine_.clock.Wall().micros;
  put("granted", now - 1'000'000, now);
  put("over", now - 2 * 3'600'000'000, now);
  put("waits", 0, now + 1'000'000);
  put("lapsed", 0, now - 1'000'000);
  EXPECT_EQ(Apply().grants_ended, 2u);
  EXPECT_EQ(entries_["access.revoke"], 2);
  EXPECT_EQ(Apply().grants_ended, 0u);
}

}  // namespace
}  // namespace televault::backup
