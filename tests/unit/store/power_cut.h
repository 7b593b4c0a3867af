#pragma once

#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/unit/store/engine_harness.h"

namespace televault::testing {

// What callers were told is durable, over all rounds.
using Acknowledged = std::vector<std::pair<LeafIndex, std::string>>;

// Submitters race, the power goes off somewhere, and whoever got a receipt must find it honoured.
inline void SurviveAPowerCut(EngineHarness& harness, RocksHarness& rocks, uint64_t seed,
                             Acknowledged& acknowledged) {
  TV_ASSERT_OK_AND_ASSIGN(store::Engine engine, harness.Open());
  ASSERT_EQ(engine.quarantine, "") << "seed " << seed;
  for (const auto& [index, data] : acknowledged) {
    TV_ASSERT_OK_AND_ASSIGN(const auto leaves, engine.journal->ReadLeaves(index, 1));
    ASSERT_EQ(leaves, std::vector<std::string>{data}) << "seed " << seed;
    TV_ASSERT_OK_AND_ASSIGN(const auto view, engine.store->Pin());
    ASSERT_EQ(view->Get(store::Family::kMeta, data).value_or("absent"), data) << "seed " << seed;
    ASSERT_EQ(view->Get(store::Family::kHot, data).value_or("absent"), data) << "seed " << seed;
  }
  const store::AnchorState anchor = engine.anchor->state();
  ASSERT_GE(engine.journal->Head().tree_size, anchor.tree_size);
  rocks.disk().StopAfter(seed * 7 % 60);
  harness.anchor_disk.StopAfter(seed * 13 % 90);
  std::mutex mu;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0;; ++i) {
          const std::string data = absl::StrCat(seed, "/", t, "/", i);
          const auto receipt = engine.journal->Commit(
              Unit(data, {{store::Family::kMeta, data, data}, {store::Family::kHot, data, data}}));
          if (!receipt.ok()) return;
          const std::lock_guard lock(mu);
          acknowledged.emplace_back(receipt->first_leaf, data);
        }
      });
    }
  }
  EXPECT_EQ(harness.failures, 1);
  engine = store::Engine();
  rocks.PowerCut(seed);
  harness.anchor_disk.PowerCut(seed);
}

}  // namespace televault::testing
