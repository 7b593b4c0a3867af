#include "vault/partition/sealing.h"

#include <map>
#include <random>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/block/random_batch.h"
#include "vault/crypto/hash.h"

namespace televault::partition {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

class SealingTest : public ::testing::Test {
 protected:
  SealingTest() : key_{KeyId(7), crypto::NewKey(random_)} {}

  SealedBlock Sealed(uint64_t block, uint64_t seed, size_t rows = 20'000) {
    std::mt19937_64 rng(seed);
    const block::ColumnBatch batch = block::testing::RandomBatch(rng, rows);
    auto sealed = SealBlock({.key = key_, .vault = vault_}, {{DatasetId(3), Day(20'000)}, block}, 4,
                            batch, random_);
    EXPECT_THAT(sealed, IsOk());
    return *std::move(sealed);
  }
  static std::map<uint32_t, std::string> ChunksOf(const SealedBlock& block) {
    std::map<uint32_t, std::string> chunks;
    for (const store::BlockChunk& chunk : block.chunks) chunks[chunk.number] = chunk.bytes;
    return chunks;
  }
  absl::Status Check(const record::v1::BlockRecord& record,
                     const std::map<uint32_t, std::string>& chunks) {
    return CheckBlock({.key = key_, .vault = vault_}, record,
                      [&](uint32_t number) -> absl::StatusOr<std::string> {
                        const auto at = chunks.find(number);
                        if (at == chunks.end()) return absl::NotFoundError("no such chunk");
                        return at->second;
                      });
  }

  televault::testing::SeededRandom random_{11};
  const VaultId vault_{};
  const crypto::DataKey key_;
};

TEST_F(SealingTest, ABlockOpensAsItWasSealedAndIsNotLikeAnother) {
  const SealedBlock block = Sealed(1, 1);
  EXPECT_EQ(block.chunks.size(), block.record.chunks() + 1);
  EXPECT_GT(block.record.chunks(), 12u);
  EXPECT_THAT(Check(block.record, ChunksOf(block)), IsOk());
  // The same rows under another salt.
  const SealedBlock again = Sealed(1, 1);
  EXPECT_NE(again.record.tag_root(), block.record.tag_root());
  EXPECT_THAT(Check(block.record, ChunksOf(again)), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SealingTest, NoChunkIsExchangedWithinABlockOrWithAnother) {
  const SealedBlock block = Sealed(1, 1);
  const SealedBlock other = Sealed(2, 1);
  const auto chunks = ChunksOf(block);
  const auto others = ChunksOf(other);
  for (const auto& [number, bytes] : chunks) {
    SCOPED_TRACE(number);
    auto changed = chunks;
    changed[number] = others.at(number);
    EXPECT_THAT(Check(block.record, changed), StatusIs(absl::StatusCode::kDataLoss));
    changed[number] = chunks.at(number == 0 ? 1 : 0);
    EXPECT_THAT(Check(block.record, changed), StatusIs(absl::StatusCode::kDataLoss));
    changed[number] = bytes.substr(0, bytes.size() - 1);
    EXPECT_THAT(Check(block.record, changed), StatusIs(absl::StatusCode::kDataLoss));
    changed.erase(number);
    EXPECT_THAT(Check(block.record, changed), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(SealingTest, ARecordThatSaysAnythingElseDoesNotOpenTheBlock) {
  const SealedBlock block = Sealed(1, 1);
  const auto chunks = ChunksOf(block);
  using Change = void (*)(record::v1::BlockRecord&);
  const std::vector<Change> changes = {
      [](record::v1::BlockRecord& r) { r.set_dataset_id(9); },
      [](record::v1::BlockRecord& r) { r.set_day(r.day() + 1); },
      [](record::v1::BlockRecord& r) { r.set_block(2); },
      [](record::v1::BlockRecord& r) { r.set_key_id(8); },
      [](record::v1::BlockRecord& r) { r.set_schema_revision(5); },
      [](record::v1::BlockRecord& r) { r.set_rows(r.rows() - 1); },
      [](record::v1::BlockRecord& r) { r.set_chunks(r.chunks() - 1); },
      [](record::v1::BlockRecord& r) { r.set_sealed_bytes(r.sealed_bytes() - 1); },
      [](record::v1::BlockRecord& r) { r.mutable_salt()->at(0) ^= 1; },
      [](record::v1::BlockRecord& r) { r.mutable_commitment()->at(0) ^= 1; },
      [](record::v1::BlockRecord& r) { r.mutable_tag_root()->at(0) ^= 1; },
      [](record::v1::BlockRecord& r) { r.set_format_version(2); },
      [](record::v1::BlockRecord& r) { r.set_algorithm(77); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    record::v1::BlockRecord record = block.record;
    changes[i](record);
    EXPECT_THAT(Check(record, chunks), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

}  // namespace
}  // namespace televault::partition
