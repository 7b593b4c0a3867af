#include <chrono>
#include <thread>
#include <utility>

#include "tests/unit/incident/lockdown_fixture.h"

namespace televault::incident {
namespace {

class LockdownLiftTest : public LockdownManagerTest {};

TEST_F(LockdownLiftTest, AnOpenVoteSurvivesARestart) {
  auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_READS));
  ASSERT_THAT(engaged, IsOk());
  const std::string id = engaged->lockdown.id();
  const auto proposal = manager->PlanProposal(id, "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  manager = Open();
  EXPECT_EQ(manager->Status().lockdowns(0).lift().approved_by(0), "ana");
  const auto approval = manager->PlanApproval(id, Responder("bob"), {});
  ASSERT_THAT(approval, IsOk());
  ASSERT_THAT(manager->Apply(*approval), IsOk());
  EXPECT_TRUE(Open(*manager, GateAccess::kRows));
  EXPECT_TRUE(Open(*Open(), GateAccess::kRows));
}

TEST_F(LockdownLiftTest, NobodyLiftsAlone) {
  const auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL, "eve"));
  ASSERT_THAT(engaged, IsOk());
  const std::string id = engaged->lockdown.id();
  EXPECT_THAT(manager->PlanApproval(id, Responder("ana"), {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no vote")));
  const auto proposal = manager->PlanProposal(id, "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  EXPECT_TRUE(proposal->approves);
  EXPECT_FALSE(proposal->lifts);
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  EXPECT_THAT(manager->PlanProposal(id, "over", Responder("bob"), {}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(manager->PlanApproval(id, Responder("ana"), {}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("voted already")));
  EXPECT_THAT(manager->PlanApproval(id, Responder("eve"), {}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  auth::Principal late = Responder("late");
  late.enrolled_at_us = engaged->lockdown.engaged_at_us();
  EXPECT_THAT(manager->PlanApproval(id, late, {}), StatusIs(absl::StatusCode::kPermissionDenied));
  auth::Principal steward = Responder("sam");
  steward.roles = {"steward"};
  EXPECT_THAT(manager->PlanApproval(id, steward, {}),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest));
  const auto approval = manager->PlanApproval(id, Responder("bob"), {});
  ASSERT_THAT(approval, IsOk());
  EXPECT_TRUE(approval->lifts);
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest)) << "planned, not taken";
  ASSERT_THAT(manager->Apply(*approval), IsOk());
  EXPECT_TRUE(Open(*manager, GateAccess::kIngest));
  EXPECT_THAT(manager->Apply(*approval), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(LockdownLiftTest, TheEngagersProposalCountsForNothing) {
  const auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL, "eve"));
  ASSERT_THAT(engaged, IsOk());
  const std::string id = engaged->lockdown.id();
  const auto proposal = manager->PlanProposal(id, "over", Responder("eve"), {});
  ASSERT_THAT(proposal, IsOk());
  EXPECT_FALSE(proposal->approves);
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  const auto first = manager->PlanApproval(id, Responder("ana"), {});
  ASSERT_THAT(first, IsOk());
  EXPECT_FALSE(first->lifts);
  ASSERT_THAT(manager->Apply(*first), IsOk());
  const auto second = manager->PlanApproval(id, Responder("bob"), {});
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(second->lifts);
}

TEST_F(LockdownLiftTest, AVoteOfAPersonDisabledSinceDoesNotCount) {
  const auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  ASSERT_THAT(engaged, IsOk());
  const std::string id = engaged->lockdown.id();
  const auto proposal = manager->PlanProposal(id, "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  const VoteCounts not_ana = [](std::string_view person) { return person != "ana"; };
  const auto second = manager->PlanApproval(id, Responder("bob"), not_ana);
  ASSERT_THAT(second, IsOk());
  EXPECT_FALSE(second->lifts);
  ASSERT_THAT(manager->Apply(*second), IsOk());
  const auto third = manager->PlanApproval(id, Responder("cleo"), not_ana);
  ASSERT_THAT(third, IsOk());
  EXPECT_TRUE(third->lifts);
}

TEST_F(LockdownLiftTest, ALiftThatCannotBeWrittenDoesNotHappen) {
  auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  ASSERT_THAT(engaged, IsOk());
  const std::string id = engaged->lockdown.id();
  const auto proposal = manager->PlanProposal(id, "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  const auto approval = manager->PlanApproval(id, Responder("bob"), {});
  ASSERT_THAT(approval, IsOk());
  bool open_during_write = true;
  disk_.during_write = [&] { open_during_write = Open(*manager, GateAccess::kRows); };
  disk_.fails = true;
  EXPECT_THAT(manager->Apply(*approval), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(open_during_write);
  EXPECT_FALSE(Open(*manager, GateAccess::kRows));
  EXPECT_FALSE(manager->durable()) << "nobody knows what is on disk now";
  disk_.fails = false;
  ASSERT_THAT(manager->Maintain(), IsOk());
  EXPECT_FALSE(Open(*Open(), GateAccess::kRows)) << "the locked state was written again";
  ASSERT_THAT(manager->Apply(*approval), IsOk());
  EXPECT_FALSE(open_during_write) << "opened only after the opening was durable";
  EXPECT_TRUE(Open(*manager, GateAccess::kRows));
  disk_.during_write = nullptr;
}

TEST_F(LockdownLiftTest, LiftingOneLeavesTheOthers) {
  const auto manager = Open();
  const auto all = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  const auto rows = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS));
  ASSERT_THAT(all, IsOk());
  ASSERT_THAT(rows, IsOk());
  Lift(*manager, all->lockdown.id(), "ana", "bob");
  EXPECT_TRUE(Open(*manager, GateAccess::kAggregates));
  EXPECT_FALSE(Open(*manager, GateAccess::kRows));
}

TEST_F(LockdownLiftTest, AnEngageDuringALiftIsKept) {
  const auto manager = Open();
  const auto first = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  ASSERT_THAT(first, IsOk());
  const auto proposal = manager->PlanProposal(first->lockdown.id(), "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  const auto approval = manager->PlanApproval(first->lockdown.id(), Responder("bob"), {});
  ASSERT_THAT(approval, IsOk());
  std::jthread other;
  bool started = false;
  disk_.during_write = [&] {
    if (std::exchange(started, true)) return;
    const LockEpoch before = manager->epoch();
    other = std::jthread(
        [&] { EXPECT_TRUE(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS, "dan")).ok()); });
    manager->WaitForChange(before, {});
  };
  ASSERT_THAT(manager->Apply(*approval), IsOk());
  other.join();
  disk_.during_write = nullptr;
  EXPECT_TRUE(Open(*manager, GateAccess::kAggregates));
  EXPECT_FALSE(Open(*manager, GateAccess::kRows));
  EXPECT_TRUE(manager->durable());
  EXPECT_FALSE(Open(*Open(), GateAccess::kRows));
}

// A lockdown engaged while a lift was written got the number that the lift was written under: it
// passed for durable, and the file without it for the newest.
TEST_F(LockdownLiftTest, WhatALiftWroteNeverPassesForALockdownThatItDoesNotHold) {
  const auto manager = Open();
  const auto first = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  ASSERT_THAT(first, IsOk());
  const auto proposal = manager->PlanProposal(first->lockdown.id(), "over", Responder("ana"), {});
  ASSERT_THAT(proposal, IsOk());
  absl::StatusOr<Engaged> second = absl::UnknownError("not engaged");
  disk_.during_write = [&] {
    if (!second.ok()) second = manager->Close(Everything(v1::LOCKDOWN_LEVEL_ROWS, "dan"));
  };
  std::optional<LockStateRecord> written_for_the_vote;
  const auto subscription = manager->Subscribe([&](LockEpoch) {
    if (!second.ok() || written_for_the_vote.has_value()) return;
    const std::lock_guard lock(disk_.mu);
    if (disk_.content.lockdowns(0).lift_proposed_by().empty()) return;
    written_for_the_vote = disk_.content;
    EXPECT_FALSE(manager->AwaitDurable(*second, clock_.Mono()));
  });
  ASSERT_THAT(manager->Apply(*proposal), IsOk());
  ASSERT_TRUE(second.ok() && written_for_the_vote.has_value());
  EXPECT_EQ(written_for_the_vote->lockdowns_size(), 1);
  EXPECT_TRUE(manager->AwaitDurable(*second, clock_.Mono()));
  EXPECT_EQ(disk_.content.lockdowns_size(), 2);
  EXPECT_FALSE(Open(*Open(second->lock_epoch.value()), GateAccess::kRows));
  // As if the power had gone after the first of the two writes, and the anchor was ahead.
  disk_.content = *written_for_the_vote;
  const auto restarted = Open(second->lock_epoch.value());
  EXPECT_EQ(restarted->Status().level(), v1::LOCKDOWN_LEVEL_ALL);
  EXPECT_THAT(restarted->Status().lockdowns(1).reason(), HasSubstr("older than"));
}

}  // namespace
}  // namespace televault::incident
