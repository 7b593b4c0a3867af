#include "vault/incident/lockdown_manager.h"

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/base/limits.h"

namespace televault::incident {
namespace {

namespace v1 = ::televault::v1;
using record::v1::LockdownRecord;
using record::v1::LockStateRecord;
using testing::FakeClock;
using testing::HasReason;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

// What survives a restart, with faults on demand.
struct Disk {
  std::mutex mu;  // guards everything below
  LockStateRecord content;
  bool unreadable = false;
  bool fails = false;
  int writes = 0;
  std::function<void()> during_write;
};

class FakeStore final : public LockStateStore {
 public:
  explicit FakeStore(Disk& disk) : disk_(disk) {}
  absl::StatusOr<LockStateRecord> Read() override {
    const std::lock_guard lock(disk_.mu);
    if (disk_.unreadable) return absl::DataLossError("slot 1 does not open");
    return disk_.content;
  }
  absl::Status Write(const LockStateRecord& state) override {
    if (disk_.during_write) disk_.during_write();
    const std::lock_guard lock(disk_.mu);
    if (disk_.fails) return absl::UnavailableError("input/output error");
    disk_.content = state;
    disk_.unreadable = false;
    ++disk_.writes;
    return absl::OkStatus();
  }

 private:
  Disk& disk_;
};

class LockdownManagerTest : public ::testing::Test {
 protected:
  std::unique_ptr<LockdownManager> Open(uint64_t min_epoch = 0, std::string because = "") {
    return std::make_unique<LockdownManager>(
        LockdownManager::Options{.clock = clock_,
                                 .random = random_,
                                 .store = std::make_unique<FakeStore>(disk_),
                                 .min_lock_epoch = LockEpoch(min_epoch),
                                 .high_water = high_water_,
                                 .persist_high_water = [this](WallTime t) -> absl::Status {
                                   if (disk_.fails)
                                     return absl::UnavailableError("input/output error");
                                   high_water_ = t;
                                   return absl::OkStatus();
                                 },
                                 .lock_because = std::move(because),
                                 .sealed = false});
  }

  static EngageOptions Everything(v1::LockdownLevel level, std::string person = "eve") {
    return {.level = level,
            .scope = v1::SCOPE_KIND_EVERYTHING,
            .scope_name = "",
            .reason = "suspected leak",
            .incident = "",
            .engaged_by = std::move(person)};
  }

  // Enrolled long before anything that happens in a test.
  auth::Principal Responder(std::string person) const {
    return {.person = person,
            .accessor = "tva_" + person,
            .roles = {"responder"},
            .enrolled_at_us = start_.micros - 1'000,
            .token_active_since_us = start_.micros - 1'000};
  }

  static bool Open(const LockdownManager& gate, GateAccess access, const GateScope& scope = {}) {
    return gate.Check(access, scope).ok();
  }

  // Proposal by `a`, approval by `b`.
  void Lift(LockdownManager& manager, const std::string& id, const std::string& a,
            const std::string& b) {
    const auto proposal = manager.PlanProposal(id, "over", Responder(a), {});
    ASSERT_THAT(proposal, IsOk());
    ASSERT_THAT(manager.Apply(*proposal), IsOk());
    const auto approval = manager.PlanApproval(id, Responder(b), {});
    ASSERT_THAT(approval, IsOk());
    ASSERT_TRUE(approval->lifts);
    ASSERT_THAT(manager.Apply(*approval), IsOk());
  }

  FakeClock clock_;
  const WallTime start_ = clock_.Wall();
  testing::SeededRandom random_{1};
  Disk disk_;
  WallTime high_water_;
};

constexpr GateAccess kAccesses[] = {GateAccess::kRows, GateAccess::kAggregates,
                                    GateAccess::kIngest};

TEST_F(LockdownManagerTest, WithoutLockdownEverythingPasses) {
  const auto manager = Open();
  for (const GateAccess access : kAccesses) EXPECT_THAT(manager->Check(access, {}), IsOk());
  EXPECT_TRUE(manager->durable());
  EXPECT_EQ(manager->Status().level(), v1::LOCKDOWN_LEVEL_NONE);
}

TEST_F(LockdownManagerTest, EachLevelStopsWhatItSays) {
  const struct {
    v1::LockdownLevel level;
    std::array<bool, 3> open;  // rows, aggregates, ingest
  } rows[] = {{v1::LOCKDOWN_LEVEL_ROWS, {false, true, true}},
              {v1::LOCKDOWN_LEVEL_READS, {false, false, true}},
              {v1::LOCKDOWN_LEVEL_ALL, {false, false, false}},
              {v1::LOCKDOWN_LEVEL_SEAL, {false, false, false}}};
  for (const auto& row : rows) {
    disk_.content.Clear();
    const auto manager = Open();
    ASSERT_THAT(manager->Engage(Everything(row.level)), IsOk());
    for (size_t i = 0; i < 3; ++i) {
      const absl::Status status = manager->Check(kAccesses[i], {});
      EXPECT_EQ(status.ok(), row.open[i]) << row.level << " " << i;
      EXPECT_EQ(ReasonOf(status), row.open[i] ? "" : reason::kLockedDown);
    }
  }
}

TEST_F(LockdownManagerTest, AScopeStopsOnlyWhatItNames) {
  const auto manager = Open();
  EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_ALL);
  options.scope = v1::SCOPE_KIND_DATASET;
  options.scope_name = "cli_usage";
  ASSERT_THAT(manager->Engage(options), IsOk());
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest, {.dataset = "cli_usage"}));
  EXPECT_TRUE(Open(*manager, GateAccess::kIngest, {.dataset = "builds"}));
  options = Everything(v1::LOCKDOWN_LEVEL_READS);
  options.scope = v1::SCOPE_KIND_ROLE;
  options.scope_name = "analyst";
  ASSERT_THAT(manager->Engage(options), IsOk());
  EXPECT_FALSE(Open(*manager, GateAccess::kAggregates, {.dataset = "builds", .role = "analyst"}));
  EXPECT_TRUE(Open(*manager, GateAccess::kAggregates, {.dataset = "builds", .role = "steward"}));
  EXPECT_EQ(manager->Status().level(), v1::LOCKDOWN_LEVEL_NONE) << "nothing covers everything";
  EXPECT_EQ(manager->Status().lockdowns_size(), 2);
}

TEST_F(LockdownManagerTest, TheGateIsClosedBeforeAnythingIsWritten) {
  const auto manager = Open();
  bool open_during_write = true;
  bool told_before_write = false;
  bool told = false;
  const auto subscription = manager->Subscribe([&](LockEpoch) { told = true; });
  disk_.during_write = [&] {
    open_during_write = Open(*manager, GateAccess::kRows);
    told_before_write = told;
  };
  ASSERT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS)), IsOk());
  EXPECT_FALSE(open_during_write);
  EXPECT_TRUE(told_before_write) << "streams are cut without waiting for the disk";
  disk_.during_write = nullptr;
}

TEST_F(LockdownManagerTest, AnUnwritableDiskDoesNotStopALockdown) {
  const auto manager = Open();
  disk_.fails = true;
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  ASSERT_THAT(engaged, IsOk());
  EXPECT_FALSE(engaged->durable);
  EXPECT_FALSE(manager->durable());
  EXPECT_FALSE(manager->Status().durable());
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest));
  EXPECT_FALSE(manager->Maintain().ok());
  EXPECT_FALSE(manager->durable());
  disk_.fails = false;
  EXPECT_THAT(manager->Maintain(), IsOk());
  EXPECT_TRUE(manager->durable());
  EXPECT_FALSE(Open(*Open(), GateAccess::kIngest)) << "and it survives a restart";
}

TEST_F(LockdownManagerTest, ARestartChangesNothing) {
  auto manager = Open();
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_READS));
  ASSERT_THAT(engaged, IsOk());
  EXPECT_TRUE(engaged->durable);
  const v1::LockdownStatus before = manager->Status();
  manager = Open(engaged->lock_epoch.value());
  EXPECT_EQ(manager->Status().SerializeAsString(), before.SerializeAsString());
  EXPECT_GE(manager->epoch(), engaged->lock_epoch);
  EXPECT_FALSE(Open(*manager, GateAccess::kAggregates));
  EXPECT_TRUE(Open(*manager, GateAccess::kIngest));
}

TEST_F(LockdownManagerTest, AnOpenVoteSurvivesARestart) {
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

TEST_F(LockdownManagerTest, AnUnreadableStateIsLockedAtAllUntilTwoPersonsLiftIt) {
  disk_.unreadable = true;
  auto manager = Open(7);
  for (const GateAccess access : kAccesses) EXPECT_FALSE(Open(*manager, access));
  EXPECT_EQ(manager->Status().level(), v1::LOCKDOWN_LEVEL_ALL);
  EXPECT_GT(manager->View()->epoch, 7u);
  manager = Open(8);
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest)) << "readable again, and still locked";
  clock_.Advance(std::chrono::seconds(1));
  Lift(*manager, manager->Status().lockdowns(0).id(), "ana", "bob");
  EXPECT_TRUE(Open(*manager, GateAccess::kIngest));
}

TEST_F(LockdownManagerTest, AMissingLockFileIsLockedAtAllAndNeverDurable) {
  LockdownManager manager({.clock = clock_, .random = random_, .store = nullptr});
  EXPECT_FALSE(Open(manager, GateAccess::kIngest));
  EXPECT_FALSE(manager.durable());
  EXPECT_FALSE(manager.Maintain().ok());
}

TEST_F(LockdownManagerTest, AnOlderStateThatWasPutBackIsLockedAtAll) {
  auto manager = Open();
  const LockStateRecord old = disk_.content;
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_READS));
  ASSERT_THAT(engaged, IsOk());
  disk_.content = old;
  manager = Open(engaged->lock_epoch.value());
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest));
}

TEST_F(LockdownManagerTest, AStateThatContradictsItselfIsLockedAtAll) {
  LockdownRecord lockdown;
  lockdown.set_id("lock-1");
  lockdown.set_level(v1::LOCKDOWN_LEVEL_ROWS);
  lockdown.set_scope_kind(v1::SCOPE_KIND_EVERYTHING);
  const auto expect_locked = [&](const char* what) {
    const auto manager = Open();
    EXPECT_FALSE(Open(*manager, GateAccess::kIngest)) << what;
  };
  *disk_.content.add_lockdowns() = lockdown;
  expect_locked("a lockdown at epoch 0");
  disk_.content.Clear();
  disk_.content.set_lock_epoch(4);
  *disk_.content.add_lockdowns() = lockdown;
  *disk_.content.add_lockdowns() = lockdown;
  expect_locked("one id twice");
  disk_.content.Clear();
  disk_.content.set_lock_epoch(4);
  *disk_.content.add_lockdowns() = lockdown;
  disk_.content.mutable_lockdowns(0)->set_id("");
  expect_locked("no id");
  disk_.content.mutable_lockdowns(0)->set_id("lock-1");
  disk_.content.mutable_lockdowns(0)->set_level(9);
  expect_locked("a level of a later version");
  disk_.content.mutable_lockdowns(0)->set_level(v1::LOCKDOWN_LEVEL_ROWS);
  disk_.content.mutable_lockdowns(0)->set_scope_kind(9);
  expect_locked("a scope of a later version");
}

TEST_F(LockdownManagerTest, AStartThatCannotRewriteItsStateIsLockedAtAll) {
  disk_.fails = true;
  const auto manager = Open();
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest));
  disk_.fails = false;
  EXPECT_THAT(manager->Maintain(), IsOk());
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest)) << "nothing lifts by itself";
}

TEST_F(LockdownManagerTest, ARestoreStartsLocked) {
  const auto manager = Open(0, "restored from a backup");
  EXPECT_FALSE(Open(*manager, GateAccess::kIngest));
  EXPECT_EQ(manager->Status().lockdowns(0).reason(), "restored from a backup");
}

TEST_F(LockdownManagerTest, NobodyLiftsAlone) {
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

TEST_F(LockdownManagerTest, TheEngagersProposalCountsForNothing) {
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

TEST_F(LockdownManagerTest, AVoteOfAPersonDisabledSinceDoesNotCount) {
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

TEST_F(LockdownManagerTest, ALiftThatCannotBeWrittenDoesNotHappen) {
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

TEST_F(LockdownManagerTest, LiftingOneLeavesTheOthers) {
  const auto manager = Open();
  const auto all = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL));
  const auto rows = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS));
  ASSERT_THAT(all, IsOk());
  ASSERT_THAT(rows, IsOk());
  Lift(*manager, all->lockdown.id(), "ana", "bob");
  EXPECT_TRUE(Open(*manager, GateAccess::kAggregates));
  EXPECT_FALSE(Open(*manager, GateAccess::kRows));
}

TEST_F(LockdownManagerTest, ARepeatByTheSamePersonIsTheSameLockdown) {
  const auto manager = Open();
  const auto first = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL, "eve"));
  const auto again = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL, "eve"));
  const auto other = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL, "ana"));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(first->lockdown.id(), again->lockdown.id());
  EXPECT_NE(first->lockdown.id(), other->lockdown.id());
  EXPECT_EQ(manager->Status().lockdowns_size(), 2);
}

TEST_F(LockdownManagerTest, TheNumberOfLockdownsIsBoundedWithoutRefusingOne) {
  const auto manager = Open();
  for (int i = 0; i < 300; ++i) {
    EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_ROWS, "p" + std::to_string(i));
    options.scope = v1::SCOPE_KIND_DATASET;
    options.scope_name = "d" + std::to_string(i);
    ASSERT_THAT(manager->Engage(options), IsOk());
    EXPECT_FALSE(Open(*manager, GateAccess::kRows, {.dataset = options.scope_name})) << i;
  }
  for (int i = 0; i < 100; ++i) {
    for (const auto level : {v1::LOCKDOWN_LEVEL_ROWS, v1::LOCKDOWN_LEVEL_READS,
                             v1::LOCKDOWN_LEVEL_ALL, v1::LOCKDOWN_LEVEL_SEAL}) {
      ASSERT_THAT(manager->Engage(Everything(level, "q" + std::to_string(i))), IsOk());
    }
  }
  EXPECT_LE(static_cast<size_t>(manager->Status().lockdowns_size()),
            limits::kMaxScopedLockdowns + limits::kMaxWideLockdowns + 4);
  EXPECT_EQ(manager->Status().level(), v1::LOCKDOWN_LEVEL_SEAL);
}

TEST_F(LockdownManagerTest, MalformedRequestsAreRefusedAndChangeNothing) {
  const auto manager = Open();
  const LockEpoch before = manager->epoch();
  EXPECT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_NONE)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_ALL);
  options.reason = "";
  EXPECT_THAT(manager->Engage(options), StatusIs(absl::StatusCode::kInvalidArgument));
  options.reason = std::string(1025, 'x');
  EXPECT_THAT(manager->Engage(options), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(manager->PlanProposal("lock-none", "why", Responder("ana"), {}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(manager->epoch(), before);
}

TEST_F(LockdownManagerTest, EveryChangeMovesTheEpoch) {
  const auto manager = Open();
  LockEpoch last = manager->epoch();
  const auto moved = [&] {
    const bool yes = manager->epoch() > last;
    last = manager->epoch();
    return yes;
  };
  const auto engaged = manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS));
  EXPECT_TRUE(moved());
  EXPECT_EQ(manager->View()->epoch, last.value());
  manager->SetSealed(true);
  EXPECT_TRUE(moved());
  EXPECT_LT(manager->View()->epoch, last.value()) << "the stored epoch is that of the lock state";
  EXPECT_TRUE(manager->durable()) << "sealing is not part of the stored state";
  manager->SetControlMode("the journal failed");
  EXPECT_TRUE(moved());
  ASSERT_THAT(engaged, IsOk());
  Lift(*manager, engaged->lockdown.id(), "ana", "bob");
  EXPECT_TRUE(moved());
  EXPECT_TRUE(manager->durable());
}

TEST_F(LockdownManagerTest, SealAndControlModeCloseTheGateWithTheirOwnReason) {
  const auto manager = Open();
  manager->SetSealed(true);
  for (const GateAccess access : kAccesses) {
    EXPECT_THAT(manager->Check(access, {}), HasReason(reason::kSealed));
  }
  manager->SetControlMode("the journal failed");
  EXPECT_THAT(manager->Check(GateAccess::kIngest, {}), HasReason(reason::kControlMode));
  ASSERT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ALL)), IsOk());
  EXPECT_THAT(manager->Check(GateAccess::kIngest, {}), HasReason(reason::kLockedDown));
  EXPECT_EQ(manager->control_mode(), "the journal failed");
  EXPECT_TRUE(manager->sealed());
}

TEST_F(LockdownManagerTest, ListenersHearEveryChangeUntilTheyLeave) {
  const auto manager = Open();
  std::vector<LockEpoch> heard;
  auto subscription = manager->Subscribe([&](LockEpoch epoch) { heard.push_back(epoch); });
  manager->SetSealed(true);
  ASSERT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS)), IsOk());
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard.back(), manager->epoch());
  auto moved = std::move(subscription);
  manager->SetSealed(false);
  EXPECT_EQ(heard.size(), 3u);
  moved.Reset();
  manager->SetSealed(true);
  EXPECT_EQ(heard.size(), 3u);
}

TEST_F(LockdownManagerTest, AWaiterWakesAtAChangeAndWhenStopped) {
  const auto manager = Open();
  const LockEpoch seen = manager->epoch();
  LockEpoch woke;
  std::jthread waiter([&](std::stop_token stop) { woke = manager->WaitForChange(seen, stop); });
  ASSERT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS)), IsOk());
  waiter.join();
  EXPECT_EQ(woke, manager->epoch());
  std::jthread stopped(
      [&](std::stop_token stop) { woke = manager->WaitForChange(manager->epoch(), stop); });
  stopped.request_stop();
  stopped.join();
  EXPECT_EQ(woke, manager->epoch());
}

TEST_F(LockdownManagerTest, NoCheckPassesOnceEngageHasReturned) {
  const auto manager = Open();
  std::atomic<bool> engaged{false};
  std::atomic<uint64_t> late{0}, passed{0}, stale{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&](std::stop_token stop) {
      while (!stop.stop_requested()) {
        const bool before = engaged.load();
        const LockEpoch epoch = manager->epoch();
        if (manager->Check(GateAccess::kRows, {}).ok()) {
          passed.fetch_add(1);
          if (before) late.fetch_add(1);
          // A stream that trusts its epoch must see the change as soon as Engage has returned.
          if (engaged.load() && manager->epoch() == epoch) stale.fetch_add(1);
        }
      }
    });
  }
  while (passed.load() < 1'000) std::this_thread::yield();
  ASSERT_THAT(manager->Engage(Everything(v1::LOCKDOWN_LEVEL_ROWS)), IsOk());
  engaged = true;
  for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
  readers.clear();
  EXPECT_EQ(late.load(), 0u);
  EXPECT_EQ(stale.load(), 0u);
}

TEST_F(LockdownManagerTest, ConcurrentEngagesAllHoldAndAllReachTheDisk) {
  const auto manager = Open();
  std::vector<std::jthread> responders;
  std::atomic<int> durable{0};
  for (int i = 0; i < 8; ++i) {
    responders.emplace_back([&, i] {
      EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_READS, "p" + std::to_string(i));
      options.scope = v1::SCOPE_KIND_DATASET;
      options.scope_name = "d" + std::to_string(i);
      const auto engaged = manager->Engage(options);
      durable += engaged.ok() && engaged->durable;
    });
  }
  responders.clear();
  EXPECT_EQ(durable.load(), 8);
  const auto restarted = Open();
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(Open(*restarted, GateAccess::kRows, {.dataset = "d" + std::to_string(i)}));
  }
}

TEST_F(LockdownManagerTest, AnEngageDuringALiftIsKept) {
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

TEST_F(LockdownManagerTest, ReadTimeNeverGoesBackAlsoOverARestart) {
  auto manager = Open();
  EXPECT_EQ(manager->ReadTime(), start_);
  clock_.Advance(std::chrono::hours(2));
  ASSERT_THAT(manager->Maintain(), IsOk());
  const WallTime late = manager->ReadTime();
  clock_.SetWall(start_ - std::chrono::hours(24 * 365));
  EXPECT_EQ(manager->ReadTime(), late);
  manager = Open();
  EXPECT_GE(manager->ReadTime(), late);
  EXPECT_LE(manager->ReadTime(), late + std::chrono::seconds(10));
}

TEST_F(LockdownManagerTest, TheHighWaterIsWrittenAheadAndNotAtEveryTick) {
  const auto manager = Open();
  int writes = 0;
  WallTime last = high_water_;
  for (int second = 0; second < 60; ++second) {
    ASSERT_THAT(manager->Maintain(), IsOk());
    writes += high_water_ != last;
    last = high_water_;
    EXPECT_GT(high_water_, manager->ReadTime()) << second;
    clock_.Advance(std::chrono::seconds(1));
  }
  EXPECT_LE(writes, 15);
  EXPECT_GE(writes, 5);
}

}  // namespace
}  // namespace televault::incident
