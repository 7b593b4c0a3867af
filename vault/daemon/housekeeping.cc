// What a vault does by itself: the threads of daemon/vault.h.
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/pause.h"
#include "vault/daemon/crash_recovery.h"
#include "vault/daemon/vault.h"
#include "vault/service/log.h"

namespace televault::daemon {
namespace {

using service::Log;
using service::LogLevel;

constexpr auto kHousekeepingTick = std::chrono::seconds(1);
// The look back of a start opens the entries of two of these at most.
constexpr auto kMarkTick = std::chrono::minutes(10);

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

// A lockdown at level seal takes the keys out of memory, whatever housekeeping is busy with.
void Vault::SealOnLockdown(const std::stop_token& stop) {
  LockEpoch seen = lockdown_->epoch();
  while (!stop.stop_requested()) {
    if (lockdown_->Status().level() == v1::LOCKDOWN_LEVEL_SEAL && !lockdown_->sealed()) {
      if (const absl::Status status = Seal(); !status.ok()) {
        Log(LogLevel::kError, "sealing failed", {{"why", MessageOf(status)}});
      }
    }
    seen = lockdown_->WaitForChange(seen, stop);
  }
}

void Vault::StartHousekeeping() {
  threads_.emplace_back([this](const std::stop_token& stop) { SealOnLockdown(stop); });
  threads_.emplace_back([this](const std::stop_token& stop) { Housekeep(stop); });
  threads_.push_back(Repeat(config_.retention_tick, [this](const auto&) {
    RunShredding();
    return true;
  }));
  threads_.push_back(
      Repeat(config_.retention_tick, [this](const auto& stop) { return RunRetention(stop); }));
  threads_.push_back(
      Repeat(config_.merge_tick, [this](const auto& stop) { return RunErasures(stop); }));
  threads_.push_back(
      Repeat(config_.merge_tick, [this](const auto& stop) { return RunMerges(stop); }));
  if (witnesses_ != nullptr) {
    threads_.push_back(Repeat(config_.witness_tick, [this](const std::stop_token& stop) {
      if (!lockdown_->control_mode().empty()) return false;
      witnesses_->Submit([&stop] { return !stop.stop_requested(); });
      return true;
    }));
  }
  threads_.push_back(Repeat(kMarkTick, [this](const auto&) {
    MarkRecovery();
    return true;
  }));
}

void Vault::Stop() {
  if (threads_.empty()) return;
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  MarkRecovery();
  if (const absl::Status status = RecordEvent("daemon.stop", "OK"); !status.ok()) {
    Log(LogLevel::kWarning, "stop not recorded", {{"why", MessageOf(status)}});
  }
}

std::jthread Vault::Repeat(microseconds period, std::function<bool(const std::stop_token&)> work) {
  return std::jthread([this, period, work = std::move(work)](const std::stop_token& stop) {
    MonoTime next = around_.clock.Mono();
    while (!stop.stop_requested()) {
      if (const MonoTime now = around_.clock.Mono(); now >= next && work(stop)) {
        next = {now.nanos + period.count() * 1'000};
      }
      Pause(stop, kHousekeepingTick);
    }
  });
}

void Vault::Housekeep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    root_key_->ForgetLapsed();
    if (const absl::Status status = lockdown_->Maintain(); !status.ok()) {
      Log(LogLevel::kError, "lock state or clock not on disk", {{"why", MessageOf(status)}});
    }
    if (lockdown_->control_mode().empty()) {
      if (const absl::Status status = RecordGenerations(); !status.ok()) {
        Log(LogLevel::kError, "anchor not written", {{"why", MessageOf(status)}});
      }
      if (const LockEpoch epoch(lockdown_->View()->epoch); keyring_->lock_epoch() < epoch) {
        if (const absl::Status status = keyring_->RecordLockEpoch(epoch); !status.ok()) {
          Log(LogLevel::kError, "lock epoch not in keyring", {{"why", MessageOf(status)}});
        }
      }
    }
    std::unique_lock lock(wake_mu_);
    wake_.wait_for(lock, stop, kHousekeepingTick, [this] { return woken_; });
    woken_ = false;
  }
}

void Vault::MarkRecovery() {
  if (!lockdown_->control_mode().empty()) return;
  if (const absl::Status status = recovery_->Mark(); !status.ok()) {
    Log(LogLevel::kError, "no mark for the next start", {{"why", MessageOf(status)}});
  }
}

absl::Status Vault::RecordForgetting(const char* method, std::vector<store::Mutation> mutations) {
  record::v1::AuditEntry entry = service::EventEntry(method);
  (*entry.mutable_details())["records"] = absl::StrCat(mutations.size());
  service::Recording recording;
  recording.mutations = std::move(mutations);
  return recorder_->Record(std::move(entry), std::move(recording)).status();
}

// Batch ids older than a week answer to nobody any more.
absl::Status Vault::ForgetOldBatches(service::DataPlane& data) {
  constexpr size_t kPerRun = 20'000;  // a tenth of a second, and deletes that fit one commit
  std::vector<store::Mutation> mutations;
  {
    TV_ASSIGN_OR_RETURN(const auto view, data.store.Pin());
    TV_ASSIGN_OR_RETURN(mutations,
                        ingest::ForgetOldBatches(*view, data.meta, lockdown_->SteadyTime(), kPerRun,
                                                 forgotten_up_to_));
  }
  if (mutations.empty()) return absl::OkStatus();
  return RecordForgetting("ingest.forget_batches", std::move(mutations));
}

// What was asked for long ago is needed by nobody any more, and its literals may name somebody.
absl::Status Vault::ForgetOldQueries(service::DataPlane& data) {
  constexpr size_t kPerRun = 50;  // of limits::kMaxSqlBytes and parameters, in one commit
  TV_ASSIGN_OR_RETURN(std::vector<service::AccessDesk::Change> changes,
                      data.access->ForgetText(lockdown_->SteadyTime(), kPerRun));
  if (changes.empty()) return absl::OkStatus();
  std::vector<store::Mutation> mutations;
  for (auto& change : changes) mutations.push_back(std::move(change.mutation));
  TV_RETURN_IF_ERROR(RecordForgetting("access.forget_text", std::move(mutations)));
  for (const auto& change : changes) change.on_committed();
  return absl::OkStatus();
}

// A month of the trail is what can be made unreadable at one time.
absl::Status Vault::StartEpochOfMonth() {
  constexpr size_t kYearAndMonth = 7;
  const WallTime now = lockdown_->SteadyTime();
  const auto month_of = [](WallTime time) { return FormatRfc3339(time).substr(0, kYearAndMonth); };
  if (month_of(keyring_->CurrentAuditEpoch().created_at) >= month_of(now)) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(const uint64_t epoch, StartAuditEpoch(now));
  return RecordEvent("audit.epoch", absl::StrCat(epoch));
}

bool Vault::RunMerges(const std::stop_token& stop) {
  const auto data = Data();
  if (!data.ok() || !lockdown_->control_mode().empty()) return false;
  if (const absl::Status status = ForgetOldBatches(**data); !status.ok()) {
    Log(LogLevel::kError, "old batch ids not forgotten", {{"why", MessageOf(status)}});
  }
  if (const absl::Status status = ForgetOldQueries(**data); !status.ok()) {
    Log(LogLevel::kError, "old access requests not shortened", {{"why", MessageOf(status)}});
  }
  if (const absl::Status status = StartEpochOfMonth(); !status.ok()) {
    Log(LogLevel::kError, "no audit epoch for the month", {{"why", MessageOf(status)}});
  }
  if (const absl::Status status = ResealRecords(**data, stop); !status.ok()) {
    Log(LogLevel::kError, "records not sealed again", {{"why", MessageOf(status)}});
  }
  for (const PartitionId partition : (*data)->merger->Due(around_.clock.Wall())) {
    // After a seal what is held here keeps the next unseal waiting.
    if (stop.stop_requested() || lockdown_->sealed()) return true;
    const auto merged = (*data)->merger->Merge(partition);
    if (!merged.ok() && !absl::IsUnavailable(merged.status())) {
      Log(LogLevel::kError, "merge failed",
          {{"dataset", partition.dataset.value()},
           {"day", FormatDay(partition.day)},
           {"why", MessageOf(merged.status())}});
    }
  }
  // A query may have held on to what the last merge replaced; the next merge may be long in coming.
  if (const absl::Status erased = (*data)->merger->EraseReplaced(); !erased.ok()) {
    Log(LogLevel::kError, "replaced blocks remain", {{"why", MessageOf(erased)}});
  }
  return true;
}

// Keys only, which takes no time and waits for nobody: deadlines hold whatever merges and purges
// are busy with. Needs neither root key nor journal: what is due goes while sealed and in control
// mode, too.
void Vault::RunShredding() {
  AskReplicas();
  const auto data = Data();
  if (!data.ok()) {
    ShredWithoutData();
  } else if (const absl::Status status = (*data)->retention->ShredDue(); !status.ok()) {
    Log(LogLevel::kError, "shred failed", {{"why", MessageOf(status)}});
  }
}

bool Vault::RunErasures(const std::stop_token& stop) {
  const auto data = Data();
  if (!data.ok() || !lockdown_->control_mode().empty()) return false;
  const auto report = (*data)->eraser->RunOnce(
      [&] { return stop.stop_requested() || lockdown_->sealed() || giving_up_; });
  if (!report.ok()) return true;
  if (report->settled > 0)
    Log(LogLevel::kInfo, "erasures settled", {{"erasures", report->settled}});
  for (const std::string& pending : report->pending) {
    Log(LogLevel::kDebug, "erasure pending", {{"partition", pending}});
  }
  return true;
}

void Vault::AskReplicas() {
  for (const crypto::ReplicaId& id : slots_->marked()) {
    const bool was_there = slots_->LastAnswer(id).ok();
    const absl::Status now = slots_->Ask(id);
    if (now.ok() == was_there) continue;
    if (now.ok()) {
      Log(LogLevel::kInfo, "key replica is back", {{"id", ToHex(id)}});
    } else {
      Log(LogLevel::kError, "key replica is missing", {{"id", ToHex(id)}, {"why", MessageOf(now)}});
    }
  }
}

bool Vault::RunRetention(const std::stop_token& stop) {
  const auto data = Data();
  if (!data.ok() || !lockdown_->control_mode().empty()) return false;
  const MonoTime next{around_.clock.Mono().nanos + config_.retention_tick.count() * 1'000};
  const auto report = (*data)->retention->RunOnce({.enough = [&] {
    return stop.stop_requested() || lockdown_->sealed() || around_.clock.Mono() >= next;
  }});
  // Somebody asked for a run, which does the same.
  if (absl::IsUnavailable(report.status())) return true;
  if (!report.ok()) {
    Log(LogLevel::kError, "retention failed", {{"why", MessageOf(report.status())}});
    return true;
  }
  if (report->shredded + report->purged > 0) {
    Log(LogLevel::kInfo, "retention", {{"shredded", report->shredded}, {"purged", report->purged}});
  }
  for (const std::string& pending : report->pending) {
    Log(LogLevel::kWarning, "purge pending", {{"partition", pending}});
  }
  return true;
}

}  // namespace televault::daemon
