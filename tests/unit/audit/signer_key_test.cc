#include "audit/signer_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

using Secret = std::array<uint8_t, kSigningKeyBytes>;

// From the test data of a public log implementation.
constexpr std::string_view kPublished =
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";

TEST(SignerKeys, ReadAPublishedOneAndSignAsIt) {
  Secret secret;
  const auto key = ParseSignerKey(kPublished, secret);
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->name(), "example.com/log/testdata");
  EXPECT_EQ(key->id(), 0x33d7b496u);
  const auto signature = SignText("text\n", *key, secret);
  ASSERT_THAT(signature, IsOk());
  EXPECT_THAT(VerifySignature("text\n", signature->signature, *key), IsOk());
}

TEST(SignerKeys, AreWrittenAsTheyAreRead) {
  Secret secret;
  const auto key = ParseSignerKey(kPublished, secret);
  ASSERT_THAT(key, IsOk());
  const std::span<const uint8_t, kSigningSeedBytes> seed(secret.data(), kSigningSeedBytes);
  EXPECT_EQ(FormatSignerKey(key->name(), key->type(), seed).value(), kPublished);
  const std::string cosigner =
      FormatSignerKey("witness.example/w1", KeyType::kCosignatureV1, seed).value();
  Secret again;
  const auto read = ParseSignerKey(cosigner, again);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->type(), KeyType::kCosignatureV1);
  EXPECT_EQ(again, secret);
  EXPECT_EQ(*read, KeyOfSeed("witness.example/w1", KeyType::kCosignatureV1, seed).value());
}

TEST(SignerKeys, MalformedOnesAreRefusedWithoutAWordOfTheSecret) {
  const std::string good(kPublished);
  const std::string secret_part = good.substr(good.rfind('+', good.size() - 20) + 1);
  std::string wrong_id = good;
  wrong_id.replace(good.find("33d7b496"), 8, "33d7b497");
  std::string wrong_type = good;
  wrong_type.replace(good.find("AeymY"), 2, "Ag");
  // Found by the fuzzer: libsodium's decoder takes it for a letter.
  std::string high_byte = good;
  high_byte[good.find("/SZA")] = '\x85';
  for (const std::string& text :
       {std::string(), high_byte, good.substr(12), std::string("PRIVATE+KEY+"), good.substr(0, 40),
        good.substr(0, good.size() - 4), good + "AAAA", good + "\n", wrong_id, wrong_type,
        "PRIVATE+KEY+a name+33d7b496+" + secret_part,
        std::string(kMaxSignerKeyTextBytes + 1, 'x')}) {
    Secret secret;
    const auto key = ParseSignerKey(text, secret);
    EXPECT_THAT(key, StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_THAT(std::string(key.status().message()), Not(HasSubstr("ymY/SZ"))) << text;
  }
}

TEST(SignerKeys, ARefusedOneLeavesNoSecretBehind) {
  std::string wrong_id(kPublished);
  wrong_id.replace(wrong_id.find("33d7b496"), 8, "33d7b497");
  Secret secret;
  secret.fill(0xAA);
  EXPECT_FALSE(ParseSignerKey(wrong_id, secret).ok());
  EXPECT_EQ(secret, Secret{});
}

}  // namespace
}  // namespace televault::audit
