#include "vault/ingest/vault_ports.h"

#include <gtest/gtest.h>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

#include "tests/support/seeded_random.h"
#include "tests/support/sim_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/envelope.h"
#include "vault/ingest/ingestor.h"

namespace televault::ingest {
namespace {

using testing::IsOk;

class BatchIdsTest : public ::testing::Test {
 protected:
  BatchIdsTest() {
    auto keyring = crypto::Keyring::Create({.fs = PosixFileSystem(),
                                            .slots = slots_,
                                            .random = random_,
                                            .vault = {},
                                            .directories = {directory_.path()}},
                                           {}, crypto::NewKey(random_), WallTime{});
    EXPECT_THAT(keyring, IsOk());
    keyring_ = *std::move(keyring);
    meta_.emplace(VaultId{}, *keyring_, random_);
    epoch_ = store_.AcquireLease(StoreEpoch(0)).value();
  }
  void Put(const std::string& batch_id, WallTime at) {
    record::v1::BatchRecord record;
    record.set_dataset_id(1);
    record.set_batch_id(batch_id);
    record.set_at_us(at.micros);
    MetaLedger ledger(store_, *meta_);
    auto mutation = ledger.PutBatch(record);
    ASSERT_THAT(mutation, IsOk());
    ASSERT_EQ(store_.Commit(epoch_, {{*std::move(mutation)}}), store::CommitOutcome::kOk);
  }

  testing::TempDirectory directory_;
  testing::SeededRandom random_{1};
  crypto::FileKeySlots slots_{PosixFileSystem(), {directory_.path()}};
  std::unique_ptr<crypto::Keyring> keyring_;
  std::optional<store::MetaStore> meta_;
  testing::SimStore store_{std::make_shared<testing::SimDisk>(1)};
  StoreEpoch epoch_;
};

// Every run opened the ids of a whole week, under one view.
TEST_F(BatchIdsTest, OldOnesAreFoundAFewAtATime) {
  const WallTime now{3 * kBatchIdLife.count()};
  for (int i = 0; i < 30; ++i) {
    Put(absl::StrCat("batch", i), i % 3 == 0 ? now - kBatchIdLife : now);
  }
  std::string cursor;
  std::set<std::string> deleted;
  for (int run = 1; run <= 4; ++run) {
    TV_ASSERT_OK_AND_ASSIGN(const auto view, store_.Pin());
    TV_ASSERT_OK_AND_ASSIGN(const auto deletes, ForgetOldBatches(*view, *meta_, now, 8, cursor));
    EXPECT_LE(deletes.size(), 8u);
    for (const store::Mutation& mutation : deletes) {
      EXPECT_TRUE(deleted.insert(mutation.key).second) << "looked at twice in one round";
    }
    EXPECT_EQ(cursor.empty(), run == 4);
  }
  EXPECT_EQ(deleted.size(), 10u);
}

}  // namespace
}  // namespace televault::ingest
