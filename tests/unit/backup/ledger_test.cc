#include "vault/backup/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "tests/unit/partition/partition_harness.h"
#include "vault/base/bytes.h"

namespace televault::backup {
namespace {

using partition::State;
using partition::testing::Machine;
using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

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
         .pseudonym_of = [](DatasetId id) { return id == DatasetId(4) ? "0123" : ""; },
         .commit =
             [this](ShredLedger::Entries entries, std::vector<store::Mutation> mutations) {
               EXPECT_FALSE(entries.empty()) << "nothing changes without an entry";
               for (const auto& entry : entries) {
                 ++entries_[entry.method()];
                 written_.push_back(entry);
               }
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

  crypto::LegalHold Place(uint8_t id, Day first, Day last, WallTime until) {
    crypto::LegalHold hold{.dataset = DatasetId(4), .first_day = first, .last_day = last};
    hold.id.fill(id);
    hold.placed_at = machine_.clock.Wall();
    hold.until = until;
    EXPECT_THAT(machine_.keyring->PlaceHold(hold), IsOk());
    return hold;
  }
  record::v1::PartitionRecord RecordOf(PartitionId id) {
    const auto view = process_->store.Pin();
    EXPECT_THAT(view, IsOk());
    const auto record = process_->meta.Get<record::v1::PartitionRecord>(
        **view, store::RecordKind::kPartition, store::RecordId(id));
    EXPECT_THAT(record, IsOk());
    return record.ok() ? *record : record::v1::PartitionRecord();
  }
  std::map<std::string, std::string> TheEntry(const std::string& method) const {
    std::map<std::string, std::string> details;
    for (const auto& entry : written_) {
      if (entry.method() != method) continue;
      EXPECT_THAT(details, SizeIs(0)) << "there is one";
      details.insert(entry.details().begin(), entry.details().end());
      EXPECT_EQ(entry.dataset(), "set");
      EXPECT_EQ(entry.rule(), "restore");
    }
    return details;
  }

  Machine machine_;
  std::shared_ptr<SimDisk> disk_ = std::make_shared<SimDisk>(1);
  std::unique_ptr<Process> process_ =
      std::make_unique<Process>(machine_, std::make_unique<SimStore>(disk_));
  std::map<std::string, int> entries_;
  ShredLedger::Entries written_;
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
  const record::v1::PartitionRecord record = RecordOf(DaysAgo(1));
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

// Whoever checks the trail asks the same of it as of any other shred.
TEST_F(ShredLedgerTest, AShredSaysWhatEveryShredSays) {
  const PartitionId day = DaysAgo(1);
  ASSERT_THAT(process_->Append(day, 0, 7), IsOk());
  const std::string key = absl::StrCat(process_->catalog->Find(day)->key.value());
  ASSERT_THAT(machine_.keyring->Shred(std::vector<PartitionId>{day}), IsOk());
  Reopen();
  const std::string now = FormatRfc3339(machine_.clock.Wall());
  Apply();
  EXPECT_THAT(
      TheEntry("retention.shred"),
      UnorderedElementsAre(Pair("day", FormatDay(day.day)), Pair("deadline", now),
                           Pair("key_id", key), Pair("events", "7"), Pair("pseudonym", "0123"),
                           Pair("destruction", "best_effort"), Pair("shredded_at", now)));
}

// Those whose end came after the day was due, as far as the keyring remembers them; the receipt
// takes them from the record.
TEST_F(ShredLedgerTest, AShredNamesTheHoldsThatTheKeyringKnows) {
  const PartitionId day = DaysAgo(1);
  ASSERT_THAT(process_->Append(day, 0, 7), IsOk());
  const WallTime now = machine_.clock.Wall();
  const auto in_force = Place(1, day.day, day.day, now + std::chrono::hours(1));
  const auto ended = Place(2, day.day, day.day, now + std::chrono::hours(1));
  ASSERT_THAT(machine_.keyring->EndHold(ended.id, now), IsOk());
  Place(3, DaysAgo(0).day, DaysAgo(0).day, now + std::chrono::hours(1));
  ASSERT_THAT(machine_.keyring->Shred(std::vector<PartitionId>{day}), IsOk());
  Reopen();
  Apply();
  EXPECT_EQ(TheEntry("retention.shred")["holds"], ToHex(in_force.id));
  EXPECT_THAT(RecordOf(day).holds(), ElementsAre(ToHex(in_force.id)));
}

TEST_F(ShredLedgerTest, EveryHoldOfTheKeyringIsOnRecordBeforeAnyShred) {
  const PartitionId day = DaysAgo(1);
  ASSERT_THAT(process_->Append(day, 0, 7), IsOk());
  ASSERT_THAT(machine_.keyring->Shred(std::vector<PartitionId>{day}), IsOk());
  const WallTime now = machine_.clock.Wall();
  const auto ended = Place(2, crypto::LegalHold::kFirst, day.day, now + std::chrono::hours(1));
  ASSERT_THAT(machine_.keyring->EndHold(ended.id, now + std::chrono::minutes(1)), IsOk());
  Reopen();
  Apply();
  EXPECT_THAT(TheEntry("backup.restore.hold"),
              UnorderedElementsAre(Pair("hold", ToHex(ended.id)), Pair("first_day", ""),
                                   Pair("last_day", FormatDay(day.day)),
                                   Pair("placed_at", FormatRfc3339(now)),
                                   Pair("until", FormatRfc3339(now + std::chrono::hours(1))),
                                   Pair("ended_at", FormatRfc3339(now + std::chrono::minutes(1)))));
  EXPECT_EQ(written_.front().method(), "backup.restore.hold");
}

// What is sealed under a key that is gone is nobody's any more. Where rows are left whose people
// nobody knows, aggregates get none of the day.
TEST_F(ShredLedgerTest, WhoWasLeftOutGoesWithTheKeyThatOpensIt) {
  const PartitionId half = {DatasetId(6), DaysAgo(0).day};
  const PartitionId gone = DaysAgo(0);
  const PartitionId rewritten = DaysAgo(1);
  const PartitionId shortened = {DatasetId(5), DaysAgo(0).day};
  for (const PartitionId day : {gone, rewritten, shortened, half}) {
    ASSERT_THAT(process_->Append(day, 0, 7), IsOk());
    record::v1::PartitionRecord record = RecordOf(day);
    record.set_left_out_sealed("sealed");
    record.set_left_out_key_id(record.key_id());
    TV_ASSERT_OK_AND_ASSIGN(
        store::Mutation mutation,
        process_->meta.Put(store::RecordKind::kPartition, store::RecordId(day), record));
    store::CommitUnit unit;
    unit.leaves.resize(1);
    unit.mutations.push_back(std::move(mutation));
    ASSERT_THAT(process_->journal.Commit(unit), IsOk());
  }
  ASSERT_THAT(machine_.keyring->Shred(std::vector<PartitionId>{gone}), IsOk());
  crypto::ShredRequest request;
  request.keys = {{rewritten, process_->catalog->Find(rewritten)->key},
                  {half, process_->catalog->Find(half)->key}};
  TV_ASSERT_OK_AND_ASSIGN(const auto half_key, machine_.keyring->RotateDataKey(half));
  process_->catalog->OnRekeyed(half, half_key->id);
  ASSERT_THAT(process_->Append(half, 7, 3), IsOk());
  ASSERT_THAT(machine_.keyring->RotateDataKey(rewritten), IsOk());
  ASSERT_THAT(machine_.keyring->Shred(request), IsOk());
  const WallTime sooner = machine_.clock.Wall() + std::chrono::hours(1);
  ASSERT_THAT(machine_.keyring->SetDeadlines({{shortened, sooner}}), IsOk());
  Reopen();
  EXPECT_EQ(RecordOf(gone).left_out_sealed(), "sealed");
  Apply();
  for (const PartitionId day : {gone, rewritten, half}) {
    EXPECT_EQ(RecordOf(day).withheld(), day == half);
    EXPECT_EQ(RecordOf(day).left_out_sealed(), "");
    EXPECT_EQ(RecordOf(day).left_out_key_id(), 0u);
  }
  EXPECT_EQ(RecordOf(shortened).left_out_sealed(), "sealed");
}

// Two things happened to the day, and the trail says both.
TEST_F(ShredLedgerTest, AKeyThatWasReplacedIsOnRecordBesideADeadlineThatMoved) {
  const PartitionId day = DaysAgo(0);
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  const KeyId old = process_->catalog->Find(day)->key;
  TV_ASSERT_OK_AND_ASSIGN(const auto fresh, machine_.keyring->RotateDataKey(day));
  crypto::ShredRequest request;
  request.keys = {{day, old}};
  ASSERT_THAT(machine_.keyring->Shred(request), IsOk());
  const WallTime sooner = machine_.clock.Wall() + std::chrono::hours(1);
  ASSERT_THAT(machine_.keyring->SetDeadlines({{day, sooner}}), IsOk());
  Reopen();
  Apply();
  EXPECT_EQ(TheEntry("backup.restore.key")["key_id"], absl::StrCat(fresh->id.value()));
  EXPECT_EQ(TheEntry("retention.shorten")["deadline"], FormatRfc3339(sooner));
  EXPECT_EQ(process_->catalog->Find(day)->key, fresh->id);
  EXPECT_EQ(process_->catalog->Find(day)->deadline, sooner);
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
