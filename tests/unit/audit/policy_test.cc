#include "audit/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::NamedKey;
using testing::TestKey;

TestKey Witness(const std::string& name) {
  return NamedKey("example.com/" + name, KeyType::kCosignatureV1);
}
std::string WitnessLine(const std::string& name, const std::string& url = "") {
  return absl::StrCat("witness ", name, " ", Witness(name).key.Text(), " ", url, "\n");
}
std::string Witnesses(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += WitnessLine(name);
  return text;
}
std::vector<bool> Bits(const std::string& bits) {
  std::vector<bool> out;
  for (const char bit : bits) out.push_back(bit == '1');
  return out;
}

TEST(Policies, ReadLogsWitnessesAndUrls) {
  const TestKey log = NamedKey("vault.example/audit");
  const auto policy = Policy::Parse(
      absl::StrCat("# who vouches for the vault\n\n \tlog\t", log.key.Text(), "   https://log/ \n",
                   WitnessLine("w1", "http://w1:80/"), WitnessLine("w2"), "quorum none\n"));
  ASSERT_THAT(policy, IsOk());
  ASSERT_EQ(policy->logs().size(), 1u);
  EXPECT_EQ(policy->logs()[0].key, log.key);
  EXPECT_EQ(policy->logs()[0].url, "https://log/");
  ASSERT_EQ(policy->witnesses().size(), 2u);
  EXPECT_EQ(policy->witnesses()[0].name, "w1");
  EXPECT_EQ(policy->witnesses()[0].key, Witness("w1").key);
  EXPECT_EQ(policy->witnesses()[0].url, "http://w1:80/");
  EXPECT_EQ(policy->witnesses()[1].url, "");
  EXPECT_TRUE(policy->WantsNoWitness());
  EXPECT_TRUE(policy->IsQuorum(Bits("00")));
}

TEST(Policies, AQuorumIsAWitnessAGroupOrGroupsOfGroups) {
  const std::string six = Witnesses({"x1", "x2", "x3", "y1", "y2", "y3"});
  const auto policy = Policy::Parse(six +
                                    "group x 2 x1 x2 x3\n"
                                    "group y any y1 y2 y3\n"
                                    "group both all x y\n"
                                    "quorum both\n");
  ASSERT_THAT(policy, IsOk());
  EXPECT_FALSE(policy->WantsNoWitness());
  for (int bits = 0; bits < 64; ++bits) {
    std::vector<bool> cosigned(6);
    for (size_t i = 0; i < 6; ++i) cosigned[i] = ((bits >> i) & 1) != 0;
    const int x = cosigned[0] + cosigned[1] + cosigned[2];
    const int y = cosigned[3] + cosigned[4] + cosigned[5];
    EXPECT_EQ(policy->IsQuorum(cosigned), x >= 2 && y >= 1) << bits;
  }
  const auto one = Policy::Parse(six + "quorum y2\n");
  ASSERT_THAT(one, IsOk());
  EXPECT_TRUE(one->IsQuorum(Bits("000010")));
  EXPECT_FALSE(one->IsQuorum(Bits("111101")));
}

TEST(Policies, HoldWhatTheSpecificationRecommends) {
  std::string text;
  for (int i = 0; i < 32; ++i) {
    absl::StrAppend(&text, "log ", NamedKey(absl::StrCat("log", i)).key.Text(), "\n");
    absl::StrAppend(&text, WitnessLine(absl::StrCat("w", i)));
    absl::StrAppend(&text, "group g", i, i == 0 ? " any" : absl::StrCat(" 2 g", i - 1), " w", i,
                    "\n");
  }
  const auto policy = Policy::Parse(text + "quorum g31\n");
  ASSERT_THAT(policy, IsOk());
  EXPECT_TRUE(policy->IsQuorum(std::vector<bool>(32, true)));
  std::vector<bool> all_but_first(32, true);
  all_but_first[0] = false;
  EXPECT_FALSE(policy->IsQuorum(all_but_first));
}

TEST(Policies, NamesAreOpaqueBytes) {
  const auto policy = Policy::Parse(
      absl::StrCat("witness \xFF\xFE ", Witness("a").key.Text(), "\nquorum \xFF\xFE\n"));
  ASSERT_THAT(policy, IsOk());
  EXPECT_EQ(policy->witnesses()[0].name, "\xFF\xFE");
}

TEST(Policies, WhatTheSpecificationForbidsIsRefusedWithItsLine) {
  const std::string log = NamedKey("log").key.Text();
  const std::string w1 = Witness("w1").key.Text();
  const std::string renamed =
      VerifierKey::Create("other", KeyType::kCosignatureV1, Witness("w1").key.public_key())
          .value()
          .Text();
  struct Case {
    std::string text;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"", "no quorum line"},
      {"quorum none", "line 1"},
      {"quorum none\nquorum none\n", "line 2: there must be one quorum line only"},
      {"quorum\n", "quorum NAME"},
      {"quorum w1\n" + WitnessLine("w1"), "line 1: the quorum must be"},
      {"logs " + log + "\nquorum none\n", "must start with"},
      {"log\nquorum none\n", "log VKEY [URL]"},
      {"log " + log + " u v\nquorum none\n", "log VKEY [URL]"},
      {"log " + w1 + "\nquorum none\n", "must be of type 01"},
      {"log nonsense\nquorum none\n", "verifier key"},
      {"log " + log + "\nlog " + log + "\nquorum none\n", "line 2: this log is listed already"},
      {"witness w1\nquorum none\n", "witness NAME VKEY"},
      {"witness w1 " + log + "\nquorum none\n", "must be of type 04"},
      {"witness none " + w1 + "\nquorum none\n", "none is no name"},
      {WitnessLine("w1") + "witness w2 " + renamed + "\nquorum none\n", "this key is listed"},
      {WitnessLine("w1") + "witness w1 " + Witness("w2").key.Text() + "\nquorum none\n",
       "w1 is defined already"},
      {WitnessLine("w1") + "group w1 any w1\nquorum none\n", "w1 is defined already"},
      {"group g any\nquorum none\n", "group NAME all|any|NUMBER MEMBER"},
      {"group g any nobody\nquorum none\n", "that an earlier line defines"},
      {WitnessLine("w1") + "group g any g\nquorum none\n", "that an earlier line defines"},
      {WitnessLine("w1") + "group g any none\nquorum none\n", "that an earlier line defines"},
      {WitnessLine("w1") + "group g 0 w1\nquorum none\n", "threshold"},
      {WitnessLine("w1") + "group g 2 w1\nquorum none\n", "threshold"},
      {WitnessLine("w1") + "group g 01 w1\nquorum none\n", "threshold"},
      {WitnessLine("w1") + "group g some w1\nquorum none\n", "threshold"},
      {WitnessLine("w1") + "group g any w1 w1\nquorum none\n", "member of a group already"},
      {WitnessLine("w1") + "group g any w1\ngroup h any w1\nquorum none\n",
       "line 3: w1 is a member of a group already"},
      {"# \x01\nquorum none\n", "control characters"},
      {"quorum none\r\n", "control characters"},
      {std::string(kMaxPolicyBytes + 1, '\n'), "64 KiB"},
  };
  for (const Case& c : cases) {
    const auto policy = Policy::Parse(c.text);
    EXPECT_THAT(policy, StatusIs(absl::StatusCode::kInvalidArgument)) << c.text;
    EXPECT_THAT(std::string(policy.status().message()), HasSubstr(c.says)) << c.text;
  }
}

class CosignedCheckpoint : public ::testing::Test {
 protected:
  // The checkpoint of `log`, cosigned by the witnesses named.
  std::string Note(const TestKey& log, const std::vector<std::string>& cosigners) const {
    std::string note = testing::SignedCheckpoint({7, testing::Sha256("root")}, log);
    const std::string body = note.substr(0, note.find("\n\n") + 1);
    uint64_t time = 1'700'000'000;
    for (const std::string& name : cosigners) {
      const TestKey witness = Witness(name);
      note += CosignText(body, time++, witness.key, witness.secret).value().Line();
    }
    return note;
  }
  static Policy Of(const std::string& text) { return Policy::Parse(text).value(); }

  const TestKey log_ = NamedKey("vault.example/audit");
  const Policy two_of_three_ = Of(Witnesses({"w1", "w2", "w3"}) + "group g 2 w1 w2 w3\nquorum g\n");
};

TEST_F(CosignedCheckpoint, SaysWhoVouchesAndWhetherThatIsEnough) {
  const auto check = CheckPolicy(Note(log_, {"w3", "w1"}), two_of_three_, &log_.key);
  ASSERT_THAT(check, IsOk());
  EXPECT_TRUE(check->quorum);
  EXPECT_EQ(check->checkpoint.size, 7u);
  ASSERT_EQ(check->cosigners.size(), 2u);
  EXPECT_EQ(check->cosigners[0].name, "w1");
  EXPECT_EQ(check->cosigners[0].timestamp_s, 1'700'000'001u);
  EXPECT_EQ(check->cosigners[1].name, "w3");

  const auto too_few = CheckPolicy(Note(log_, {"w2", "stranger"}), two_of_three_, &log_.key);
  ASSERT_THAT(too_few, IsOk());
  EXPECT_FALSE(too_few->quorum);
  EXPECT_EQ(too_few->cosigners.size(), 1u);
}

TEST_F(CosignedCheckpoint, SaysWhenTheLastQuorumHadCosigned) {
  // The first at 0, the second at 1, …, seconds after 1,700,000,000.
  const auto at = [&](const std::vector<std::string>& cosigners, const Policy& policy) {
    return CheckPolicy(Note(log_, cosigners), policy, &log_.key).value().quorum_at_s;
  };
  EXPECT_EQ(at({"w1"}, two_of_three_), std::nullopt);
  EXPECT_EQ(at({"w1", "w2"}, two_of_three_), 1'700'000'000u);
  EXPECT_EQ(at({"w1", "w2", "w3"}, two_of_three_), 1'700'000'001u);
  EXPECT_EQ(at({"w1"}, Of(Witnesses({"w1"}) + "quorum none\n")), std::nullopt);
}

TEST_F(CosignedCheckpoint, OneWitnessTwiceCountsOnce) {
  const auto check = CheckPolicy(Note(log_, {"w1", "w1"}), two_of_three_, &log_.key);
  ASSERT_THAT(check, IsOk());
  EXPECT_FALSE(check->quorum);
}

TEST_F(CosignedCheckpoint, MustBeSignedByItsLog) {
  const TestKey other = NamedKey("other.example/audit");
  EXPECT_THAT(CheckPolicy(Note(other, {"w1", "w2"}), two_of_three_, &log_.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  // Cosigned, but the log's own signature is of a stranger under the same name.
  const TestKey thief =
      testing::KeyFromSeed(log_.key.name(), KeyType::kEd25519, testing::Sha256("thief"));
  EXPECT_THAT(CheckPolicy(Note(thief, {"w1", "w2"}), two_of_three_, &log_.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CosignedCheckpoint, APolicyThatListsLogsKnowsNoOthers) {
  const TestKey other = NamedKey("other.example/audit");
  const Policy policy = Of(absl::StrCat("log ", log_.key.Text(), "\nlog ", other.key.Text(), "\n",
                                        WitnessLine("w1"), "quorum w1\n"));
  for (const TestKey& log : {log_, other}) {
    const auto check = CheckPolicy(Note(log, {"w1"}), policy, nullptr);
    ASSERT_THAT(check, IsOk());
    EXPECT_TRUE(check->quorum);
  }
  EXPECT_THAT(CheckPolicy(Note(other, {"w1"}), policy, &log_.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  const TestKey unknown = NamedKey("unknown.example/audit");
  EXPECT_THAT(CheckPolicy(Note(unknown, {"w1"}), policy, &unknown.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(CheckPolicy(Note(unknown, {"w1"}), policy, nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(CosignedCheckpoint, AWrongSignatureOfAKnownWitnessIsAnError) {
  std::string note = Note(log_, {"w1", "w2"});
  const TestKey w3 = Witness("w3");
  note += CosignText("another text\n", 1, w3.key, w3.secret).value().Line();
  EXPECT_THAT(CheckPolicy(note, two_of_three_, &log_.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(CheckPolicy("rubbish", two_of_three_, &log_.key),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace televault::audit
