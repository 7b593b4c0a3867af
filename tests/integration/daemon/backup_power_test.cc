// The power goes off at each step of a backup and of a restore: what has the name of a backup is
// whole, and a vault has its old store or the restored one. Vault and server in this process.
#include <filesystem>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/lossy_file_system.h"
#include "vault/backup/restore_order.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/restore.h"

namespace televault::daemon {
namespace {

using backup::StoreRestore;
using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::BulkColumns;
using televault::testing::FaultFileSystem;
using televault::testing::IsOk;
using televault::testing::LossyFileSystem;
using ::testing::IsEmpty;

constexpr uint32_t kRows = 500;

class BackupPowerTest : public InProcessTest {
 protected:
  BackupPowerTest() : InProcessTest(fs_) {}
  void SetUp() override {
    fs_.Mount("/away", away_);
    std::filesystem::create_directory(directory_.Path("away"));
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    operator_ = TokenFor("operator");
    const WallTime noon = clock_.Wall() - microseconds(kMicrosPerDay);
    ASSERT_THAT(Append(*As("collector"), BulkColumns("cli_usage", noon, kRows, 100)), IsOk());
    ASSERT_EQ(Stored(), kRows);
  }

  uint64_t Stored() {
    uint64_t rows = 0;
    for (const auto& info : (*vault_->Data())->partitions->All()) rows += info.rows();
    return rows;
  }
  absl::Status Create(const std::string& directory) {
    v1::CreateBackupRequest request;
    request.set_directory(directory);
    client::Call call;
    return Connect(operator_)->CreateBackup(request, call).status();
  }
  // Opens every block of it.
  void ExpectWhole(const std::string& directory) {
    v1::VerifyBackupRequest request;
    request.set_directory(directory);
    client::Call call;
    TV_ASSERT_OK_AND_ASSIGN(const auto verified, Connect(operator_)->VerifyBackup(request, call));
    EXPECT_THAT(verified.summary().problems(), IsEmpty());
    EXPECT_EQ(verified.summary().events(), kRows);
  }

  LossyFileSystem away_;  // where backups are made
  FaultFileSystem fs_;
  std::string operator_;
};

TEST_F(BackupPowerTest, WhatHasTheNameOfABackupIsWhole) {
  bool made = false;
  uint64_t step = 0;
  for (; !made; ++step) {
    SCOPED_TRACE(absl::StrCat("step ", step));
    const std::string directory = directory_.Path(absl::StrCat("away/", step));
    away_.StopAfter(step);
    const absl::Status created = Create(directory);
    made = created.ok();
    ASSERT_TRUE(made || away_.stopped()) << created;
    away_.PowerCut(step);
    const bool named = std::filesystem::exists(directory);
    EXPECT_TRUE(named || !made) << "the caller was told that it is there";
    if (named) {
      ASSERT_NO_FATAL_FAILURE(ExpectWhole(directory));
    }
  }
  EXPECT_GT(step, 50) << "it has that many steps";
  // Nothing of it was luck.
  const std::string directory = directory_.Path("away/last");
  ASSERT_THAT(Create(directory), IsOk());
  away_.PowerCut();
  ExpectWhole(directory);
}

class RestorePowerTest : public BackupPowerTest, public ::testing::WithParamInterface<bool> {};

// What is replaced is a store that was in use, or a copy that another restore has just put there.
// The vault is then started as it is, or what was cut short is brought to its end first.
TEST_P(RestorePowerTest, AVaultHasItsOldStoreOrTheRestoredOne) {
  const std::string backup = directory_.Path("one");
  ASSERT_THAT(Create(backup), IsOk());
  const Layout layout{config_.data_dir};
  const RestoreOptions options{
      .config = config_, .backup = backup, .accepted = "a drill", .by = "a test"};
  const auto restore = [&](FileSystem& fs) {
    return RestoreVault(fs, clock_, SystemRandom(), options).status();
  };
  const auto forget_old_store = [&] {
    std::filesystem::remove_all(StoreRestore::KeptOf(layout.store_dir()));
  };
  bool made = false;
  bool cut_after_swap = false;
  uint64_t step = 0;
  for (; !made; ++step) {
    SCOPED_TRACE(absl::StrCat("step ", step));
    End();
    forget_old_store();
    if (GetParam()) {
      ASSERT_THAT(restore(PosixFileSystem()), IsOk());
      forget_old_store();
    }
    LossyFileSystem disk;
    disk.StopAfter(step);
    const absl::Status status = restore(disk);
    made = status.ok();
    ASSERT_TRUE(made || disk.stopped()) << status;
    disk.PowerCut(step);
    const bool restored = std::filesystem::exists(layout.store_dir() + "/" + backup::kOrderFile);
    EXPECT_TRUE(restored || !(made || GetParam())) << "the caller was told that it is";
    cut_after_swap = cut_after_swap || (restored && !made);
    const bool finished = step % 2 == 1;
    if (finished) {
      forget_old_store();
      ASSERT_THAT(restore(PosixFileSystem()), IsOk());
    }
    ASSERT_NO_FATAL_FAILURE(Start());
    EXPECT_EQ(vault_->lockdown().control_mode(), "");
    EXPECT_EQ(Stored(), kRows);
    if (restored || finished) {
      EXPECT_EQ(vault_->lockdown().Status().level(), v1::LOCKDOWN_LEVEL_ALL);
    }
    // The store of before, which nothing took out of the way of the next one.
    if (restored) std::filesystem::remove_all(StoreRestore::StagingOf(layout.store_dir()));
  }
  EXPECT_GT(step, 40) << "it has that many steps";
  EXPECT_TRUE(cut_after_swap);
}

INSTANTIATE_TEST_SUITE_P(OverAStore, RestorePowerTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(OverACopy, RestorePowerTest, ::testing::Values(true));

}  // namespace
}  // namespace televault::daemon
