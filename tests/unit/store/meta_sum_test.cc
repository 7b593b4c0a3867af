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
      // Over a value that may be there or not.
      if (engine() % 4 == 0 && batch.mutations.back().family == Family::kMeta) {
        batch.mutations.back().only_over = std::to_string(engine() % 4);
      }
    }
    TV_ASSERT_OK_AND_ASSIGN(const auto before, store.Pin());
    MetaSumUpdate update(*before, key, followed);
    std::vector<Mutation> applied;
    ASSERT_THAT(update.Apply(batch.mutations, applied), IsOk());
    batch.mutations = std::move(applied);
    followed = update.sum();
    ASSERT_EQ(store.Commit(epoch, batch), CommitOutcome::kOk);
    TV_ASSERT_OK_AND_ASSIGN(const auto after, store.Pin());
    TV_ASSERT_OK_AND_ASSIGN(const MetaSum recomputed, SumOfMeta(*after, key));
    ASSERT_EQ(followed, recomputed) << "round " << round;
  }
}

TEST(MetaSumTest, AMutationOverAnotherValueThanTheOneThatIsThereIsLeftOut) {
  testing::SeededRandom random(1);
  const SecretBytes key = crypto::NewKey(random);
  testing::SimStore store(std::make_shared<testing::SimDisk>(1));
  TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch epoch, store.AcquireLease(StoreEpoch(0)));
  CommitBatch first;
  first.mutations = {{Family::kMeta, "a", "1"}, {Family::kMeta, "b", "1"}};
  ASSERT_EQ(store.Commit(epoch, first), CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const auto view, store.Pin());
  TV_ASSERT_OK_AND_ASSIGN(const MetaSum sum, SumOfMeta(*view, key));
  MetaSumUpdate update(*view, key, sum);
  std::vector<Mutation> applied;
  ASSERT_THAT(update.Apply({{Family::kMeta, "a", "2", "1"},           // over what is there
                            {Family::kMeta, "b", "2", "0"},           // over another value
                            {Family::kMeta, "a", "3", "1"},           // changed in this commit
                            {Family::kMeta, "a", std::nullopt, "2"},  // a delete, over that
                            {Family::kMeta, "c", "1", "1"}},          // over nothing
                           applied),
              IsOk());
  ASSERT_EQ(applied.size(), 2U);
  EXPECT_EQ(applied[0].value, "2");
  EXPECT_EQ(applied[1].key, "a");
  EXPECT_FALSE(applied[1].value.has_value());
  EXPECT_EQ(update.sum(), MetaTerm(key, "b", "1"));
}

}  // namespace
}  // namespace televault::store
