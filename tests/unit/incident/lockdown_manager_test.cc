#include "vault/incident/lockdown_manager.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/unit/incident/lockdown_fixture.h"
#include "vault/base/limits.h"

namespace televault::incident {
namespace {

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
  // Whichever of the caller's roles allows the call.
  const std::vector<std::string> both = {"investigator", "analyst"};
  const std::vector<std::string> steward = {"steward"};
  EXPECT_FALSE(Open(*manager, GateAccess::kAggregates, {.dataset = "builds", .roles = both}));
  EXPECT_TRUE(Open(*manager, GateAccess::kAggregates, {.dataset = "builds", .roles = steward}));
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

// A disk that hangs once held every caller, until no thread was left to close a gate.
TEST_F(LockdownManagerTest, ADiskThatHangsHoldsUpNoLockdown) {
  const auto manager = Open();
  std::mutex mu;
  std::condition_variable changed;
  bool hangs = true;
  disk_.during_write = [&] {
    std::unique_lock lock(mu);
    changed.wait(lock, [&] { return !hangs; });
  };
  // One thread closes all eight gates.
  std::vector<Engaged> engaged;
  const MonoTime until{clock_.Mono().nanos + 2'000'000'000};
  for (int i = 0; i < 8; ++i) {
    EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_READS);
    options.scope = v1::SCOPE_KIND_DATASET;
    options.scope_name = absl::StrCat("dataset", i);
    TV_ASSERT_OK_AND_ASSIGN(engaged.emplace_back(), manager->Close(options));
    EXPECT_FALSE(Open(*manager, GateAccess::kRows, {.dataset = options.scope_name}));
  }
  EXPECT_EQ(manager->Status().lockdowns_size(), 8);
  EXPECT_FALSE(manager->Status().durable());
  // And another one answers them, in their order, each within its time.
  std::vector<bool> durable;
  std::jthread answers([&] {
    for (const Engaged& one : engaged) durable.push_back(manager->AwaitDurable(one, until));
  });
  clock_.Advance(std::chrono::seconds(2));
  answers.join();
  EXPECT_THAT(durable, ::testing::ElementsAreArray(std::vector<bool>(8, false)));
  {
    const std::lock_guard lock(mu);
    hangs = false;
  }
  changed.notify_all();
  EXPECT_TRUE(manager->AwaitDurable(engaged.back(), {INT64_MAX}))
      << "written once the disk answers";
  EXPECT_EQ(disk_.content.lockdowns_size(), 8);
}

// The anchor may be on another device than the lock file.
TEST_F(LockdownManagerTest, AnAnchorThatHangsKeepsNoLockdownFromTheDisk) {
  std::mutex mu;
  std::condition_variable changed;
  bool hangs = true;
  LockdownManager manager({.clock = clock_,
                           .random = random_,
                           .store = std::make_unique<FakeStore>(disk_),
                           .follow =
                               [&] {
                                 std::unique_lock lock(mu);
                                 changed.wait(lock, [&] { return !hangs; });
                               },
                           .sealed = false});
  for (const char* dataset : {"cli_usage", "builds"}) {
    EngageOptions options = Everything(v1::LOCKDOWN_LEVEL_READS);
    options.scope = v1::SCOPE_KIND_DATASET;
    options.scope_name = dataset;
    TV_ASSERT_OK_AND_ASSIGN(const Engaged engaged, manager.Close(options));
    const MonoTime until{clock_.Mono().nanos + 2'000'000'000};
    bool durable = false;
    std::jthread answer([&] { durable = manager.AwaitDurable(engaged, until); });
    while (!manager.durable()) std::this_thread::yield();
    clock_.Advance(std::chrono::seconds(2));
    answer.join();
    EXPECT_TRUE(durable) << dataset;
  }
  {
    const std::lock_guard lock(mu);
    hangs = false;
  }
  changed.notify_all();
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

TEST_F(LockdownManagerTest, AClockSetBackDoesNotStopTime) {
  const auto manager = Open();
  clock_.SetWall(start_ - std::chrono::hours(24 * 365));
  clock_.Advance(std::chrono::hours(3));
  EXPECT_EQ(manager->ReadTime(), start_ + std::chrono::hours(3));
  EXPECT_EQ(manager->SteadyTime(), start_ + std::chrono::hours(3));
  EXPECT_EQ(manager->ClockWarning(), "");
}

TEST_F(LockdownManagerTest, AJumpOfTheClockRefusesReadsAndDestroysNothing) {
  auto manager = Open();
  ASSERT_THAT(manager->Maintain(), IsOk());
  const WallTime jumped = start_ + std::chrono::hours(24 * 365);
  clock_.SetWall(jumped);
  EXPECT_EQ(manager->ReadTime(), jumped);
  EXPECT_EQ(manager->SteadyTime(), start_);
  EXPECT_THAT(manager->ClockWarning(), HasSubstr("shredding is paused"));
  clock_.Advance(std::chrono::hours(1));
  EXPECT_EQ(manager->ReadTime(), jumped + std::chrono::hours(1));
  EXPECT_EQ(manager->SteadyTime(), start_ + std::chrono::hours(1)) << "what is really due goes";
  ASSERT_THAT(manager->Maintain(), IsOk());
  EXPECT_LT(high_water_, start_ + std::chrono::hours(2)) << "a jump is not written down";

  clock_.SetWall(start_ + std::chrono::hours(1));
  EXPECT_EQ(manager->ReadTime(), jumped + std::chrono::hours(1)) << "never back";
  EXPECT_EQ(manager->SteadyTime(), start_ + std::chrono::hours(1));
  EXPECT_THAT(manager->ClockWarning(), HasSubstr("until the daemon restarts"));
  manager = Open();
  EXPECT_LT(manager->ReadTime(), start_ + std::chrono::hours(2));
  EXPECT_EQ(manager->ClockWarning(), "");
}

TEST_F(LockdownManagerTest, AJumpIsBelievedAtARestartAndASmallStepAtOnce) {
  auto manager = Open();
  clock_.SetWall(start_ + LockdownManager::kClockStep);
  EXPECT_EQ(manager->SteadyTime(), start_ + LockdownManager::kClockStep);
  const WallTime jumped = start_ + std::chrono::hours(24);
  clock_.SetWall(jumped);
  EXPECT_LT(manager->SteadyTime(), jumped);
  manager = Open();
  EXPECT_EQ(manager->SteadyTime(), jumped);
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
