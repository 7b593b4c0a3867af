// Erasures of a vault whose store was put back to an earlier state.
#include <filesystem>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/erasure_scene.h"
#include "tests/support/trail.h"
#include "vault/base/bytes.h"
#include "vault/daemon/key_replicas.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/restore.h"

namespace televault::daemon {
namespace {

using televault::testing::EntriesOf;
using televault::testing::IsOk;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class ErasureRestoreTest : public ErasureTest {
 protected:
  void Create(const std::string& name) {
    v1::CreateBackupRequest request;
    request.set_directory(directory_.Path(name));
    client::Call call;
    ASSERT_THAT(As("operator")->CreateBackup(request, call), IsOk());
  }
  void Restore(const std::string& name) {
    ASSERT_THAT(RestoreVault(PosixFileSystem(), clock_, SystemRandom(),
                             {.config = config_,
                              .backup = directory_.Path(name),
                              .accepted = "a drill",
                              .by = "a test"}),
                IsOk());
    ASSERT_NO_FATAL_FAILURE(Start());
  }
  std::string store() const { return Layout{config_.data_dir}.store_dir(); }
  void Copy(const std::string& from, const std::string& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  }
  std::vector<std::string> Methods() {
    std::vector<std::string> methods;
    for (const auto& entry : EntriesOf(*vault_)) methods.push_back(entry.method());
    return methods;
  }
};

// A store that was put back does not know what else a key of before opens.
TEST_F(ErasureRestoreTest, AfterLostHistoryEachDayGetsANewKey) {
  const KeyId lost = Keys(1).front().id;
  ASSERT_THAT(const_cast<crypto::Keyring&>(keyring()).NoteLostHistory(), IsOk());
  Erase(9);  // of the other day alone, as far as this store knows
  RunEraser();
  for (const int days_ago : {0, 1}) {
    ASSERT_THAT(Keys(days_ago), SizeIs(1));
    EXPECT_GT(Keys(days_ago).front().id, lost);
  }
  const KeyId once = Keys(1).front().id;
  Erase(10);
  RunEraser();
  EXPECT_EQ(Keys(1).front().id, once);
}

// Whom aggregates left out was sealed under a key that was replaced in the history that is lost.
TEST_F(ErasureRestoreTest, AnErasureIsCarriedOutWhereAnEarlierOneWasRestoredAndALaterOneLost) {
  Erase(7);
  RunEraser();
  ASSERT_NO_FATAL_FAILURE(Create("one"));
  Erase(8);
  RunEraser();
  End();
  ASSERT_NO_FATAL_FAILURE(Restore("one"));
  steward_ = As("steward");
  const v1::Erasure again = Erase(8);
  EXPECT_THAT(RunEraser().pending, IsEmpty());
  EXPECT_EQ(Look(again.id()).state(), v1::ERASURE_STATE_SETTLED);
  for (const int days_ago : {0, 1}) EXPECT_THAT(Keys(days_ago), SizeIs(1));
}

// A row that only a backup knows, sealed under a key that the store of now has, too.
TEST_F(ErasureRestoreTest, AnAdoptedStoreFollowsItsKeyringAsARestoredOneDoes) {
  End();
  Copy(store(), directory_.Path("old"));
  ASSERT_NO_FATAL_FAILURE(Start());
  collector_ = As("collector");
  ASSERT_EQ(Append(55, 0, 55).rejected(), 0U);
  ASSERT_NO_FATAL_FAILURE(Create("one"));
  const KeyId lost = Keys(0).front().id;
  End();
  Copy(directory_.Path("old"), store());
  {
    const auto refused =
        Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()});
    ASSERT_THAT(refused, IsOk());
    EXPECT_THAT((*refused)->lockdown().control_mode(), HasSubstr("older than the anchor"));
  }
  config_.adopt_reason = "the disk was put back";
  // Killed before anybody gave it the root key; told twice, it says so twice.
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(
        Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()}),
        IsOk());
  }
  config_.adopt_reason = "";
  EXPECT_TRUE(fs::exists(store() + "/restored"));
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_FALSE(fs::exists(store() + "/restored"));
  EXPECT_TRUE(vault_->lockdown().Status().lockdowns_size() > 0) << "locked until two lift it";
  steward_ = As("steward");
  const v1::Erasure asked = Erase(55);
  RunEraser();
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_SETTLED);
  EXPECT_GT(Keys(0).front().id, lost) << "the old key opens her row in the backup";
  const std::vector<std::string> methods = Methods();
  EXPECT_THAT(methods, Contains("daemon.adopt").Times(2));
  EXPECT_THAT(methods, Contains("backup.restore.ledger").Times(1));
  EXPECT_THAT(methods, Not(Contains("backup.restore")));
}

// The newest keyring is lost, and with it a replica that the older one knows.
TEST_F(ErasureRestoreTest, AnOlderKeyringThatIsAdoptedLearnsThatHistoryIsLost) {
  const Layout layout{config_.data_dir};
  TV_ASSERT_OK_AND_ASSIGN(const Identity identity, ReadIdentity(PosixFileSystem(), layout));
  const std::string replica = directory_.Path("replica");
  TV_ASSERT_OK_AND_ASSIGN(
      const crypto::ReplicaId id,
      MarkKeyReplica(PosixFileSystem(), SystemRandom(), identity.vault, replica));
  config_.key_replicas = {replica};
  ASSERT_NO_FATAL_FAILURE(Restart());
  End();
  const std::vector<std::string> parts = {store(), layout.keyring_dir(), layout.slot_dir()};
  for (const std::string& part : parts) Copy(part, part + ".old");
  ASSERT_NO_FATAL_FAILURE(Start());
  collector_ = As("collector");
  ASSERT_EQ(Append(55, 0, 55).rejected(), 0U);
  v1::RotateKeyRequest rotate;
  rotate.set_key(v1::ROTATED_KEY_SLOT);
  client::Call call;
  ASSERT_THAT(As("operator")->RotateKey(rotate, call), IsOk());
  const KeyId lost = Keys(0).front().id;
  End();
  for (const std::string& part : parts) Copy(part + ".old", part);
  fs::remove_all(replica);
  config_.adopt_reason = "both disks burnt";
  config_.drop_key_replica = ToHex(id);
  ASSERT_THAT(
      Vault::Open(config_, {.fs = PosixFileSystem(), .clock = clock_, .random = SystemRandom()}),
      IsOk());
  config_.adopt_reason = config_.drop_key_replica = "";
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_FALSE(fs::exists(store() + "/restored"));
  steward_ = As("steward");
  const v1::Erasure asked = Erase(55);
  RunEraser();
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_SETTLED);
  EXPECT_GT(Keys(0).front().id, lost) << "the old key opens her row in lost history";
  const std::vector<std::string> methods = Methods();
  EXPECT_THAT(methods, Contains("daemon.adopt").Times(1));
  EXPECT_THAT(methods, Not(Contains("backup.restore.ledger"))) << "it may not know what it has";
}

}  // namespace
}  // namespace televault::daemon
