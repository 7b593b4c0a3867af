// Legal holds, and keys that the vault makes anew by itself.
#include "tests/unit/crypto/keyring_fixture.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr LegalHold HoldOver(uint8_t id, int32_t first, int32_t last) {
  LegalHold hold;
  hold.id = {id};
  hold.dataset = DatasetId(1);
  hold.first_day = Day(first);
  hold.last_day = Day(last);
  hold.placed_at = kNow;
  hold.until = kNow + microseconds(100);
  return hold;
}

TEST(Keyring, KnowsTheDatasetOfWhateverIsInIt) {
  Fixture f;
  auto keyring = f.Create();
  EXPECT_THAT(keyring->KnownDatasets(), IsEmpty());
  ASSERT_THAT(keyring->PlaceHold(HoldOver(1, 3, 9)), IsOk());
  ASSERT_THAT(keyring->EndHold({1}, kNow), IsOk());
  ASSERT_THAT(keyring->EnsureDataKey(P(2, 1), kNow), IsOk());
  ASSERT_THAT(keyring->SubjectSalt(DatasetId(3), 1), IsOk());
  ASSERT_THAT(keyring->BlockedSubjectKey(DatasetId(4)), IsOk());
  keyring = nullptr;
  TV_ASSERT_OK_AND_ASSIGN(const auto sealed, f.Load());
  EXPECT_THAT(sealed->KnownDatasets(),
              ElementsAre(DatasetId(1), DatasetId(2), DatasetId(3), DatasetId(4)));
}

TEST(Keyring, AHoldKeepsItsDaysFromBeingDueUntilItEnds) {
  Fixture f;
  {
    auto keyring = f.Create();
    for (const int32_t day : {1, 2, 3}) {
      ASSERT_THAT(keyring->EnsureDataKey(P(1, day), kNow), IsOk());
      ASSERT_THAT(keyring->EnsureDataKey(P(2, day), kNow), IsOk());
    }
    ASSERT_THAT(keyring->PlaceHold(HoldOver(2, 2, 3)), IsOk());
    ASSERT_THAT(keyring->PlaceHold(HoldOver(1, 3, 9)), IsOk());
    EXPECT_THAT(keyring->PlaceHold(HoldOver(1, 5, 5)), StatusIs(absl::StatusCode::kAlreadyExists));
  }
  // Of a sealed keyring, read again: shredding goes by it.
  TV_ASSERT_OK_AND_ASSIGN(const auto keyring, f.Load());
  EXPECT_THAT(keyring->Due(kNow), SizeIs(4));  // day 1 of the dataset and all of the other one
  EXPECT_THAT(keyring->HoldsOn(P(1, 3), kNow), SizeIs(2));
  EXPECT_THAT(keyring->HoldsOn(P(1, 1), kNow), IsEmpty());
  EXPECT_THAT(keyring->HoldsOn(P(2, 3), kNow), IsEmpty());

  ASSERT_THAT(keyring->EndHold({2}, kNow), IsOk());
  EXPECT_THAT(keyring->EndHold({2}, kNow), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(keyring->EndHold({7}, kNow), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(keyring->Due(kNow), SizeIs(5));
  // The time box of the other one.
  EXPECT_THAT(keyring->Due(kNow + microseconds(99)), SizeIs(5));
  EXPECT_THAT(keyring->Due(kNow + microseconds(100)), SizeIs(6));
  EXPECT_THAT(keyring->Holds(), SizeIs(2));
  ASSERT_THAT(keyring->ForgetHolds([](const LegalHold& hold) { return hold.ended_at == kNow; }),
              IsOk());
  EXPECT_THAT(keyring->Holds(), SizeIs(1));
}

// A key that was replaced is no reason to destroy the one in its place, whatever is still to be
// destroyed of the first.
TEST(Keyring, WhatIsUnfinishedOfAnOldKeyLeavesTheNewOneAlone) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef old_key,
                          keyring->EnsureDataKey(P(1, 1), kNow + microseconds(9)));
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef new_key, keyring->RotateDataKey(P(1, 1)));
  f.hook_ = absl::UnavailableError("anchor device gone");
  ShredRequest request;
  request.keys.emplace_back(P(1, 1), old_key->id);
  EXPECT_THAT(keyring->Shred(request), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(keyring->ShredDue(kNow), StatusIs(absl::StatusCode::kUnavailable));
  f.hook_ = absl::OkStatus();
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport report, keyring->ShredDue(kNow));
  ASSERT_THAT(report.keys, SizeIs(1));
  EXPECT_EQ(report.keys[0].id, old_key->id);
  EXPECT_THAT(keyring->DataKeyFor(P(1, 1), new_key->id), IsOk());
}

TEST(Keyring, AShredPassesOverWhatAHoldKeeps) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(const DataKeyRef old_key, keyring->EnsureDataKey(P(1, 1), kNow));
  ASSERT_THAT(keyring->RotateDataKey(P(1, 1)), IsOk());
  ASSERT_THAT(keyring->PlaceHold(HoldOver(1, 1, 1)), IsOk());
  ShredRequest request;
  request.keys.emplace_back(P(1, 1), old_key->id);
  request.unless_held_at = kNow;
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport kept, keyring->Shred(request));
  EXPECT_THAT(kept.keys, IsEmpty());
  EXPECT_THAT(keyring->DataKeys(P(1, 1)), SizeIs(2));
  request.unless_held_at = kNow + microseconds(100);  // it has run out
  TV_ASSERT_OK_AND_ASSIGN(const ShredReport gone, keyring->Shred(request));
  EXPECT_THAT(gone.keys, SizeIs(1));
}

TEST(Keyring, RotatesTheMetaKeyAndKeepsTheOldOneUntilItIsShredded) {
  Fixture f;
  auto keyring = f.Create();
  TV_ASSERT_OK_AND_ASSIGN(SecretRef old_key, keyring->MetaKey());
  const std::string before = Fingerprint(*old_key);
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef name, keyring->NameKey());
  TV_ASSERT_OK_AND_ASSIGN(const MetaKeyInfo rotated, keyring->RotateMetaKey(kNow));
  EXPECT_EQ(rotated.number, 2U);
  {
    TV_ASSERT_OK_AND_ASSIGN(const SecretRef current, keyring->MetaKey());
    EXPECT_NE(Fingerprint(*current), before);
    TV_ASSERT_OK_AND_ASSIGN(const auto ring, keyring->MetaKeyRing());
    ASSERT_THAT(ring, SizeIs(2));
    EXPECT_EQ(ring[0], current);
    EXPECT_EQ(ring[1], old_key);
  }
  // Held by whoever may still seal with it; a shred of something else loses no count.
  EXPECT_TRUE(keyring->MetaKeyIsHeld(1));
  ASSERT_THAT(keyring->EnsureDataKey(P(1, 1), kNow), IsOk());
  ASSERT_THAT(keyring->Shred(std::vector{P(1, 1)}), IsOk());
  EXPECT_TRUE(keyring->MetaKeyIsHeld(1));
  old_key.reset();
  EXPECT_FALSE(keyring->MetaKeyIsHeld(1));

  ShredRequest request;
  request.meta_keys = {1, 2};  // 2 is the current one and stays
  ASSERT_THAT(keyring->Shred(request), IsOk());
  EXPECT_THAT(keyring->MetaKeys(), SizeIs(1));
  const auto again = f.Reopen();
  TV_ASSERT_OK_AND_ASSIGN(const auto ring, again->MetaKeyRing());
  EXPECT_THAT(ring, SizeIs(1));
  EXPECT_NE(Fingerprint(*ring[0]), before);
  TV_ASSERT_OK_AND_ASSIGN(const SecretRef same_name, again->NameKey());
  EXPECT_EQ(Fingerprint(*same_name), Fingerprint(*name));
}

TEST(Keyring, ANewSlotDestroysTheOldOne) {
  Fixture f;
  auto keyring = f.Create();
  const uint64_t old_slot = keyring->slot();
  ASSERT_THAT(keyring->RotateSlot(), IsOk());
  EXPECT_GT(keyring->slot(), old_slot);
  EXPECT_FALSE(f.fs_.Exists(f.paths_[0] + "/slot." + std::to_string(old_slot)));
  EXPECT_GE(keyring->file_bytes(), 300U);
  EXPECT_THAT(f.Load(), IsOk());
}

}  // namespace
}  // namespace televault::crypto
