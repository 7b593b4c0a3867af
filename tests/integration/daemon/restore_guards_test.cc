// What a restore and the start after it do not let themselves be talked into: older rights, another
// store than the one that was accepted, directories and files that somebody else has put there.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/trail.h"
#include "vault/backup/restore_order.h"
#include "vault/control/control_keys.h"
#include "vault/daemon/directory_lock.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/restore.h"
#include "vault/store/anchor.h"

namespace televault::daemon {
namespace {

using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::BulkColumns;
using televault::testing::EntriesOf;
using televault::testing::FaultFileSystem;
using televault::testing::IsOk;
using televault::testing::Refusal;
using televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

class RestoreGuardsTest : public InProcessTest {
 protected:
  RestoreGuardsTest() : InProcessTest(fs_) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    ASSERT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    collector_ = TokenFor("collector");
    operator_ = TokenFor("operator");
    Store();
    ASSERT_THAT(Create("one"), IsOk());
  }

  void Store() {
    const WallTime noon = clock_.Wall() - microseconds(kMicrosPerDay);
    ASSERT_THAT(Append(*Connect(collector_), BulkColumns("cli_usage", noon, 100, 100)), IsOk());
  }
  absl::Status Create(const std::string& name) {
    v1::CreateBackupRequest request;
    request.set_directory(directory_.Path(name));
    client::Call call;
    return Connect(operator_)->CreateBackup(request, call).status();
  }
  absl::StatusOr<backup::StoreRestore::Report> Restore(const std::string& name,
                                                       FileSystem& file_system = PosixFileSystem(),
                                                       const std::string& static_files = "") {
    return RestoreVault(file_system, clock_, SystemRandom(),
                        {.config = config_,
                         .backup = directory_.Path(name),
                         .accepted = accepted_,
                         .static_files = static_files,
                         .by = "a test"});
  }
  // Why the vault is in control mode after a start that does not unseal it; "" = it is not.
  std::string ControlModeAtAStart() {
    auto vault = Vault::Open(config_, {.fs = fs_, .clock = clock_, .random = SystemRandom()});
    EXPECT_THAT(vault, IsOk());
    return vault.ok() ? (*vault)->lockdown().control_mode() : "";
  }
  Layout layout() const { return {config_.data_dir}; }
  std::string anchor() const { return layout().default_anchor(); }
  std::string staging() const { return layout().store_dir() + ".restoring"; }
  std::string kept() const { return layout().store_dir() + ".before-restore"; }

  static void Exchange(const std::string& path, const std::string& by) {
    fs::remove_all(path);
    fs::copy(by, path, fs::copy_options::recursive);
  }
  // A token more than in "control.old", and an anchor that knows of it.
  void GrowControl() {
    End();
    fs::copy(layout().control_dir(), directory_.Path("control.old"), fs::copy_options::recursive);
    Start();
    TokenFor("analyst");
    End();
    Start();
    Store();
  }
  // Copies as docs/operations.md says.
  std::string StaticFiles() {
    const std::string copies = directory_.Path("static");
    fs::create_directory(copies);
    fs::permissions(copies, fs::perms::owner_all);
    for (const char* const part : {"identity", "control", "tls"}) {
      fs::copy(absl::StrCat(config_.data_dir, "/", part), absl::StrCat(copies, "/", part),
               fs::copy_options::recursive);
    }
    return copies;
  }
  // All that is left are the keys.
  void LoseTheDataDirectory() {
    for (const auto& entry : fs::directory_iterator(config_.data_dir)) {
      const std::string name = entry.path().filename();
      if (name != "keyring" && name != "slots") fs::remove_all(entry.path());
    }
  }

  // What a start does before it is killed.
  void LetTheAnchorTakeTheStore() {
    const auto keys = control::ControlKeys::Load(PosixFileSystem(), layout().control_key());
    ASSERT_THAT(keys, IsOk());
    const auto order = backup::ReadOrder(PosixFileSystem(), layout().store_dir(),
                                         backup::OrderKey((*keys)->anchor()));
    ASSERT_THAT(order, IsOk());
    ASSERT_TRUE(order->has_value());
    const backup::RestoreOrder& restored = **order;
    const auto taken =
        store::Anchor::Open({.path = anchor(), .fs = PosixFileSystem(), .key = (*keys)->anchor()});
    ASSERT_THAT(taken, IsOk());
    ASSERT_THAT((*taken)->Adopt({.seq = restored.commits,
                                 .tree_size = restored.head.size,
                                 .root = restored.head.root,
                                 .meta_sum = restored.meta_sum,
                                 .store_epoch = StoreEpoch(restored.store_epoch.value() + 1),
                                 .keyring_generation = restored.keyring_generation,
                                 .control_generation = restored.control_generation,
                                 .lock_epoch = restored.lock_epoch}),
                IsOk());
  }

  FaultFileSystem fs_;
  std::string accepted_ = "a drill";
  std::string collector_;
  std::string operator_;
};

// --- rights
// --------------------------------------------------------------------------------------

TEST_F(RestoreGuardsTest, OlderControlFilesAreRefusedWhateverIsAccepted) {
  GrowControl();
  ASSERT_THAT(Create("two"), IsOk());
  End();
  Exchange(layout().control_dir(), directory_.Path("control.old"));
  const auto refuses = [&](const std::string& name, const std::string& who) {
    EXPECT_THAT(Restore(name).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("the control files are of generation"), HasSubstr(who),
                               HasSubstr("would be undone"))));
    EXPECT_FALSE(fs::exists(staging()));
    EXPECT_FALSE(fs::exists(kept()));
  };
  refuses("one", "the anchor saw");
  // Whoever takes the anchor away has not taken away what else knows it.
  fs::rename(anchor(), anchor() + ".aside");
  refuses("two", "the backup saw");
  refuses("one", "the store that is here saw");
}

TEST_F(RestoreGuardsTest, ControlFilesThatWerePutBackAfterTheRestoreAreNotPartOfIt) {
  GrowControl();
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  fs::copy(layout().control_dir(), directory_.Path("control.new"), fs::copy_options::recursive);
  Exchange(layout().control_dir(), directory_.Path("control.old"));
  EXPECT_NE(ControlModeAtAStart(), "");
  Exchange(layout().control_dir(), directory_.Path("control.new"));
  EXPECT_EQ(ControlModeAtAStart(), "") << "what was accepted still is";
}

TEST_F(RestoreGuardsTest, OlderControlFilesThatTheRestorePutsBackAreAcceptedAndOnRecord) {
  const std::string copies = StaticFiles();
  GrowControl();
  ASSERT_THAT(Create("two"), IsOk());
  const uint64_t known = vault_->control().generation();
  End();
  LoseTheDataDirectory();
  accepted_ = "";
  EXPECT_THAT(Restore("two", PosixFileSystem(), copies).status(),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("the control files are"),
                                                          HasSubstr("--accept-lost-history"))));
  accepted_ = "the machine burnt";
  TV_ASSERT_OK_AND_ASSIGN(const auto report, Restore("two", PosixFileSystem(), copies));
  EXPECT_GT(report.lost_control, 0u);
  Start();
  EXPECT_EQ(vault_->lockdown().control_mode(), "");
  const auto entries = EntriesOf(*vault_);
  const auto entry = std::find_if(entries.begin(), entries.end(),
                                  [](const auto& one) { return one.method() == "backup.restore"; });
  ASSERT_NE(entry, entries.end());
  const uint64_t anchored = std::stoull(entry->details().at("anchor_control_generation"));
  EXPECT_GE(anchored, known);
  EXPECT_EQ(entry->details().at("control_generation"),
            absl::StrCat(anchored - report.lost_control));
  // The rollback is over: the same backup, which knows of more, is taken without a word about it.
  End();
  fs::remove_all(kept());
  EXPECT_THAT(Restore("two"), IsOk());
  EXPECT_EQ(ControlModeAtAStart(), "");
}

// Killed between the anchor and its first entry, which is the first to say it in the store.
TEST_F(RestoreGuardsTest, AStartThatWasCutShortBehindTheAnchorGoesOn) {
  const std::string copies = StaticFiles();
  GrowControl();
  ASSERT_THAT(Create("two"), IsOk());
  End();
  LoseTheDataDirectory();
  ASSERT_THAT(Restore("two", PosixFileSystem(), copies), IsOk());
  ASSERT_NO_FATAL_FAILURE(LetTheAnchorTakeTheStore());
  EXPECT_EQ(ControlModeAtAStart(), "");
}

// The anchor of then does not know any more what was lost, and the restore asks for no reason.
TEST_F(RestoreGuardsTest, ARestoreAfterAStartThatWasCutShortSaysWhatWasLost) {
  Store();
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  ASSERT_NO_FATAL_FAILURE(LetTheAnchorTakeTheStore());
  accepted_ = "";
  ASSERT_THAT(Restore("one"), IsOk());
  ASSERT_NO_FATAL_FAILURE(Start());
  std::string lost;
  for (const auto& entry : EntriesOf(*vault_)) {
    if (entry.method() == "backup.restore") lost += entry.details().at("history_lost");
  }
  EXPECT_EQ(lost, "yes");
  EXPECT_GT(dynamic_cast<const crypto::Keyring&>(vault_->audit_keys()).first_key_since_restore(),
            KeyId(0));
}

TEST_F(RestoreGuardsTest, OtherControlFilesThanThoseThatWerePutBackAreNotAccepted) {
  const std::string copies = StaticFiles();
  GrowControl();
  fs::copy(layout().control_dir(), directory_.Path("control.new"), fs::copy_options::recursive);
  End();
  LoseTheDataDirectory();
  ASSERT_THAT(Restore("one", PosixFileSystem(), copies), IsOk());
  Exchange(layout().control_dir(), directory_.Path("control.new"));
  EXPECT_THAT(ControlModeAtAStart(), HasSubstr("older than the anchor"));
}

// --- what was accepted
// ---------------------------------------------------------------------------

TEST_F(RestoreGuardsTest, AnAnchorThatWasTakenAwaySinceIsNoLossThatWasAccepted) {
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  fs::rename(anchor(), anchor() + ".aside");
  EXPECT_THAT(ControlModeAtAStart(), HasSubstr("the anchor is missing"));
  fs::rename(anchor() + ".aside", anchor());
  EXPECT_EQ(ControlModeAtAStart(), "");
}

TEST_F(RestoreGuardsTest, AnAnchorThatCameSinceIsNoneThatWasAccepted) {
  End();
  fs::rename(anchor(), anchor() + ".aside");
  ASSERT_THAT(Restore("one"), IsOk());
  fs::rename(anchor() + ".aside", anchor());
  EXPECT_THAT(ControlModeAtAStart(), HasSubstr("older than the anchor"));
}

// The order of one restore beside another store: what it accepts is not that one.
TEST_F(RestoreGuardsTest, AnOrderAcceptsNoOtherStoreThanItsOwn) {
  Store();
  ASSERT_THAT(Create("two"), IsOk());
  Store();
  End();
  ASSERT_THAT(Restore("two"), IsOk());
  Exchange(layout().store_dir() + "/db", directory_.Path("one/store/db"));
  EXPECT_THAT(ControlModeAtAStart(), HasSubstr("older than the anchor"));
  Exchange(layout().store_dir() + "/db", directory_.Path("two/store/db"));
  EXPECT_EQ(ControlModeAtAStart(), "");
}

// --- what an earlier restore left
// ----------------------------------------------------------------

// A restore over a restored store that was started, and was cut short right after the exchange:
// what has lost its place bears the mark of a copy, and holds what that start has written.
TEST_F(RestoreGuardsTest, AStoreThatWasStartedIsKeptAlsoWhereItBearsTheMarkOfACopy) {
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  fs::rename(kept(), directory_.Path("aside"));
  EXPECT_EQ(ControlModeAtAStart(), "");
  ASSERT_TRUE(fs::exists(layout().store_dir() + "/restoring"));
  fs::rename(layout().store_dir(), staging());
  TV_ASSERT_OK_AND_ASSIGN(const auto report, Restore("one"));
  EXPECT_TRUE(fs::exists(kept() + "/db/CURRENT"));
  EXPECT_TRUE(fs::exists(layout().store_dir() + "/db/CURRENT"));
}

// The start wrote to the log, and was killed before it noted so in the order.
TEST_F(RestoreGuardsTest, AStoreThatGrewIsKeptWhateverItsOrderSays) {
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  fs::rename(kept(), directory_.Path("aside"));
  const std::string order = layout().store_dir() + "/restored";
  fs::copy(order, directory_.Path("order"));
  EXPECT_EQ(ControlModeAtAStart(), "");
  fs::copy(directory_.Path("order"), order, fs::copy_options::overwrite_existing);
  TV_ASSERT_OK_AND_ASSIGN(const auto report, Restore("one"));
  EXPECT_EQ(report.kept, kept());
  EXPECT_TRUE(fs::exists(kept() + "/db/CURRENT"));
}

TEST_F(RestoreGuardsTest, ACopyThatWasNeverStartedIsReplaced) {
  End();
  ASSERT_THAT(Restore("one"), IsOk());
  fs::copy(layout().store_dir(), staging(), fs::copy_options::recursive);
  TV_ASSERT_OK_AND_ASSIGN(const auto report, Restore("one"));
  EXPECT_EQ(report.kept, kept()) << "the store of before the first one";
  EXPECT_FALSE(fs::exists(staging()));
  EXPECT_EQ(ControlModeAtAStart(), "");
}

// --- directories and files of somebody else
// ------------------------------------------------------

TEST_F(RestoreGuardsTest, NoBackupIsMadeInADirectoryThatSomebodyElseWasQuickerToMake) {
  for (const char* const part : {"two.partial", "two.partial/store", "two.partial/store/db"}) {
    fs_.Precede(part, [&] { fs::create_directory(directory_.Path(part)); });
    EXPECT_EQ(Refusal(Create("two")), "ALREADY_EXISTS ") << part;
    EXPECT_FALSE(fs::exists(directory_.Path("two")));
    EXPECT_EQ(fs::exists(directory_.Path("two.partial")), std::string(part) == "two.partial")
        << "what is somebody else's is left alone";
    fs::remove_all(directory_.Path("two.partial"));
  }
  EXPECT_THAT(Create("two"), IsOk());
}

TEST_F(RestoreGuardsTest, NoRestoreCopiesIntoADirectoryThatSomebodyElseWasQuickerToMake) {
  End();
  for (const std::string& path : {staging(), staging() + "/db"}) {
    FaultFileSystem quick;
    quick.Precede(path, [&] { fs::create_directory(path); });
    EXPECT_THAT(Restore("one", quick).status(), StatusIs(absl::StatusCode::kAlreadyExists));
    EXPECT_TRUE(fs::exists(layout().store_dir() + "/db/CURRENT"));
    fs::remove_all(staging());
  }
  EXPECT_THAT(Restore("one"), IsOk());
}

// Two at once would put their files into one directory.
TEST_F(RestoreGuardsTest, NothingIsWrittenIntoADirectoryThatAnotherProcessHas) {
  const std::string copies = StaticFiles();
  End();
  LoseTheDataDirectory();
  {
    TV_ASSERT_OK_AND_ASSIGN(const DirectoryLock other, DirectoryLock::Take(config_.data_dir));
    EXPECT_THAT(Restore("one", PosixFileSystem(), copies).status(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another process")));
    EXPECT_FALSE(fs::exists(layout().control_dir()));
  }
  EXPECT_THAT(Restore("one", PosixFileSystem(), copies), IsOk());
}

TEST_F(RestoreGuardsTest, NoFileThatIsThereIsOverwrittenByACopyThatDiffers) {
  const std::string copies = StaticFiles();
  GrowControl();
  End();
  fs::remove(layout().identity());
  fs::remove_all(layout().store_dir());
  for (const auto& entry : fs::directory_iterator(layout().tls_dir())) fs::remove(entry.path());
  std::string here;
  ASSERT_NO_FATAL_FAILURE(
      here = televault::testing::ReadWholeFile(layout().control_dir() + "/control.0") +
             televault::testing::ReadWholeFile(layout().control_dir() + "/control.1"));
  EXPECT_THAT(Restore("one", PosixFileSystem(), copies).status(),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr(layout().control_dir()), HasSubstr("differs from"),
                             HasSubstr("nothing was overwritten"))));
  EXPECT_EQ(here, televault::testing::ReadWholeFile(layout().control_dir() + "/control.0") +
                      televault::testing::ReadWholeFile(layout().control_dir() + "/control.1"));
  EXPECT_TRUE(fs::is_empty(layout().tls_dir())) << "nor is another one written";
  // The same ones are taken as what they are, and what is missing comes beside them.
  Exchange(copies + "/control", layout().control_dir());
  EXPECT_THAT(Restore("one", PosixFileSystem(), copies), IsOk());
  EXPECT_EQ(ControlModeAtAStart(), "");
}

// The refusal of a vault says to move `identity` away, and what else was in the data directory was
// refused after that.
TEST_F(RestoreGuardsTest, AVaultIsMadeAgainWhateverItsDataDirectoryHoldsOfItsOwn) {
  const std::string copies = StaticFiles();
  End();
  const auto restore = [&] { return Restore("one", PosixFileSystem(), copies).status(); };
  for (const char* const name : {"cosigned", "cosigned.new", "identity.new"}) {
    std::ofstream(absl::StrCat(config_.data_dir, "/", name)) << "left";
  }
  EXPECT_THAT(restore(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("away first")));
  fs::remove(layout().identity());
  const std::string other = config_.data_dir + "/letters";
  std::ofstream(other) << "of somebody else";
  EXPECT_THAT(restore(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(other)));
  fs::remove(other);
  ASSERT_THAT(restore(), IsOk());
  EXPECT_TRUE(fs::exists(layout().cosigned()));
  EXPECT_EQ(ControlModeAtAStart(), "");
}

TEST_F(RestoreGuardsTest, CopiesThatOthersMayWriteToAreNotBelieved) {
  const std::string copies = StaticFiles();
  End();
  LoseTheDataDirectory();
  const auto refused = [&] { return Restore("one", PosixFileSystem(), copies).status(); };
  for (const std::string& path : {copies, copies + "/identity", copies + "/control",
                                  copies + "/control/control.key", copies + "/tls"}) {
    fs::permissions(path, fs::perms::group_write, fs::perm_options::add);
    EXPECT_THAT(refused(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")))
        << path;
    fs::permissions(path, fs::perms::group_write, fs::perm_options::remove);
  }
  fs::rename(copies + "/control/signer.key", directory_.Path("signer.key"));
  ASSERT_EQ(::mkfifo((copies + "/control/signer.key").c_str(), 0600), 0);
  EXPECT_THAT(refused(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no plain file")));
  fs::remove(copies + "/control/signer.key");
  fs::rename(directory_.Path("signer.key"), copies + "/control/signer.key");
  EXPECT_THAT(refused(), IsOk());
}

// Of a link nobody asked who may write to what it leads to.
TEST_F(RestoreGuardsTest, CopiesAreBelievedThroughNoLink) {
  const std::string copies = StaticFiles();
  End();
  LoseTheDataDirectory();
  const auto refused = [&](const std::string& from) {
    return Restore("one", PosixFileSystem(), from).status();
  };
  const auto is_link = StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("symbolic link"));
  for (const std::string& path : {copies + "/identity", copies + "/control",
                                  copies + "/control/control.key", copies + "/tls"}) {
    fs::rename(path, directory_.Path("elsewhere"));
    fs::create_symlink(directory_.Path("elsewhere"), path);
    EXPECT_THAT(refused(copies), is_link) << path;
    EXPECT_FALSE(fs::exists(layout().control_key())) << path;
    fs::remove(path);
    fs::rename(directory_.Path("elsewhere"), path);
  }
  // The name that is given may be one: what counts is who may write to the directory.
  const std::string link = directory_.Path("link");
  fs::create_directory_symlink(copies, link);
  fs::permissions(copies, fs::perms::others_write, fs::perm_options::add);
  EXPECT_THAT(refused(link),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")));
  fs::permissions(copies, fs::perms::others_write, fs::perm_options::remove);
  // And so may a part of the data directory, which only its owner writes to.
  fs::rename(layout().slot_dir(), directory_.Path("slots"));
  fs::create_directory_symlink(directory_.Path("slots"), layout().slot_dir());
  EXPECT_THAT(refused(link), IsOk());
}

// The anchor is lost before the restored store is started: both are on record.
TEST_F(RestoreGuardsTest, ARestoreThatIsAdoptedIsOnRecordAsBoth) {
  End();
  accepted_ = "a drill";
  ASSERT_THAT(Restore("one"), IsOk());
  fs::remove(anchor());
  EXPECT_NE(ControlModeAtAStart(), "");
  config_.adopt_reason = "the anchor is gone";
  Start();
  config_.adopt_reason = "";
  std::vector<std::pair<std::string, std::string>> by;
  for (const auto& entry : EntriesOf(*vault_)) {
    if (entry.method() == "backup.restore" || entry.method() == "daemon.adopt") {
      by.emplace_back(entry.method(), entry.details().at("by"));
      EXPECT_EQ(entry.details().at("history_lost"), "yes");
      EXPECT_EQ(entry.details().contains("backup_of"), entry.method() == "backup.restore");
    }
  }
  EXPECT_THAT(by,
              ::testing::ElementsAre(::testing::Pair("backup.restore", "a test"),
                                     ::testing::Pair("daemon.adopt", "--adopt-recovered-state")));
}

}  // namespace
}  // namespace televault::daemon
