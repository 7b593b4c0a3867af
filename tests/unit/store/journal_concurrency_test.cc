#include <atomic>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/store/engine_harness.h"

namespace televault::store {
namespace {

using testing::EngineHarness;
using testing::IsOk;
using testing::RocksHarness;
using testing::SimHarness;
using testing::StoreHarness;
using testing::Unit;

// The journal with everybody at it at once, on both stores.
class JournalConcurrencyTest : public ::testing::TestWithParam<bool> {
 protected:
  static std::unique_ptr<StoreHarness> Harness() {
    if (GetParam()) return std::make_unique<RocksHarness>();
    return std::make_unique<SimHarness>();
  }
  void Reopen() {
    engine_ = Engine();
    auto engine = harness_.Open();
    ASSERT_THAT(engine, IsOk());
    ASSERT_EQ(engine->quarantine, "");
    engine_ = *std::move(engine);
  }
  Journal& journal() { return *engine_.journal; }

  // Reads whatever there is to read about the log until told to stop.
  void Follow(const std::atomic<bool>& done, std::atomic<int>& wrong) {
    for (CommitReceipt seen = journal().Head(); !done;) {
      journal().WaitForGrowth(seen.tree_size, std::chrono::milliseconds(1));
      const CommitReceipt head = journal().Head();
      wrong += head.tree_size < seen.tree_size;
      if (head.tree_size == seen.tree_size) continue;
      const auto grown = journal().ConsistencyProof(seen.tree_size, head.tree_size);
      wrong += !grown.ok() || !audit::VerifyConsistency({seen.tree_size, seen.root},
                                                        {head.tree_size, head.root}, *grown)
                                   .ok();
      const auto leaves = journal().ReadLeaves(LeafIndex(seen.tree_size), 1);
      if (!leaves.ok() || leaves->size() != 1) {
        ++wrong;
        continue;
      }
      const auto path = journal().InclusionProof(LeafIndex(seen.tree_size), head.tree_size);
      wrong += !path.ok() ||
               !audit::VerifyInclusion(seen.tree_size, audit::LeafHash(AsBytes(leaves->front())),
                                       *path, {head.tree_size, head.root})
                    .ok();
      seen = head;
    }
  }

  EngineHarness harness_{Harness()};
  Engine engine_;
};

TEST_P(JournalConcurrencyTest, WhatWasAcknowledgedIsThereAfterAFailureUnderManyCallers) {
  Reopen();
  constexpr int kCallers = 4;
  constexpr uint64_t kBefore = 120;  // commits until nothing is durable any more
  std::mutex mu;
  std::map<uint64_t, std::string> acknowledged;  // guarded by mu
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, doubtful{0}, refused{0};
  ASSERT_THAT(journal().Commit(Unit("first")), IsOk());
  const auto commit = [&](int caller) {
    for (int i = 0;; ++i) {
      const std::string data = std::to_string(caller) + "/" + std::to_string(i);
      CommitUnit unit = Unit(data, {{Family::kMeta, data, "x"}});
      unit.urgency = i % 7 == 0 ? Urgency::kSecurity : Urgency::kOrdinary;
      if (i % 3 == 0) unit.disclosure_epoch = LockEpoch(harness_.lock_epoch);
      const auto receipt = journal().Commit(unit);
      const std::string why = ReasonOf(receipt.status());
      if (receipt.ok()) {
        const std::lock_guard lock(mu);
        wrong += !acknowledged.emplace(receipt->first_leaf.value(), data).second;
      } else if (why != reason::kStaleLockEpoch) {
        doubtful += why == reason::kOutcomeUnknown;
        refused += why == reason::kControlMode;
        return;
      }
    }
  };
  {
    std::vector<std::jthread> followers;
    for (int i = 0; i < 2; ++i) followers.emplace_back([&] { Follow(done, wrong); });
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] { commit(caller); });
    }
    while (journal().Head().tree_size < kBefore && doubtful + refused == 0) {
      ++harness_.lock_epoch;
      journal().NextUniqueId();
      std::this_thread::yield();
    }
    harness_.anchor_disk.FailSync(1, absl::UnavailableError("injected"));
    callers.clear();
    done = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(harness_.failures, 1);
  EXPECT_GE(doubtful, 1);
  EXPECT_EQ(doubtful + refused, kCallers);
  engine_ = Engine();
  Reopen();
  for (const auto& [index, data] : acknowledged) {
    const auto leaf = journal().ReadLeaves(LeafIndex(index), 1);
    ASSERT_THAT(leaf, IsOk());
    EXPECT_EQ(leaf->at(0), data);
  }
  EXPECT_GE(journal().Head().tree_size, 1 + acknowledged.size());
  EXPECT_LE(journal().Head().tree_size, 1 + acknowledged.size() + doubtful);
}

INSTANTIATE_TEST_SUITE_P(Stores, JournalConcurrencyTest, ::testing::Bool(),
                         [](const auto& store) { return store.param ? "Rocks" : "Sim"; });

}  // namespace
}  // namespace televault::store
