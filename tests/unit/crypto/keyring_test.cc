#include "vault/crypto/keyring.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sodium/utils.h>

#include "tests/support/fault_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/crypto/keyring_fixture.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring_files.h"

namespace televault::crypto {
namespace {

using televault::testing::FaultFileSystem;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Keyring, HandsOutTheSameKeysAfterAReload) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef key, keyring->EnsureDataKey(P(1, 10), kNow));
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef other, keyring->EnsureDataKey(P(1, 11), kNow));
  EXPECT_NE(Fingerprint(key->key), Fingerprint(other->key));
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef meta, keyring->MetaKey());
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef salt, keyring->SubjectSalt(DatasetId(1), 5));
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef blocked, keyring->BlockedSubjectKey(DatasetId(1)));
  const AuditEpochInfo epoch = keyring->CurrentAuditEpoch();

  auto again = f.Reopen();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef same, again->EnsureDataKey(P(1, 10), kNow));
  EXPECT_EQ(same->id, key->id);
  EXPECT_EQ(Fingerprint(same->key), Fingerprint(key->key));
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef meta2, again->MetaKey());
  EXPECT_EQ(Fingerprint(*meta2), Fingerprint(*meta));
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef salt2, again->SubjectSalt(DatasetId(1), 5));
  EXPECT_EQ(Fingerprint(*salt2), Fingerprint(*salt));
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef blocked2, again->BlockedSubjectKey(DatasetId(1)));
  EXPECT_EQ(Fingerprint(*blocked2), Fingerprint(*blocked));
  EXPECT_THAT(again->LiveSaltPeriods(DatasetId(1)), ElementsAre(5));
  EXPECT_EQ(again->CurrentAuditEpoch().public_key, epoch.public_key);
  EXPECT_EQ(again->generation(), keyring->generation());
}

TEST(Keyring, WithoutTheRootNoKeyIsHandedOut) {
  Fixture f;
  ASSERT_THAT(f.Create()->EnsureDataKey(P(1, 10), kNow), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto keyring, f.Load());
  EXPECT_TRUE(keyring->sealed());
  EXPECT_THAT(keyring->EnsureDataKey(P(1, 10), kNow), HasReason(reason::kSealed));
  EXPECT_THAT(keyring->DataKeyFor(P(1, 10), KeyId(1)), HasReason(reason::kSealed));
  EXPECT_THAT(keyring->MetaKey(), HasReason(reason::kSealed));
  EXPECT_THAT(keyring->SubjectSalt(DatasetId(1), 1), HasReason(reason::kSealed));
  EXPECT_THAT(keyring->AuditEpochPrivateKey(1), HasReason(reason::kSealed));
  EXPECT_THAT(keyring->Unseal(Root(100)), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(keyring->sealed());
  ASSERT_THAT(keyring->Unseal(Root()), IsOk());
  EXPECT_THAT(keyring->EnsureDataKey(P(1, 10), kNow), IsOk());
  keyring->Seal();
  EXPECT_THAT(keyring->EnsureDataKey(P(1, 10), kNow), HasReason(reason::kSealed));
}

TEST(Keyring, ADeadlineOnlyMovesEarlier) {
  Fixture f;
  auto keyring = f.Create();
  const WallTime later = kNow + microseconds(10);
  const WallTime earlier = kNow - microseconds(10);
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), later), IsOk());
  ASSERT_THAT(keyring->SetDeadlines({{P(1, 1), later}}), IsOk());
  EXPECT_EQ(keyring->DataKeys(P(1, 1)).at(0).deadline, kNow);
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 2), kNow), IsOk());
  keyring->Seal();
  const uint64_t generation = keyring->generation();
  ASSERT_THAT(keyring->SetDeadlines({{P(1, 1), earlier}, {P(9, 9), earlier}, {P(1, 2), earlier}}),
              IsOk());
  EXPECT_EQ(keyring->generation(), generation + 1) << "all of them in one write";
  const auto reopened = f.Reopen();
  EXPECT_EQ(reopened->DataKeys(P(1, 1)).at(0).deadline, earlier);
  EXPECT_EQ(reopened->DataKeys(P(1, 2)).at(0).deadline, earlier);
}

TEST(Keyring, ShredsWhileSealedAndOnlyWhatWasNamed) {
  Fixture f(2);
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 2), kNow + microseconds(1)), IsOk());
  keyring->Seal();
  const auto due = keyring->Due(kNow);
  ASSERT_THAT(due, SizeIs(1));
  const uint64_t old_slot = keyring->slot();
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport report,
                          keyring->Shred(std::vector<PartitionId>{due[0].partition}));
  ASSERT_THAT(report.keys, SizeIs(1));
  EXPECT_EQ(report.keys[0].partition, P(1, 1));
  EXPECT_EQ(report.slot_kind, SlotKind::kBestEffort);
  EXPECT_GE(f.anchored_, report.generation);
  EXPECT_NE(keyring->slot(), old_slot);
  for (const std::string& path : f.paths_) {
    EXPECT_FALSE(f.fs_.Exists(path + "/slot." + std::to_string(old_slot)));
    EXPECT_FALSE(f.fs_.Exists(path + "/keyring." + std::to_string(old_slot)));
  }
  EXPECT_THAT(keyring->Due(kNow), IsEmpty());
  ASSERT_THAT(keyring->Unseal(Root()), IsOk());
  EXPECT_THAT(keyring->DataKeyFor(P(1, 1), report.keys[0].id), HasReason(reason::kExpired));
  EXPECT_THAT(keyring->EnsureDataKey(P(1, 2), kNow + microseconds(1)), IsOk());
}

TEST(Keyring, AKeyIdIsNeverGivenOutTwice) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef first, keyring->EnsureDataKey(P(1, 1), kNow));
  ASSERT_THAT(keyring->Shred(std::vector{P(1, 1)}), IsOk());
  auto again = f.Reopen();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef second, again->EnsureDataKey(P(1, 1), kNow));
  EXPECT_GT(second->id, first->id);
}

TEST(Keyring, ARewrittenPartitionHasTwoKeysUntilTheOldOneIsShredded) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef old_key, keyring->EnsureDataKey(P(1, 1), kNow));
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef new_key, keyring->RotateDataKey(P(1, 1)));
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef current, keyring->EnsureDataKey(P(1, 1), kNow));
  EXPECT_EQ(current->id, new_key->id);
  EXPECT_THAT(keyring->DataKeyFor(P(1, 1), old_key->id), IsOk());
  ShredRequest request;
  request.keys.emplace_back(P(1, 1), old_key->id);
  ASSERT_THAT(keyring->Shred(request), IsOk());
  EXPECT_THAT(keyring->DataKeyFor(P(1, 1), old_key->id), HasReason(reason::kExpired));
  EXPECT_THAT(keyring->DataKeyFor(P(1, 1), new_key->id), IsOk());
}

TEST(Keyring, ShredsSaltsErasureKeysAndOldAuditEpochs) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef salt, keyring->SubjectSalt(DatasetId(1), 1));
  const std::string before = Fingerprint(*salt);
  ASSERT_THAT(keyring->RotateAuditEpoch(kNow), IsOk());
  ASSERT_THAT(keyring->AuditEpochPrivateKey(1), IsOk());
  ShredRequest request;
  request.salts.emplace_back(DatasetId(1), 1);
  request.audit_epochs = {1, 2};  // 2 is in force and stays
  ASSERT_THAT(keyring->Shred(request), IsOk());
  EXPECT_THAT(keyring->LiveSaltPeriods(DatasetId(1)), IsEmpty());
  EXPECT_THAT(keyring->AuditEpochPrivateKey(1), HasReason(reason::kExpired));
  EXPECT_THAT(keyring->AuditEpochPrivateKey(2), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef after, keyring->SubjectSalt(DatasetId(1), 1));
  EXPECT_NE(Fingerprint(*after), before);
}

TEST(Keyring, ChangesItsRoot) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef key, keyring->EnsureDataKey(P(1, 1), kNow));
  const std::string before = Fingerprint(key->key);
  ASSERT_THAT(keyring->ChangeRoot({}, Root(5), WallTime{9}), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto again, f.Load());
  EXPECT_THAT(again->Unseal(Root()), StatusIs(absl::StatusCode::kPermissionDenied));
  ASSERT_THAT(again->Unseal(Root(5)), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef same, again->DataKeyFor(P(1, 1), key->id));
  EXPECT_EQ(Fingerprint(same->key), before);
}

TEST(Keyring, IsNeverMadeTwiceNorOutOfNothing) {
  Fixture f;
  f.Create();
  EXPECT_THAT(Keyring::Create(f.Options(), {}, Root(), kNow),
              StatusIs(absl::StatusCode::kAlreadyExists));
  Fixture empty;
  EXPECT_THAT(empty.Load(), StatusIs(absl::StatusCode::kNotFound));
}

// The newest slot does not open for the moment; an older one, left by a crash, does. Nobody asked
// the anchor yet, so nothing may be repaired or destroyed.
TEST(Keyring, TouchesNothingUntilItsGenerationIsFoundInForce) {
  Fixture f;
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  f.hook_ = absl::UnavailableError("the process ends here");
  EXPECT_THAT(keyring->Shred(std::vector{P(1, 1)}), StatusIs(absl::StatusCode::kUnavailable));
  f.hook_ = absl::OkStatus();
  const uint64_t newest = keyring->slot();
  const std::string path = f.paths_[0] + "/keyring." + std::to_string(newest);
  TV_ASSERT_OK_AND_ASSIGN(const std::string whole, f.fs_.ReadFile(path, 1 << 20));
  ASSERT_THAT(ReplaceFile(f.fs_, path, AsBytes("unreadable"), 0600), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto before, f.fs_.List(f.paths_[0]));
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto older, Keyring::Load(f.Options()));
    EXPECT_LT(older->slot(), newest);
    EXPECT_FALSE(older->settled());
    EXPECT_THAT(older->Shred(ShredRequest()), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(older->Shred(std::vector{P(1, 1)}),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(older->RecordLockEpoch(LockEpoch(7)),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    TV_ASSERT_OK_AND_ASSIGN(const auto after, f.fs_.List(f.paths_[0]));
    EXPECT_THAT(after, ::testing::UnorderedElementsAreArray(before));
  }
  ASSERT_THAT(ReplaceFile(f.fs_, path, AsBytes(whole), 0600), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto again, f.Load());
  EXPECT_EQ(again->slot(), newest);
  TV_ASSERT_OK_AND_ASSIGN(const auto left, f.slots_->List());
  EXPECT_THAT(left, ElementsAre(newest));
}

TEST(Keyring, LivesOnWithOneReplicaAndRepairsTheOther) {
  Fixture f(2);
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  const std::string slot = std::to_string(keyring->slot());
  ASSERT_THAT(f.fs_.Remove(f.paths_[0] + "/slot." + slot), IsOk());
  ASSERT_THAT(f.fs_.Remove(f.paths_[0] + "/keyring." + slot), IsOk());
  EXPECT_THAT(f.Reopen()->DataKeys(P(1, 1)), SizeIs(1));
  ASSERT_THAT(f.fs_.Remove(f.paths_[1] + "/slot." + slot), IsOk());
  ASSERT_THAT(f.fs_.Remove(f.paths_[1] + "/keyring." + slot), IsOk());
  EXPECT_THAT(f.Reopen()->DataKeys(P(1, 1)), SizeIs(1));
}

TEST(Keyring, EveryTruncationAndEveryChangedByteIsNoticed) {
  Fixture f;
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  const std::string path = f.paths_[0] + "/keyring." + std::to_string(keyring->slot());
  TV_ASSERT_OK_AND_ASSIGN(const std::string whole, PosixFileSystem().ReadFile(path, 1 << 20));
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    for (const std::string& bytes : {whole.substr(0, i), changed}) {
      TV_ASSERT_OK_AND_ASSIGN(const auto file,
                              PosixFileSystem().OpenWritable(path, OpenMode::kTruncate, 0600));
      ASSERT_THAT(file->Append(AsBytes(bytes)), IsOk());
      ASSERT_THAT(f.Load(), StatusIs(absl::StatusCode::kDataLoss)) << i;
    }
  }
}

// A data key that was handed out is there after any power cut: a missing sync shows here.
TEST(Keyring, NoSyncBeforeADataKeyCanBeLeftOut) {
  for (uint64_t skipped = 1;; ++skipped) {
    Fixture f;
    auto keyring = f.Create();
    const uint64_t before = f.fs_.syncs();
    f.fs_.SkipSync(skipped);
    ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
    const bool all_done = f.fs_.syncs() - before < skipped;
    f.fs_.PowerCut();
    const auto again = f.Load();
    const bool kept = again.ok() && (*again)->DataKeys(P(1, 1)).size() == 1;
    EXPECT_EQ(kept, all_done) << "sync " << skipped;
    if (all_done) break;
  }
}

// Removing any sync of a shred must leave either no keyring or, worse, the old one behind.
TEST(Keyring, NoSyncOfAShredCanBeLeftOut) {
  int needed = 0;
  for (uint64_t skipped = 1;; ++skipped) {
    Fixture f;
    auto keyring = f.Create();
    ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
    ASSERT_THAT(keyring->EnsureDataKey(P(1, 2), kNow), IsOk());
    const uint64_t before = f.fs_.syncs();
    f.fs_.SkipSync(skipped);
    ASSERT_THAT(keyring->Shred(std::vector{P(1, 1)}), IsOk());
    const bool all_done = f.fs_.syncs() - before < skipped;
    // The directory that holds slots and keyring is synced again when the old slot is destroyed,
    // so a name lost here is saved there; contents are not.
    f.fs_.PowerCut();
    const auto again = f.Load();
    const bool good = again.ok() && (*again)->DataKeys(P(1, 1)).empty() &&
                      (*again)->DataKeys(P(1, 2)).size() == 1;
    if (all_done) {
      EXPECT_TRUE(good);
      break;
    }
    needed += good ? 0 : 1;
  }
  EXPECT_GE(needed, 2);  // the contents of the slot file and of the keyring file
}

// The heart of promise 2: the power goes off at every single step of a shred, with what was
// unsynced surviving at random. Afterwards a keyring opens, other keys are unharmed, and where
// Shred had said OK the key is gone for whoever has root key and every file.
TEST(Keyring, APowerCutAtAnyStepOfAShredLeavesTheOldOrTheNewGeneration) {
  uint64_t steps = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    for (uint64_t step = 0;; ++step) {
      Fixture f(2);
      auto keyring = f.Create();
      ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
      TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef kept, keyring->EnsureDataKey(P(1, 2), kNow));
      const std::string kept_before = Fingerprint(kept->key);
      f.fs_.StopAfter(step);
      const bool done = keyring->Shred(std::vector{P(1, 1)}).ok();
      const uint64_t anchored = f.anchored_;
      f.fs_.PowerCut(seed);

      const auto again = f.Load();
      ASSERT_THAT(again, IsOk()) << "step " << step << " seed " << seed;
      ASSERT_GE((*again)->generation(), anchored);
      ASSERT_THAT((*again)->Unseal(Root()), IsOk());
      TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef key, (*again)->DataKeyFor(P(1, 2), kept->id));
      ASSERT_EQ(Fingerprint(key->key), kept_before);
      if (done) {
        ASSERT_THAT((*again)->DataKeys(P(1, 1)), IsEmpty()) << "step " << step;
      }
      // Finishing what was interrupted works from wherever it stopped.
      ASSERT_THAT((*again)->Shred(std::vector{P(1, 1)}), IsOk());
      ASSERT_THAT(f.Reopen()->DataKeys(P(1, 1)), IsEmpty());
      for (const std::string& path : f.paths_) {
        TV_ASSERT_OK_AND_ASSIGN(const auto names, f.fs_.List(path));
        EXPECT_THAT(names, SizeIs(2)) << "step " << step;  // one slot, one keyring
      }
      if (done) {
        steps = step;
        break;
      }
    }
  }
  EXPECT_GT(steps, 15U);
}

// Copies of everything made before a shred: with the root key and any surviving slot secret none
// of them opens afterwards.
TEST(Keyring, AnOldCopyOfTheKeyringDoesNotOpenAfterTheShred) {
  Fixture f;
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  const uint64_t old_slot = keyring->slot();
  const std::string path = f.paths_[0] + "/keyring." + std::to_string(old_slot);
  TV_ASSERT_OK_AND_ASSIGN(const std::string copy, f.fs_.ReadFile(path, 1 << 20));
  ASSERT_THAT(keyring->Shred(std::vector{P(1, 1)}), IsOk());

  ASSERT_THAT(ReplaceFile(f.fs_, path, AsBytes(copy), 0600), IsOk());
  EXPECT_THAT(f.Reopen()->DataKeys(P(1, 1)), IsEmpty());
  // Not under the live slot's name and secret either.
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes live, f.slots_->Load(keyring->slot()));
  for (const uint64_t slot : {old_slot, keyring->slot()}) {
    std::string identity = "keyring";
    PutLittleEndian(identity, slot);
    EXPECT_FALSE(Open(live, Use::kKeyring, AsBytes(identity), AsBytes(copy), kVault).ok());
  }
}

TEST(Keyring, AFailedAnchorKeepsTheShredUnfinishedUntilItWorks) {
  Fixture f;
  auto keyring = f.Create();
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  f.hook_ = absl::UnavailableError("anchor device gone");
  EXPECT_THAT(keyring->Shred(std::vector{P(1, 1)}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(keyring->Due(kNow), IsEmpty()) << "it is out of the keyring";
  EXPECT_THAT(keyring->ShredDue(kNow), StatusIs(absl::StatusCode::kUnavailable));
  f.hook_ = absl::OkStatus();
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport report, keyring->Shred(std::vector{P(1, 1)}));
  EXPECT_THAT(report.keys, SizeIs(1));
  EXPECT_THAT(keyring->Due(kNow), IsEmpty());
}

// The old slot in one replica cannot be destroyed: the others are, the shred is not done, and it is
// finished without a name, also by a process that knows nothing of it.
TEST(Keyring, GoesOnPastASlotThatCannotBeDestroyedAndFinishesLater) {
  class Stubborn final : public LossyFileSystem {
   public:
    absl::Status Shred(const std::string& path) override {
      if (!refused.empty() && path.starts_with(refused) && Exists(path)) {
        return absl::UnavailableError("no device");
      }
      return LossyFileSystem::Shred(path);
    }
    std::string refused;
  } fs;
  const TempDirectory a;
  const TempDirectory b;
  FileKeySlots slots(fs, {a.path(), b.path()});
  SeededRandom random(4);
  const KeyringOptions options{fs, slots, random, kVault, {a.path(), b.path()}, nullptr};
  TV_ASSERT_OK_AND_ASSIGN(auto keyring, Keyring::Create(options, {}, Root(), kNow));
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  fs.refused = a.path();
  EXPECT_THAT(keyring->Shred(std::vector{P(1, 1)}), StatusIs(absl::StatusCode::kUnavailable));
  // In force, whatever is left to destroy: whoever was told otherwise would throw the new one away.
  ASSERT_THAT(keyring->ChangeRoot({}, Root(), WallTime{9}), IsOk());
  for (const int slot : {1, 2}) {
    EXPECT_TRUE(fs.Exists(a.path() + "/slot." + std::to_string(slot))) << slot;
    EXPECT_FALSE(fs.Exists(b.path() + "/slot." + std::to_string(slot))) << slot;
  }
  TV_ASSERT_OK_AND_ASSIGN(keyring, Keyring::Load(options));
  keyring->Settle();
  EXPECT_THAT(keyring->Due(kNow), IsEmpty());
  EXPECT_THAT(keyring->Shred(ShredRequest()), StatusIs(absl::StatusCode::kUnavailable));
  fs.refused.clear();
  EXPECT_THAT(keyring->Shred(ShredRequest()), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto left, slots.List());
  EXPECT_THAT(left, ElementsAre(keyring->slot()));
}

// A slot secret, or a keyring file, on a device that does not answer counted as gone: the shred was
// recorded, and the key came back with the device.
TEST(Keyring, WhatCannotBeLookedAtIsNotGone) {
  for (const std::string file : {"/slot.1", "/keyring.1"}) {
    FaultFileSystem fs;
    const TempDirectory a;
    const TempDirectory b;
    FileKeySlots slots(fs, {a.path(), b.path()});
    SeededRandom random(4);
    const KeyringOptions options{fs, slots, random, kVault, {a.path(), b.path()}, nullptr};
    TV_ASSERT_OK_AND_ASSIGN(auto keyring, Keyring::Create(options, {}, Root(), kNow));
    ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
    fs.Lose(b.path() + file);
    EXPECT_THAT(keyring->Shred(std::vector{P(1, 1)}), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(keyring->ShredDue(kNow), StatusIs(absl::StatusCode::kUnavailable)) << file;
    fs.Lose("");
    EXPECT_TRUE(fs.Exists(b.path() + file));
    EXPECT_THAT(keyring->Shred(ShredRequest()), IsOk());
    EXPECT_FALSE(fs.Exists(b.path() + file));
    EXPECT_THAT(keyring->Due(kNow), IsEmpty());
  }
}

// A replica that was not in its place at the start, and had missed the last write: nothing told
// that from a keyring that is whole, and what the replica needs to be opened was destroyed.
TEST(Keyring, AWriteThatAReplicaMayHaveMissedIsOpenUntilItIsThere) {
  Fixture f(2);
  absl::Status in_place;
  KeyringOptions options = f.Options();
  options.check_replicas = [&](std::span<const ReplicaId>) { return in_place; };
  ASSERT_THAT(f.Create()->RecordLockEpoch(LockEpoch(1)), IsOk());
  EXPECT_FALSE(f.Reopen()->write_is_open());
  {
    FileKeySlots slots(f.fs_, {f.paths_[0]});
    KeyringOptions alone{f.fs_, slots, f.random_, kVault, {f.paths_[0]}, nullptr};
    TV_ASSERT_OK_AND_ASSIGN(const auto keyring, Keyring::Load(alone));
    keyring->Settle();
    ASSERT_THAT(keyring->RotateSlot(), IsOk());
  }
  in_place = absl::FailedPreconditionError("a replica is not in its place");
  TV_ASSERT_OK_AND_ASSIGN(const auto keyring, Keyring::Load(options));
  keyring->Settle();
  EXPECT_TRUE(keyring->write_is_open());
  EXPECT_THAT(keyring->Shred(ShredRequest()), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(f.fs_.Exists(f.paths_[1] + "/slot.1"));
  EXPECT_THAT(keyring->RecordLockEpoch(LockEpoch(7)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(keyring->write_is_open());

  in_place = absl::OkStatus();
  ASSERT_THAT(keyring->RecordLockEpoch(LockEpoch(7)), IsOk());
  EXPECT_FALSE(keyring->write_is_open());
  FileKeySlots slots(f.fs_, {f.paths_[1]});
  KeyringOptions other{f.fs_, slots, f.random_, kVault, {f.paths_[1]}, nullptr};
  TV_ASSERT_OK_AND_ASSIGN(const auto left, Keyring::Load(other));
  EXPECT_EQ(left->lock_epoch(), LockEpoch(7));
  EXPECT_THAT(keyring->Shred(ShredRequest()), IsOk());
  EXPECT_FALSE(f.fs_.Exists(f.paths_[1] + "/slot.1"));
}

// Every single failing write or sync: nothing already promised is lost, and the next attempt works.
TEST(Keyring, SurvivesEverySingleFailingWriteAndSync) {
  for (const bool sync : {false, true}) {
    for (uint64_t n = 1; n < 30; ++n) {
      Fixture f(2);
      auto keyring = f.Create();
      TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef a, keyring->EnsureDataKey(P(1, 1), kNow));
      const absl::Status error = absl::ResourceExhaustedError("disk full");
      sync ? f.fs_.FailSync(n, error) : f.fs_.FailWrite(n, error);
      const auto b = keyring->EnsureDataKey(P(1, 2), kNow);
      const auto shred = keyring->Shred(std::vector{P(1, 1)});
      const auto c = keyring->EnsureDataKey(P(1, 3), kNow);
      f.fs_.PowerCut();
      auto again = f.Reopen();
      if (b.ok()) {
        EXPECT_THAT(again->DataKeyFor(P(1, 2), (*b)->id), IsOk()) << n;
      }
      if (c.ok()) {
        EXPECT_THAT(again->DataKeyFor(P(1, 3), (*c)->id), IsOk()) << n;
      }
      if (shred.ok()) {
        EXPECT_THAT(again->DataKeys(P(1, 1)), IsEmpty()) << n;
      }
      EXPECT_GE(again->generation(), f.anchored_);
      EXPECT_THAT(again->EnsureDataKey(P(1, 4), kNow), IsOk());
      EXPECT_THAT(again->Shred(std::vector{P(1, 1)}), IsOk());
    }
  }
}

// Their shadow memory is terabytes of address space.
#if !defined(__SANITIZE_ADDRESS__) && !defined(_GLIBCXX_TSAN)
// Whether `wanted` xor 0x5a, so that the test itself holds no copy, is in this process's memory.
bool InMemory(const std::string& wanted) {
  std::ifstream maps("/proc/self/maps");
  std::ifstream memory("/proc/self/mem", std::ios::binary);
  const auto unmasked = [](char c) { return static_cast<char>(c ^ 0x5a); };
  static std::vector<char> chunk(1 << 20);
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    char readable = 0;
    char writable = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %c%c", &begin, &end, &readable, &writable) != 4)
      continue;
    if (readable != 'r' || writable != 'w') continue;
    for (unsigned long at = begin; at < end; at += chunk.size() - wanted.size()) {
      const size_t size = std::min<unsigned long>(chunk.size(), end - at);
      memory.clear();
      memory.seekg(static_cast<std::streamoff>(at));
      memory.read(chunk.data(), static_cast<std::streamsize>(size));
      const auto last = chunk.begin() + memory.gcount();
      auto from = chunk.begin();
      while (true) {
        const auto found = std::search(from, last, wanted.begin(), wanted.end(),
                                       [&](char a, char b) { return a == unmasked(b); });
        if (found == last) break;
        // The window that is searched is memory, too.
        const auto address = at + static_cast<unsigned long>(found - chunk.begin());
        const auto window = reinterpret_cast<unsigned long>(chunk.data());
        if (address < window || address >= window + chunk.size()) {
          sodium_memzero(chunk.data(), chunk.size());
          return true;
        }
        from = found + 1;
      }
      sodium_memzero(chunk.data(), chunk.size());
    }
  }
  return false;
}

// With a stolen root key a wrapped one is as good as a bare one.
TEST(Keyring, NoWrappedKeyIsLeftInMemoryAfterItsShred) {
  Fixture f(2);
  auto keyring = f.Create();
  for (int day = 1; day < 40; ++day) ASSERT_THAT(keyring->EnsureDataKey(P(1, day), kNow), IsOk());
  std::string wrapped;
  {
    TV_ASSERT_OK_AND_ASSIGN(const KeyringContent content, KeyringFiles(f.Options()).LoadNewest());
    const auto& key = content.data_keys.begin()->second.key;
    for (const uint8_t byte : key) wrapped.push_back(static_cast<char>(byte ^ 0x5a));
  }
  ASSERT_TRUE(InMemory(wrapped));
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 40), kNow), IsOk());
  ASSERT_THAT(keyring->Shred(std::vector{P(1, 1)}), IsOk());
  EXPECT_FALSE(InMemory(wrapped));
}
#endif

TEST(Keyring, KeepsTheLockEpochAndNeverLowersIt) {
  Fixture f;
  auto keyring = f.Create();
  keyring->Seal();
  ASSERT_THAT(keyring->RecordLockEpoch(LockEpoch(9)), IsOk());
  ASSERT_THAT(keyring->RecordLockEpoch(LockEpoch(3)), IsOk());
  EXPECT_EQ(f.Reopen()->lock_epoch(), LockEpoch(9));
}

}  // namespace
}  // namespace televault::crypto
