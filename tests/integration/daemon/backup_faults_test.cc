// What ends a backup that is under way, what it does not hold up, and a restored vault that waits
// for its keys: vault and server in this process, on a file system of which parts can be stopped.
#include <filesystem>
#include <future>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/trail.h"
#include "vault/crypto/unseal.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/restore.h"

namespace televault::daemon {
namespace {

using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::BulkColumns;
using televault::testing::EntriesOf;
using televault::testing::FaultFileSystem;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::Refusal;
using televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr uint32_t kRows = 1'000;

class BackupFaultsTest : public InProcessTest {
 protected:
  BackupFaultsTest() : InProcessTest(fs_) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    collector_ = TokenFor("collector");
    analyst_ = TokenFor("analyst");
    operator_ = TokenFor("operator");
    responder_ = TokenFor("responder");
    Store();
  }
  void TearDown() override {
    fs_.Release();
    End();
  }

  void Store() {
    const WallTime noon = clock_.Wall() - microseconds(kMicrosPerDay);
    ASSERT_THAT(Append(*Connect(collector_), BulkColumns("cli_usage", noon, kRows, 100)), IsOk());
  }
  using Result = absl::StatusOr<v1::CreateBackupResponse>;
  Result Create(const std::string& name, int timeout_ms = 60'000) {
    v1::CreateBackupRequest request;
    request.set_directory(directory_.Path(name));
    client::Call call;
    call.timeout = client::milliseconds(timeout_ms);
    return Connect(operator_)->CreateBackup(request, call);
  }
  // One that hangs in the middle of copying.
  std::future<Result> Begin(int timeout_ms = 60'000) {
    fs_.Hang(".partial/store/db", 3);
    auto result =
        std::async(std::launch::async, [this, timeout_ms] { return Create("one", timeout_ms); });
    fs_.AwaitHanging();
    return result;
  }
  void ExpectNothingLeft() {
    for (const std::string& path : {directory_.Path("one"), directory_.Path("one.partial"),
                                    Layout{config_.data_dir}.store_dir() + "/copy"}) {
      EXPECT_FALSE(std::filesystem::exists(path)) << path;
    }
  }
  void ExpectABackupCanBeMade() {
    EXPECT_THAT(Create("one"), IsOk());
    EXPECT_TRUE(std::filesystem::exists(directory_.Path("one/manifest")));
  }
  absl::Status Engage(v1::LockdownLevel level) {
    v1::EngageLockdownRequest request;
    request.set_level(level);
    request.set_reason("a drill");
    client::Call call;
    return Connect(responder_)->EngageLockdown(request, call).status();
  }

  FaultFileSystem fs_;
  client::Call call_;
  std::string collector_;
  std::string analyst_;
  std::string operator_;
  std::string responder_;
};

TEST_F(BackupFaultsTest, ALockdownOverAllEndsItAndOneOverReadsDoesNot) {
  auto running = Begin();
  ASSERT_THAT(Engage(v1::LOCKDOWN_LEVEL_READS), IsOk());
  fs_.Release();
  ASSERT_THAT(running.get(), IsOk());
  std::filesystem::remove_all(directory_.Path("one"));

  running = Begin();
  ASSERT_THAT(Engage(v1::LOCKDOWN_LEVEL_ALL), IsOk()) << "waits for no backup";
  fs_.Release();
  EXPECT_EQ(Refusal(running.get()), "UNAVAILABLE LOCKED_DOWN");
  ExpectNothingLeft();
  EXPECT_EQ(Refusal(Create("one")), "UNAVAILABLE LOCKED_DOWN");
}

TEST_F(BackupFaultsTest, ASealEndsIt) {
  auto running = Begin();
  ASSERT_THAT(Connect(operator_)->Seal({}, call_), IsOk()) << "waits for no backup";
  fs_.Release();
  EXPECT_EQ(Refusal(running.get()), "UNAVAILABLE SEALED");
  ExpectNothingLeft();
  EXPECT_THAT(Connect(operator_)->Unseal({}, client::SecretText(), call_), IsOk());
  ExpectABackupCanBeMade();
}

TEST_F(BackupFaultsTest, AStopEndsIt) {
  auto running = Begin();
  vault_->GiveUpUnseal();
  fs_.Release();
  EXPECT_THAT(running.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("stopping")));
  ExpectNothingLeft();
}

TEST_F(BackupFaultsTest, ACallerWhoHasNoMoreTimeEndsIt) {
  auto running = Begin(500);
  EXPECT_THAT(running.get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  fs_.Release();
  // Another one is taken when the first has noticed.
  Result next = absl::UnknownError("");
  EXPECT_TRUE(televault::testing::Await([&] {
    next = Create("two");
    return next.ok();
  })) << next.status();
  ExpectNothingLeft();
}

TEST_F(BackupFaultsTest, ItHoldsUpNobody) {
  auto running = Begin();
  EXPECT_EQ(Refusal(Create("two")), "UNAVAILABLE OVERLOADED") << "one at a time";
  for (int i = 0; i < 20; ++i) Store();
  EXPECT_THAT(Connect(operator_)->GetStatus({}, call_), IsOk());
  EXPECT_THAT(As("steward")->ListPartitions({}, call_), IsOk());
  EXPECT_THAT(As("steward")->RunRetention({}, call_), IsOk());
  const auto answer = televault::testing::Ask(
      *Connect(analyst_), "SELECT count(*) FROM cli_usage WHERE command = 'build'", "usage");
  ASSERT_THAT(answer.status, IsOk());
  EXPECT_EQ(answer.rows[0][0], absl::StrCat(21 * kRows / 2));
  fs_.Release();
  ASSERT_THAT(running.get(), IsOk());
}

TEST_F(BackupFaultsTest, AFullDiskEndsItAndNothingElse) {
  fs_.Fill(".partial/store");
  EXPECT_THAT(Create("one"), StatusIs(absl::StatusCode::kResourceExhausted));
  ExpectNothingLeft();
  fs_.Release();
  fs_.Fill("nothing has this name");
  Store();
  ExpectABackupCanBeMade();
}

// A day was shredded since. The restored vault is started twice before anybody unseals it.
TEST_F(BackupFaultsTest, ARestoredVaultThatIsStartedSealedFollowsItsKeyringAtTheUnseal) {
  ExpectABackupCanBeMade();
  const PartitionId day = (*vault_->Data())->partitions->All().front().id;
  End();
  clock_.Advance(std::chrono::hours(24 * 95));
  Start();
  EXPECT_THAT(vault_->audit_keys().AuditEpochs(), ::testing::Not(::testing::IsEmpty()));
  ASSERT_THAT((*vault_->Data())->retention->RunOnce(), IsOk());
  const uint64_t size = vault_->journal().Head().tree_size;
  End();
  RestoreOptions options{
      .config = config_, .backup = directory_.Path("one"), .accepted = "a drill", .by = "a test"};
  TV_ASSERT_OK_AND_ASSIGN(const auto report,
                          RestoreVault(PosixFileSystem(), clock_, SystemRandom(), options));
  EXPECT_GT(report.lost_entries, 0u);
  const std::string order = Layout{config_.data_dir}.store_dir() + "/restored";
  for (int i = 0; i < 2; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(vault_, Vault::Open(config_, {fs_, clock_, SystemRandom()}));
    EXPECT_EQ(vault_->lockdown().control_mode(), "");
    EXPECT_THAT(vault_->lockdown().Status().lockdowns(), SizeIs(1)) << "locked once";
    EXPECT_THAT(vault_->Data(), HasReason(reason::kSealed));
    EXPECT_TRUE(std::filesystem::exists(order));
    EXPECT_LT(vault_->journal().Head().tree_size, size);
    vault_.reset();
  }
  Start();
  EXPECT_FALSE(std::filesystem::exists(order));
  EXPECT_EQ((*vault_->Data())->partitions->Find(day)->state, partition::State::kShredded);
  const auto entries = EntriesOf(*vault_);
  EXPECT_EQ(std::count_if(entries.begin(), entries.end(),
                          [](const auto& entry) { return entry.method() == "backup.restore"; }),
            1);
  EXPECT_EQ(vault_->lockdown().Status().level(), v1::LOCKDOWN_LEVEL_ALL);
}

// What the meta key sealed that was destroyed since, nothing opens: said before anything is
// replaced.
TEST_F(BackupFaultsTest, ABackupThatNothingOpensAnyMoreReplacesNothing) {
  ExpectABackupCanBeMade();
  v1::RotateKeyRequest rotate;
  rotate.set_key(v1::ROTATED_KEY_META);
  ASSERT_THAT(Connect(operator_)->RotateKey(rotate, call_), IsOk());
  ASSERT_THAT(Create("between"), IsOk());  // there are two keys, and the old one seals
  vault_->StartHousekeeping();
  ASSERT_THAT(televault::testing::AwaitEntry(*As("auditor"), "keys.reseal"), IsOk());
  clock_.Advance(2 * config_.merge_tick);
  ASSERT_THAT(televault::testing::AwaitEntry(*As("auditor"), "keys.meta_destroyed"), IsOk());
  v1::VerifyBackupRequest verify;
  verify.set_directory(directory_.Path("one"));
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("sealed under meta key 1, which was destroyed"));
  EXPECT_THAT(Connect(operator_)->VerifyBackup(verify, call_), refused);
  verify.set_directory(directory_.Path("between"));
  EXPECT_THAT(Connect(operator_)->VerifyBackup(verify, call_), refused);
  ASSERT_THAT(Create("two"), IsOk());
  End();
  RestoreOptions options{
      .config = config_, .backup = directory_.Path("one"), .accepted = "a drill", .by = "a test"};
  const auto restore = [&] {
    return RestoreVault(PosixFileSystem(), clock_, SystemRandom(), options).status();
  };
  EXPECT_THAT(restore(), refused);
  Start();
  EXPECT_EQ(vault_->lockdown().Status().lockdowns_size(), 0) << "nothing was replaced";
  End();
  options.backup = directory_.Path("two");
  EXPECT_THAT(restore(), IsOk());
  Start();
  EXPECT_EQ(vault_->lockdown().control_mode(), "");
}

// An order that was made for another state of the anchor accepts nothing.
TEST_F(BackupFaultsTest, AnOrderAcceptsTheLossThatWasKnownAndNoOther) {
  ExpectABackupCanBeMade();
  Store();
  End();
  const std::string anchor = Layout{config_.data_dir}.default_anchor();
  std::filesystem::copy(anchor, anchor + ".early");
  Start();
  Store();
  End();
  std::filesystem::rename(anchor, anchor + ".late");
  std::filesystem::rename(anchor + ".early", anchor);
  const RestoreOptions options{
      .config = config_, .backup = directory_.Path("one"), .accepted = "a drill", .by = "a test"};
  ASSERT_THAT(RestoreVault(PosixFileSystem(), clock_, SystemRandom(), options), IsOk());
  std::filesystem::rename(anchor + ".late", anchor);
  TV_ASSERT_OK_AND_ASSIGN(vault_, Vault::Open(config_, {fs_, clock_, SystemRandom()}));
  EXPECT_THAT(vault_->lockdown().control_mode(), HasSubstr("older than the anchor"));
  EXPECT_EQ(vault_->lockdown().Status().level(), v1::LOCKDOWN_LEVEL_ALL);
}

}  // namespace
}  // namespace televault::daemon
