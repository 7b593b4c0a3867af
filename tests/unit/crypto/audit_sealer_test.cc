#include "vault/crypto/audit_sealer.h"

#include "audit/leaf.h"
#include "tests/support/keyring_fixture.h"
#include "tests/support/status_matchers.h"
#include "vault/base/limits.h"

namespace televault::crypto {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::KeyringFixture;
using televault::testing::StatusIs;
using ::testing::SizeIs;

class AuditSealerTest : public KeyringFixture {
 protected:
  AuditSealer Sealer() {
    const AuditEpochInfo epoch = keyring_->CurrentAuditEpoch();
    return {kVault, epoch.epoch, epoch.public_key, clock_, random_};
  }
};

TEST_F(AuditSealerTest, SealsWhileTheVaultIsSealedAndOpensAfterUnsealing) {
  keyring_->Seal();
  AuditSealer sealer = Sealer();
  TV_ASSERT_OK_AND_ASSIGN(const auto first, sealer.SealEntry(AsBytes("entry one")));
  TV_ASSERT_OK_AND_ASSIGN(const auto second, sealer.SealEntry(AsBytes("entry two")));
  ASSERT_THAT(first, SizeIs(2));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(first[1].data.find("entry"), std::string::npos);
  EXPECT_EQ(first[1].hash, audit::LeafHash(AsBytes(first[1].data)));

  AuditOpener opener(kVault, *keyring_);
  EXPECT_THAT(opener.OpenLeaf(AsBytes(first[0].data)).status(), HasReason(reason::kSealed));
  EXPECT_THAT(opener.OpenLeaf(AsBytes(first[1].data)).status(), HasReason(reason::kSealed));
  ASSERT_THAT(keyring_->Unseal(root_), IsOk());
  EXPECT_THAT(opener.OpenLeaf(AsBytes(first[1].data)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  TV_ASSERT_OK_AND_ASSIGN(const auto key, opener.OpenLeaf(AsBytes(first[0].data)));
  EXPECT_EQ(key.kind, AuditOpener::LeafKind::kKey);
  TV_ASSERT_OK_AND_ASSIGN(const auto one, opener.OpenLeaf(AsBytes(first[1].data)));
  EXPECT_EQ(one.entry, "entry one");
  TV_ASSERT_OK_AND_ASSIGN(const auto two, opener.OpenLeaf(AsBytes(second[0].data)));
  EXPECT_EQ(two.entry, "entry two");
  opener.Forget();
  EXPECT_FALSE(opener.OpenLeaf(AsBytes(second[0].data)).ok());
}

TEST_F(AuditSealerTest, TakesAFreshKeyEveryHourAfterALossAndForAnotherEpoch) {
  AuditSealer sealer = Sealer();
  ASSERT_THAT(*sealer.SealEntry(AsBytes("a")), SizeIs(2));
  ASSERT_THAT(*sealer.SealEntry(AsBytes("a")), SizeIs(1));
  clock_.Advance(std::chrono::hours(1));
  ASSERT_THAT(*sealer.SealEntry(AsBytes("a")), SizeIs(2));
  sealer.KeyLeafLost();
  ASSERT_THAT(*sealer.SealEntry(AsBytes("a")), SizeIs(2));
  TV_ASSERT_OK_AND_ASSIGN(const AuditEpochInfo epoch, keyring_->RotateAuditEpoch(clock_.Wall()));
  sealer.UseEpoch(epoch.epoch, epoch.public_key);
  ASSERT_THAT(*sealer.SealEntry(AsBytes("a")), SizeIs(2));
}

TEST_F(AuditSealerTest, EntriesOfAShreddedEpochStayClosed) {
  AuditSealer sealer = Sealer();
  TV_ASSERT_OK_AND_ASSIGN(const auto old_leaves, sealer.SealEntry(AsBytes("old")));
  TV_ASSERT_OK_AND_ASSIGN(const AuditEpochInfo epoch, keyring_->RotateAuditEpoch(clock_.Wall()));
  sealer.UseEpoch(epoch.epoch, epoch.public_key);
  TV_ASSERT_OK_AND_ASSIGN(const auto new_leaves, sealer.SealEntry(AsBytes("new")));
  ShredRequest request;
  request.audit_epochs = {1};
  ASSERT_THAT(keyring_->Shred(request), IsOk());
  AuditOpener opener(kVault, *keyring_);
  EXPECT_THAT(opener.OpenLeaf(AsBytes(old_leaves[0].data)).status(), HasReason(reason::kExpired));
  ASSERT_THAT(opener.OpenLeaf(AsBytes(new_leaves[0].data)).status(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto opened, opener.OpenLeaf(AsBytes(new_leaves[1].data)));
  EXPECT_EQ(opened.entry, "new");
}

// At every so many keys all were forgotten: an entry that was overtaken by the leaf of the next
// key, as at each full hour, could not be opened then.
TEST_F(AuditSealerTest, AnEntryBehindTheNextKeyOpensHoweverManyKeysWereBefore) {
  AuditSealer sealer = Sealer();
  AuditOpener opener(kVault, *keyring_);
  std::string overtaken;
  for (int key = 0; key < 5'000; ++key) {
    TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes("entry")));
    ASSERT_THAT(leaves, SizeIs(2));
    ASSERT_THAT(opener.OpenLeaf(AsBytes(leaves[0].data)), IsOk());
    if (key > 0) {
      ASSERT_THAT(opener.OpenLeaf(AsBytes(overtaken)), IsOk()) << key;
    }
    overtaken = leaves[1].data;
    sealer.KeyLeafLost();
  }
}

TEST_F(AuditSealerTest, AChangedLeafOrAnotherKeyNameDoesNotOpen) {
  AuditSealer sealer = Sealer();
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes("entry")));
  for (size_t i = 0; i < leaves[1].data.size(); ++i) {
    AuditOpener opener(kVault, *keyring_);
    ASSERT_THAT(opener.OpenLeaf(AsBytes(leaves[0].data)).status(), IsOk());
    std::string changed = leaves[1].data;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(opener.OpenLeaf(AsBytes(changed)).ok()) << i;
  }
}

TEST_F(AuditSealerTest, RefusesWhatDoesNotFitALeaf) {
  AuditSealer sealer = Sealer();
  EXPECT_THAT(sealer.SealEntry(AsBytes(std::string(limits::kMaxAuditLeafBytes, 'x'))).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const size_t fits = audit::kMaxLeafBodyBytes - 66;
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes(std::string(fits, 'x'))));
  EXPECT_EQ(leaves.back().data.size(), limits::kMaxAuditLeafBytes);
}

}  // namespace
}  // namespace televault::crypto
