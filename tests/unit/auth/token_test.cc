#include "auth/token.h"

#include <set>

#include "tests/support/published_vectors.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"

namespace televault::auth {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

std::string Format(TokenKind kind, const std::array<uint8_t, kTokenSecretBytes>& secret) {
  std::string text(kTokenTextBytes, '\0');
  FormatToken(kind, secret, std::span<char, kTokenTextBytes>(text.data(), kTokenTextBytes));
  return text;
}

std::array<uint8_t, kTokenSecretBytes> Secret(testing::SeededRandom& random) {
  std::array<uint8_t, kTokenSecretBytes> secret{};
  random.Fill(secret);
  return secret;
}

const auto* const kTokenVectorsAreRead =
    ::testing::AddGlobalTestEnvironment(new testing::AllVectorsAreRead(
        [](const std::string& section) { return section == "token_checksum"; }));

// Another service's tokens of the same scheme: other lengths, the same rule.
TEST(TokenTest, ChecksumDigitsMatchThePublishedToken) {
  ASSERT_NE(kTokenVectorsAreRead, nullptr);
  const testing::Vector v = testing::Vectors()["token_checksum"];
  EXPECT_EQ(v["rule"],
            std::string("last 6 = base62(CRC-32/IEEE(30-char body)), left-padded with 0; "
                        "prefix not in the CRC"));
  const std::string token = v["token"];
  const size_t prefix = token.find('_') + 1;
  const std::string body = token.substr(prefix, token.size() - prefix - kTokenChecksumDigits);
  ASSERT_EQ(body.size(), 30u);
  const auto digits = ChecksumDigits(body);
  EXPECT_EQ(body + std::string(digits.data(), digits.size()), token.substr(prefix));

  // Each digit of the alphabet is the last of the body of the secret that is this number.
  const std::string alphabet = v["alphabet"];
  ASSERT_EQ(alphabet.size(), 62u);
  std::array<uint8_t, kTokenSecretBytes> secret{};
  for (const char digit : alphabet) {
    EXPECT_EQ(Format(TokenKind::kRole, secret)[4 + kTokenBodyDigits - 1], digit);
    ++secret.back();
  }
}

TEST(TokenTest, ZeroAndLargestSecretsHaveKnownBodies) {
  std::array<uint8_t, kTokenSecretBytes> secret{};
  EXPECT_EQ(Format(TokenKind::kRole, secret).substr(0, 47), "tvr_" + std::string(43, '0'));
  secret.back() = 61;
  EXPECT_EQ(Format(TokenKind::kRole, secret).substr(0, 47), "tvr_" + std::string(42, '0') + "z");
  secret.back() = 62;
  EXPECT_EQ(Format(TokenKind::kRole, secret).substr(0, 47), "tvr_" + std::string(41, '0') + "10");
}

TEST(TokenTest, EveryFormattedTokenParsesBackToItsKind) {
  testing::SeededRandom random(7);
  std::set<std::string> texts;
  for (int i = 0; i < 500; ++i) {
    for (const TokenKind kind : {TokenKind::kOperator, TokenKind::kRole, TokenKind::kWrite}) {
      const std::string text = Format(kind, Secret(random));
      ASSERT_EQ(text.size(), kTokenTextBytes);
      const auto parsed = ParseToken(text);
      ASSERT_THAT(parsed, IsOk());
      EXPECT_EQ(*parsed, kind);
      EXPECT_TRUE(texts.insert(text).second);
    }
  }
}

TEST(TokenTest, EverySingleCharacterTypoIsFound) {
  testing::SeededRandom random(8);
  const std::string text = Format(TokenKind::kOperator, Secret(random));
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char typo : std::string_view("09AZaz_ \n-")) {
      std::string wrong = text;
      wrong[at] = typo;
      if (wrong == text) continue;
      EXPECT_THAT(ParseToken(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << at;
    }
  }
}

TEST(TokenTest, SwappedNeighboursAndCutEndsAreFound) {
  testing::SeededRandom random(9);
  const std::string text = Format(TokenKind::kWrite, Secret(random));
  for (size_t at = 4; at + 1 < text.size(); ++at) {
    std::string wrong = text;
    std::swap(wrong[at], wrong[at + 1]);
    if (wrong == text) continue;
    EXPECT_FALSE(ParseToken(wrong).ok()) << at;
  }
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseToken(text.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseToken(text + "0").ok());
}

TEST(TokenTest, ErrorsNeverRepeatTheText) {
  testing::SeededRandom random(10);
  std::string text = Format(TokenKind::kRole, Secret(random));
  text.back() = text.back() == 'a' ? 'b' : 'a';
  const auto parsed = ParseToken(text);
  ASSERT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("checksum")));
  EXPECT_EQ(parsed.status().message().find(text.substr(4, 8)), absl::string_view::npos);
}

TEST(TokenTest, VerifierIsBlake2bOfTheText) {
  // BLAKE2b-256 of "abc", RFC 7693 parameters with a 32-byte digest.
  const TokenVerifier verifier = VerifierOf("abc");
  constexpr uint8_t kExpected[] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                   0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                   0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
  EXPECT_TRUE(SameVerifier(verifier, kExpected));
}

TEST(TokenTest, VerifiersDifferInEveryBitAndLength) {
  const TokenVerifier verifier = VerifierOf("some token");
  for (size_t bit = 0; bit < verifier.size() * 8; ++bit) {
    TokenVerifier other = verifier;
    other[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(SameVerifier(verifier, other)) << bit;
  }
  EXPECT_FALSE(SameVerifier(verifier, std::span(verifier).first(31)));
  EXPECT_FALSE(SameVerifier(verifier, {}));
}

TEST(TokenTest, AccessorsAreStableDistinctAndNotTokens) {
  testing::SeededRandom random(11);
  std::set<std::string> accessors;
  for (int i = 0; i < 500; ++i) {
    const std::string text = Format(TokenKind::kRole, Secret(random));
    const std::string accessor = AccessorOf(VerifierOf(text));
    EXPECT_EQ(accessor, AccessorOf(VerifierOf(text)));
    EXPECT_TRUE(IsAccessor(accessor)) << accessor;
    EXPECT_FALSE(ParseToken(accessor).ok());
    EXPECT_FALSE(IsAccessor(text));
    EXPECT_TRUE(accessors.insert(accessor).second);
  }
  EXPECT_FALSE(IsAccessor(""));
  EXPECT_FALSE(IsAccessor("tva_0123456789"));
  EXPECT_FALSE(IsAccessor("tva_0123456789-"));
}

}  // namespace
}  // namespace televault::auth
