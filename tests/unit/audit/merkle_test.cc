#include "audit/merkle.h"

#include <gtest/gtest.h>
#include <optional>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using testing::Base64Bytes;
using testing::DefinitionRoot;
using testing::HexHash;
using testing::LeafHashes;
using testing::Vector;
using testing::Vectors;

// Subtree hashes of a list of leaves, computed from the definition.
auto ReaderOf(std::span<const Hash> leaves) {
  return [leaves](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
    const uint64_t width = uint64_t{1} << level;
    if ((index + 1) * width > leaves.size()) return absl::InternalError("outside the tree");
    return DefinitionRoot(leaves.subspan(index * width, width));
  };
}

TEST(MerkleHashes, MatchThePublishedHasherVectors) {
  for (const auto& v : Vectors()["rfc6962"]["hasher"]) {
    const Hash want = HexHash(v["want"]);
    const std::string op = v["op"];
    if (op == "empty") {
      EXPECT_EQ(EmptyRoot(), want);
    } else if (op == "leaf") {
      EXPECT_EQ(LeafHash(AsBytes(v["in_ascii"].get<std::string>())), want);
    } else {
      // The published inputs are 4 bytes long, ours are always 32: the prefix is what is compared.
      const std::string input = std::string(1, '\x01') + v["left_ascii"].get<std::string>() +
                                v["right_ascii"].get<std::string>();
      EXPECT_EQ(testing::Sha256(input), want);
    }
  }
}

TEST(MerkleHashes, NodePrefixIsOne) {
  const Hash left = LeafHash(AsBytes("l"));
  const Hash right = LeafHash(AsBytes("r"));
  const std::string input =
      std::string(1, '\x01') + std::string(AsText(left)) + std::string(AsText(right));
  EXPECT_EQ(NodeHash(left, right), testing::Sha256(input));
}

TEST(MerkleHashes, RootsOfThePublishedTreeMatchAtEverySize) {
  const Vector v = Vectors()["rfc6962"];
  Frontier frontier;
  EXPECT_EQ(frontier.Root(), HexHash(v["root_hex_by_size"][0]));
  for (size_t i = 0; i < v["leaf_inputs_hex"].size(); ++i) {
    const Hash leaf = LeafHash(AsBytes(testing::Hex(v["leaf_inputs_hex"][i].get<std::string>())));
    EXPECT_EQ(leaf, HexHash(v["leaf_hashes_hex"][i]));
    frontier.Append(leaf);
    EXPECT_EQ(frontier.Root(), HexHash(v["root_hex_by_size"][i + 1])) << i;
  }
}

TEST(MerkleHashes, AHashOfAnyOtherLengthIsRefused) {
  for (const size_t length : {0u, 1u, 31u, 33u, 64u}) {
    EXPECT_THAT(HashFromBytes(std::vector<uint8_t>(length)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

// A published hash as a test value. Some vectors use short texts where any value would do
// ("don't care", "WrongRoot"); they become the hash of that text, so that the proof itself is
// judged. An empty one stays refused.
std::optional<Hash> VectorHash(const Vector& field, bool strict) {
  const std::string bytes = Base64Bytes(field.get<std::string>());
  if (bytes.size() != kHashBytes && !bytes.empty() && !strict) return testing::Sha256(bytes);
  const absl::StatusOr<Hash> hash = HashFromBytes(AsBytes(bytes));
  return hash.ok() ? std::optional(*hash) : std::nullopt;
}

std::optional<std::vector<Hash>> VectorProof(const Vector& vector, bool strict) {
  std::optional<std::vector<Hash>> proof(std::in_place);
  if (vector["proof"].is_null()) return proof;
  for (const auto& field : vector["proof"]) {
    const std::optional<Hash> hash = VectorHash(field, strict);
    if (!hash) {
      proof.reset();
    } else if (proof) {
      proof->push_back(*hash);
    }
  }
  return proof;
}

bool InclusionHolds(const Vector& v, bool strict) {
  const auto leaf = VectorHash(v["leafHash"], strict);
  const auto root = VectorHash(v["root"], strict);
  const auto proof = VectorProof(v, strict);
  const uint64_t index = v["leafIdx"];
  const uint64_t size = v["treeSize"];
  if (!leaf || !root || !proof) return false;
  return VerifyInclusion(index, *leaf, *proof, {size, *root}).ok();
}

bool ConsistencyHolds(const Vector& v, bool strict) {
  const auto root1 = VectorHash(v["root1"], strict);
  const auto root2 = VectorHash(v["root2"], strict);
  const auto proof = VectorProof(v, strict);
  const uint64_t size1 = v["size1"];
  const uint64_t size2 = v["size2"];
  if (!root1 || !root2 || !proof) return false;
  return VerifyConsistency({size1, *root1}, {size2, *root2}, *proof).ok();
}

TEST(MerkleProofs, All98InclusionVectorsAreJudgedAsPublished) {
  const Vector vectors = Vectors()["proofs"]["inclusion"];
  ASSERT_EQ(vectors.size(), 98u);
  size_t accepted = 0;
  for (const auto& v : vectors) {
    EXPECT_EQ(InclusionHolds(v, false), !v["wantErr"].get<bool>()) << v["file"];
    EXPECT_EQ(InclusionHolds(v, true), !v["wantErr"].get<bool>()) << v["file"];
    accepted += InclusionHolds(v, true) ? 1 : 0;
  }
  EXPECT_EQ(accepted, 6u);
}

TEST(MerkleProofs, All98ConsistencyVectorsAreJudgedAsPublished) {
  const Vector vectors = Vectors()["proofs"]["consistency"];
  ASSERT_EQ(vectors.size(), 98u);
  size_t accepted = 0;
  size_t accepted_strict = 0;
  for (const auto& v : vectors) {
    EXPECT_EQ(ConsistencyHolds(v, false), !v["wantErr"].get<bool>()) << v["file"];
    accepted += ConsistencyHolds(v, false) ? 1 : 0;
    accepted_strict += ConsistencyHolds(v, true) ? 1 : 0;
  }
  EXPECT_EQ(accepted, 6u);
  // One accepted vector has 12-byte roots that are equal; we take no hash that is not 32 bytes.
  EXPECT_EQ(accepted_strict, 5u);
}

TEST(MerkleProofs, EveryInclusionProofOfSmallTreesVerifiesAndNoneForAnotherLeaf) {
  const std::vector<Hash> leaves = LeafHashes(70);
  for (uint64_t size = 1; size <= leaves.size(); ++size) {
    const TreeHead head{size, DefinitionRoot(std::span(leaves).first(size))};
    for (uint64_t index = 0; index < size; ++index) {
      const auto proof = InclusionProof(index, size, ReaderOf(leaves));
      ASSERT_THAT(proof, IsOk());
      EXPECT_THAT(VerifyInclusion(index, leaves[index], *proof, head), IsOk());
      const uint64_t other = (index + 1) % size;
      if (other == index) continue;
      EXPECT_FALSE(VerifyInclusion(other, leaves[index], *proof, head).ok());
      EXPECT_FALSE(VerifyInclusion(index, leaves[other], *proof, head).ok());
    }
  }
}

TEST(MerkleProofs, EveryConsistencyProofOfSmallTreesVerifiesAndNoneForAnotherSize) {
  const std::vector<Hash> leaves = LeafHashes(70);
  std::vector<TreeHead> heads(1);
  for (uint64_t size = 1; size <= leaves.size(); ++size) {
    heads.push_back({size, DefinitionRoot(std::span(leaves).first(size))});
  }
  for (uint64_t newer = 1; newer <= leaves.size(); ++newer) {
    for (uint64_t older = 1; older <= newer; ++older) {
      const auto proof = ConsistencyProof(older, newer, ReaderOf(leaves));
      ASSERT_THAT(proof, IsOk());
      EXPECT_THAT(VerifyConsistency(heads[older], heads[newer], *proof), IsOk());
      TreeHead wrong = heads[older];
      wrong.root[0] ^= 1;
      EXPECT_FALSE(VerifyConsistency(wrong, heads[newer], *proof).ok());
      if (older > 1) {
        EXPECT_FALSE(VerifyConsistency(heads[older - 1], heads[newer], *proof).ok());
      }
    }
  }
}

TEST(MerkleProofs, AProofOutsideTheTreeIsRefused) {
  const std::vector<Hash> leaves = LeafHashes(3);
  EXPECT_THAT(InclusionProof(3, 3, ReaderOf(leaves)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(InclusionProof(0, 0, ReaderOf(leaves)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(ConsistencyProof(0, 3, ReaderOf(leaves)), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(ConsistencyProof(4, 3, ReaderOf(leaves)), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(MerkleProofs, AReadersErrorIsPassedOn) {
  const auto broken = [](uint32_t, uint64_t) -> absl::StatusOr<Hash> {
    return absl::DataLossError("tile is gone");
  };
  EXPECT_THAT(InclusionProof(0, 9, broken), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ConsistencyProof(3, 9, broken), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(RootFromReader(9, broken), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(MerkleFrontier, IsRebuiltFromItsStateAtEverySize) {
  const std::vector<Hash> leaves = LeafHashes(300);
  Frontier frontier;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto copy = Frontier::FromState(frontier.size(), frontier.subtrees());
    ASSERT_THAT(copy, IsOk());
    frontier = *copy;
    frontier.Append(leaves[i]);
    ASSERT_EQ(frontier.Root(), DefinitionRoot(std::span(leaves).first(i + 1)));
    ASSERT_EQ(RootFromReader(i + 1, ReaderOf(leaves)).value(), frontier.Root());
  }
  EXPECT_THAT(Frontier::FromState(3, {leaves[0]}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Frontier::FromState(4, {}), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::audit
