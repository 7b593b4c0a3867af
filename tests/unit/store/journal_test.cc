#include "vault/store/journal.h"

#include <chrono>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "audit/merkle.h"
#include "tests/unit/store/engine_harness.h"
#include "vault/base/limits.h"

namespace televault::store {
namespace {

using testing::EngineHarness;
using testing::HasReason;
using testing::IsOk;
using testing::SimHarness;
using testing::StatusIs;
using testing::Unit;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() : harness_(std::make_unique<SimHarness>()) { Reopen(); }

  void Reopen() {
    engine_ = Engine();
    auto engine = harness_.Open();
    ASSERT_THAT(engine, IsOk());
    ASSERT_EQ(engine->quarantine, "");
    engine_ = *std::move(engine);
  }
  Journal& journal() { return *engine_.journal; }
  testing::SimDisk& disk() { return static_cast<SimHarness&>(harness_.store()).disk(); }
  std::string Meta(const std::string& key) {
    auto view = engine_.store->Pin();
    EXPECT_THAT(view, IsOk());
    auto value = (*view)->Get(Family::kMeta, key);
    return value.ok() ? *value : "absent";
  }

  EngineHarness harness_;
  Engine engine_;
};

TEST_F(JournalTest, ALeafAndItsMutationsBecomeDurableTogether) {
  TV_ASSERT_OK_AND_ASSIGN(const CommitReceipt first,
                          journal().Commit(Unit("a", {{Family::kMeta, "k", "1"}})));
  EXPECT_EQ(first.first_leaf, LeafIndex(0));
  EXPECT_EQ(first.tree_size, 1u);
  EXPECT_EQ(first.root, audit::LeafHash(AsBytes("a")));
  EXPECT_THAT(first.checkpoint, ::testing::StartsWith("checkpoint of 1 "));
  TV_ASSERT_OK_AND_ASSIGN(const CommitReceipt second, journal().Commit(Unit("b")));
  EXPECT_EQ(second.first_leaf, LeafIndex(1));
  disk().Crash();
  Reopen();
  EXPECT_EQ(Meta("k"), "1");
  EXPECT_EQ(journal().Head().tree_size, 2u);
  EXPECT_EQ(journal().Head().root, second.root);
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, journal().ReadLeaves(LeafIndex(0), 10));
  EXPECT_EQ(leaves, (std::vector<std::string>{"a", "b"}));
}

TEST_F(JournalTest, ProofsVerifyForEverySizeAlsoAfterAReopen) {
  constexpr uint64_t kLeaves = 700;  // two full tiles and an edge
  std::vector<audit::Hash> roots(kLeaves + 1, audit::EmptyRoot());
  for (uint64_t i = 0; i < kLeaves; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(const CommitReceipt receipt, journal().Commit(Unit(std::to_string(i))));
    roots[i + 1] = receipt.root;
  }
  for (int round = 0; round < 2; ++round) {
    for (const uint64_t size : {1, 2, 255, 256, 257, 511, 512, 513, 699, 700}) {
      for (const uint64_t index : {0, 1, 254, 255, 256, 510, 511, 512, 698, 699}) {
        if (index >= size) continue;
        TV_ASSERT_OK_AND_ASSIGN(const auto proof, journal().InclusionProof(LeafIndex(index), size));
        const audit::Hash leaf = audit::LeafHash(AsBytes(std::to_string(index)));
        ASSERT_THAT(audit::VerifyInclusion(index, leaf, proof, {size, roots[size]}), IsOk());
      }
      TV_ASSERT_OK_AND_ASSIGN(const auto proof, journal().ConsistencyProof(size, kLeaves));
      ASSERT_THAT(audit::VerifyConsistency({size, roots[size]}, {kLeaves, roots[kLeaves]}, proof),
                  IsOk());
    }
    disk().Crash();
    Reopen();
  }
  EXPECT_THAT(journal().InclusionProof(LeafIndex(0), kLeaves + 1),
              StatusIs(absl::StatusCode::kOutOfRange));
  TV_ASSERT_OK_AND_ASSIGN(const auto tail, journal().ReadLeaves(LeafIndex(698), 100));
  EXPECT_EQ(tail, (std::vector<std::string>{"698", "699"}));
  TV_ASSERT_OK_AND_ASSIGN(const auto none, journal().ReadLeaves(LeafIndex(700), 100));
  EXPECT_TRUE(none.empty());
}

TEST_F(JournalTest, ManyCallersShareACommitAndEachGetsItsOwnLeaf) {
  constexpr int kThreads = 8, kEach = 50;
  std::mutex mu;
  std::set<uint64_t> indices;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const std::string data = std::to_string(t) + "/" + std::to_string(i);
          auto receipt = journal().Commit(Unit(data, {{Family::kMeta, data, "x"}}));
          ASSERT_THAT(receipt, IsOk());
          auto proof = journal().InclusionProof(receipt->first_leaf, receipt->tree_size);
          ASSERT_THAT(proof, IsOk());
          ASSERT_THAT(
              audit::VerifyInclusion(receipt->first_leaf.value(), audit::LeafHash(AsBytes(data)),
                                     *proof, {receipt->tree_size, receipt->root}),
              IsOk());
          const std::lock_guard lock(mu);
          indices.insert(receipt->first_leaf.value());
        }
      });
    }
  }
  EXPECT_EQ(indices.size(), size_t{kThreads} * kEach);
  EXPECT_EQ(journal().Head().tree_size, uint64_t{kThreads} * kEach);
  Reopen();
}

TEST_F(JournalTest, AUnitDecidedUnderAnotherLockdownStateIsRefusedWhenItIsTaken) {
  CommitUnit unit = Unit("discloses");
  unit.disclosure_epoch = LockEpoch(1);
  ASSERT_THAT(journal().Commit(unit), IsOk());
  harness_.lock_epoch = 2;
  EXPECT_THAT(journal().Commit(unit), HasReason(reason::kStaleLockEpoch));
  EXPECT_EQ(journal().Head().tree_size, 1u);
  EXPECT_THAT(journal().Commit(Unit("discloses nothing")), IsOk());
}

TEST_F(JournalTest, ALeafThatSaysAnOldTimeIsRefused) {
  CommitUnit unit = Unit("late");
  unit.leaves.front().stamped = {1'000};
  harness_.now_us = 1'000 + kMaxLeafWait.count();
  EXPECT_THAT(journal().Commit(unit), IsOk());
  ++harness_.now_us;
  const uint64_t size = journal().Head().tree_size;
  EXPECT_THAT(journal().Commit(unit), HasReason(reason::kStaleEntryTime));
  EXPECT_EQ(journal().Head().tree_size, size);
  EXPECT_THAT(journal().Commit(Unit("says no time")), IsOk());
}

TEST_F(JournalTest, AnUnknownOutcomeClosesTheJournalUntilItIsReopened) {
  ASSERT_THAT(journal().Commit(Unit("a")), IsOk());
  disk().set_faults({.unknown = 1});
  EXPECT_THAT(journal().Commit(Unit("doubtful")), HasReason(reason::kOutcomeUnknown));
  EXPECT_EQ(harness_.failures, 1);
  EXPECT_THAT(journal().Commit(Unit("later")), HasReason(reason::kControlMode));
  EXPECT_EQ(harness_.failures, 1);
  EXPECT_THAT(journal().ReadLeaves(LeafIndex(0), 1), IsOk()) << "the trail stays readable";
  disk().set_faults({});
  disk().Crash();
  Reopen();
  EXPECT_THAT(journal().Commit(Unit("again")), IsOk());
}

// Out of memory in the middle of a commit, on whichever thread: callers catch what is thrown, and
// everybody behind would have waited for ever.
TEST_F(JournalTest, WhatThrowsInTheMiddleOfACommitEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        disk().set_faults({.before_commit = [] { (void)std::string().at(1); }});
        try {
          (void)journal().Commit(Unit("a"));
        } catch (const std::exception&) {
        }
      },
      "");
}

TEST_F(JournalTest, AFencedJournalStops) {
  testing::SimHarness& sim = static_cast<SimHarness&>(harness_.store());
  TV_ASSERT_OK_AND_ASSIGN(const auto other, sim.Open());
  ASSERT_THAT(other->AcquireLease(), IsOk());
  EXPECT_THAT(journal().Commit(Unit("a")), HasReason(reason::kOutcomeUnknown));
  EXPECT_THAT(journal().Commit(Unit("b")), HasReason(reason::kControlMode));
  EXPECT_EQ(harness_.failures, 1);
}

TEST_F(JournalTest, AFullDiskRefusesOrdinaryUnitsAndStillTakesSecurityEvents) {
  disk().set_faults({.full = 1});
  EXPECT_THAT(journal().Commit(Unit("ordinary", {{Family::kMeta, "k", "1"}})),
              StatusIs(absl::StatusCode::kResourceExhausted));
  CommitUnit lockdown = Unit("lockdown");
  lockdown.urgency = Urgency::kSecurity;
  EXPECT_THAT(journal().Commit(lockdown), IsOk());
  EXPECT_EQ(harness_.failures, 0);
  disk().set_faults({});
  TV_ASSERT_OK_AND_ASSIGN(const CommitReceipt receipt, journal().Commit(Unit("ordinary")));
  EXPECT_EQ(receipt.first_leaf, LeafIndex(1)) << "the refused unit left no trace";
  EXPECT_EQ(Meta("k"), "absent");
}

// Of a group the least urgent are refused first, as long as the others still find no room.
TEST_F(JournalTest, OfThreeUrgenciesTheDiskHasRoomForOne) {
  std::promise<void> reached;
  std::promise<void> release;
  std::atomic<bool> first{true};
  disk().set_faults({.full = 1, .room_for = Urgency::kSecurity, .before_commit = [&] {
                       if (!first.exchange(false)) return;
                       reached.set_value();
                       release.get_future().wait();
                     }});
  const auto commit = [&](Urgency urgency) {
    CommitUnit unit = Unit("leaf");
    unit.urgency = urgency;
    return journal().Commit(unit).status();
  };
  std::vector<std::jthread> callers;
  callers.emplace_back([&] { EXPECT_THAT(commit(Urgency::kSecurity), IsOk()); });
  reached.get_future().wait();
  // While that one is being written these meet in one group, or in a few: the same is said.
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back(
        [&] { EXPECT_THAT(commit(Urgency::kOrdinary), HasReason(reason::kDiskFull)); });
    callers.emplace_back(
        [&] { EXPECT_THAT(commit(Urgency::kTrail), HasReason(reason::kDiskFull)); });
    callers.emplace_back([&] { EXPECT_THAT(commit(Urgency::kSecurity), IsOk()); });
  }
  release.set_value();
  callers.clear();
  EXPECT_EQ(journal().Head().tree_size, 5u);
  EXPECT_EQ(harness_.failures, 0);
}

TEST_F(JournalTest, AHeadThatCannotBeSignedIsNotHandedOut) {
  harness_.signer.fail = true;
  EXPECT_THAT(journal().Commit(Unit("a")), HasReason(reason::kOutcomeUnknown));
  EXPECT_EQ(harness_.failures, 1);
}

TEST_F(JournalTest, AnAnchorThatCannotBeWrittenStopsTheJournal) {
  harness_.anchor_disk.FailSync(1, absl::UnavailableError("injected"));
  EXPECT_THAT(journal().Commit(Unit("a")), HasReason(reason::kOutcomeUnknown));
  EXPECT_THAT(journal().Commit(Unit("b")), HasReason(reason::kControlMode));
}

TEST_F(JournalTest, UnitsThatCannotBeCommittedAreRefusedAtOnce) {
  EXPECT_THAT(journal().Commit({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(journal().Commit(Unit("a", {{Family::kAudit, "k", "v"}})),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(journal().Commit(Unit(std::string(limits::kMaxAuditLeafBytes + 1, 'x'))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const std::string large(limits::kMaxUnitBytes, 'x');
  EXPECT_THAT(journal().Commit(Unit("a", {{Family::kHot, "k", large}})),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(journal().Head().tree_size, 0u);
}

TEST_F(JournalTest, AFullQueueRefusesOrdinaryUnitsAndTakesSecurityEvents) {
  std::promise<void> reached, release;
  std::atomic<bool> once{false};
  disk().set_faults({.before_commit = [&] {
    if (once.exchange(true)) return;
    reached.set_value();
    release.get_future().wait();
  }});
  std::vector<std::jthread> callers;
  callers.emplace_back([&] { EXPECT_THAT(journal().Commit(Unit("blocks")), IsOk()); });
  reached.get_future().wait();
  // Exactly as much as the queue holds.
  const size_t each = limits::kMaxUnitBytes;
  std::atomic<size_t> queued{0};
  std::atomic<int> refused{0};
  const size_t fits = limits::kMaxJournalQueueBytes / each;
  std::promise<void> one_refused;
  for (size_t i = 0; i <= fits; ++i) {
    callers.emplace_back([&, i] {
      const std::string value(each - 9, 'x');
      const auto receipt =
          journal().Commit(Unit("leaf", {{Family::kHot, std::to_string(i), value}}));
      if (receipt.ok()) {
        ++queued;
      } else {
        EXPECT_THAT(receipt, HasReason(reason::kOverloaded));
        if (++refused == 1) one_refused.set_value();
      }
    });
  }
  one_refused.get_future().wait();
  // Refusals, which any caller can cause, have no room of their own.
  CommitUnit refusal = Unit("refusal", {{Family::kHot, "r", std::string(each - 9, 'x')}});
  refusal.urgency = Urgency::kTrail;
  EXPECT_THAT(journal().Commit(refusal), HasReason(reason::kOverloaded));
  callers.emplace_back([&] {
    CommitUnit lockdown = Unit("lockdown");
    lockdown.urgency = Urgency::kSecurity;
    EXPECT_THAT(journal().Commit(lockdown), IsOk());
  });
  release.set_value();
  callers.clear();
  EXPECT_EQ(queued, fits);
  EXPECT_EQ(refused, 1);
}

TEST_F(JournalTest, UniqueIdsNeverRepeatAcrossReopens) {
  std::set<uint64_t> seen;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(journal().NextUniqueId()).second);
    disk().Crash();
    Reopen();
  }
}

TEST_F(JournalTest, AReaderIsWokenWhenTheLogGrows) {
  const auto start = std::chrono::steady_clock::now();
  std::jthread reader([&] { journal().WaitForGrowth(0, std::chrono::minutes(5)); });
  ASSERT_THAT(journal().Commit(Unit("a")), IsOk());
  reader.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
  journal().WaitForGrowth(1, std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace televault::store
