#include "vault/daemon/init.h"

#include <sys/stat.h>

#include "auth/token.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/vault.h"

namespace televault::daemon {
namespace {

using televault::testing::FakeClock;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;

class InitTest : public ::testing::Test {
 protected:
  InitOptions Options() {
    InitOptions options;
    options.data_dir = directory_.path() + "/vault";
    options.origin = "test.example/log";
    options.operators = {"alice", "bob"};
    options.token_dir = directory_.path() + "/tokens";
    options.tls_hosts = {"localhost"};
    return options;
  }
  absl::StatusOr<InitResult> Init(const InitOptions& options) {
    return InitVault(PosixFileSystem(), clock_, random_, options);
  }
  absl::StatusOr<std::unique_ptr<Vault>> Open() {
    Config config;
    config.data_dir = Options().data_dir;
    return Vault::Open(config, {PosixFileSystem(), clock_, random_});
  }

  TempDirectory directory_;
  FakeClock clock_;
  SeededRandom random_{3};
};

TEST_F(InitTest, MakesAVaultThatOpensAndUnseals) {
  TV_ASSERT_OK_AND_ASSIGN(const InitResult made, Init(Options()));
  ASSERT_EQ(made.tokens.size(), 2u);
  EXPECT_EQ(made.tokens[0].text, "");  // in the file only
  struct stat found {};
  ASSERT_EQ(::stat(made.tokens[0].file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);

  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(vault->Data().status(), HasReason(reason::kSealed));
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  EXPECT_THAT(vault->Data().status(), IsOk());
  ASSERT_THAT(vault->Seal(), IsOk());
  EXPECT_THAT(vault->Data().status(), HasReason(reason::kSealed));
}

TEST_F(InitTest, RefusesADirectoryThatHoldsAnything) {
  ASSERT_THAT(Init(Options()), IsOk());
  EXPECT_THAT(Init(Options()), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("not empty")));
}

TEST_F(InitTest, NeedsTwoDifferentOperators) {
  InitOptions options = Options();
  for (const auto& operators : std::vector<std::vector<std::string>>{
           {}, {"alice"}, {"alice", "alice"}, {"alice", "bob", "carol"}, {"alice", "Bob"}}) {
    options.operators = operators;
    EXPECT_THAT(Init(options), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(InitTest, APassphraseVaultOpensWithItsPassphraseOnly) {
  InitOptions options = Options();
  options.token_dir.clear();
  const std::string right = "correct horse battery";
  std::string copy = right;
  options.passphrase = crypto::TakeSecret({reinterpret_cast<uint8_t*>(copy.data()), copy.size()});
  TV_ASSERT_OK_AND_ASSIGN(const InitResult made, Init(options));
  EXPECT_TRUE(auth::ParseToken(made.tokens[0].text).ok());
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(vault->UnsealWithKeyfile(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(vault->CheckUnseal("wrong horse battery!"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(vault->CheckUnseal(""), StatusIs(absl::StatusCode::kInvalidArgument));
  TV_ASSERT_OK_AND_ASSIGN(const service::UnsealAttempt attempt, vault->CheckUnseal(right));
  ASSERT_THAT(vault->Unseal(attempt.root), IsOk());
  EXPECT_THAT(vault->Data().status(), IsOk());
}

TEST_F(InitTest, ASealLockdownSurvivesARestartWithTheKeyfileAtHand) {
  ASSERT_THAT(Init(Options()), IsOk());
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(
        const incident::Engaged engaged,
        vault->lockdown().Engage(
            {.level = v1::LOCKDOWN_LEVEL_SEAL, .reason = "breach", .engaged_by = "gina"}));
    EXPECT_TRUE(engaged.durable);
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(vault->UnsealWithKeyfile(), HasReason(reason::kLockedDown));
  EXPECT_THAT(vault->Data().status(), HasReason(reason::kSealed));
}

TEST_F(InitTest, ADamagedLockFileLocksEverything) {
  ASSERT_THAT(Init(Options()), IsOk());
  const Layout layout{Options().data_dir};
  TV_ASSERT_OK_AND_ASSIGN(
      auto file, PosixFileSystem().OpenWritable(layout.lock_file(), OpenMode::kReopen, 0600));
  ASSERT_THAT(file->WriteAt(10, AsBytes("damage")), IsOk());
  ASSERT_THAT(file->Close(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_EQ(vault->lockdown().Status().level(), v1::LOCKDOWN_LEVEL_ALL);
  EXPECT_THAT(vault->lockdown().Check(GateAccess::kIngest, {}), HasReason(reason::kLockedDown));
}

TEST_F(InitTest, AnOlderCopyOfTheDataDirectoryIsQuarantined) {
  ASSERT_THAT(Init(Options()), IsOk());
  { ASSERT_THAT(Open(), IsOk()); }
  const std::string data = Options().data_dir;
  ASSERT_EQ(std::system(("cp -a " + data + " " + data + ".old").c_str()), 0);
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  }
  ASSERT_EQ(std::system(("rm -rf " + data + " && mv " + data + ".old " + data).c_str()), 0);
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(vault->lockdown().control_mode(), HasSubstr("older than the anchor"));
  EXPECT_THAT(vault->UnsealWithKeyfile(), HasReason(reason::kControlMode));
  EXPECT_THAT(vault->lockdown().Check(GateAccess::kAggregates, {}),
              HasReason(reason::kControlMode));
}

}  // namespace
}  // namespace televault::daemon
