#include "vault/incident/lockdown_manager.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "auth/approval.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"

namespace televault::incident {
namespace {

namespace v1 = ::televault::v1;
using record::v1::LockdownRecord;
using record::v1::LockStateRecord;

constexpr size_t kIdBytes = 8;
// The persisted high-water runs ahead of the read time by at most this much, so that no moment
// that anybody has read by can come again after a crash. The price: after a restart within that
// time deadlines may strike as much earlier.
constexpr microseconds kHighWaterLead{10'000'000};

auth::LockdownItem ItemOf(const LockdownRecord& record) {
  return {.level = static_cast<auth::LockdownLevel>(record.level()),
          .scope = static_cast<auth::ScopeKind>(record.scope_kind()),
          .name = record.scope_name()};
}

bool IsWide(const LockdownRecord& record) {
  return record.scope_kind() == v1::SCOPE_KIND_EVERYTHING;
}

// What only a damaged or foreign file can hold.
bool IsContradictory(const LockStateRecord& state) {
  std::set<std::string> ids;
  for (const LockdownRecord& lockdown : state.lockdowns()) {
    if (lockdown.id().empty() || !ids.insert(lockdown.id()).second) return true;
  }
  return state.lock_epoch() == 0 && state.lockdowns_size() != 0;
}

auth::Ballot BallotOf(const LockdownRecord& lockdown, const VoteCounts& counts) {
  auth::Ballot ballot{.kind = auth::BallotKind::kLift,
                      .excluded = lockdown.engaged_by(),
                      .filed_at_us = lockdown.engaged_at_us(),
                      .needed = auth::kMinApprovals,
                      .votes = {}};
  for (const std::string& person : lockdown.lift_approved_by()) {
    if (counts && !counts(person)) continue;
    ballot.votes.push_back({.person = person, .approve = true, .at_us = 0});
  }
  return ballot;
}

absl::Status Refuse(auth::VoteRefusal refusal) {
  const std::string_view text = auth::VoteRefusalText(refusal);
  return WithReason(absl::PermissionDeniedError(absl::string_view(text.data(), text.size())),
                    reason::kDenied);
}

absl::Status LockedDown(std::string_view level) {
  return WithReason(
      absl::UnavailableError(absl::StrCat("a lockdown at level ", std::string(level),
                                          " is in force; see `televault lockdown status`")),
      reason::kLockedDown);
}

v1::Lockdown ToProto(const LockdownRecord& record) {
  const auto set_time = [](google::protobuf::Timestamp* out, int64_t micros) {
    out->set_seconds(micros / 1'000'000);
    out->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1'000));
  };
  v1::Lockdown lockdown;
  lockdown.set_id(record.id());
  lockdown.set_level(static_cast<v1::LockdownLevel>(record.level()));
  lockdown.mutable_scope()->set_kind(static_cast<v1::ScopeKind>(record.scope_kind()));
  lockdown.mutable_scope()->set_name(record.scope_name());
  lockdown.set_reason(record.reason());
  lockdown.set_incident(record.incident());
  lockdown.set_engaged_by(record.engaged_by());
  set_time(lockdown.mutable_engaged_at(), record.engaged_at_us());
  if (!record.lift_proposed_by().empty()) {
    v1::LiftVote& lift = *lockdown.mutable_lift();
    lift.set_proposed_by(record.lift_proposed_by());
    set_time(lift.mutable_proposed_at(), record.lift_proposed_at_us());
    lift.set_reason(record.lift_reason());
    *lift.mutable_approved_by() = record.lift_approved_by();
    lift.set_needed(auth::kMinApprovals);
  }
  return lockdown;
}

}  // namespace

// Immutable once published.
struct LockdownManager::State {
  LockStateRecord record;
  std::shared_ptr<const auth::LockdownView> view;
  bool sealed = true;
  std::string control_mode;

  void RebuildView() {
    auto next = std::make_shared<auth::LockdownView>();
    next->known = true;
    next->epoch = record.lock_epoch();
    for (const LockdownRecord& lockdown : record.lockdowns()) {
      next->items.push_back(ItemOf(lockdown));
    }
    view = std::move(next);
  }
};

LockdownManager::LockdownManager(Options options)
    : clock_(options.clock),
      random_(options.random),
      store_(std::move(options.store)),
      persist_high_water_(std::move(options.persist_high_water)),
      // A long time off is normal, so at start a wall clock that is ahead is believed.
      read_time_(std::max(options.clock.Wall(), options.high_water)),
      known_wall_(read_time_),
      known_mono_(options.clock.Mono()),
      persisted_us_(options.high_water.micros),
      writer_(
          clock_, [this] { WriteWhatIsNot(); },
          [follow = std::move(options.follow)] {
            if (follow) follow();
          }) {
  Start(options);
}

LockdownManager::~LockdownManager() = default;

void LockdownManager::Start(const Options& options) {
  std::vector<std::string> problems;
  auto stored = store_ != nullptr
                    ? store_->Read()
                    : absl::StatusOr<LockStateRecord>(absl::NotFoundError("there is no lock file"));
  auto initial = std::make_shared<State>();
  if (!stored.ok()) {
    problems.push_back("the stored lock state cannot be read");
  } else if (IsContradictory(*stored)) {
    // Kept beside the lockdown for it: what can be read of it still locks.
    initial->record = *stored;
    problems.push_back("the stored lock state contradicts itself");
  } else {
    initial->record = *std::move(stored);
    if (initial->record.lock_epoch() < options.min_lock_epoch.value()) {
      problems.push_back("the stored lock state is older than what the vault has seen");
    }
  }
  if (!options.lock_because.empty()) problems.push_back(options.lock_because);

  epoch_.store(
      std::max({initial->record.lock_epoch(), options.min_lock_epoch.value(), uint64_t{1}}));
  initial->record.set_lock_epoch(epoch_.load());
  initial->sealed = options.sealed;
  initial->RebuildView();
  state_ = std::move(initial);

  const auto lock = [this](std::string why) {
    LockdownRecord lockdown = NewLockdown({.level = v1::LOCKDOWN_LEVEL_ALL,
                                           .scope = v1::SCOPE_KIND_EVERYTHING,
                                           .scope_name = {},
                                           .reason = std::move(why),
                                           .incident = {},
                                           .engaged_by = {}});
    Publish(true, [&](State& next) { AddLockdown(next, lockdown); });
  };
  for (std::string& problem : problems) lock(std::move(problem));
  const std::lock_guard writing(write_mu_);
  if (!WriteCurrentLocked().ok()) lock("the lock state could not be written at start");
}

std::shared_ptr<const LockdownManager::State> LockdownManager::state() const {
  const std::lock_guard lock(mu_);
  return state_;
}

LockEpoch LockdownManager::Publish(bool lock_state, const std::function<void(State&)>& change) {
  uint64_t epoch = 0;
  {
    const std::lock_guard lock(mu_);
    auto next = std::make_shared<State>(*state_);
    change(*next);
    epoch = epoch_.load(std::memory_order_relaxed) + 1;
    if (lock_state) next->record.set_lock_epoch(epoch);
    next->RebuildView();
    state_ = std::move(next);
    epoch_.store(epoch, std::memory_order_release);
  }
  changed_.notify_all();
  const std::lock_guard lock(listeners_mu_);
  for (const auto& [id, listener] : listeners_) listener(LockEpoch(epoch));
  return LockEpoch(epoch);
}

// --- gate
// -----------------------------------------------------------------------------------------

absl::Status LockdownManager::Check(GateAccess access, const GateScope& scope) const {
  const std::shared_ptr<const State> now = state();
  if (!now->view->items.empty()) {
    const auth::LockdownLevel level = auth::StrictestLevel(*now->view, {.dataset = scope.dataset,
                                                                        .roles = scope.roles,
                                                                        .token = scope.token,
                                                                        .purpose = scope.purpose});
    auth::LockdownLevel limit = v1::LOCKDOWN_LEVEL_ROWS;
    if (access == GateAccess::kAggregates) limit = v1::LOCKDOWN_LEVEL_READS;
    if (access == GateAccess::kIngest) limit = v1::LOCKDOWN_LEVEL_ALL;
    if (level >= limit) return LockedDown(auth::LevelName(level));
  }
  if (!now->control_mode.empty()) {
    return WithReason(absl::UnavailableError(absl::StrCat("the vault answers control calls only: ",
                                                          now->control_mode)),
                      reason::kControlMode);
  }
  if (now->sealed) {
    return WithReason(absl::UnavailableError("the vault is sealed; an operator must unseal it"),
                      reason::kSealed);
  }
  return absl::OkStatus();
}

LockEpoch LockdownManager::epoch() const {
  return LockEpoch(epoch_.load(std::memory_order_acquire));
}

LockdownManager::Now LockdownManager::ReadClocks() const {
  const std::lock_guard lock(time_mu_);
  const WallTime wall = clock_.Wall();
  const MonoTime mono = clock_.Mono();
  const WallTime steady =
      known_wall_ + std::chrono::duration_cast<microseconds>(mono - known_mono_);
  Now now{
      .read = {}, .steady = std::max(known_wall_, steady), .jumped = wall - steady > kClockStep};
  if (!now.jumped && wall > now.steady) {
    known_wall_ = now.steady = wall;
    known_mono_ = mono;
  }
  // In doubt the later time refuses.
  read_time_ = now.read = std::max({read_time_, wall, now.steady});
  return now;
}

WallTime LockdownManager::ReadTime() const { return ReadClocks().read; }

WallTime LockdownManager::SteadyTime() const { return ReadClocks().steady; }

std::string LockdownManager::ClockWarning() const {
  const Now now = ReadClocks();
  if (now.jumped) {
    return absl::StrCat(
        "the clock jumped to ", FormatRfc3339(clock_.Wall()), " where ", FormatRfc3339(now.steady),
        " was due: reads go by the later time; shredding is paused until the clock is set right or "
        "the daemon restarts with it");
  }
  if (now.read - now.steady > kClockStep) {
    return absl::StrCat("the clock jumped to ", FormatRfc3339(now.read),
                        " and was set right: reads go by that time until the daemon restarts");
  }
  return "";
}

// --- engaging
// -------------------------------------------------------------------------------------

LockdownRecord LockdownManager::NewLockdown(const EngageOptions& options) const {
  std::array<uint8_t, kIdBytes> id{};
  random_.Fill(id);
  LockdownRecord lockdown;
  lockdown.set_id(absl::StrCat("lock-", ToHex(id)));
  lockdown.set_level(options.level);
  lockdown.set_scope_kind(options.scope);
  lockdown.set_scope_name(options.scope_name);
  lockdown.set_reason(options.reason);
  lockdown.set_incident(options.incident);
  lockdown.set_engaged_by(options.engaged_by);
  lockdown.set_engaged_at_us(SteadyTime().micros);
  return lockdown;
}

// Adds `lockdown`, or replaces it by the one in force that says the same. The number of lockdowns
// is bounded without ever refusing one: where there are too many, the scope is widened.
void LockdownManager::AddLockdown(State& state, LockdownRecord& lockdown) const {
  auto& all = *state.record.mutable_lockdowns();
  const auto wide = static_cast<size_t>(std::count_if(all.begin(), all.end(), IsWide));
  if (!IsWide(lockdown) && all.size() - wide >= limits::kMaxScopedLockdowns) {
    lockdown.set_scope_kind(v1::SCOPE_KIND_EVERYTHING);
    lockdown.clear_scope_name();
  }
  const bool crowded = IsWide(lockdown) && wide >= limits::kMaxWideLockdowns;
  for (const LockdownRecord& other : all) {
    const bool same = other.level() == lockdown.level() &&
                      other.scope_kind() == lockdown.scope_kind() &&
                      other.scope_name() == lockdown.scope_name();
    const bool repeat =
        other.engaged_by() == lockdown.engaged_by() && other.lift_proposed_by().empty();
    if (same && (repeat || crowded)) {
      lockdown = other;
      return;
    }
  }
  *all.Add() = lockdown;
}

absl::StatusOr<Engaged> LockdownManager::Close(const EngageOptions& options) {
  TV_RETURN_IF_ERROR(auth::ValidateLockdown(options.level, options.scope, options.scope_name));
  if (options.reason.empty() || options.reason.size() > limits::kMaxReasonBytes) {
    return absl::InvalidArgumentError("a lockdown needs a reason of 1 to 1024 bytes");
  }
  if (options.incident.size() > limits::kMaxNameBytes ||
      options.engaged_by.size() > limits::kMaxNameBytes) {
    return absl::InvalidArgumentError("incident and person are at most 64 bytes each");
  }
  Engaged engaged;
  engaged.lockdown = NewLockdown(options);
  engaged.lock_epoch = Publish(true, [&](State& next) { AddLockdown(next, engaged.lockdown); });
  engaged.request = writer_.Request();
  return engaged;
}

bool LockdownManager::AwaitDurable(const Engaged& engaged, MonoTime until) {
  writer_.Await(engaged.request, until);
  return durable_epoch_.load() >= engaged.lock_epoch.value();
}

absl::StatusOr<Engaged> LockdownManager::Engage(const EngageOptions& options) {
  TV_ASSIGN_OR_RETURN(Engaged engaged, Close(options));
  engaged.durable = AwaitDurable(engaged, {clock_.Mono().nanos + kAnswerWait.count() * 1'000});
  return engaged;
}

// On the writer's thread. A failure leaves durable() false, and Maintain() repeats it.
void LockdownManager::WriteWhatIsNot() {
  const std::lock_guard writing(write_mu_);
  if (!durable()) WriteCurrentLocked().IgnoreError();
}

absl::Status LockdownManager::WriteLocked(const LockStateRecord& record) {
  if (store_ == nullptr) return absl::UnavailableError("there is no lock file to write to");
  const absl::Status written = store_->Write(record);
  // After a failure nobody knows what is on disk, so nothing counts as durable.
  if (!written.ok()) durable_epoch_.store(0);
  return written;
}

absl::Status LockdownManager::WriteCurrentLocked() {
  const std::shared_ptr<const State> now = state();
  TV_RETURN_IF_ERROR(WriteLocked(now->record));
  durable_epoch_.store(now->record.lock_epoch());
  return absl::OkStatus();
}

LockStateRecord LockdownManager::NextRecord() {
  const std::lock_guard lock(mu_);
  LockStateRecord next = state_->record;
  next.set_lock_epoch(epoch_.fetch_add(1) + 1);
  return next;
}

// --- lifting
// --------------------------------------------------------------------------------------

absl::StatusOr<LockdownRecord> LockdownManager::Find(std::string_view lockdown_id) const {
  const std::shared_ptr<const State> now = state();
  for (const LockdownRecord& lockdown : now->record.lockdowns()) {
    if (lockdown.id() == lockdown_id) return lockdown;
  }
  return absl::NotFoundError("no lockdown in force has this id; see `televault lockdown status`");
}

absl::StatusOr<LiftStep> LockdownManager::PlanProposal(std::string_view lockdown_id,
                                                       std::string_view why,
                                                       const auth::Principal& voter,
                                                       const VoteCounts& counts) const {
  if (why.empty() || why.size() > limits::kMaxReasonBytes) {
    return absl::InvalidArgumentError("a lift needs a reason of 1 to 1024 bytes");
  }
  LiftStep step;
  TV_ASSIGN_OR_RETURN(step.before, Find(lockdown_id));
  if (!step.before.lift_proposed_by().empty()) {
    return absl::FailedPreconditionError(
        "a vote on lifting it is open already; approve it with `televault lockdown approve`");
  }
  const auth::VoteRefusal refusal = auth::MayVote(BallotOf(step.before, counts), voter);
  if (refusal != auth::VoteRefusal::kNone && refusal != auth::VoteRefusal::kExcluded) {
    return Refuse(refusal);
  }
  step.lockdown_id = step.before.id();
  step.person = voter.person;
  step.proposes = true;
  step.approves = refusal == auth::VoteRefusal::kNone;
  step.reason = std::string(why);
  step.at = SteadyTime();
  step.after = step.before;
  step.after.set_lift_proposed_by(step.person);
  step.after.set_lift_proposed_at_us(step.at.micros);
  step.after.set_lift_reason(step.reason);
  if (step.approves) step.after.add_lift_approved_by(step.person);
  return step;
}

absl::StatusOr<LiftStep> LockdownManager::PlanApproval(std::string_view lockdown_id,
                                                       const auth::Principal& voter,
                                                       const VoteCounts& counts) const {
  LiftStep step;
  TV_ASSIGN_OR_RETURN(step.before, Find(lockdown_id));
  if (step.before.lift_proposed_by().empty()) {
    return absl::FailedPreconditionError(
        "no vote on lifting it is open; open one with `televault lockdown lift`");
  }
  auth::Ballot ballot = BallotOf(step.before, counts);
  if (const auth::VoteRefusal refusal = auth::MayVote(ballot, voter);
      refusal != auth::VoteRefusal::kNone) {
    return Refuse(refusal);
  }
  step.lockdown_id = step.before.id();
  step.person = voter.person;
  step.approves = true;
  step.at = SteadyTime();
  step.after = step.before;
  step.after.add_lift_approved_by(step.person);
  ballot.votes.push_back({.person = step.person, .approve = true, .at_us = step.at.micros});
  step.lifts = auth::Count(ballot).state == auth::BallotState::kApproved;
  return step;
}

absl::Status LockdownManager::Apply(const LiftStep& step) {
  const auto take = [&step](LockStateRecord& record) {
    auto& all = *record.mutable_lockdowns();
    const auto it = std::find_if(all.begin(), all.end(), [&](const LockdownRecord& lockdown) {
      return lockdown.id() == step.lockdown_id;
    });
    if (it == all.end() || it->SerializeAsString() != step.before.SerializeAsString()) return false;
    if (step.lifts) {
      all.erase(it);
    } else {
      *it = step.after;
    }
    return true;
  };
  // Held to the end: only Apply removes or alters a lockdown, so what was checked stays true while
  // others engage.
  const std::unique_lock writing(write_mu_, kAnswerWait);
  if (!writing.owns_lock()) {
    return absl::UnavailableError(
        "the lock file's device does not answer; the lockdown stands as before");
  }
  LockStateRecord next = NextRecord();
  if (!take(next)) {
    return absl::AbortedError(
        "the lockdown or its vote changed meanwhile; look at it and try again");
  }
  if (const absl::Status written = WriteLocked(next); !written.ok()) {
    return Annotate(absl::UnavailableError(written.message()),
                    "the vote could not be written; the lockdown stands as before");
  }
  bool as_written = false;
  Publish(false, [&](State& state) {
    as_written = state.record.lock_epoch() < next.lock_epoch();
    TV_CHECK(take(state.record));
    state.record.set_lock_epoch(as_written ? next.lock_epoch() : epoch_.load() + 1);
  });
  if (as_written) {
    durable_epoch_.store(next.lock_epoch());
  } else {
    // Somebody engaged meanwhile, and the disk does not know. A failure here leaves durable()
    // false, and Maintain() repeats it.
    WriteCurrentLocked().IgnoreError();
  }
  return absl::OkStatus();
}

// --- state
// ----------------------------------------------------------------------------------------

std::shared_ptr<const auth::LockdownView> LockdownManager::View() const { return state()->view; }

bool LockdownManager::durable() const {
  return durable_epoch_.load() >= state()->record.lock_epoch();
}

v1::LockdownStatus LockdownManager::Status() const {
  const std::shared_ptr<const State> now = state();
  v1::LockdownStatus status;
  status.set_level(auth::StrictestLevel(*now->view, {}));
  status.set_lock_epoch(now->record.lock_epoch());
  for (const LockdownRecord& lockdown : now->record.lockdowns()) {
    *status.add_lockdowns() = ToProto(lockdown);
  }
  status.set_durable(durable_epoch_.load() >= now->record.lock_epoch());
  return status;
}

void LockdownManager::SetSealed(bool sealed) {
  Publish(false, [sealed](State& state) { state.sealed = sealed; });
}

bool LockdownManager::sealed() const { return state()->sealed; }

void LockdownManager::SetControlMode(std::string why) {
  Publish(false, [&why](State& state) { state.control_mode = std::move(why); });
}

std::string LockdownManager::control_mode() const { return state()->control_mode; }

// --- watching
// -------------------------------------------------------------------------------------

LockdownManager::Subscription::Subscription(Subscription&& other) noexcept
    : manager_(std::exchange(other.manager_, nullptr)), id_(other.id_) {}

LockdownManager::Subscription& LockdownManager::Subscription::operator=(
    Subscription&& other) noexcept {
  if (this != &other) {
    Reset();
    manager_ = std::exchange(other.manager_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void LockdownManager::Subscription::Reset() {
  if (manager_ == nullptr) return;
  LockdownManager& manager = *std::exchange(manager_, nullptr);
  const std::lock_guard lock(manager.listeners_mu_);
  manager.listeners_.erase(id_);
}

LockdownManager::Subscription LockdownManager::Subscribe(std::function<void(LockEpoch)> listener) {
  const std::lock_guard lock(listeners_mu_);
  const uint64_t id = next_listener_++;
  listeners_.emplace(id, std::move(listener));
  return Subscription(this, id);
}

LockEpoch LockdownManager::WaitForChange(LockEpoch seen, const std::stop_token& stop) const {
  std::unique_lock lock(mu_);
  changed_.wait(lock, stop, [&] { return epoch() != seen; });
  return epoch();
}

// --- upkeep
// ---------------------------------------------------------------------------------------

absl::Status LockdownManager::Maintain() {
  const absl::Status high_water = PersistHighWater();
  const std::unique_lock writing(write_mu_, kAnswerWait);
  if (!writing.owns_lock()) {
    return absl::UnavailableError("lock state: its device does not answer");
  }
  if (!durable()) TV_RETURN_IF_ERROR(Annotate(WriteCurrentLocked(), "lock state"));
  return Annotate(high_water, "clock high-water");
}

absl::Status LockdownManager::PersistHighWater() {
  if (!persist_high_water_) return absl::OkStatus();
  const std::lock_guard lock(high_water_mu_);
  // Never a time that the wall clock only jumped to: a restart with the right clock must undo it.
  const WallTime now = SteadyTime();
  if (persisted_us_ - now.micros > kHighWaterLead.count() / 2) return absl::OkStatus();
  const WallTime ahead = now + kHighWaterLead;
  TV_RETURN_IF_ERROR(persist_high_water_(ahead));
  persisted_us_ = ahead.micros;
  return absl::OkStatus();
}

}  // namespace televault::incident
