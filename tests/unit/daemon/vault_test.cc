// What a start does with older or missing copies of what the vault keeps outside the store.

#include "vault/daemon/vault.h"

#include <algorithm>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

#include "audit/proof_file.h"
#include "audit/verifier.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/trail.h"
#include "tests/unit/catalog/sample_manifest.h"
#include "tests/unit/daemon/vault_fixture.h"
#include "vault/base/limits.h"

namespace televault::daemon {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

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

// The newest slot does not open at one start; an older one that was put back does.
TEST_F(VaultTest, ASlotThatDoesNotOpenIsNotDestroyedForAnOlderOne) {
  { Open(); }
  Copy(layout_.slot_dir());
  Copy(layout_.keyring_dir());
  const PartitionId day{DatasetId(1), Day(1)};
  {
    const auto keyring = LoadKeyring();
    ASSERT_THAT(keyring->EnsureDataKey(day, clock_.Wall()), IsOk());
    ASSERT_THAT(keyring->Shred(std::vector{day}), IsOk());
    ASSERT_EQ(keyring->slot(), 2u);
  }
  { Open(); }
  for (const std::string& directory : {layout_.slot_dir(), layout_.keyring_dir()}) {
    std::filesystem::copy(
        directory + ".copy", directory,
        std::filesystem::copy_options::recursive | std::filesystem::copy_options::skip_existing);
  }
  const std::string newest = layout_.keyring_dir() + "/keyring.2";
  TV_ASSERT_OK_AND_ASSIGN(const std::string whole, PosixFileSystem().ReadFile(newest, 1 << 20));
  ASSERT_THAT(ReplaceFile(PosixFileSystem(), newest, AsBytes("unreadable"), 0600), IsOk());
  EXPECT_THAT(Open()->lockdown().control_mode(), HasSubstr("keyring is older"));
  for (const char* const slot : {"/slot.1", "/slot.2"}) {
    EXPECT_TRUE(std::filesystem::exists(layout_.slot_dir() + slot)) << slot;
  }
  ASSERT_THAT(ReplaceFile(PosixFileSystem(), newest, AsBytes(whole), 0600), IsOk());
  EXPECT_EQ(Open()->lockdown().control_mode(), "");
  EXPECT_FALSE(std::filesystem::exists(layout_.slot_dir() + "/slot.1"));
}

TEST_F(VaultTest, WhatIsDueIsShreddedInQuarantineToo) {
  { Open(); }
  const PartitionId day{DatasetId(1), Day(1)};
  {
    const auto keyring = LoadKeyring();
    ASSERT_THAT(keyring->EnsureDataKey(day, clock_.Wall() - microseconds(1)), IsOk());
  }
  Copy(layout_.control_dir());
  {
    const auto vault = Open();
    ASSERT_THAT(vault->control().Revoke(accessor_), IsOk());
    ASSERT_THAT(vault->RecordGenerations(), IsOk());
  }
  PutBack(layout_.control_dir());
  {
    const auto keyring = LoadKeyring();
    ASSERT_THAT(keyring->EnsureDataKey(day, clock_.Wall() - microseconds(1)), IsOk());
  }
  EXPECT_THAT(Open()->lockdown().control_mode(), HasSubstr("control file is older"));
  EXPECT_THAT(LoadKeyring()->DataKeys(day), ::testing::IsEmpty());
  EXPECT_THAT(Open()->lockdown().control_mode(), HasSubstr("control file is older"));
}

// What an earlier run could not destroy: nothing is due, and it is tried again.
TEST_F(VaultTest, TheSealedShredFinishesWhatAnEarlierRunLeft) {
  class Stubborn final : public televault::testing::LossyFileSystem {
   public:
    absl::Status Shred(const std::string& path) override {
      return refuse ? absl::UnavailableError("no device") : LossyFileSystem::Shred(path);
    }
    bool refuse = true;
  } fs;
  const PartitionId day{DatasetId(1), Day(1)};
  crypto::FileKeySlots slots(fs, {layout_.slot_dir()});
  const crypto::KeyringOptions options{.fs = fs,
                                       .slots = slots,
                                       .random = random_,
                                       .vault = ReadIdentity(fs, layout_)->vault,
                                       .directories = {layout_.keyring_dir()},
                                       .on_new_generation = nullptr};
  {
    ASSERT_THAT(LoadKeyring()->EnsureDataKey(day, clock_.Wall()), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const auto keyring, crypto::Keyring::Load(options));
    keyring->Settle();
    ASSERT_THAT(keyring->Shred(std::vector{day}), StatusIs(absl::StatusCode::kUnavailable));
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto keyring, crypto::Keyring::Load(options));
  keyring->Settle();
  const incident::LockdownManager lockdown(
      {.clock = clock_, .random = random_, .store = nullptr, .high_water = clock_.Wall()});
  EXPECT_THAT(ShredWhileSealed(*keyring, lockdown), StatusIs(absl::StatusCode::kUnavailable));
  fs.refuse = false;
  EXPECT_THAT(ShredWhileSealed(*keyring, lockdown), IsOk());
  EXPECT_FALSE(fs.Exists(layout_.slot_dir() + "/slot.1"));
}

// The store was left alone, and its head knows the newer control file.
TEST_F(VaultTest, AnOlderControlFileWithItsOwnAnchorIsNoticedByTheStore) {
  { Open(); }
  Copy(layout_.control_dir());
  Copy(layout_.default_anchor());
  {
    const auto vault = Open();
    ASSERT_THAT(vault->control().Revoke(accessor_), IsOk());
    ASSERT_THAT(vault->RecordGenerations(), IsOk());
    ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  }
  PutBack(layout_.control_dir());
  PutBack(layout_.default_anchor());
  const auto vault = Open();
  EXPECT_THAT(vault->lockdown().control_mode(), HasSubstr("control file is older"));
  EXPECT_THAT(vault->control().Revoke(accessor_), StatusIs(absl::StatusCode::kFailedPrecondition));
}

// An unseal that could not be recorded, or whose receipt could not be made, left the keys open in a
// vault that called itself sealed.
TEST_F(VaultTest, ACheckedRootKeyOpensNothingBeforeTheUnseal) {
  const auto vault = Open();
  const uint64_t size = vault->journal().Head().tree_size;
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, vault->journal().ReadLeaves(LeafIndex(0), size));
  // The last one is an entry; a key leaf came before it.
  const auto read = [&] { return vault->entries().Open(LeafIndex(size - 1), leaves.back()); };
  { ASSERT_THAT(vault->CheckUnseal(""), IsOk()); }
  EXPECT_THAT(read(), HasReason(reason::kSealed));
  TV_ASSERT_OK_AND_ASSIGN(const service::UnsealAttempt attempt, vault->CheckUnseal(""));
  ASSERT_THAT(vault->Unseal(attempt.root), IsOk());
  EXPECT_THAT(read(), IsOk());
}

TEST_F(VaultTest, TimesOfTheTrailNeverGoBackWhateverTheClockDoes) {
  const auto times = [](Vault& vault) {
    std::vector<int64_t> all;
    for (const auto& entry : televault::testing::EntriesOf(vault)) all.push_back(entry.time_us());
    return all;
  };
  const WallTime start = clock_.Wall();
  {
    const auto vault = Open();
    ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
    RunTheClock(*vault, 3);
  }
  clock_.SetWall({start.micros - 365 * kMicrosPerDay});
  const auto vault = Open();
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  const std::vector<int64_t> all = times(*vault);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_GE(all.back(), start.micros);
}

// A start that failed to unseal left no entry.
TEST_F(VaultTest, AStartThatCannotUnsealIsOnRecord) {
  Copy(layout_.default_keyfile());
  std::filesystem::remove(layout_.default_keyfile());
  const auto vault = Open();
  const uint64_t before = vault->journal().Head().tree_size;
  EXPECT_THAT(vault->UnsealWithKeyfile(), ::testing::Not(IsOk()));
  const uint64_t after = vault->journal().Head().tree_size;
  ASSERT_EQ(after, before + 1);
  PutBack(layout_.default_keyfile());
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, vault->journal().ReadLeaves(LeafIndex(before), 1));
  TV_ASSERT_OK_AND_ASSIGN(const auto entry, vault->entries().Open(LeafIndex(before), leaves.at(0)));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->method(), "operator.unseal");
  EXPECT_NE(entry->status(), 0);
}

// A month of the trail that nobody can read any more proves what it proved.
TEST_F(VaultTest, ADestroyedEpochLeavesEveryProofIntact) {
  uint64_t first_of_second = 0;
  {
    const auto vault = Open();
    ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
    first_of_second = vault->journal().Head().tree_size;
  }
  {
    const auto keyring = LoadKeyring();
    ASSERT_THAT(keyring->RotateAuditEpoch(clock_.Wall()), IsOk());
    crypto::ShredRequest request;
    request.audit_epochs = {1};
    ASSERT_THAT(keyring->Shred(request), IsOk());
  }
  const auto vault = Open();
  EXPECT_EQ(vault->lockdown().control_mode(), "");
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  const store::CommitReceipt head = vault->journal().Head();
  ASSERT_GT(head.tree_size, first_of_second + 1);
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves,
                          service::ReadLeafRange(vault->journal(), 0, head.tree_size));
  audit::LeafStreamVerifier log(std::nullopt);
  std::vector<std::string> readable;
  for (uint64_t i = 0; i < leaves.size(); ++i) {
    ASSERT_THAT(log.Append(AsBytes(leaves[i])), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const auto entry, vault->entries().Open(LeafIndex(i), leaves[i]));
    if (entry.has_value()) readable.push_back(entry->method());
    EXPECT_TRUE(!entry.has_value() || i >= first_of_second) << i;
    TV_ASSERT_OK_AND_ASSIGN(const auto proof,
                            vault->journal().InclusionProof(LeafIndex(i), head.tree_size));
    audit::ProofFile file{i, proof, std::nullopt, head.checkpoint};
    EXPECT_THAT(audit::VerifyProofFile(file, audit::LeafHash(AsBytes(leaves[i])),
                                       audit::VerifierKey::Parse(vault->vkey()).value()),
                IsOk());
  }
  EXPECT_THAT(readable, ::testing::Contains("daemon.start"));
  const auto checkpoint =
      audit::OpenCheckpoint(head.checkpoint, audit::VerifierKey::Parse(vault->vkey()).value());
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_THAT(log.Finish(*checkpoint), IsOk());
}

// The first merge run of a month starts its epoch; entries of both are read.
TEST_F(VaultTest, AMonthHasAnEpochOfItsOwn) {
  config_.merge_tick = microseconds(1'000'000);
  const auto vault = Open();
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  clock_.Advance(std::chrono::hours(24 * 9));  // into December
  ASSERT_EQ(vault->audit_keys().AuditEpochs().size(), 1u);
  vault->StartHousekeeping();
  const auto there = [](const auto& entries) {
    return std::any_of(entries.begin(), entries.end(),
                       [](const auto& entry) { return entry.method() == "audit.epoch"; });
  };
  while (!there(televault::testing::EntriesOf(*vault))) std::this_thread::yield();
  EXPECT_EQ(vault->audit_keys().AuditEpochs().size(), 2u);
}

// Whoever asks over and over would have taken the epochs of the months to come.
TEST_F(VaultTest, EpochsOnRequestEndWhereThereIsRoomForThoseOfEveryMonth) {
  { Open(); }
  {
    const auto keyring = LoadKeyring();
    while (keyring->AuditEpochs().size() < limits::kMaxAskedAuditEpochs - 1) {
      ASSERT_THAT(keyring->RotateAuditEpoch(clock_.Wall()), IsOk());
    }
  }
  const auto vault = Open();
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  ASSERT_THAT(vault->RotateKey(v1::ROTATED_KEY_AUDIT_EPOCH), IsOk());
  for (int i = 0; i < 2; ++i) {
    const auto full = StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("512 of 1024"));
    EXPECT_THAT(vault->MayRotate(v1::ROTATED_KEY_AUDIT_EPOCH), full);
    EXPECT_THAT(vault->RotateKey(v1::ROTATED_KEY_AUDIT_EPOCH), full);
  }
  EXPECT_THAT(vault->MayRotate(v1::ROTATED_KEY_META), IsOk());
  EXPECT_EQ(vault->audit_keys().AuditEpochs().size(), limits::kMaxAskedAuditEpochs);
}

// A restored store knew nothing of a dataset of which only a hold or a salt was left: the next new
// dataset got its number, and with it the hold.
TEST_F(VaultTest, ANewDatasetNeverGetsTheNumberOfOneThatTheKeyringKnows) {
  { Open(); }
  {
    const auto keyring = LoadKeyring();
    crypto::LegalHold hold;
    hold.id = {1};
    hold.dataset = DatasetId(7);
    hold.until = clock_.Wall() + std::chrono::hours(1);
    ASSERT_THAT(keyring->PlaceHold(hold), IsOk());
    ASSERT_THAT(keyring->SubjectSalt(DatasetId(8), 1), IsOk());
  }
  const auto vault = Open();
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto data, vault->Data());
  TV_ASSERT_OK_AND_ASSIGN(const auto prepared,
                          data->catalog->PrepareApply(catalog::CliUsage(), "sam", clock_.Wall()));
  ASSERT_TRUE(prepared.applicable);
  prepared.on_committed();
  TV_ASSERT_OK_AND_ASSIGN(const auto dataset, data->catalog->Find(prepared.dataset));
  EXPECT_EQ(dataset->id, DatasetId(9));
}

class KeyReplicaTest : public VaultTest {
 protected:
  KeyReplicaTest() : replica_(directory_.path() + "/replica") {
    const auto identity = ReadIdentity(PosixFileSystem(), layout_);
    id_ = MarkKeyReplica(PosixFileSystem(), random_, identity->vault, replica_).value();
    config_.key_replicas = {replica_};
  }
  // A key that is due, made while no vault is open; the slot that opens it.
  uint64_t MakeADueKey() {
    const auto keyring = LoadKeyring();
    EXPECT_THAT(keyring->EnsureDataKey(kDay, clock_.Wall() - microseconds(1)), IsOk());
    return keyring->slot();
  }
  // The device is gone; its mount point looks like what an earlier start once made there.
  void Unmount() {
    std::filesystem::rename(replica_, replica_ + ".device");
    std::filesystem::create_directories(replica_ + "/slots");
    std::filesystem::create_directories(replica_ + "/keyring");
  }
  void Mount() {
    std::filesystem::remove_all(replica_);
    std::filesystem::rename(replica_ + ".device", replica_);
  }
  static std::string Warnings(Vault& vault) {
    std::string all;
    const v1::GetStatusResponse status = vault.Status();
    for (const std::string& warning : status.warnings()) all += warning + "\n";
    return all;
  }

  static constexpr PartitionId kDay{DatasetId(1), Day(1)};
  const std::string replica_;
  crypto::ReplicaId id_{};
};

TEST_F(KeyReplicaTest, IsFilledAtTheStartAndNotWarnedOf) {
  const auto vault = Open();
  EXPECT_EQ(Warnings(*vault), "");
  EXPECT_TRUE(std::filesystem::exists(replica_ + "/slots/slot.1"));
  EXPECT_TRUE(std::filesystem::exists(replica_ + "/keyring/keyring.1"));
}

// A fresh copy in the mount point, and the shred "reached every replica".
TEST_F(KeyReplicaTest, OneThatIsNotMountedIsNotMadeAnewAndHoldsUpEveryShred) {
  { Open(); }
  const uint64_t slot = MakeADueKey();
  Unmount();
  {
    const auto vault = Open();
    EXPECT_THAT(Warnings(*vault), HasSubstr("key replica " + ToHex(id_) + " was not there"));
    EXPECT_TRUE(std::filesystem::is_empty(replica_ + "/slots"));
    EXPECT_TRUE(std::filesystem::is_empty(replica_ + "/keyring"));
    EXPECT_THAT(vault->UnsealWithKeyfile(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nothing is shredded")));
    EXPECT_TRUE(vault->lockdown()
                    .Engage({.level = v1::LOCKDOWN_LEVEL_ALL, .reason = "r", .engaged_by = "gina"})
                    ->durable);
  }
  Mount();
  EXPECT_EQ(Warnings(*Open()), "");
  EXPECT_THAT(LoadKeyring()->DataKeys(kDay), ::testing::IsEmpty());
  const std::string name = "/slots/slot." + std::to_string(slot);
  EXPECT_FALSE(std::filesystem::exists(replica_ + name));
}

TEST_F(KeyReplicaTest, OneThatGoesAwayWhileTheVaultRunsStopsWrites) {
  const auto vault = Open();
  ASSERT_THAT(vault->UnsealWithKeyfile(), IsOk());
  Unmount();
  EXPECT_THAT(Warnings(*vault), HasSubstr("has gone from"));
  EXPECT_TRUE(std::filesystem::is_empty(replica_ + "/slots"));
}

TEST_F(KeyReplicaTest, ALostOneIsDroppedOnRequestOnly) {
  { Open(); }
  MakeADueKey();
  std::filesystem::remove_all(replica_);
  config_.key_replicas.clear();
  EXPECT_THAT(Warnings(*Open()), HasSubstr("--drop-key-replica " + ToHex(id_)));
  EXPECT_THAT(LoadKeyring()->DataKeys(kDay), ::testing::SizeIs(1));
  config_.drop_key_replica = ToHex(id_);
  { Open(); }
  config_.drop_key_replica.clear();
  EXPECT_THAT(Warnings(*Open()), ::testing::Not(HasSubstr(ToHex(id_))));
  const auto keyring = LoadKeyring();
  EXPECT_THAT(keyring->DataKeys(kDay), ::testing::IsEmpty());
  EXPECT_GT(keyring->slot(), 1u);
}

TEST_F(KeyReplicaTest, OnlyAnEmptyDirectoryBecomesOneAndOnlyOfItsOwnVault) {
  EXPECT_THAT(MarkKeyReplica(PosixFileSystem(), random_, VaultId{}, replica_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  const std::string other = directory_.path() + "/other";
  ASSERT_THAT(MarkKeyReplica(PosixFileSystem(), random_, VaultId{{9}}, other), IsOk());
  config_.key_replicas = {other, directory_.path() + "/nothing"};
  const auto vault = Open();
  EXPECT_THAT(Warnings(*vault), HasSubstr("mark of another vault"));
  EXPECT_THAT(Warnings(*vault), HasSubstr("/nothing is no key replica"));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/nothing"));
}

}  // namespace
}  // namespace televault::daemon
