// What a start does with older or missing copies of what the vault keeps outside the store.

#include "vault/daemon/vault.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/daemon/init.h"
#include "vault/daemon/layout.h"

namespace televault::daemon {
namespace {

using televault::testing::FakeClock;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;

class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    config_.data_dir = directory_.path() + "/vault";
    layout_ = {config_.data_dir};
    InitOptions options;
    options.data_dir = config_.data_dir;
    options.origin = "test.example/log";
    options.operators = {"alice", "bob"};
    options.token_dir = directory_.path() + "/tokens";
    options.tls_hosts = {"localhost"};
    auto made = InitVault(PosixFileSystem(), clock_, random_, options);
    TV_CHECK(made.ok());
    accessor_ = made->tokens.at(0).accessor;
  }
  std::unique_ptr<Vault> Open(const std::string& adopt_reason = "") {
    config_.adopt_reason = adopt_reason;
    auto vault = Vault::Open(config_, {PosixFileSystem(), clock_, random_});
    TV_CHECK(vault.ok());
    return *std::move(vault);
  }
  // What housekeeping does to the clock, for longer than it takes to pass `generation`.
  void RunTheClock(Vault& vault, uint64_t generation) {
    for (uint64_t i = 0; i < generation + 5; ++i) {
      clock_.Advance(std::chrono::seconds(10));
      EXPECT_THAT(vault.lockdown().Maintain(), IsOk());
    }
  }
  std::string Copy(const std::string& path) {
    const std::string copy = path + ".copy";
    std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  static void PutBack(const std::string& path) {
    std::filesystem::remove_all(path);
    std::filesystem::copy(path + ".copy", path, std::filesystem::copy_options::recursive);
  }

  TempDirectory directory_;
  FakeClock clock_;
  SeededRandom random_{3};
  Config config_;
  Layout layout_;
  std::string accessor_;  // alice's token
};

// The quarantine used to wear off: every write of the old copy raised its generation, until it
// passed for the newest one, with the revoked token in force again.
TEST_F(VaultTest, AnOlderControlFileStaysQuarantinedHoweverLongTheVaultRuns) {
  { Open(); }
  Copy(layout_.control_dir());
  uint64_t generation = 0;
  {
    const auto vault = Open();
    ASSERT_THAT(vault->control().Revoke(accessor_), IsOk());
    RunTheClock(*vault, 3);
    ASSERT_THAT(vault->RecordGenerations(), IsOk());
    generation = vault->control().generation();
  }
  PutBack(layout_.control_dir());
  {
    const auto vault = Open();
    EXPECT_THAT(vault->lockdown().control_mode(), HasSubstr("control file is older"));
    EXPECT_FALSE(vault->control().FindToken(accessor_)->revoked());
    RunTheClock(*vault, generation);
    EXPECT_THAT(vault->control().Revoke(accessor_),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("old copy")));
    TV_ASSERT_OK_AND_ASSIGN(const auto engaged,
                            vault->lockdown().Engage({.level = v1::LOCKDOWN_LEVEL_ALL,
                                                      .reason = "an old copy was put back",
                                                      .engaged_by = "gina"}));
    EXPECT_TRUE(engaged.durable);
  }
  {
    const auto vault = Open();
    EXPECT_THAT(vault->lockdown().control_mode(), HasSubstr("control file is older"));
    EXPECT_EQ(vault->lockdown().Status().level(), v1::LOCKDOWN_LEVEL_ALL);
  }
  { ASSERT_THAT(Open("disk replaced")->control().Revoke(accessor_), IsOk()); }
  EXPECT_EQ(Open()->lockdown().control_mode(), "");
}

// The same with the anchor taken away for a while, so that there is nothing to be older than.
TEST_F(VaultTest, WithoutItsAnchorAControlFileIsReadOnly) {
  { Open(); }
  Copy(layout_.control_dir());
  uint64_t generation = 0;
  {
    const auto vault = Open();
    ASSERT_THAT(vault->control().Revoke(accessor_), IsOk());
    ASSERT_THAT(vault->RecordGenerations(), IsOk());
    generation = vault->control().generation();
  }
  PutBack(layout_.control_dir());
  Copy(layout_.default_anchor());
  std::filesystem::remove(layout_.default_anchor());
  {
    const auto vault = Open();
    EXPECT_THAT(vault->lockdown().control_mode(), HasSubstr("anchor is missing"));
    RunTheClock(*vault, generation);
    EXPECT_LT(vault->control().generation(), generation);
  }
  PutBack(layout_.default_anchor());
  EXPECT_THAT(Open()->lockdown().control_mode(), HasSubstr("control file is older"));
}

}  // namespace
}  // namespace televault::daemon
