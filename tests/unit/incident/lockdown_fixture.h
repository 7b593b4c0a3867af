#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/incident/lockdown_manager.h"

namespace televault::incident {

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

inline constexpr GateAccess kAccesses[] = {GateAccess::kRows, GateAccess::kAggregates,
                                           GateAccess::kIngest};

}  // namespace televault::incident
