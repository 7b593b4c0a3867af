#include "vault/store/meta_sum.h"

#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>

#include "tests/support/seeded_random.h"
#include "tests/support/sim_store.h"
#include "tests/support/status_matchers.h"
#include "vault/crypto/hash.h"

namespace televault::store {
namespace {

using testing::IsOk;

MetaSum Filled(uint8_t byte) {
  MetaSum sum;
  sum.fill(byte);
  return sum;
}

TEST(MetaSumTest, AddsAndSubtractsWithCarriesThroughAllBytes) {
  MetaSum one{};
  one[0] = 1;
  EXPECT_EQ(AddMod256(Filled(0xFF), one), MetaSum{});
  EXPECT_EQ(SubtractMod256(MetaSum{}, one), Filled(0xFF));
  EXPECT_EQ(SubtractMod256(AddMod256(Filled(0x93), Filled(0xEE)), Filled(0xEE)), Filled(0x93));
}

TEST(MetaSumTest, TheBoundaryBetweenKeyAndValueCounts) {
  testing::SeededRandom random(1);
  const SecretBytes key = crypto::NewKey(random);
  EXPECT_NE(MetaTerm(key, "ab", "c"), MetaTerm(key, "a", "bc"));
  EXPECT_NE(MetaTerm(key, "a", ""), MetaTerm(key, "", "a"));
}

TEST(MetaSumTest, FollowsRandomCommitsToTheSumOfWhatIsThere) {
  testing::SeededRandom random(1);
  const SecretBytes key = crypto::NewKey(random);
  testing::SimStore store(std::make_shared<testing::SimDisk>(1));
  TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch epoch, store.AcquireLease(StoreEpoch(0)));
  std::mt19937 engine(7);
  MetaSum followed{};
  for (int round = 0; round < 300; ++round) {
    CommitBatch batch;
    const int count = static_cast<int>(engine() % 6);
    for (int i = 0; i < count; ++i) {
      std::optional<std::string> value;
      if (engine() % 3 != 0) value = std::to_string(engine() % 4);
      batch.mutations.push_back(
          {engine() % 5 == 0 ? Family::kHot : Family::kMeta, std::to_string(engine() % 8), value});
    }
    TV_ASSERT_OK_AND_ASSIGN(const auto before, store.Pin());
    MetaSumUpdate update(*before, key, followed);
    ASSERT_THAT(update.Apply(batch.mutations), IsOk());
    followed = update.sum();
    ASSERT_EQ(store.Commit(epoch, batch), CommitOutcome::kOk);
    TV_ASSERT_OK_AND_ASSIGN(const auto after, store.Pin());
    TV_ASSERT_OK_AND_ASSIGN(const MetaSum recomputed, SumOfMeta(*after, key));
    ASSERT_EQ(followed, recomputed) << "round " << round;
  }
}

}  // namespace
}  // namespace televault::store
