#include <algorithm>

#include "tests/unit/partition/partition_harness.h"
#include "vault/retention/retention.h"

namespace televault::retention {
namespace {

using partition::State;
using partition::testing::Machine;
using partition::testing::Process;
using partition::testing::UpTo;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SimDisk;
using televault::testing::SimStore;
using televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kUntilDeadline = std::chrono::hours(36);  // noon → day end → 24 h TTL

class ExpiryTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    process_.reset();
    process_ = std::make_unique<Process>(machine_, std::make_unique<SimStore>(disk_));
    manager_ = std::make_unique<RetentionManager>(RetentionManager::Parts{
        process_->store, process_->meta, process_->journal, *machine_.keyring, *process_->catalog,
        process_->reader, machine_.gate,
        [this](record::v1::AuditEntry entry) -> absl::StatusOr<store::AuditLeaf> {
          events_.push_back(entry.method());
          return store::AuditLeaf{};
        },
        [](const std::string& text) -> absl::StatusOr<std::string> { return text + "signed"; },
        [](DatasetId) { return std::string("visits"); },
        [](DatasetId) { return std::string("c0ffee"); }, [](DatasetId) { return std::nullopt; }});
  }

  void RestartWithTheSameStore() {
    manager_.reset();
    process_.reset();
    machine_.keyring.reset();
    machine_.keyring = crypto::Keyring::Load(machine_.Keys()).value();
    machine_.keyring->Settle();
    ASSERT_THAT(machine_.keyring->Unseal(machine_.root), IsOk());
    events_.clear();
    Start();
  }

  Machine machine_;
  const std::shared_ptr<SimDisk> disk_ = std::make_shared<SimDisk>(1);
  std::unique_ptr<Process> process_;
  std::vector<std::string> events_;
  std::unique_ptr<RetentionManager> manager_;
};

TEST_F(ExpiryTest, NothingHappensBeforeTheDeadline) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline - std::chrono::microseconds(1));
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.shredded, 0u);
  EXPECT_THAT(events_, IsEmpty());
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process_->Numbers(day));
  EXPECT_EQ(numbers, UpTo(10));
}

TEST_F(ExpiryTest, TheDeadlineItselfIsEnoughToRefuseReaders) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  EXPECT_THAT(process_->Numbers(day), HasReason(reason::kExpired));
}

TEST_F(ExpiryTest, ShredsPurgesAndLeavesASignedReceipt) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.expired, 1u);
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_EQ(report.purged, 1u);
  EXPECT_THAT(report.pending, IsEmpty());
  EXPECT_THAT(machine_.keyring->DataKeys(day), IsEmpty());
  EXPECT_EQ(process_->catalog->Find(day)->state, State::kPurged);
  EXPECT_EQ(events_.front(), "retention.shred");
  EXPECT_EQ(events_.back(), "retention.purge");

  TV_ASSERT_OK_AND_ASSIGN(const auto receipts, manager_->Receipts());
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].events(), 10u);
  EXPECT_THAT(receipts[0].receipt_note(), HasSubstr("dataset c0ffee\n"));
  EXPECT_THAT(receipts[0].receipt_note(), HasSubstr("destruction best_effort\nholds none\nsigned"));
  EXPECT_THAT(receipts[0].receipt_note(), ::testing::Not(HasSubstr("visits")));
}

TEST_F(ExpiryTest, NoCiphertextOfAPurgedDayIsLeftInTheStore) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 40'000), IsOk());
  ASSERT_THAT(process_->Append(day, 40'000, 40'000), IsOk());
  ASSERT_THAT(process_->merger.Merge(day), IsOk());
  ASSERT_THAT(process_->Append(day, 80'000, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  ASSERT_THAT(manager_->RunOnce(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, process_->store.ListBlocks());
  EXPECT_THAT(blocks, IsEmpty());
  TV_ASSERT_OK_AND_ASSIGN(const auto view, process_->store.Pin());
  size_t hot = 0;
  ASSERT_THAT(view->Scan(store::Family::kHot, "", "",
                         [&](std::string_view, std::string_view) { return ++hot > 0; }),
              IsOk());
  EXPECT_EQ(hot, 0u);
}

TEST_F(ExpiryTest, OtherDaysAreUntouched) {
  const PartitionId today = machine_.Today();
  ASSERT_THAT(process_->Append(today, 0, 10), IsOk());
  machine_.clock.Advance(std::chrono::hours(24));
  const PartitionId tomorrow = machine_.Today();
  ASSERT_THAT(process_->Append(tomorrow, 0, 20), IsOk());
  machine_.clock.Advance(std::chrono::hours(12));
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.purged, 1u);
  TV_ASSERT_OK_AND_ASSIGN(const auto numbers, process_->Numbers(tomorrow));
  EXPECT_EQ(numbers, UpTo(20));
}

TEST_F(ExpiryTest, AShredThatCouldNotBeRecordedIsRecordedLater) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  process_->journal.Refuse(true);
  TV_ASSERT_OK_AND_ASSIGN(const RunReport refused, manager_->RunOnce());
  EXPECT_EQ(refused.shredded, 0u);
  EXPECT_EQ(refused.pending.size(), 1u);
  // The key is gone all the same: deleting does not wait for the trail.
  EXPECT_THAT(machine_.keyring->DataKeys(day), IsEmpty());
  process_->journal.Refuse(false);
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_EQ(report.purged, 1u);
}

// The process ended between the new generation and the end of the old slot secret. The next one
// knows nothing of it and nothing is due any more; with the old secret and a copy of the old
// keyring the day still opens.
TEST_F(ExpiryTest, NothingIsCalledShreddedWhileAnOldSlotSecretIsLeft) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  const uint64_t old_slot = machine_.keyring->slot();
  machine_.key_disk.refuse = true;
  EXPECT_THAT(manager_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  RestartWithTheSameStore();
  ASSERT_THAT(machine_.keyring->DataKeys(day), IsEmpty());
  ASSERT_THAT(machine_.keyring->Due(machine_.clock.Wall()), IsEmpty());

  EXPECT_THAT(manager_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(process_->catalog->Find(day)->state, State::kLive);
  TV_ASSERT_OK_AND_ASSIGN(std::vector<uint64_t> slots, machine_.slots.List());
  EXPECT_THAT(slots, ::testing::Contains(old_slot));

  machine_.key_disk.refuse = false;
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_EQ(report.purged, 1u);
  TV_ASSERT_OK_AND_ASSIGN(slots, machine_.slots.List());
  EXPECT_THAT(slots, ElementsAre(machine_.keyring->slot()));
}

TEST_F(ExpiryTest, AnEarlierDeadlineReachesTheKeyring) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  process_->catalog->OnDeadline(day, EndOf(day.day));
  machine_.clock.Advance(std::chrono::hours(12));
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_THAT(machine_.keyring->DataKeys(day), IsEmpty());
}

TEST_F(ExpiryTest, APartitionThatIsBeingMergedWaits) {
  const PartitionId day = machine_.Today();
  ASSERT_THAT(process_->Append(day, 0, 10), IsOk());
  machine_.clock.Advance(kUntilDeadline);
  const auto lock = process_->catalog->TryLock(day);
  TV_ASSERT_OK_AND_ASSIGN(const RunReport report, manager_->RunOnce());
  EXPECT_EQ(report.shredded, 1u);
  EXPECT_EQ(report.purged, 0u);
  EXPECT_THAT(report.pending, ElementsAre(HasSubstr("a merge is running")));
}

}  // namespace
}  // namespace televault::retention
