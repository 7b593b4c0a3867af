#include "vault/crypto/block_cipher.h"

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/crypto/hash.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;

class BlockCipherTest : public ::testing::TestWithParam<Algorithm> {
 protected:
  void SetUp() override {
    if (!Available(GetParam())) GTEST_SKIP() << "the processor lacks AES-NI or PCLMUL";
  }
  SeededRandom random_{5};
  const SecretBytes key_ = NewKey(random_);
};

TEST_P(BlockCipherTest, OpensItsChunksInAnyOrder) {
  BlockSealer sealer(GetParam(), key_, random_);
  std::vector<std::string> chunks;
  for (uint32_t i = 0; i < 5; ++i) {
    chunks.push_back(sealer.Seal(i, AsBytes("aad"), AsBytes(std::string(i * 1000, 'c'))));
  }
  TV_ASSERT_OK_AND_ASSIGN(const BlockOpener opener, BlockOpener::Create(key_, sealer.header()));
  WipedBuffer out;
  for (uint32_t i = 5; i-- > 0;) {
    ASSERT_THAT(opener.Open(i, AsBytes("aad"), AsBytes(chunks[i]), out), IsOk());
    EXPECT_EQ(AsText(out), std::string(i * 1000, 'c'));
  }
}

TEST_P(BlockCipherTest, ASwappedMovedOrChangedChunkDoesNotOpen) {
  BlockSealer sealer(GetParam(), key_, random_);
  const std::string a = sealer.Seal(0, AsBytes("column a"), AsBytes("aaaa"));
  const std::string b = sealer.Seal(1, AsBytes("column b"), AsBytes("bbbb"));
  TV_ASSERT_OK_AND_ASSIGN(const BlockOpener opener, BlockOpener::Create(key_, sealer.header()));
  const auto open = [&](uint32_t ordinal, std::string_view aad, const std::string& bytes) {
    WipedBuffer out;
    const absl::Status status = opener.Open(ordinal, AsBytes(aad), AsBytes(bytes), out);
    EXPECT_TRUE(status.ok() || out.empty());
    return status;
  };
  EXPECT_THAT(open(0, "column a", a), IsOk());
  EXPECT_THAT(open(0, "column a", b), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(1, "column a", a), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(0, "column b", a), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(open(0, "column a", ""), StatusIs(absl::StatusCode::kDataLoss));
  for (size_t i = 0; i < a.size(); ++i) {
    std::string changed = a;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(open(0, "column a", changed), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

TEST_P(BlockCipherTest, CommitsToItsKey) {
  const BlockSealer sealer(GetParam(), key_, random_);
  EXPECT_THAT(BlockOpener::Create(NewKey(random_), sealer.header()).status(),
              StatusIs(absl::StatusCode::kDataLoss));
  BlockKeyHeader header = sealer.header();
  header.salt[0] ^= 1;
  EXPECT_THAT(BlockOpener::Create(key_, header).status(), StatusIs(absl::StatusCode::kDataLoss));
  header = sealer.header();
  header.algorithm = static_cast<Algorithm>(3);
  EXPECT_THAT(BlockOpener::Create(key_, header).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(BlockCipherTest, ANonceIsNeverUsedTwice) {
  BlockSealer sealer(GetParam(), key_, random_);
  (void)sealer.Seal(3, {}, AsBytes("x"));
  EXPECT_DEATH((void)sealer.Seal(3, {}, AsBytes("y")), "broken invariant");
}

INSTANTIATE_TEST_SUITE_P(Both, BlockCipherTest,
                         ::testing::Values(Algorithm::kAes256Gcm, Algorithm::kXChaCha20Poly1305));

}  // namespace
}  // namespace televault::crypto
