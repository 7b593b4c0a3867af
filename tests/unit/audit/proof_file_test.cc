#include "audit/proof_file.h"

#include <fstream>
#include <gtest/gtest.h>

#include "audit/encoding.h"
#include "audit/leaf.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using testing::Vector;
using testing::Vectors;

TEST(ProofFiles, PublishedOnesAreWrittenAndReadByteForByte) {
  for (const auto& v : Vectors()["tlog_proof_marshal"]["cases"]) {
    ProofFile proof;
    proof.index = v["index"];
    for (const auto& hash : v["hashes"]) {
      proof.hashes.push_back(HashFromBase64(hash.get<std::string>()).value());
    }
    proof.checkpoint = v["checkpoint"];
    EXPECT_EQ(FormatProofFile(proof), v["want"]);
    EXPECT_EQ(ParseProofFile(v["want"].get<std::string>()).value(), proof);
  }
}

TEST(ProofFiles, PublishedMalformedOnesAreRefused) {
  const Vector rejects = Vectors()["tlog_proof_marshal"]["reject"];
  ASSERT_EQ(rejects.size(), 5u);
  for (const auto& v : rejects) {
    EXPECT_THAT(ParseProofFile(v.get<std::string>()), StatusIs(absl::StatusCode::kInvalidArgument))
        << v;
  }
}

TEST(ProofFiles, OtherMalformedOnesAreRefused) {
  const std::string head = "c2sp.org/tlog-proof@v1\nindex 0\n";
  std::string many = head;
  for (int i = 0; i < 64; ++i) many += "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  for (const std::string& text :
       {std::string(), head, head + "\n", head + "AAAA\n\ncheckpoint\n", many + "\ncheckpoint\n",
        std::string("c2sp.org/tlog-proof@v1\nindex 01\n\ncheckpoint\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex  1\n\ncheckpoint\n"),
        std::string("c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\ncheckpoint\n")}) {
    EXPECT_THAT(ParseProofFile(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(ProofFiles, ExtraDataGoesThereAndBackAlsoEmpty) {
  for (const std::string& extra : {std::string(), std::string("\0\xFF", 2)}) {
    ProofFile proof;
    proof.extra = extra;
    proof.checkpoint = "checkpoint\n";
    EXPECT_EQ(ParseProofFile(FormatProofFile(proof)).value(), proof);
  }
}

TEST(ProofFiles, ALeafIsShownToBeInASignedLogAndNoOtherOne) {
  const auto key = testing::NamedKey("vault.example/audit");
  const std::vector<Hash> leaves = testing::LeafHashes(11);
  const auto reader = [&](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
    return testing::DefinitionRoot(std::span(leaves).subspan(index << level, uint64_t{1} << level));
  };
  const TreeHead head{11, testing::DefinitionRoot(leaves)};
  ProofFile proof;
  proof.index = 6;
  proof.hashes = InclusionProof(6, 11, reader).value();
  proof.checkpoint = testing::SignedCheckpoint(head, key);
  const auto parsed = ParseProofFile(FormatProofFile(proof));
  ASSERT_THAT(parsed, IsOk());
  const auto checkpoint = VerifyProofFile(*parsed, leaves[6], key.key);
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_EQ(checkpoint->Head(), head);
  EXPECT_THAT(VerifyProofFile(*parsed, leaves[7], key.key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(VerifyProofFile(*parsed, leaves[6], testing::NamedKey("other").key),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

std::string Golden(const std::string& name) {
  std::ifstream file("tests/golden/audit/receipt/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The receipts that receipt_by_hand_test.sh checks with coreutils and OpenSSL alone. They were
// written by another program than ours.
TEST(ProofFiles, TheGoldenReceiptsAreWhatWeWriteAndTheyVerify) {
  const auto key = testing::NamedKey("vault.example/audit");
  EXPECT_EQ(Golden("vkey"), key.key.Text() + "\n");
  std::vector<std::string> leaves;
  std::vector<Hash> hashes;
  for (int i = 0; i < 11; ++i) {
    const std::string body = "sealed entry " + std::to_string(i);
    leaves.push_back(EncodeLeaf({LeafType::kEntry, LeafKeyId{7}, AsBytes(body)}).value());
    hashes.push_back(LeafHash(AsBytes(leaves.back())));
  }
  const auto reader = [&](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
    return testing::DefinitionRoot(std::span(hashes).subspan(index << level, uint64_t{1} << level));
  };
  for (const uint64_t index : {6u, 10u}) {
    ProofFile receipt;
    receipt.index = index;
    receipt.hashes = InclusionProof(index, 11, reader).value();
    receipt.checkpoint = testing::SignedCheckpoint({11, testing::DefinitionRoot(hashes)}, key);
    EXPECT_EQ(Golden(std::to_string(index) + ".tlog-proof"), FormatProofFile(receipt));
    const std::string leaf = Golden(std::to_string(index) + ".leaf");
    EXPECT_EQ(leaf, leaves[index]);
    EXPECT_THAT(VerifyProofFile(receipt, LeafHash(AsBytes(leaf)), key.key), IsOk());
  }
}

}  // namespace
}  // namespace televault::audit
