#include "vault/crypto/token_secret.h"

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/crypto/hash.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;

TokenSecret Sample(TokenCipher cipher) {
  TokenSecret secret;
  secret.cipher = cipher;
  secret.iv = std::string(IvBytes(cipher), 'i');
  secret.sealed = std::string(cipher == TokenCipher::kAesGcm ? 48 : 32, 's');
  if (cipher == TokenCipher::kAesCbc) secret.check = std::string(32, 'c');
  return secret;
}

// Version 1, byte by byte: docs/formats/keyring-v1.md.
TEST(TokenSecret, IsWrittenAsPublished) {
  EXPECT_EQ(EncodeTokenSecret(Sample(TokenCipher::kAesGcm)),
            std::string("TVS1\x01\0\0\0", 8) + std::string(12, 'i') + std::string(48, 's'));
  EXPECT_EQ(EncodeTokenSecret(Sample(TokenCipher::kAesCbc)),
            std::string("TVS1\x02\0\0\0", 8) + std::string(16, 'i') + std::string(32, 's') +
                std::string(32, 'c'));
  EXPECT_EQ(ToHex(AsBytes(TokenSecretIdentity(VaultId{{1, 2}}, 258))),
            "74656c657661756c7420736c6f74"
            "01020000000000000000000000000000"
            "0201000000000000");
}

TEST(TokenSecret, IsReadWholeOrNotAtAll) {
  for (const TokenCipher cipher : {TokenCipher::kAesGcm, TokenCipher::kAesCbc}) {
    const std::string whole = EncodeTokenSecret(Sample(cipher));
    TV_ASSERT_OK_AND_ASSIGN(const TokenSecret read, ParseTokenSecret(AsBytes(whole)));
    EXPECT_EQ(EncodeTokenSecret(read), whole);
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THAT(ParseTokenSecret(AsBytes(whole.substr(0, size))),
                  StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_THAT(ParseTokenSecret(AsBytes(whole + "x")), StatusIs(absl::StatusCode::kDataLoss));
    for (size_t i = 0; i < 8; ++i) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ 0x10);
      EXPECT_THAT(ParseTokenSecret(AsBytes(changed)), StatusIs(absl::StatusCode::kDataLoss)) << i;
    }
  }
}

TEST(TokenSecret, TheCheckIsOfSecretVaultAndSlot) {
  SeededRandom random(1);
  const SecretBytes a = NewKey(random);
  const SecretBytes b = NewKey(random);
  const std::string identity = TokenSecretIdentity(VaultId{{1}}, 1);
  EXPECT_EQ(TokenSecretCheck(a, identity), TokenSecretCheck(a, identity));
  EXPECT_NE(TokenSecretCheck(a, identity), TokenSecretCheck(b, identity));
  EXPECT_NE(TokenSecretCheck(a, identity),
            TokenSecretCheck(a, TokenSecretIdentity(VaultId{{1}}, 2)));
  EXPECT_NE(TokenSecretCheck(a, identity),
            TokenSecretCheck(a, TokenSecretIdentity(VaultId{{2}}, 1)));
}

}  // namespace
}  // namespace televault::crypto
