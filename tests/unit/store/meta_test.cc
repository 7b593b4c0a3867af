#include "vault/store/meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "televault/record/v1/state.pb.h"
#include "tests/support/seeded_random.h"
#include "tests/support/sim_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"

namespace televault::store {
namespace {

using record::v1::BatchRecord;
using record::v1::PartitionRecord;
using testing::HasReason;
using testing::IsOk;
using testing::StatusIs;

class MetaStoreTest : public ::testing::Test {
 protected:
  MetaStoreTest() {
    root_ = crypto::NewKey(random_);
    auto keyring = crypto::Keyring::Create({.fs = PosixFileSystem(),
                                            .slots = slots_,
                                            .random = random_,
                                            .vault = vault_,
                                            .directories = {directory_.path()}},
                                           {}, root_, WallTime{});
    EXPECT_THAT(keyring, IsOk());
    keyring_ = *std::move(keyring);
    meta_.emplace(vault_, *keyring_, random_);
    auto epoch = store_.AcquireLease(StoreEpoch(0));
    EXPECT_THAT(epoch, IsOk());
    epoch_ = *epoch;
  }
  void Commit(Mutation mutation) {
    ASSERT_EQ(store_.Commit(epoch_, {{std::move(mutation)}}), CommitOutcome::kOk);
  }
  void PutPartition(PartitionId id, uint64_t events) {
    PartitionRecord record;
    record.set_dataset_id(id.dataset.value());
    record.set_day(id.day.value());
    record.set_events(events);
    TV_ASSERT_OK_AND_ASSIGN(Mutation mutation,
                            meta_->Put(RecordKind::kPartition, RecordId(id), record));
    Commit(std::move(mutation));
  }
  std::unique_ptr<View> Pin() {
    auto view = store_.Pin();
    EXPECT_THAT(view, IsOk());
    return *std::move(view);
  }

  testing::TempDirectory directory_;
  testing::SeededRandom random_{1};
  const VaultId vault_{};
  crypto::FileKeySlots slots_{PosixFileSystem(), {directory_.path()}};
  SecretBytes root_;
  std::unique_ptr<crypto::Keyring> keyring_;
  std::optional<MetaStore> meta_;
  testing::SimStore store_{std::make_shared<testing::SimDisk>(1)};
  StoreEpoch epoch_;
};

TEST_F(MetaStoreTest, ARecordIsReadBackReplacedAndDeleted) {
  const RecordId id(PartitionId{DatasetId(3), Day(20'000)});
  EXPECT_THAT(meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition, id),
              StatusIs(absl::StatusCode::kNotFound));
  for (const uint64_t events : {5, 6}) {
    PutPartition({DatasetId(3), Day(20'000)}, events);
    TV_ASSERT_OK_AND_ASSIGN(const auto record,
                            meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition, id));
    EXPECT_EQ(record.events(), events);
  }
  TV_ASSERT_OK_AND_ASSIGN(Mutation deletion, meta_->Delete(RecordKind::kPartition, id));
  Commit(std::move(deletion));
  EXPECT_THAT(meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition, id),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MetaStoreTest, AScanFollowsTheNumbersInOrder) {
  for (const uint32_t dataset : {2u, 1u, 300u}) {
    for (const int32_t day : {20'001, 20'000})
      PutPartition({DatasetId(dataset), Day(day)}, dataset);
  }
  std::vector<std::pair<uint32_t, int32_t>> seen;
  const std::function<bool(const PartitionRecord&)> visit = [&](const PartitionRecord& record) {
    seen.emplace_back(record.dataset_id(), record.day());
    return true;
  };
  ASSERT_THAT(meta_->Scan(*Pin(), RecordKind::kPartition, RecordId(DatasetId(2)), visit), IsOk());
  EXPECT_EQ(seen, (std::vector<std::pair<uint32_t, int32_t>>{{2, 20'000}, {2, 20'001}}));
  seen.clear();
  ASSERT_THAT(meta_->Scan(*Pin(), RecordKind::kPartition, RecordId(), visit), IsOk());
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  seen.clear();
  ASSERT_THAT(meta_->Scan(*Pin(), RecordKind::kBlock, RecordId(), visit), IsOk());
  EXPECT_TRUE(seen.empty());
}

TEST_F(MetaStoreTest, ABoundedScanGoesRoundWhateverIsDeletedMeanwhile) {
  for (const int32_t day : {1, 2, 3, 4, 5}) PutPartition({DatasetId(1), Day(day)}, 1);
  PutPartition({DatasetId(1), Day(5)}, 2);
  std::vector<int32_t> days;
  const std::function<void(const PartitionRecord&)> visit = [&](const PartitionRecord& record) {
    days.push_back(record.day());
  };
  std::string cursor;
  const auto scan = [&] {
    days.clear();
    EXPECT_THAT(meta_->ScanSome(*Pin(), RecordKind::kPartition, 2, cursor, visit), IsOk());
    return days;
  };
  EXPECT_EQ(scan(), (std::vector<int32_t>{1, 2}));
  TV_ASSERT_OK_AND_ASSIGN(
      Mutation deletion,
      meta_->Delete(RecordKind::kPartition, RecordId(PartitionId{DatasetId(1), Day(3)})));
  Commit(std::move(deletion));
  EXPECT_EQ(scan(), (std::vector<int32_t>{4, 5}));
  EXPECT_EQ(cursor, "");
  EXPECT_EQ(scan(), (std::vector<int32_t>{1, 2}));
}

TEST_F(MetaStoreTest, NamesAndValuesReachTheEngineOnlySealed) {
  BatchRecord record;
  record.set_batch_id("secret-value");
  TV_ASSERT_OK_AND_ASSIGN(
      const Mutation mutation,
      meta_->Put(RecordKind::kBatchId, RecordId(DatasetId(1)).WithName("secret-name"), record));
  EXPECT_EQ(mutation.key.size(), 1u + 4 + 16);
  EXPECT_EQ(mutation.key.find("secret"), std::string::npos);
  EXPECT_EQ(mutation.value->find("secret"), std::string::npos);
  EXPECT_TRUE(crypto::LooksLikeEnvelope(AsBytes(*mutation.value)));
  TV_ASSERT_OK_AND_ASSIGN(
      const Mutation other,
      meta_->Put(RecordKind::kRejectCount, RecordId(DatasetId(1)).WithName("secret-name"), record));
  EXPECT_NE(mutation.key.substr(5), other.key.substr(5)) << "equal names of two kinds look equal";
}

TEST_F(MetaStoreTest, ARecordMovedToAnotherKeyDoesNotOpen) {
  PutPartition({DatasetId(1), Day(1)}, 1);
  TV_ASSERT_OK_AND_ASSIGN(
      Mutation moved, meta_->Put(RecordKind::kPartition,
                                 RecordId(PartitionId{DatasetId(1), Day(1)}), PartitionRecord()));
  TV_ASSERT_OK_AND_ASSIGN(
      const Mutation target,
      meta_->Delete(RecordKind::kPartition, RecordId(PartitionId{DatasetId(1), Day(2)})));
  moved.key = target.key;
  Commit(std::move(moved));
  EXPECT_THAT(meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition,
                                          RecordId(PartitionId{DatasetId(1), Day(2)})),
              StatusIs(absl::StatusCode::kDataLoss));
  int seen = 0;
  EXPECT_THAT(meta_->Scan<PartitionRecord>(*Pin(), RecordKind::kPartition, RecordId(),
                                           [&](const PartitionRecord&) { return ++seen > 0; }),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(seen, 1) << "a scan over it fails; it is never just shorter";
}

TEST_F(MetaStoreTest, NothingWorksWhileSealedAndAllOfItAfterwards) {
  PutPartition({DatasetId(1), Day(1)}, 1);
  const RecordId id(PartitionId{DatasetId(1), Day(1)});
  keyring_->Seal();
  EXPECT_THAT(meta_->Put(RecordKind::kPartition, id, PartitionRecord()),
              HasReason(reason::kSealed));
  EXPECT_THAT(meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition, id),
              HasReason(reason::kSealed));
  EXPECT_THAT(meta_->Scan<PartitionRecord>(*Pin(), RecordKind::kJob, RecordId(),
                                           [](const PartitionRecord&) { return true; }),
              HasReason(reason::kSealed));
  ASSERT_THAT(keyring_->Unseal(root_), IsOk());
  EXPECT_THAT(meta_->Get<PartitionRecord>(*Pin(), RecordKind::kPartition, id), IsOk());
}

}  // namespace
}  // namespace televault::store
