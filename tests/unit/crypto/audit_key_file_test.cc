#include "vault/crypto/audit_key_file.h"

#include <fstream>
#include <iterator>

#include "tests/support/keyring_fixture.h"
#include "tests/support/status_matchers.h"
#include "vault/crypto/audit_sealer.h"

namespace televault::crypto {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::KeyringFixture;
using televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string Golden() {
  std::ifstream file("tests/golden/audit/audit-keys-v1.txt");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(AuditKeyFiles, GoldenFileReadsAndIsWrittenAlike) {
  const auto keys = ExportedAuditKeys::Parse(Golden());
  ASSERT_THAT(keys, IsOk());
  ASSERT_THAT(keys->AuditEpochs(), SizeIs(2));
  EXPECT_EQ(keys->AuditEpochs()[1].epoch, 2u);
  EXPECT_EQ(keys->vault().bytes[0], 7);
  EXPECT_EQ(AsText(keys->Format()), Golden());
  EXPECT_THAT(keys->AuditEpochPrivateKey(1), IsOk());
  EXPECT_THAT(keys->AuditEpochPrivateKey(3).status(), HasReason(reason::kExpired));
}

TEST(AuditKeyFiles, MalformedOnesNameTheLineAndNoKey) {
  const std::string golden = Golden();
  const std::string private_hex = golden.substr(golden.size() - 65, 64);
  const size_t last = golden.rfind("epoch 2");
  std::string wrong_half = golden;
  wrong_half[golden.size() - 10] = golden[golden.size() - 10] == '0' ? '1' : '0';
  for (const std::string& text :
       {std::string(), std::string("televault-audit-keys/v1"), golden.substr(0, golden.size() - 1),
        golden.substr(5), golden + "epoch\n", golden + "\n", golden + golden.substr(last),
        golden + "epoch x " + golden.substr(last + 8), wrong_half,
        std::string("televault-audit-keys/v1\nvault 07\n"),
        std::string(kMaxAuditKeyFileBytes + 1, '\n')}) {
    const auto keys = ExportedAuditKeys::Parse(text);
    EXPECT_THAT(keys.status(), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_THAT(std::string(keys.status().message()), Not(HasSubstr(private_hex.substr(0, 16))));
  }
}

class AuditKeyTransfer : public KeyringFixture {
 protected:
  // What an auditor is left with after a transfer of every epoch.
  ExportedAuditKeys Export() {
    const AuditKeyRecipient recipient(random_);
    ExportedAuditKeys keys(kVault);
    for (const AuditEpochInfo& epoch : keyring_->AuditEpochs()) {
      const auto sealed = SealAuditKeyTo(*keyring_, epoch.epoch, recipient.public_key());
      TV_CHECK(sealed.ok());
      auto opened = recipient.Open(AsBytes(*sealed));
      TV_CHECK(opened.ok() && keys.Add(epoch, *std::move(opened)).ok());
    }
    return keys;
  }
};

TEST_F(AuditKeyTransfer, WhoHasTheFileReadsWithoutTheKeyring) {
  AuditSealer sealer(kVault, 1, keyring_->CurrentAuditEpoch().public_key, clock_, random_);
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes("entry")));
  const auto keys = ExportedAuditKeys::Parse(AsText(Export().Format()));
  ASSERT_THAT(keys, IsOk());
  keyring_->Seal();
  AuditOpener opener(keys->vault(), *keys);
  ASSERT_THAT(opener.OpenLeaf(AsBytes(leaves[0].data)), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto opened, opener.OpenLeaf(AsBytes(leaves[1].data)));
  EXPECT_EQ(opened.entry, "entry");
}

TEST_F(AuditKeyTransfer, LeavesOfALaterEpochAreNotItsBusiness) {
  const ExportedAuditKeys keys = Export();
  TV_ASSERT_OK_AND_ASSIGN(const AuditEpochInfo epoch, keyring_->RotateAuditEpoch(clock_.Wall()));
  AuditSealer sealer(kVault, epoch.epoch, epoch.public_key, clock_, random_);
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, sealer.SealEntry(AsBytes("entry")));
  AuditOpener opener(kVault, keys);
  EXPECT_THAT(opener.OpenLeaf(AsBytes(leaves[0].data)).status(), HasReason(reason::kExpired));
  EXPECT_THAT(opener.OpenLeaf(AsBytes(leaves[1].data)).status(), HasReason(reason::kExpired));
}

TEST_F(AuditKeyTransfer, IsSealedToOneRecipient) {
  const AuditKeyRecipient recipient(random_);
  const AuditKeyRecipient other(random_);
  TV_ASSERT_OK_AND_ASSIGN(std::string sealed, SealAuditKeyTo(*keyring_, 1, recipient.public_key()));
  EXPECT_THAT(other.Open(AsBytes(sealed)).status(), StatusIs(absl::StatusCode::kDataLoss));
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  EXPECT_THAT(recipient.Open(AsBytes(sealed)).status(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(recipient.Open({}).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(AuditKeyTransfer, NothingIsSealedToAPointOfLowOrder) {
  EXPECT_THAT(SealAuditKeyTo(*keyring_, 1, {}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AuditKeyTransfer, ASealedKeyringHandsOutNothing) {
  const AuditKeyRecipient recipient(random_);
  keyring_->Seal();
  EXPECT_THAT(SealAuditKeyTo(*keyring_, 1, recipient.public_key()).status(),
              HasReason(reason::kSealed));
}

TEST_F(AuditKeyTransfer, AKeyUnderAnotherPublicHalfIsRefused) {
  TV_ASSERT_OK_AND_ASSIGN(const AuditEpochInfo epoch, keyring_->RotateAuditEpoch(clock_.Wall()));
  const AuditKeyRecipient recipient(random_);
  TV_ASSERT_OK_AND_ASSIGN(const std::string sealed,
                          SealAuditKeyTo(*keyring_, 1, recipient.public_key()));
  TV_ASSERT_OK_AND_ASSIGN(SecretBytes first, recipient.Open(AsBytes(sealed)));
  ExportedAuditKeys keys(kVault);
  EXPECT_THAT(keys.Add(epoch, std::move(first)), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::crypto
