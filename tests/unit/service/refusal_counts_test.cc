#include "vault/service/refusal_counts.h"

#include <gtest/gtest.h>
#include <string>

namespace televault::service {
namespace {

constexpr WallTime At(int64_t second) { return {second * 1'000'000 + 5}; }

TEST(RefusalCounts, TheFirstOfASecondIsRecordedAtOnceTheRestCounted) {
  RefusalCounts log;
  EXPECT_TRUE(log.Note("a", "TOKEN_UNKNOWN", At(1)));
  EXPECT_FALSE(log.Note("a", "TOKEN_UNKNOWN", At(1)));
  EXPECT_FALSE(log.Note("a", "TOKEN_UNKNOWN", At(1)));
  EXPECT_TRUE(log.Note("b", "TOKEN_UNKNOWN", At(1)));
  EXPECT_TRUE(log.Take(At(1)).empty());  // the second is not over
  const auto counts = log.Take(At(2));
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].peer, "a");
  EXPECT_EQ(counts[0].calls, 2u);
  EXPECT_EQ(counts[0].second, 1);
  EXPECT_TRUE(log.Take(At(3)).empty());
}

TEST(RefusalCounts, WhatCannotBeRecordedAtOnceIsCountedFromTheFirst) {
  RefusalCounts log;
  log.Add("a", "OVERLOADED", At(1));
  log.Add("a", "OVERLOADED", At(1));
  log.Add("a", "OVERLOADED", At(2));
  const auto counts = log.Take(At(3));
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].calls + counts[1].calls, 3u);
  EXPECT_EQ(counts[0].reason, "OVERLOADED");
}

TEST(RefusalCounts, EveryCallIsEitherRecordedOrCountedHoweverManyPeers) {
  RefusalCounts log;
  uint64_t recorded = 0;
  const size_t peers = 3 * RefusalCounts::kMaxPeers;
  for (int64_t second = 1; second <= 2; ++second) {
    for (size_t i = 0; i < peers; ++i) {
      if (log.Note("peer" + std::to_string(i), "TOKEN_MALFORMED", At(second))) ++recorded;
    }
  }
  uint64_t counted = 0;
  for (const auto& count : log.Take(At(9))) counted += count.calls;
  EXPECT_EQ(recorded + counted, 2 * peers);
}

}  // namespace
}  // namespace televault::service
