// Longer walks: power cuts at every step of the engine, and a process killed between any two steps.

#include <csignal>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/unit/store/engine_harness.h"
#include "tests/unit/store/power_cut.h"
#include "vault/base/crash_point.h"

namespace televault::store {
namespace {

using testing::EngineHarness;
using testing::IsOk;
using testing::RocksHarness;
using testing::Unit;

constexpr PartitionId kMonday{DatasetId(7), Day(20'000)};

TEST(StorePowerCutTest, AtAnyStepOfTheEngineKeepsWhatWasAcknowledged) {
  RocksHarness harness;
  std::vector<std::string> keys;
  std::vector<BlockId> blocks;
  for (uint64_t step = 0; step < 40; ++step) {
    TV_ASSERT_OK_AND_ASSIGN(const auto store, harness.Open());
    TV_ASSERT_OK_AND_ASSIGN(const StoreEpoch epoch, store->AcquireLease());
    TV_ASSERT_OK_AND_ASSIGN(const auto view, store->Pin());
    for (const std::string& key : keys) {
      ASSERT_THAT(view->Get(Family::kMeta, key), IsOk()) << "step " << step << " " << key;
    }
    for (const BlockId& id : blocks) {
      ASSERT_THAT(store->ReadBlock(id, std::vector<uint32_t>{0}), IsOk())
          << "step " << step << " block " << id.block;
    }
    harness.disk().StopAfter(step);
    for (uint64_t i = 0; i < 5; ++i) {
      const std::string key = absl::StrCat(step, "/", i);
      if (store->Commit(epoch, {{{Family::kMeta, key, key}}}) == CommitOutcome::kOk) {
        keys.push_back(key);
      }
      const BlockId id{kMonday, step * 10 + i};
      if (store->PutBlock(id, std::vector<BlockChunk>{{0, key}}).ok()) blocks.push_back(id);
    }
    ASSERT_TRUE(harness.disk().stopped());
    harness.PowerCut(step);
  }
  EXPECT_GT(keys.size(), 40u);
  EXPECT_GT(blocks.size(), 40u);
}

TEST(EnginePowerCutTest, UnderConcurrentCommitsHonoursEveryReceipt) {
  EngineHarness harness(std::make_unique<RocksHarness>());
  auto& rocks = static_cast<RocksHarness&>(harness.store());
  testing::Acknowledged acknowledged;
  for (uint64_t seed = 100; seed < 160; ++seed) {
    harness.anchor_sync = seed % 2 == 0 ? AnchorSync::kCommit : AnchorSync::kLagging;
    testing::SurviveAPowerCut(harness, rocks, seed, acknowledged);
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(acknowledged.size(), 200u);
}

// In the child: commits and puts blocks until the armed point ends it, naming on `out` what was
// acknowledged.
[[noreturn]] void WriteUntilKilled(EngineHarness& harness, const std::string& point, int pass,
                                   int out) {
  ::setenv("TELEVAULT_CRASH_POINT", absl::StrCat(point, ":", pass).c_str(), 1);
  ArmCrashPointFromEnvironment();
  auto engine = harness.Open();
  if (!engine.ok() || !engine->quarantine.empty()) ::_exit(1);
  for (int i = 0; i < 50; ++i) {
    const std::string data = absl::StrCat(point, "/", pass, "/", i);
    const auto receipt = engine->journal->Commit(Unit(data, {{Family::kMeta, data, data}}));
    if (!receipt.ok()) ::_exit(2);
    const uint64_t leaf = receipt->first_leaf.value();
    if (::write(out, &leaf, sizeof leaf) != sizeof leaf) ::_exit(3);
    const BlockId id{kMonday, engine->journal->NextUniqueId()};
    if (!engine->store->PutBlock(id, std::vector<BlockChunk>{{0, data}}).ok()) ::_exit(4);
  }
  ::_exit(5);
}

TEST(StoreCrashPointTest, AProcessKilledAtAnyStepLeavesAVaultThatStarts) {
  EngineHarness harness(std::make_unique<RocksHarness>());
  for (const std::string point : {"store.before_commit", "store.after_commit", "store.block_built",
                                  "store.block_ingested", "journal.prepared", "journal.committed",
                                  "journal.anchored", "anchor.before_sync", "anchor.after_sync"}) {
    for (const int pass : {8, 13}) {
      int pipe_ends[2];
      ASSERT_EQ(::pipe(pipe_ends), 0);
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) WriteUntilKilled(harness, point, pass, pipe_ends[1]);
      ::close(pipe_ends[1]);
      std::vector<uint64_t> leaves;
      for (uint64_t leaf; ::read(pipe_ends[0], &leaf, sizeof leaf) == sizeof leaf;) {
        leaves.push_back(leaf);
      }
      ::close(pipe_ends[0]);
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSIGNALED(status)) << point << " exit " << WEXITSTATUS(status);
      ASSERT_EQ(WTERMSIG(status), SIGKILL) << point;
      ASSERT_FALSE(leaves.empty()) << point;

      TV_ASSERT_OK_AND_ASSIGN(const Engine engine, harness.Open());
      ASSERT_EQ(engine.quarantine, "") << point;
      ASSERT_GT(engine.journal->Head().tree_size, leaves.back()) << point;
      TV_ASSERT_OK_AND_ASSIGN(const auto last,
                              engine.journal->ReadLeaves(LeafIndex(leaves.back()), 1));
      EXPECT_EQ(last.front(), absl::StrCat(point, "/", pass, "/", leaves.size() - 1));
    }
  }
}

}  // namespace
}  // namespace televault::store
