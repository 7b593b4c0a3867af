// A backup put back: what is readable, what stays gone, and what is refused.
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"

#include "tests/crash/crash_points.h"
#include "tests/integration/daemon/backup_scene.h"
#include "vault/base/bytes.h"
#include "vault/base/random.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/unseal.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class RestoreTest : public BackupScene {
 protected:
  // The old day is shredded and purged; the new one is not touched.
  void ShredTheOldDay() {
    ASSERT_THAT(
        Apply(*As(cast_.steward), SampleManifest("cli_usage", {{"revision: 1", "revision: 2"},
                                                               {"ttl: 90d", "ttl: 2d"}})),
        IsOk());
    ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());
  }
  // What somebody has who took the root key and every keyring there is: no key for that day. Those
  // of another day are counted, so that this means something.
  void ExpectNoKeyOf(int days_ago, int but_of) {
    const std::string identity = ReadWholeFile(daemon_.data_dir() + "/identity");
    const auto id = FromHex(identity.substr(identity.find("\nid ") + 4, 32));
    ASSERT_THAT(id, IsOk());
    VaultId vault;
    std::copy(id->begin(), id->end(), vault.bytes.begin());
    TV_ASSERT_OK_AND_ASSIGN(
        const SecretBytes root,
        crypto::ReadRootKeyFile(PosixFileSystem(), daemon_.data_dir() + ".keyfile"));
    for (const std::string& place : {daemon_.data_dir(), replica()}) {
      crypto::FileKeySlots slots(PosixFileSystem(), {place + "/slots"});
      TV_ASSERT_OK_AND_ASSIGN(const auto keyring,
                              crypto::Keyring::Load({.fs = PosixFileSystem(),
                                                     .slots = slots,
                                                     .random = SystemRandom(),
                                                     .vault = vault,
                                                     .directories = {place + "/keyring"}}));
      ASSERT_THAT(keyring->Unseal(root), IsOk());
      size_t opened = 0;
      for (const crypto::DataKeyInfo& key : keyring->AllDataKeys()) {
        EXPECT_NE(key.partition.day, DayOf(NoonBefore(days_ago))) << place;
        if (key.partition.day != DayOf(NoonBefore(but_of))) continue;
        EXPECT_THAT(keyring->DataKeyFor(key.partition, key.id), IsOk());
        ++opened;
      }
      EXPECT_EQ(opened, 1u) << place;
    }
  }
  v1::IndexedEntry TheEntry(const std::string& method) {
    const auto entry = AwaitEntry(*As(cast_.auditor), method);
    EXPECT_THAT(entry, IsOk());
    return entry.ok() ? *entry : v1::IndexedEntry();
  }
  void ExpectLockedThenLift() {
    const v1::LockdownStatus status = Lockdowns();
    EXPECT_EQ(status.level(), v1::LOCKDOWN_LEVEL_ALL);
    EXPECT_THAT(status.lockdowns(), SizeIs(1));
    EXPECT_EQ(Count(kNewDay), "UNAVAILABLE LOCKED_DOWN");
    LiftAll();
    EXPECT_EQ(Lockdowns().level(), v1::LOCKDOWN_LEVEL_NONE);
  }
};

TEST_F(RestoreTest, BringsBackEveryRowButThoseShreddedSince) {
  EXPECT_EQ(Count(kOldDay), AllOf());
  const v1::BackupSummary made = Create("one");
  ASSERT_NO_FATAL_FAILURE(ShredTheOldDay());
  Store(2);
  const uint64_t lock_epoch = Lockdowns().lock_epoch();
  const uint64_t size_before = AuditSize();
  EXPECT_EQ(Cli({"status"}).exit_code, 0);  // pins the log of now
  EXPECT_EQ(Restore(backup("one"), Accepting()).exit_code, 1) << "the daemon runs";
  ASSERT_THAT(daemon_.Terminate(), IsOk());

  const ProcessResult refused = Restore(backup("one"));
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("--accept-lost-history"));
  ASSERT_NO_FATAL_FAILURE(ExpectNoKeyOf(kOldDay, kNewDay));
  const ProcessResult restored = Restore(backup("one"), Accepting());
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_THAT(restored.out, HasSubstr(store() + ".before-restore"));
  EXPECT_THAT(restored.out, HasSubstr("lost"));
  ASSERT_THAT(daemon_.Start(), IsOk());

  TV_ASSERT_OK_AND_ASSIGN(const auto status, As(daemon_.alice())->GetStatus({}, call_));
  EXPECT_EQ(status.control_mode(), "");
  EXPECT_EQ(status.seal(), v1::SEAL_STATE_UNSEALED);
  EXPECT_GT(Lockdowns().lock_epoch(), lock_epoch);
  EXPECT_EQ(StateOf(kOldDay) == v1::PARTITION_STATE_SHREDDED ||
                StateOf(kOldDay) == v1::PARTITION_STATE_PURGED,
            true);
  ASSERT_NO_FATAL_FAILURE(ExpectLockedThenLift());
  EXPECT_EQ(Count(kNewDay), AllOf());
  EXPECT_EQ(Count(kOldDay), "no rows") << "expired days are left out";
  EXPECT_EQ(Count(2), "no rows") << "appended after the backup";

  const auto entry = TheEntry("backup.restore").entry();
  EXPECT_EQ(entry.reason(), "the disk was replaced");
  EXPECT_EQ(entry.details().at("new_size"), absl::StrCat(made.audit_size()));
  EXPECT_EQ(entry.details().at("new_root"), made.audit_root());
  EXPECT_EQ(entry.details().at("history_lost"), "yes");
  EXPECT_GE(std::stoull(entry.details().at("old_size")), size_before);
  EXPECT_THAT(entry.details().at("by"), HasSubstr("uid "));
  EXPECT_EQ(TheEntry("backup.restore.ledger").entry().details().at("shredded"), "1");
  // The bytes that came back go again, with a receipt; nothing is in quarantine.
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto receipts, As(cast_.steward)->ListReceipts({}, call_));
  EXPECT_THAT(receipts.receipts(), SizeIs(1));
  EXPECT_THAT(Entries(*As(cast_.auditor), ByMethod("partition.quarantine")), IsEmpty());

  // Whoever saw the longer history notices, while it is shorter and when it has grown past it.
  EXPECT_EQ(Cli({"status"}).exit_code, 3);
  while (AuditSize() <= size_before + 50) Count(kNewDay);
  EXPECT_EQ(Cli({"status"}).exit_code, 3);
  EXPECT_THAT(Verify("one"), IsOk()) << "the log goes on from what the backup holds";

  // Once taken in, it is a vault like any other.
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_EQ(Lockdowns().level(), v1::LOCKDOWN_LEVEL_NONE);
  EXPECT_EQ(Count(kNewDay), AllOf());
  Store(2);
  EXPECT_EQ(Count(2), AllOf());
}

// A key was replaced, a day was shredded, one legal hold ended and another came, and the trail that
// said so is lost: whoever checks the deletions of what goes on finds nothing that was not kept.
TEST_F(RestoreTest, ItsTrailSaysThatDeletionsWereKept) {
  const auto place = [&](int days_ago) {
    v1::PlaceHoldRequest request;
    request.set_dataset("cli_usage");
    request.set_last_day(FormatDay(DayOf(NoonBefore(days_ago))));
    request.set_reason("file 12");
    request.mutable_until()->set_seconds(SystemClock().Wall().micros / 1'000'000 + 86'400);
    const auto placed = As(cast_.steward)->PlaceHold(request, call_);
    EXPECT_THAT(placed, IsOk());
    return placed.ok() ? placed->hold().id() : "";
  };
  v1::ReleaseHoldRequest release;
  release.set_id(place(kOldDay));
  release.set_reason("closed");
  const v1::BackupSummary made = Create("one");
  ASSERT_THAT(As(cast_.steward)->ReleaseHold(release, call_), IsOk());
  v1::EraseSubjectRequest erase;
  erase.set_dataset("cli_usage");
  erase.set_subject("s7");
  ASSERT_THAT(As(cast_.steward)->EraseSubject(erase, call_), IsOk());
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "erasure.settled"), IsOk());
  ASSERT_NO_FATAL_FAILURE(ShredTheOldDay());
  const std::string hold = place(kNewDay);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_EQ(Restore(backup("one"), Accepting()).exit_code, 0);
  ASSERT_THAT(daemon_.Start(), IsOk());
  LiftAll();
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "backup.restore.key"), IsOk());
  // The hold of now keeps its bytes, and it is shredded all the same.
  EXPECT_EQ(TheEntry("retention.shred").entry().details().at("holds"), hold);
  v1::ReleaseHoldRequest second;
  second.set_id(hold);
  second.set_reason("closed");
  ASSERT_THAT(As(cast_.steward)->ReleaseHold(second, call_), IsOk());
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());
  // Rewrites every day that has a key of before, with nothing found.
  erase.set_subject("s8");
  ASSERT_THAT(As(cast_.steward)->EraseSubject(erase, call_), IsOk());
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "erasure.settled"), IsOk());
  EXPECT_EQ(TheEntry("erasure.rewrite").entry().details().at("rewritten"), "yes");

  const std::string log = backup("log");
  const std::string keys = backup("log.keys");
  const ProcessResult exported =
      RunCli(daemon_, cast_.auditor,
             {"audit", "export", log, "--key-file", keys, "--reason", "deletions of the year"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  const ProcessResult checked = RunCli(daemon_, cast_.auditor,
                                       {"-o", "json", "retention", "receipts", "--verify", "--dir",
                                        log, "--keys", keys, "--log-key", daemon_.vkey()});
  EXPECT_EQ(checked.exit_code, 0) << checked.err << checked.out;
  EXPECT_THAT(checked.err, HasSubstr("Kept"));
  EXPECT_THAT(checked.err, HasSubstr("History was lost by a restore"));
  // The first one may be forgotten by then: nothing is left of its day.
  EXPECT_THAT(Entries(*As(cast_.auditor), ByMethod("backup.restore.hold")),
              ::testing::Not(IsEmpty()));
}

TEST_F(RestoreTest, ARowAccessGrantOfBeforeIsGone) {
  v1::RequestAccessRequest request;
  request.set_sql("SELECT version FROM cli_usage WHERE command = 'build'");
  request.set_purpose("reliability");
  request.set_grant_s(3'600);
  request.set_reason("before the backup");
  TV_ASSERT_OK_AND_ASSIGN(const auto asked, As(cast_.investigator)->RequestAccess(request, call_));
  Create("one");
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_EQ(Restore(backup("one"), Accepting()).exit_code, 0);
  ASSERT_THAT(daemon_.Start(), IsOk());
  v1::GetAccessRequestRequest which;
  which.set_id(asked.request().id());
  TV_ASSERT_OK_AND_ASSIGN(const auto found, As(cast_.investigator)->GetAccessRequest(which, call_));
  EXPECT_EQ(found.request().state(), v1::ACCESS_STATE_REVOKED);
  EXPECT_EQ(TheEntry("backup.restore.ledger").entry().details().at("grants_ended"), "1");
}

TEST_F(RestoreTest, AForkAndAnotherVaultsBackupAreRefusedWhateverIsAccepted) {
  Create("first");
  Store(2);
  Create("second");
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon other;
  ASSERT_THAT(other.InitAndStart(), IsOk());
  v1::CreateBackupRequest request;
  request.set_directory(backup("other"));
  ASSERT_THAT(other.As(other.alice())->CreateBackup(request, call_), IsOk());
  const ProcessResult foreign = Restore(backup("other"), Accepting());
  EXPECT_EQ(foreign.exit_code, 3);
  EXPECT_THAT(foreign.err, HasSubstr("not signed by this vault"));

  ASSERT_EQ(Restore(backup("first"), Accepting()).exit_code, 0);
  ASSERT_THAT(daemon_.Start(), IsOk());
  LiftAll();
  TV_ASSERT_OK_AND_ASSIGN(const auto head, As(cast_.auditor)->GetCheckpoint({}, call_));
  EXPECT_EQ(Refusal(Verify("second")), "DATA_LOSS ") << "longer, or of the other branch";
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  fs::rename(store() + ".before-restore", daemon_.directory() + "/kept");
  const ProcessResult fork = Restore(backup("second"), Accepting());
  EXPECT_EQ(fork.exit_code, 3) << fork.out;
  EXPECT_THAT(fork.err, HasSubstr("fork"));
  EXPECT_FALSE(fs::exists(store() + ".restoring"));
  ASSERT_THAT(daemon_.Start(), IsOk()) << "nothing was changed";
  EXPECT_EQ(Count(kNewDay), AllOf());
}

TEST_F(RestoreTest, AnIncompleteOrChangedBackupIsRefusedAndNothingIsTouched) {
  Create("one");
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  EXPECT_EQ(Restore(backup("missing"), Accepting()).exit_code, 1);
  fs::copy(backup("one"), backup("cut"), fs::copy_options::recursive);
  fs::remove(backup("cut") + "/manifest");
  EXPECT_EQ(Restore(backup("cut"), Accepting()).exit_code, 1);
  fs::copy(backup("one"), backup("changed"), fs::copy_options::recursive);
  for (const auto& entry : fs::directory_iterator(backup("changed") + "/store/db")) {
    if (entry.path().extension() != ".sst") continue;
    fs::resize_file(entry.path(), entry.file_size() - 1);
    break;
  }
  EXPECT_EQ(Restore(backup("changed"), Accepting()).exit_code, 3);
  EXPECT_FALSE(fs::exists(store() + ".restoring"));
  EXPECT_FALSE(fs::exists(store() + ".before-restore"));
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Lockdowns().level(), v1::LOCKDOWN_LEVEL_NONE);
  EXPECT_EQ(Count(kNewDay), AllOf());
}

// Of the keyring a copy of the time of the backup was kept, against all advice.
TEST_F(RestoreTest, AnOlderKeyringIsRefused) {
  Create("one");
  for (const char* const part : {"keyring", "slots"}) {
    fs::copy(daemon_.data_dir() + "/" + part, backup(part), fs::copy_options::recursive);
  }
  ASSERT_NO_FATAL_FAILURE(ShredTheOldDay());
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  for (const std::string& root : {daemon_.data_dir(), replica()}) {
    for (const char* const part : {"keyring", "slots"}) {
      fs::remove_all(root + "/" + part);
      fs::copy(backup(part), root + "/" + part, fs::copy_options::recursive);
    }
  }
  const ProcessResult refused = Restore(backup("one"), Accepting());
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("generation"));
}

TEST_F(RestoreTest, AKeyReplicaAloneIsEnough) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  // As docs/operations.md says: the two directories of keys are lost, and made again, empty.
  for (const char* const part : {"keyring", "slots"}) {
    fs::remove_all(daemon_.data_dir() + "/" + part);
    fs::create_directory(daemon_.data_dir() + "/" + part);
    fs::permissions(daemon_.data_dir() + "/" + part, fs::perms::owner_all);
  }
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Count(kNewDay), AllOf());
  EXPECT_EQ(Count(kOldDay), AllOf());
  EXPECT_FALSE(fs::is_empty(daemon_.data_dir() + "/keyring")) << "it is filled again";
  Store(2);
  EXPECT_EQ(Count(2), AllOf());
}

// The device with the data directory and the anchor is gone. What is left: the backup, the key
// replica, the keyfile, and copies of the files that are copied by hand.
TEST_F(RestoreTest, ALostDataDirectoryIsMadeAgain) {
  Create("one");
  ASSERT_NO_FATAL_FAILURE(ShredTheOldDay());
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const std::string files = backup("static");
  fs::create_directory(files);
  fs::permissions(files, fs::perms::owner_all);
  for (const char* const part : {"identity", "control", "tls"}) {
    fs::copy(daemon_.data_dir() + "/" + part, files + "/" + part, fs::copy_options::recursive);
  }
  fs::remove_all(daemon_.data_dir());
  fs::remove(daemon_.data_dir() + ".anchor");
  const std::vector<std::string> from_files = {"--static-files", files};
  const ProcessResult unsaid = Restore(backup("one"), from_files);
  EXPECT_EQ(unsaid.exit_code, 3) << "nothing says that it is the newest";
  EXPECT_THAT(unsaid.err, HasSubstr("anchor"));
  EXPECT_FALSE(fs::exists(daemon_.data_dir() + "/identity")) << "no vault yet";
  std::vector<std::string> accepting = Accepting();
  accepting.insert(accepting.end(), from_files.begin(), from_files.end());
  const ProcessResult restored = Restore(backup("one"), accepting);
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_EQ(Restore(backup("one"), accepting).exit_code, 1) << "it is a vault again";
  ASSERT_THAT(daemon_.Start(), IsOk());
  ASSERT_NO_FATAL_FAILURE(ExpectLockedThenLift());
  EXPECT_EQ(Count(kNewDay), AllOf());
  EXPECT_EQ(Count(kOldDay), "no rows");
  EXPECT_EQ(TheEntry("backup.restore").entry().details().at("old_size"), "unknown");
  Store(2);
  EXPECT_EQ(Count(2), AllOf());
}

// What the ledger and the lock are for holds also where the restored vault waits for its keys, or
// is killed, in between.
TEST_F(RestoreTest, ACrashAtAnyStepLeavesTheOldStoreOrTheNewOne) {
  Create("one");
  ASSERT_NO_FATAL_FAILURE(ShredTheOldDay());
  for (const char* const point : crash::kRestoreCrashPoints) {
    SCOPED_TRACE(point);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    fs::remove_all(store() + ".before-restore");
    const Environment armed = {{"TELEVAULT_CRASH_POINT", point}};
    const ProcessResult cut = Restore(backup("one"), Accepting(), armed);
    EXPECT_TRUE(fs::exists(store() + "/db/CURRENT"));
    if (cut.exit_code == 0) {
      // A point of the start after it.
      EXPECT_FALSE(daemon_.Start(armed).ok());
    } else {
      EXPECT_EQ(cut.exit_code, -1) << cut.err;
      // Whichever store is there now, the vault opens it.
      ASSERT_THAT(daemon_.Start(), IsOk());
      if (fs::exists(store() + "/restored") || Lockdowns().level() != v1::LOCKDOWN_LEVEL_NONE) {
        LiftAll();
      }
      EXPECT_EQ(Count(kNewDay), AllOf());
      EXPECT_EQ(Count(kOldDay), "no rows");
      ASSERT_THAT(daemon_.Terminate(), IsOk());
      fs::remove_all(store() + ".before-restore");
      fs::remove_all(store() + ".restoring");
      const ProcessResult again = Restore(backup("one"), Accepting());
      EXPECT_EQ(again.exit_code, 0) << again.err;
    }
    ASSERT_THAT(daemon_.Start(), IsOk());
    EXPECT_EQ(Lockdowns().level(), v1::LOCKDOWN_LEVEL_ALL);
    LiftAll();
    EXPECT_EQ(Count(kNewDay), AllOf());
    EXPECT_EQ(Count(kOldDay), "no rows");
    EXPECT_FALSE(fs::exists(store() + "/restored"));
    EXPECT_FALSE(Entries(*As(cast_.auditor), ByMethod("backup.restore")).empty());
  }
}

}  // namespace
}  // namespace televault::testing
