#include "vault/service/refusal_counts.h"

#include <gtest/gtest.h>
#include <string>
#include <utility>

namespace televault::service {
namespace {

constexpr WallTime At(int64_t second) { return {second * 1'000'000 + 5}; }

RefusalCounts::Kind Of(std::string peer, std::string reason, std::string token = "") {
  return {.peer = std::move(peer),
          .reason = std::move(reason),
          .person = token.empty() ? "" : "alice",
          .token = std::move(token)};
}

TEST(RefusalCounts, TheFirstOfASecondIsRecordedAtOnceTheRestCounted) {
  RefusalCounts log;
  EXPECT_TRUE(log.Note(Of("a", "TOKEN_UNKNOWN"), At(1)));
  EXPECT_FALSE(log.Note(Of("a", "TOKEN_UNKNOWN"), At(1)));
  EXPECT_FALSE(log.Note(Of("a", "TOKEN_UNKNOWN"), At(1)));
  EXPECT_TRUE(log.Note(Of("b", "TOKEN_UNKNOWN"), At(1)));
  EXPECT_TRUE(log.Take(At(1)).empty());  // the second is not over
  const auto counts = log.Take(At(2));
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].kind.peer, "a");
  EXPECT_EQ(counts[0].calls, 2u);
  EXPECT_EQ(counts[0].second, 1);
  EXPECT_TRUE(log.Take(At(3)).empty());
}

TEST(RefusalCounts, WhatCannotBeRecordedAtOnceIsCountedFromTheFirst) {
  RefusalCounts log;
  log.Add(Of("a", "OVERLOADED"), At(1));
  log.Add(Of("a", "OVERLOADED"), At(1));
  log.Add(Of("a", "OVERLOADED"), At(2));
  const auto counts = log.Take(At(3));
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].calls + counts[1].calls, 3u);
  EXPECT_EQ(counts[0].kind.reason, "OVERLOADED");
}

TEST(RefusalCounts, EveryCallIsEitherRecordedOrCountedHoweverManyPeers) {
  RefusalCounts log;
  uint64_t recorded = 0;
  const size_t peers = 3 * RefusalCounts::kMaxKinds;
  for (int64_t second = 1; second <= 2; ++second) {
    for (size_t i = 0; i < peers; ++i) {
      if (log.Note(Of("peer" + std::to_string(i), "TOKEN_MALFORMED"), At(second))) ++recorded;
    }
  }
  uint64_t counted = 0;
  for (const auto& count : log.Take(At(9))) counted += count.calls;
  EXPECT_EQ(recorded + counted, 2 * peers);
}

// While the journal is stuck nobody takes them.
TEST(RefusalCounts, WhatNobodyTakesStaysSmallAndComplete) {
  RefusalCounts log;
  constexpr int64_t kSeconds = 3 * RefusalCounts::kMaxFinished;
  for (int64_t second = 1; second <= kSeconds; ++second) {
    log.Add(Of("a", second % 2 == 0 ? "OVERLOADED" : "DISK_FULL"), At(second));
    log.Add(Of("b", "OVERLOADED"), At(second));
  }
  const auto counts = log.Take(At(kSeconds + 1));
  EXPECT_LE(counts.size(), RefusalCounts::kMaxFinished + 2 + 3);
  int64_t calls = 0;
  for (const auto& count : counts) calls += static_cast<int64_t>(count.calls);
  EXPECT_EQ(calls, 2 * kSeconds);
  EXPECT_TRUE(log.Take(At(kSeconds + 2)).empty());
}

// Behind a malformed token from the same socket the use of a revoked one was a number without a
// name.
TEST(RefusalCounts, ARefusalNeverHidesAnotherReasonOrToken) {
  RefusalCounts log;
  EXPECT_TRUE(log.Note(Of("unix:", "TOKEN_MALFORMED"), At(1)));
  EXPECT_TRUE(log.Note(Of("unix:", "TOKEN_REVOKED", "tva_1"), At(1)));
  EXPECT_TRUE(log.Note(Of("unix:", "TOKEN_REVOKED", "tva_2"), At(1)));
  EXPECT_FALSE(log.Note(Of("unix:", "TOKEN_REVOKED", "tva_1"), At(1)));
  const auto counts = log.Take(At(2));
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].kind.person, "alice");
  EXPECT_EQ(counts[0].kind.token, "tva_1");
}

TEST(RefusalCounts, AFloodOfUnknownCallersCrowdsOutNoKnownToken) {
  RefusalCounts log;
  for (size_t i = 0; i < 2 * RefusalCounts::kMaxKinds; ++i) {
    log.Add(Of("peer" + std::to_string(i), "TOKEN_UNKNOWN"), At(1));
  }
  EXPECT_TRUE(log.Note(Of("peer", "TOKEN_REVOKED", "tva_1"), At(1)));
  EXPECT_FALSE(log.Note(Of("peer", "TOKEN_REVOKED", "tva_1"), At(1)));
  uint64_t of_the_token = 0;
  for (const auto& count : log.Take(At(2))) {
    of_the_token += count.kind.token == "tva_1" ? count.calls : 0;
  }
  EXPECT_EQ(of_the_token, 1u);
}

}  // namespace
}  // namespace televault::service
