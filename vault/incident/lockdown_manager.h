#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "auth/lockdown.h"
#include "auth/principal.h"
#include "televault/record/v1/state.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/clock.h"
#include "vault/base/gate.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/incident/state_writer.h"

namespace televault::incident {

// Where the lock state is kept.
class LockStateStore {
 public:
  virtual ~LockStateStore() = default;
  // Any error counts as locked at `all`.
  virtual absl::StatusOr<record::v1::LockStateRecord> Read() = 0;
  // Durable when OK.
  virtual absl::Status Write(const record::v1::LockStateRecord& state) = 0;
};

struct EngageOptions {
  auth::LockdownLevel level = ::televault::v1::LOCKDOWN_LEVEL_UNSPECIFIED;
  auth::ScopeKind scope = ::televault::v1::SCOPE_KIND_EVERYTHING;
  std::string scope_name;
  std::string reason;      // 1 to limits::kMaxReasonBytes
  std::string incident;    // at most limits::kMaxNameBytes
  std::string engaged_by;  // person; "" for a tripwire
};

struct Engaged {
  record::v1::LockdownRecord lockdown;
  LockEpoch lock_epoch;
  // False: ENGAGED_NOT_DURABLE. In force, not on disk yet; it is still being written, or Maintain()
  // writes it.
  bool durable = false;
  uint64_t request = 0;  // what AwaitDurable waits for
};

// One step towards lifting, checked and not yet taken.
struct LiftStep {
  std::string lockdown_id;
  std::string person;
  // A proposal opens the vote; else it is a further approval.
  bool proposes = false;
  // False where the engager proposes: that opens the vote and counts for nothing.
  bool approves = false;
  // The lockdown ends with this step.
  bool lifts = false;
  std::string reason;  // proposals only
  WallTime at;
  // As it stood when the step was planned, and as it stands with the step's vote.
  record::v1::LockdownRecord before;
  record::v1::LockdownRecord after;
};

// Whether a person's earlier vote still counts (enrolled, not disabled).
using VoteCounts = std::function<bool(std::string_view person)>;

// Lockdown, sealing, control mode and read time: the gate that every use case asks.
// Refuses to lift by itself, by restart or by one person; to be refused for lack of space, audit or
// disk; to decide who may engage (auth does).
// Threads: any. Check(), epoch(), Status() and Close() never wait for the disk: two threads of its
// own write (StateWriter). Listeners run on the thread that changes the state, before it returns.
// Borrows: clock, random.
// Invariants: (1) the gate closes in memory before anything is written, and opens only after the
// opening is durable. (2) epoch() changes with every change and before Engage() returns. (3) What
// is unknown, unreadable or contradictory counts as locked at `all`. (4) A lift needs
// auth::kMinApprovals distinct persons, none of whom engaged it or was enrolled since.
// (5) SteadyTime() never goes back, also not over a restart, and never goes faster than the
// monotonic clock but for wall clock steps of up to kClockStep. ReadTime() is never earlier, and
// never goes back until a restart (docs/adr/0024-a-jump-destroys-nothing.md).
// Failure: a failed write leaves the gate closed and durable() false until Maintain() succeeds; one
// that hangs leaves it closed and durable() false for as long.
class LockdownManager final : public Gate {
 public:
  struct Options {
    const Clock& clock;
    Random& random;
    // nullptr: there is no lock file; locked at `all` until there is one.
    std::unique_ptr<LockStateStore> store;
    // Lock epoch (View()->epoch, not epoch()) known from anchor, keyring and audit head. A file
    // behind it was put back.
    LockEpoch min_lock_epoch;
    // Persisted high-water of the read time, and how to persist a later one (may be empty).
    WallTime high_water;
    std::function<absl::Status(WallTime)> persist_high_water;
    // Runs after each write of the lock state that a lockdown asked for, on a thread of its own
    // (may be empty): tells the anchor. What it borrows lives until StopWriting().
    std::function<void()> follow;
    // Starts locked at `all` whatever the file says, with this reason: after a restore.
    std::string lock_because;
    // The vault starts sealed until told otherwise.
    bool sealed = true;
  };

  // Never fails: whatever is wrong with the stored state is a lockdown. Rewrites the stored state;
  // where that fails, the vault is locked at `all`.
  explicit LockdownManager(Options options);
  ~LockdownManager() override;
  LockdownManager(const LockdownManager&) = delete;
  LockdownManager& operator=(const LockdownManager&) = delete;

  // --- Gate -------------------------------------------------------------------------------------
  absl::Status Check(GateAccess access, const GateScope& scope) const override;
  LockEpoch epoch() const override;
  WallTime ReadTime() const override;
  WallTime SteadyTime() const override;

  // A wall clock that is further ahead of the time that went by has jumped.
  static constexpr microseconds kClockStep{5 * 60 * 1'000'000};
  // "" while the wall clock is believed; else what happened, what it means and what to do.
  std::string ClockWarning() const;

  // --- lockdown ---------------------------------------------------------------------------------
  // Closes the gate, tells the listeners and has it written, without waiting for that: durable is
  // false. INVALID_ARGUMENT is the only error. A repeat by the same person returns the lockdown in
  // force. From kMaxScopedLockdowns on the scope is widened to everything: the answer says what was
  // engaged.
  absl::StatusOr<Engaged> Close(const EngageOptions& options);
  // Waits until the lockdown is on disk and has been followed, or both were tried, or `until`; says
  // whether it is on disk.
  bool AwaitDurable(const Engaged& engaged, MonoTime until);
  // The answer to an engage waits this long for the disk, then says that it is not durable.
  static constexpr microseconds kAnswerWait{2'000'000};
  // Both, with kAnswerWait for the wait.
  absl::StatusOr<Engaged> Engage(const EngageOptions& options);

  // Checks one step of a lift without taking it, so that its audit record can be made durable
  // first. NOT_FOUND: no such lockdown. PERMISSION_DENIED: this voter may not, and why.
  // FAILED_PRECONDITION: a vote is open already, or none is.
  absl::StatusOr<LiftStep> PlanProposal(std::string_view lockdown_id, std::string_view why,
                                        const auth::Principal& voter,
                                        const VoteCounts& counts) const;
  absl::StatusOr<LiftStep> PlanApproval(std::string_view lockdown_id, const auth::Principal& voter,
                                        const VoteCounts& counts) const;
  // Takes a planned step: durable first, then in memory. ABORTED: the lockdown changed since it was
  // planned. UNAVAILABLE: not written, or another write has hung for kAnswerWait;
  // everything stands as before the step.
  absl::Status Apply(const LiftStep& step);

  // What decisions are made with; its epoch is the stored one. Never null.
  std::shared_ptr<const auth::LockdownView> View() const;
  ::televault::v1::LockdownStatus Status() const;
  bool durable() const;

  // --- other inputs -----------------------------------------------------------------------------
  void SetSealed(bool sealed);
  bool sealed() const;
  // `why` = "" ends control mode.
  void SetControlMode(std::string why);
  std::string control_mode() const;

  // --- watching ---------------------------------------------------------------------------------
  // Ends the registration when destroyed, and waits for a call that is running. Not to be destroyed
  // from inside its own listener.
  class [[nodiscard]] Subscription {
   public:
    Subscription() = default;
    ~Subscription() { Reset(); }
    Subscription(Subscription&& other) noexcept;
    Subscription& operator=(Subscription&& other) noexcept;
    void Reset();

   private:
    friend class LockdownManager;
    Subscription(LockdownManager* manager, uint64_t id) : manager_(manager), id_(id) {}
    LockdownManager* manager_ = nullptr;
    uint64_t id_ = 0;
  };
  // Calls `listener` after every change, on the thread that made it; it must not block and must not
  // call Engage, Apply, Set… or Subscribe. The manager outlives the subscription.
  Subscription Subscribe(std::function<void(LockEpoch)> listener);

  // Blocks until epoch() is no longer `seen`, or `stop`; returns the epoch then.
  LockEpoch WaitForChange(LockEpoch seen, const std::stop_token& stop) const;

  // To be called every second: writes what is not on disk yet, and moves the persisted high-water.
  // UNAVAILABLE also where another write has hung for kAnswerWait.
  absl::Status Maintain();

  // Ends the threads that write; what is engaged later is written by Maintain() alone.
  void StopWriting() { writer_.Stop(); }

 private:
  struct State;

  void Start(const Options& options);
  // Changes a copy of the state and swaps it in under mu_, with the next epoch. `lock_state`: the
  // change is one of the stored lock state, which takes over the epoch. Then tells waiters and
  // listeners.
  LockEpoch Publish(bool lock_state, const std::function<void(State&)>& change);
  void AddLockdown(State& state, record::v1::LockdownRecord& lockdown) const;
  record::v1::LockdownRecord NewLockdown(const EngageOptions& options) const;
  // The stored state of now under an epoch of its own: what others change from here on gets a later
  // one, so that this one never passes for theirs.
  record::v1::LockStateRecord NextRecord();
  // write_mu_ is held. What was written counts as durable once it is what is in force.
  absl::Status WriteLocked(const record::v1::LockStateRecord& record);
  absl::Status WriteCurrentLocked();
  void WriteWhatIsNot();
  absl::Status PersistHighWater();
  std::shared_ptr<const State> state() const;
  absl::StatusOr<record::v1::LockdownRecord> Find(std::string_view lockdown_id) const;

  const Clock& clock_;
  Random& random_;
  const std::unique_ptr<LockStateStore> store_;
  const std::function<absl::Status(WallTime)> persist_high_water_;
  std::timed_mutex write_mu_;  // one writer of the store at a time; taken before mu_
  mutable std::mutex mu_;      // guards state_
  mutable std::condition_variable_any changed_;
  std::shared_ptr<const State> state_;
  std::atomic<uint64_t> epoch_{0};
  std::atomic<uint64_t> durable_epoch_{0};
  struct Now {
    WallTime read;
    WallTime steady;
    bool jumped = false;  // the wall clock is not believed
  };
  Now ReadClocks() const;

  mutable std::mutex time_mu_;  // guards the three below
  mutable WallTime read_time_;
  // The wall clock was last believed (or made up for) at this moment of both clocks.
  mutable WallTime known_wall_;
  mutable MonoTime known_mono_;
  std::mutex high_water_mu_;  // guards persisted_us_
  int64_t persisted_us_;
  std::mutex listeners_mu_;  // guards listeners_; held while they run
  std::map<uint64_t, std::function<void(LockEpoch)>> listeners_;
  uint64_t next_listener_ = 1;
  StateWriter writer_;  // last: its threads use the above
};

}  // namespace televault::incident
