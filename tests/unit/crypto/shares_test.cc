#include "vault/crypto/shares.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <set>
#include <string>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

SecretBytes Root(uint64_t seed = 99) {
  SeededRandom random(seed);
  return NewKey(random);
}

std::string TextOf(const SecretBytes& text) {
  return std::string(AsText(text.Read(MintSecretPass())));
}

SplitRoot SplitOf(size_t shares, size_t threshold, uint64_t seed = 1) {
  SeededRandom random(seed);
  auto split = Split(Root(), shares, threshold, random);
  TV_CHECK(split.ok());
  return *std::move(split);
}

TEST(Shares, AnyThresholdOfThemIsTheRootKey) {
  const SplitRoot split = SplitOf(5, 3);
  ASSERT_EQ(split.texts.size(), 5U);
  for (unsigned chosen = 0; chosen < 32; ++chosen) {
    ShareCollector collector(split.set);
    for (unsigned i = 0; i < 5; ++i) {
      if ((chosen >> i & 1) != 0) {
        ASSERT_THAT(collector.Add(TextOf(split.texts[i])), IsOk());
      }
    }
    const auto root = collector.Combine();
    if (std::popcount(chosen) < 3) {
      EXPECT_FALSE(collector.complete());
      EXPECT_THAT(root.status(), StatusIs(absl::StatusCode::kFailedPrecondition));
    } else {
      ASSERT_THAT(root, IsOk());
      EXPECT_TRUE(EqualSecrets(*root, Root())) << chosen;
    }
  }
}

// Made once with this code; what is on paper somewhere must open for good.
TEST(Shares, ReadsSharesThatWereWrittenDown) {
  SplitRoot split;
  split.set = {.id = {0x68, 0x4E, 0x9A, 0x8E, 0x38, 0x49, 0xB4, 0x09},
               .shares = 3,
               .threshold = 2,
               .digests = {}};
  const std::array<const char*, 2> texts = {
      "tvs1-04102T2-EKA73GJ-DM16728-MFHAN1S-6DDEX14-TV29EC9-1EW2EC0-8V8YKEC-76MS4S2-2N49Q42-"
      "SM7VN6W",
      "tvs1-04104T2-EKA73GJ-DM14G8V-P38ADHM-RX1NN4R-RFSW53B-TS4A17T-VNY82GX-M56Z4BG-MDPEZSX-"
      "XSZJRFC"};
  for (const char* digest : {"19da8402e2f80696b862051fa219b828", "b0f710eec1c70d5b8ae16922d531423c",
                             "00000000000000000000000000000000"}) {
    TV_ASSERT_OK_AND_ASSIGN(const auto bytes, FromHex(digest));
    std::copy(bytes.begin(), bytes.end(), split.set.digests.emplace_back().begin());
  }
  ShareCollector collector(split.set);
  for (const char* text : texts) ASSERT_THAT(collector.Add(text), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes root, collector.Combine());
  EXPECT_TRUE(EqualSecrets(root, Root()));
}

TEST(Shares, CaseGapsAndLettersThatLookAlikeDoNotMatter) {
  const SplitRoot split = SplitOf(2, 2);
  std::string typed;
  for (const char c : TextOf(split.texts[0])) {
    if (c == '-') continue;
    typed += c == '0' ? 'o' : c == '1' ? 'l' : static_cast<char>(std::tolower(c));
    typed += ' ';
  }
  typed.replace(0, 8, "TVS1 ");
  ShareCollector collector(split.set);
  EXPECT_THAT(collector.Add(typed), IsOk());
}

TEST(Shares, EverySingleWrongCharacterIsNoticed) {
  const SplitRoot split = SplitOf(2, 2);
  const std::string text = TextOf(split.texts[0]);
  ShareCollector collector(split.set);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') continue;
    std::string wrong = text;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_THAT(collector.Add(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << i;
    EXPECT_THAT(collector.Add(text.substr(0, i)), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (const std::string& wrong :
       {text + "A", std::string(), std::string(1 << 20, 'A'), std::string("tvs1-"), text + text}) {
    EXPECT_THAT(collector.Add(wrong), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_EQ(collector.given(), 0U);
}

TEST(Shares, RefusesSharesOfAnotherSetAndSharesItHas) {
  const SplitRoot split = SplitOf(3, 2);
  const SplitRoot other = SplitOf(3, 2, 2);
  ShareCollector collector(split.set);
  ASSERT_THAT(collector.Add(TextOf(split.texts[1])), IsOk());
  EXPECT_THAT(collector.Add(TextOf(split.texts[1])), StatusIs(absl::StatusCode::kAlreadyExists));
  const absl::Status mixed = collector.Add(TextOf(other.texts[0]));
  EXPECT_THAT(mixed, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(mixed.message()),
              AllOf(HasSubstr(ToHex(split.set.id)), HasSubstr(ToHex(other.set.id))));
  EXPECT_EQ(collector.given(), 1U);
  collector.Forget();
  EXPECT_EQ(collector.given(), 0U);
}

// A share with the right set id whose value is another: made by somebody who has seen one.
TEST(Shares, RefusesAForgedShareWhenItIsGiven) {
  const SplitRoot split = SplitOf(3, 2);
  SplitRoot forged = SplitOf(3, 2, 2);
  ShareSet set = split.set;
  set.id = forged.set.id;
  ShareCollector collector(set);
  const absl::Status status = collector.Add(TextOf(forged.texts[0]));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(collector.given(), 0U);
}

TEST(Shares, NoErrorRepeatsAShare) {
  const SplitRoot split = SplitOf(3, 2);
  const SplitRoot other = SplitOf(3, 2, 2);
  ShareCollector collector(split.set);
  const std::string text = TextOf(split.texts[0]);
  ASSERT_THAT(collector.Add(text), IsOk());
  std::string wrong = TextOf(split.texts[1]);
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  for (const std::string& bad : {text, wrong, TextOf(other.texts[0])}) {
    const std::string message(collector.Add(bad).message());
    ASSERT_FALSE(message.empty());
    for (size_t i = 5; i + 8 < bad.size(); i += 8) {
      EXPECT_THAT(message, Not(HasSubstr(bad.substr(i, 7))));
    }
  }
}

TEST(Shares, TwoSplittingsOfOneKeyHaveNothingInCommon) {
  const SplitRoot a = SplitOf(3, 2, 1);
  const SplitRoot b = SplitOf(3, 2, 2);
  EXPECT_NE(a.set.id, b.set.id);
  std::set<Hash16> digests(a.set.digests.begin(), a.set.digests.end());
  digests.insert(b.set.digests.begin(), b.set.digests.end());
  EXPECT_EQ(digests.size(), 6U);
}

TEST(Shares, RefusesCountsOutOfBounds) {
  SeededRandom random(1);
  for (const auto& [shares, threshold] :
       {std::pair<size_t, size_t>(1, 1), {5, 1}, {5, 6}, {33, 3}, {0, 0}, {300, 2}, {5, 300}}) {
    EXPECT_THAT(Split(Root(), shares, threshold, random).status(),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << shares << " " << threshold;
  }
  EXPECT_THAT(Split(Root(), kMaxShares, kMaxShares, random).status(), IsOk());
}

}  // namespace
}  // namespace televault::crypto
