#include "vault/service/literal_hashes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/keyring_fixture.h"
#include "tests/support/status_matchers.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::KeyringFixture;
using televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LiteralHashesTest : public KeyringFixture {
 protected:
  record::v1::AuditEntry EntryWith(const std::vector<std::string>& texts) {
    record::v1::AuditEntry entry;
    const auto hashes = LiteralHashes(*keyring_).Of(texts);
    TV_CHECK(hashes.ok());
    entry.mutable_literal_hashes()->Assign(hashes->begin(), hashes->end());
    return entry;
  }
  bool Finds(const std::string& literal, const record::v1::AuditEntry& entry) {
    const auto wanted = LiteralHashes(*keyring_).Find(literal);
    TV_CHECK(wanted.ok());
    return wanted->In(entry);
  }
};

TEST_F(LiteralHashesTest, WhoKnowsAValueFindsIt) {
  const auto entry = EntryWith({"build", "1.5", "2026-11-23T00:00:00Z"});
  ASSERT_THAT(entry.literal_hashes(), SizeIs(3));
  EXPECT_EQ(entry.literal_hashes(0).size(), 16u);
  EXPECT_TRUE(Finds("build", entry));
  EXPECT_TRUE(Finds("1.50", entry));
  EXPECT_TRUE(Finds("2026-11-23T00:00:00Z", entry));
  EXPECT_FALSE(Finds("Build", entry));
  EXPECT_FALSE(Finds("buil", entry));
  EXPECT_FALSE(Finds("", entry));
}

TEST_F(LiteralHashesTest, AnotherEpochHasOtherHashesAndBothAreFound) {
  const auto before = EntryWith({"build"});
  ASSERT_THAT(keyring_->RotateAuditEpoch(clock_.Wall()), IsOk());
  const auto after = EntryWith({"build"});
  EXPECT_NE(before.literal_hashes(0), after.literal_hashes(0));
  EXPECT_TRUE(Finds("build", before));
  EXPECT_TRUE(Finds("build", after));
}

TEST_F(LiteralHashesTest, GoWithTheirEpoch) {
  const auto before = EntryWith({"build"});
  ASSERT_THAT(keyring_->RotateAuditEpoch(clock_.Wall()), IsOk());
  crypto::ShredRequest request;
  request.audit_epochs = {1};
  ASSERT_THAT(keyring_->Shred(request), IsOk());
  EXPECT_FALSE(Finds("build", before));
}

TEST_F(LiteralHashesTest, ASealedVaultHashesAndFindsNothing) {
  keyring_->Seal();
  const LiteralHashes literals(*keyring_);
  EXPECT_THAT(literals.Of(std::vector<std::string>{"build"}).status(), HasReason(reason::kSealed));
  EXPECT_THAT(literals.Find("build").status(), HasReason(reason::kSealed));
}

TEST_F(LiteralHashesTest, AVeryLongLiteralIsRefused) {
  EXPECT_THAT(
      LiteralHashes(*keyring_).Find(std::string(kMaxSearchedLiteralBytes + 1, 'x')).status(),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(LiteralTexts, AreThoseOfTheQueryLanguage) {
  v1::Value value;
  EXPECT_THAT(LiteralTexts(value), IsEmpty());
  value.set_int_value(-5);
  EXPECT_THAT(LiteralTexts(value), ElementsAre("-5"));
  value.set_double_value(0.1);
  EXPECT_THAT(LiteralTexts(value), ElementsAre("0.1"));
  value.set_bool_value(true);
  EXPECT_THAT(LiteralTexts(value), ElementsAre("true"));
  value.set_string_value("it's");
  EXPECT_THAT(LiteralTexts(value), ElementsAre("it's"));
  value.set_timestamp_us(1'767'268'800'000'000);
  EXPECT_THAT(LiteralTexts(value), ElementsAre("2026-01-01T12:00:00Z"));
  value.mutable_list_value()->add_values("a");
  value.mutable_list_value()->add_values("b");
  EXPECT_THAT(LiteralTexts(value), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace televault::service
