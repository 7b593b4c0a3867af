#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "tests/unit/incident/lockdown_fixture.h"

namespace televault::incident {
namespace {

class LockdownConcurrencyTest : public LockdownManagerTest {};

// Engages and lifts a lockdown over `dataset`, again and again; it is over at the end.
void EngageAndLift(LockdownManager& manager, const std::string& dataset,
                   const auth::Principal& proposer, const auth::Principal& approver,
                   std::atomic<int>& wrong) {
  for (int i = 0; i < 40; ++i) {
    const auto engaged = manager.Engage({.level = v1::LOCKDOWN_LEVEL_ROWS,
                                         .scope = v1::SCOPE_KIND_DATASET,
                                         .scope_name = dataset,
                                         .reason = "suspected leak",
                                         .incident = "",
                                         .engaged_by = "eve"});
    wrong += !engaged.ok();
    wrong += manager.Check(GateAccess::kRows, {.dataset = dataset}).ok();
    const auto proposal = manager.PlanProposal(engaged->lockdown.id(), "over", proposer, {});
    wrong += !proposal.ok() || !manager.Apply(*proposal).ok();
    const auto approval = manager.PlanApproval(engaged->lockdown.id(), approver, {});
    wrong += manager.Check(GateAccess::kRows, {.dataset = dataset}).ok();
    wrong += !approval.ok() || !manager.Apply(*approval).ok();
    wrong += !manager.Check(GateAccess::kRows, {.dataset = dataset}).ok();
  }
}

TEST_F(LockdownConcurrencyTest, EverythingAtOnceLeavesWhatWasAskedForAndItIsOnDisk) {
  const auto manager = Open();
  ASSERT_THAT(manager->Engage({.level = v1::LOCKDOWN_LEVEL_READS,
                               .scope = v1::SCOPE_KIND_DATASET,
                               .scope_name = "kept",
                               .reason = "suspected leak",
                               .incident = "",
                               .engaged_by = "eve"}),
              IsOk());
  std::atomic<int> wrong{0};
  std::atomic<bool> done{false};
  std::atomic<uint64_t> told{0};
  const auto subscription = manager->Subscribe([&](LockEpoch) { ++told; });
  std::vector<std::jthread> others;
  others.emplace_back([&] {
    while (!done) wrong += !manager->Maintain().ok();
  });
  others.emplace_back([&] {
    while (!done) {
      clock_.Advance(microseconds(10));
      const WallTime before = manager->ReadTime();
      wrong += manager->SteadyTime() < before - LockdownManager::kClockStep;
      wrong += manager->ReadTime() < before;
    }
  });
  others.emplace_back([&] {
    while (!done) {
      wrong += manager->Check(GateAccess::kAggregates, {.dataset = "kept"}).ok();
      wrong += manager->Status().lockdowns_size() < 1;
      wrong += manager->View()->items.empty();
    }
  });
  others.emplace_back([&](const std::stop_token& stop) {
    for (LockEpoch seen = manager->epoch(); !stop.stop_requested();) {
      const LockEpoch now = manager->WaitForChange(seen, stop);
      wrong += now < seen;
      seen = now;
    }
  });
  others.emplace_back([&] {
    while (!done) {
      auto own = manager->Subscribe([&](LockEpoch) { ++told; });
      manager->SetControlMode("");
    }
  });
  std::vector<std::jthread> responders;
  for (int i = 0; i < 3; ++i) {
    responders.emplace_back([&, i] {
      EngageAndLift(*manager, "d" + std::to_string(i), Responder("ana"), Responder("bob"), wrong);
    });
  }
  responders.clear();
  done = true;
  others.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(told, 3u * 40 * 3);
  ASSERT_THAT(manager->Maintain(), IsOk());
  EXPECT_TRUE(manager->durable());
  const auto restarted = Open();
  EXPECT_FALSE(Open(*restarted, GateAccess::kAggregates, {.dataset = "kept"}));
  EXPECT_TRUE(Open(*restarted, GateAccess::kRows, {.dataset = "d0"}));
  EXPECT_EQ(restarted->Status().lockdowns_size(), 1);
}

}  // namespace
}  // namespace televault::incident
