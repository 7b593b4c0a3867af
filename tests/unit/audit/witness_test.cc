#include "audit/witness.h"

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
using testing::Vector;
using testing::Vectors;

// A witness of one log: decides, then remembers, then cosigns.
class OneLogWitness {
 public:
  explicit OneLogWitness(VerifierKey log) : log_{std::move(log), {}} {}

  WitnessDecision Add(std::string_view body) {
    WitnessDecision decision =
        DecideAddCheckpoint(body, [&](const std::string& origin) -> std::optional<WitnessedLog> {
          if (origin != log_.key.name()) return std::nullopt;
          return log_;
        });
    if (decision.accepted) {
      log_.head = decision.accepted->Head();
      decision.body =
          CosignText(CheckpointBody(*decision.accepted), 1'767'139'200, self_.key, self_.secret)
              .value()
              .Line();
    }
    return decision;
  }
  const TreeHead& head() const { return log_.head; }
  const VerifierKey& key() const { return self_.key; }

 private:
  WitnessedLog log_;
  testing::TestKey self_ = testing::NamedKey("example.com/witness", KeyType::kCosignatureV1);
};

TEST(Witness, AnswersTheElevenPublishedRequestsInOrder) {
  const Vector v = Vectors()["witness_add_checkpoint"];
  PublicKey public_key;
  const std::string bytes = testing::Hex(v["log_ed25519_pub_hex"].get<std::string>());
  std::copy(bytes.begin(), bytes.end(), public_key.begin());
  OneLogWitness witness(
      VerifierKey::Create(v["log_origin"].get<std::string>(), KeyType::kEd25519, public_key)
          .value());
  ASSERT_EQ(v["cases"].size(), 11u);
  for (const auto& c : v["cases"]) {
    const WitnessDecision decision = witness.Add(c["body"].get<std::string>());
    EXPECT_EQ(decision.http_status, c["status"].get<int>()) << c["name"] << decision.body;
    EXPECT_THAT(decision.body, HasSubstr(c["body_contains"].get<std::string>())) << c["name"];
    EXPECT_EQ(decision.content_type,
              decision.http_status == 409 ? "text/x.tlog.size" : "text/plain");
    EXPECT_EQ(decision.accepted.has_value(), decision.http_status == 200);
  }
  EXPECT_EQ(witness.head().size, 5u);
}

class WitnessOfOurLog : public ::testing::Test {
 protected:
  std::string Request(uint64_t old_size, uint64_t size, std::vector<Hash> proof) const {
    const TreeHead head{size, testing::DefinitionRoot(std::span(leaves_).first(size))};
    return FormatAddCheckpoint({old_size, std::move(proof), testing::SignedCheckpoint(head, log_)});
  }
  std::vector<Hash> Proof(uint64_t old_size, uint64_t size) const {
    return ConsistencyProof(old_size, size,
                            [&](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
                              return testing::DefinitionRoot(
                                  std::span(leaves_).subspan(index << level, uint64_t{1} << level));
                            })
        .value();
  }

  const std::vector<Hash> leaves_ = testing::LeafHashes(9);
  const testing::TestKey log_ = testing::NamedKey("vault.example/audit");
  OneLogWitness witness_{log_.key};
};

TEST_F(WitnessOfOurLog, CosignsAGrowingLogAndTheCosignatureVerifies) {
  EXPECT_EQ(witness_.Add(Request(0, 4, {})).http_status, 200);
  const WitnessDecision grown = witness_.Add(Request(4, 9, Proof(4, 9)));
  ASSERT_EQ(grown.http_status, 200);
  Note note{CheckpointBody(*grown.accepted), {}};
  std::string_view line = grown.body;
  line.remove_suffix(1);
  note.signatures.push_back(ParseSignatureLine(line).value());
  const auto verified = VerifyNote(note, std::array{witness_.key()});
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ((*verified)[0].timestamp_s, 1'767'139'200u);
}

TEST_F(WitnessOfOurLog, TheSameCheckpointAgainIsCosignedAgain) {
  EXPECT_EQ(witness_.Add(Request(0, 4, {})).http_status, 200);
  EXPECT_EQ(witness_.Add(Request(4, 4, {})).http_status, 200);
  EXPECT_EQ(witness_.Add(Request(4, 4, {leaves_[0]})).http_status, 422);
}

TEST_F(WitnessOfOurLog, AnotherRootAtTheSameSizeIsAConflict) {
  EXPECT_EQ(witness_.Add(Request(0, 4, {})).http_status, 200);
  const std::string forked = FormatAddCheckpoint(
      {4, {}, testing::SignedCheckpoint({4, testing::Sha256("another tree")}, log_)});
  EXPECT_EQ(witness_.Add(forked).http_status, 409);
  EXPECT_EQ(witness_.head().root, testing::DefinitionRoot(std::span(leaves_).first(4)));
}

TEST_F(WitnessOfOurLog, AnOldSizeAboveTheCheckpointsIsMalformed) {
  EXPECT_EQ(witness_.Add(Request(0, 4, {})).http_status, 200);
  EXPECT_EQ(witness_.Add(Request(4, 3, {})).http_status, 400);
}

TEST_F(WitnessOfOurLog, AProofFromSizeZeroMustBeEmpty) {
  EXPECT_EQ(witness_.Add(Request(0, 4, {leaves_[0]})).http_status, 422);
  EXPECT_EQ(witness_.head().size, 0u);
}

TEST_F(WitnessOfOurLog, AnEmptyTreeMustHaveTheEmptyRoot) {
  const std::string wrong =
      FormatAddCheckpoint({0, {}, testing::SignedCheckpoint({0, leaves_[0]}, log_)});
  EXPECT_EQ(witness_.Add(wrong).http_status, 422);
  EXPECT_EQ(witness_.Add(Request(0, 0, {})).http_status, 200);
}

TEST(WitnessRequests, MalformedOnesAreRefused) {
  const std::string hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  std::string many = "old 1\n";
  for (int i = 0; i < 64; ++i) many += hash;
  for (const std::string& body :
       {std::string(), std::string("old 1"), std::string("old 01\n\nx"), std::string("old\n\nx"),
        std::string("new 1\n\nx"), std::string("old 1\n"), std::string("old 1\nAAAA\n\nx"),
        many + "\nx", std::string(kMaxAddCheckpointBytes + 1, 'x')}) {
    EXPECT_THAT(ParseAddCheckpoint(body), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace televault::audit
