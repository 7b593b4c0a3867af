#include "vault/daemon/layout.h"

#include "tests/support/status_matchers.h"

namespace televault::daemon {
namespace {

using televault::testing::StatusIs;
using ::testing::HasSubstr;

TEST(Layout, IdentityRoundTrips) {
  Identity identity;
  identity.vault.bytes = {1, 2, 3, 255};
  identity.origin = "vault.example.org/televault";
  TV_ASSERT_OK_AND_ASSIGN(const Identity read, ParseIdentity(FormatIdentity(identity)));
  EXPECT_EQ(read.vault, identity.vault);
  EXPECT_EQ(read.origin, identity.origin);
}

TEST(Layout, ATokensVaultSaysSoInALineMore) {
  Identity identity;
  identity.origin = "a.example/log";
  EXPECT_EQ(ParseIdentity(FormatIdentity(identity))->slots, SlotBackend::kFile);
  identity.slots = SlotBackend::kPkcs11;
  const std::string text = FormatIdentity(identity);
  EXPECT_EQ(text,
            "televault vault 1\nid 00000000000000000000000000000000\norigin a.example/log\n"
            "slots pkcs11\n");
  EXPECT_EQ(ParseIdentity(text)->slots, SlotBackend::kPkcs11);
  EXPECT_THAT(ParseIdentity(text.substr(0, text.size() - 3)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseIdentity(FormatIdentity({{}, "a.example/log"}) + "slots tpm\n"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("line 4")));
}

TEST(Layout, DamagedIdentityNamesTheLine) {
  const std::string good = FormatIdentity({{}, "a.example/log"});
  EXPECT_THAT(ParseIdentity(""), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseIdentity(good + "x"), StatusIs(absl::StatusCode::kDataLoss));
  std::string bad_id = good;
  bad_id[bad_id.find("id ") + 3] = 'g';
  EXPECT_THAT(ParseIdentity(bad_id), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("line 2")));
  EXPECT_THAT(ParseIdentity("televault vault 1\nid 00\norigin a\n"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("line 2")));
}

TEST(Layout, NoVaultSaysHowToMakeOne) {
  EXPECT_THAT(ReadIdentity(PosixFileSystem(), Layout{"/nonexistent"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("televaultd init")));
}

}  // namespace
}  // namespace televault::daemon
