#include "audit/checkpoint.h"

#include <gtest/gtest.h>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using testing::NamedKey;
using testing::Vector;
using testing::Vectors;

TEST(Checkpoints, PublishedLogOfFifteenEntriesIsSignedByteForByte) {
  const Vector v = Vectors()["tessera_log"];
  const VerifierKey key = VerifierKey::Parse(v["vkey"].get<std::string>()).value();
  const std::string skey = v["skey_published_for_tests"];
  const std::string id = "+33d7b496+";  // base64 may hold '+' itself
  const std::string seed = testing::Base64Bytes(skey.substr(skey.find(id) + id.size())).substr(1);
  const testing::TestKey signer =
      testing::KeyFromSeed(key.name(), KeyType::kEd25519, AsBytes(seed));
  ASSERT_EQ(signer.key, key);
  Frontier frontier;
  for (size_t size = 0; size <= 15; ++size) {
    if (size > 0) {
      frontier.Append(LeafHash(AsBytes(v["entries_ascii"][size - 1].get<std::string>())));
    }
    const std::string published = v["checkpoint_by_size"][std::to_string(size)];
    const auto opened = OpenCheckpoint(published, key);
    ASSERT_THAT(opened, IsOk()) << size;
    EXPECT_EQ(opened->Head(), frontier.Head()) << size;
    EXPECT_EQ(SignCheckpoint(frontier.Head(), key, signer.secret).value(), published);
  }
}

TEST(Checkpoints, PublishedUpdateFromFiveToEightIsConsistent) {
  const Vector v = Vectors()["witness_update_5_8"];
  const VerifierKey key = VerifierKey::Parse(v["vkey"].get<std::string>()).value();
  const auto older = OpenCheckpoint(v["old"].get<std::string>(), key);
  const auto newer = OpenCheckpoint(v["new"].get<std::string>(), key);
  ASSERT_THAT(older, IsOk());
  ASSERT_THAT(newer, IsOk());
  std::vector<Hash> proof;
  for (const auto& hash : v["consistency_hex"]) proof.push_back(testing::HexHash(hash));
  EXPECT_THAT(VerifyConsistency(older->Head(), newer->Head(), proof), IsOk());
  proof.pop_back();
  EXPECT_FALSE(VerifyConsistency(older->Head(), newer->Head(), proof).ok());
}

TEST(Checkpoints, BodiesWithAnythingElseAreRefused) {
  const std::string root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  ASSERT_THAT(ParseCheckpointBody("o\n0\n" + root + "\n"), IsOk());
  for (const std::string& body :
       {std::string(), std::string("o\n"), std::string("o\n0\n"), "o\n0\n" + root,
        "\n0\n" + root + "\n", "o o\n0\n" + root + "\n", "o\n00\n" + root + "\n",
        "o\n-1\n" + root + "\n", "o\n18446744073709551616\n" + root + "\n",
        "o\nfive\n" + root + "\n", "o\n0\n" + root + "\nextension\n", "o\n0\n" + root + "\n\n",
        "o\n0\n" + root.substr(4) + "\n", "o\r\n0\n" + root + "\n", "o\n0\n" + root + " \n"}) {
    EXPECT_THAT(ParseCheckpointBody(body), StatusIs(absl::StatusCode::kInvalidArgument)) << body;
  }
}

TEST(Checkpoints, BodiesGoThereAndBack) {
  const Checkpoint checkpoint{"vault.example/audit", UINT64_MAX, testing::Sha256("r")};
  EXPECT_EQ(ParseCheckpointBody(CheckpointBody(checkpoint)).value(), checkpoint);
}

TEST(Checkpoints, AnotherLogsCheckpointIsNotOpenedEvenIfTheKeySignedIt) {
  const auto key = NamedKey("log-a");
  Note note{CheckpointBody({"log-b", 1, {}}), {}};
  note.signatures.push_back(SignText(note.text, key.key, key.secret).value());
  EXPECT_THAT(OpenCheckpoint(note.Text(), key.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(Checkpoints, AWitnessKeyDoesNotOpenACheckpoint) {
  const auto log = NamedKey("log");
  const auto witness = NamedKey("log", KeyType::kCosignatureV1);
  Note note{CheckpointBody({"log", 1, {}}), {}};
  note.signatures.push_back(CosignText(note.text, 1, witness.key, witness.secret).value());
  EXPECT_THAT(OpenCheckpoint(note.Text(), witness.key),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(OpenCheckpoint(note.Text(), log.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(Checkpoints, ReadUnseenWhateverSignedThem) {
  const std::string note = testing::SignedCheckpoint({3, testing::Sha256("root")}, NamedKey("log"));
  const auto read = ReadUnverified(note);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, OpenCheckpoint(note, NamedKey("log").key).value());
  EXPECT_THAT(ReadUnverified("log\n3\n"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadUnverified("log\n\n— log AAAAAAAA\n"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace televault::audit
