// What a vault does for backups, and after one was put in the place of its store.

#include <algorithm>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/backup/ledger.h"
#include "vault/base/crash_point.h"
#include "vault/daemon/vault.h"
#include "vault/service/log.h"

namespace televault::daemon {
namespace {

using service::Log;
using service::LogLevel;

// Of the calling thread, and for good: it serves these calls alone. Whoever reads or appends comes
// first on the processor and, where the disk's scheduler heeds it, on the disk.
void StandBack() {
  constexpr int kNice = 15;
  constexpr int kWhoProcess = 1;  // linux/ioprio.h, which is not in every package of headers
  constexpr int kBestEffortLast = (2 << 13) | 7;
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  (void)::setpriority(PRIO_PROCESS, thread, kNice);
  (void)::syscall(SYS_ioprio_set, kWhoProcess, 0, kBestEffortLast);
}

absl::Status AnotherOne() {
  return WithReason(
      absl::UnavailableError("another backup is being made or looked at; try again later"),
      reason::kOverloaded);
}

constexpr char kRestored[] = "backup.restore";
constexpr char kAdopted[] = "daemon.adopt";
constexpr char kAdopts[] = "--adopt-recovered-state";

// What the trail says of a store that is not the one of before.
record::v1::AuditEntry EntryOf(const backup::RestoreOrder& order, std::string_view method,
                               size_t holds) {
  record::v1::AuditEntry entry = service::EventEntry(std::string(method));
  if (!order.accepted.empty()) entry.set_reason(order.accepted);
  const auto known = [&](std::string text) { return order.anchored ? std::move(text) : "unknown"; };
  const std::pair<std::string, std::string> facts[] = {
      {"by", method == kRestored ? order.by : std::string(kAdopts)},
      // Each has its own entry when the store follows the keyring.
      {"holds", absl::StrCat(holds)},
      {"new_size", absl::StrCat(order.head.size)},
      {"new_root", ToHex(order.head.root)},
      {"old_size", known(absl::StrCat(order.anchor.size))},
      {"old_root", known(ToHex(order.anchor.root))},
      {"control_generation", absl::StrCat(order.control_generation)},
      {"anchor_control_generation", known(absl::StrCat(order.anchor_control_generation))},
      {"history_lost", order.LosesHistory() ? "yes" : "no"}};
  for (const auto& [name, value] : facts) (*entry.mutable_details())[name] = value;
  if (method == kRestored) (*entry.mutable_details())["backup_of"] = FormatRfc3339(order.made_at);
  return entry;
}

}  // namespace

backup::GoOn Vault::WhileOpen(const backup::GoOn& go_on) {
  return [this, &go_on]() -> absl::Status {
    if (giving_up_) return absl::UnavailableError("the daemon is stopping");
    TV_RETURN_IF_ERROR(Data().status());
    return go_on();
  };
}

absl::StatusOr<backup::BackupMaker> Vault::NewBackupMaker() {
  TV_ASSIGN_OR_RETURN(audit::VerifierKey log, audit::VerifierKey::Parse(signer_->vkey()));
  std::vector<std::string> kept_apart = config_.key_replicas;
  kept_apart.push_back(layout_.data_dir);
  return backup::BackupMaker({
      .fs = around_.fs,
      .clock = around_.clock,
      .store = *engine_.store,
      .journal = *engine_.journal,
      .store_directory = layout_.store_dir(),
      .freshness_key = *freshness_key_,
      .vault = identity_.vault,
      .log = std::move(log),
      .sign = [this](const std::string& text) { return SignText(text); },
      .store_epoch = engine_.anchor->state().store_epoch,
      .keyring_generation = [this] { return keyring_->generation(); },
      .lock_epoch = [this] { return LockEpoch(lockdown_->View()->epoch); },
      .kept_apart = std::move(kept_apart),
  });
}

backup::ContentCheck::Keys Vault::KeysFor(const service::DataPlane& data, bool fresh) {
  return {.meta = *meta_,
          .keyring = *keyring_,
          .vault = identity_.vault,
          .is_gone =
              [this, &data](PartitionId id, WallTime deadline) {
                if (const auto info = data.partitions->Find(id)) {
                  if (info->state != partition::State::kLive) return true;
                  deadline = std::min(deadline, info->deadline);
                }
                return lockdown_->ReadTime() >= deadline;
              },
          .name_of =
              [&data](DatasetId id) {
                const auto dataset = data.catalog->Find(id);
                return dataset.ok() ? (*dataset)->name : absl::StrCat("#", id.value());
              },
          .fresh = fresh};
}

absl::StatusOr<std::unique_ptr<backup::Unpublished>> Vault::MakeBackup(const std::string& directory,
                                                                       const backup::GoOn& go_on) {
  const std::unique_lock one(backup_mu_, std::try_to_lock);
  if (!one.owns_lock()) return AnotherOne();
  StandBack();
  TV_ASSIGN_OR_RETURN(const auto data, Data());
  TV_ASSIGN_OR_RETURN(backup::BackupMaker maker, NewBackupMaker());
  return maker.Make(directory, KeysFor(*data, /*fresh=*/true), WhileOpen(go_on));
}

absl::StatusOr<backup::Summary> Vault::VerifyBackup(const std::string& directory,
                                                    const backup::GoOn& go_on) {
  const std::unique_lock one(backup_mu_, std::try_to_lock);
  if (!one.owns_lock()) return AnotherOne();
  StandBack();
  TV_ASSIGN_OR_RETURN(const auto data, Data());
  TV_ASSIGN_OR_RETURN(backup::BackupMaker maker, NewBackupMaker());
  return maker.Verify(directory, KeysFor(*data, /*fresh=*/false), WhileOpen(go_on));
}

// --- after a restore
// ------------------------------------------------------------------------------

absl::Status Vault::ReadRestoreOrder() {
  order_key_ = std::make_unique<SecretBytes>(backup::OrderKey(keys_->anchor()));
  TV_ASSIGN_OR_RETURN(restored_, backup::ReadOrder(around_.fs, layout_.store_dir(), *order_key_));
  if (restored_.has_value() && restored_->vault != identity_.vault) {
    return absl::DataLossError("the store was restored for another vault");
  }
  return absl::OkStatus();
}

std::string Vault::LockBecause() const {
  if (!config_.adopt_reason.empty()) return "recovered state adopted: " + config_.adopt_reason;
  // Once: where it was lifted since, the vault stays open.
  if (!restored_.has_value() || restored_->started) return "";
  if (restored_->adopted) return "recovered state adopted: " + restored_->accepted;
  return absl::StrCat(
      "restored from a backup of ", FormatRfc3339(restored_->made_at),
      restored_->accepted.empty() ? "" : ", history after it lost: ", restored_->accepted);
}

// The one store that is accepted although the anchor knows more: what is put in its place is not.
std::optional<store::RecoveredEnd> Vault::AcceptedEnd() const {
  if (!config_.adopt_reason.empty() || !restored_.has_value()) return std::nullopt;
  const backup::FoundAtStart found{.anchor = anchor_->recovered(),
                                   .keyring_generation = keyring_->generation(),
                                   .control_generation = control_->generation()};
  if (!backup::AcceptsLostHistory(*restored_, found)) return std::nullopt;
  return restored_->End();
}

absl::Status Vault::OrderAdoption(const store::Adoption& adoption) {
  if (config_.adopt_reason.empty()) return absl::OkStatus();  // a restore's, whose order is there
  backup::RestoreOrder order = restored_.value_or(
      backup::RestoreOrder{.vault = identity_.vault, .made_at = lockdown_->SteadyTime()});
  order.head = adoption.end.head;
  order.commits = adoption.end.commits;
  order.meta_sum = adoption.end.meta_sum;
  order.TakeAnchor(adoption.anchor);
  order.control_generation = control_->generation();
  order.lock_epoch = std::max(order.lock_epoch, LockEpoch(lockdown_->View()->epoch));
  order.keyring_generation = keyring_->generation();
  order.accepted = config_.adopt_reason;
  if (order.by.empty()) order.by = kAdopts;
  order.put_back =
      restored_.has_value() && !restored_->started && (!restored_->adopted || restored_->put_back);
  order.started = false;
  order.adopted = true;
  // Of an older keyring nobody knows which keys are destroyed: the newer one may come back.
  order.follows = order.follows && adoption.keyring_current;
  TV_RETURN_IF_ERROR(backup::WriteOrder(around_.fs, layout_.store_dir(), order, *order_key_));
  restored_ = std::move(order);
  return absl::OkStatus();
}

absl::Status Vault::RecordRestore() {
  if (!restored_.has_value() || restored_->started) return absl::OkStatus();
  const auto record = [this](const char* method) {
    record::v1::AuditEntry entry = EntryOf(*restored_, method, keyring_->Holds().size());
    entry.set_lock_epoch(lockdown_->View()->epoch);
    return recorder_->Record(std::move(entry), {.urgency = store::Urgency::kSecurity}).status();
  };
  if (!restored_->adopted || restored_->put_back) TV_RETURN_IF_ERROR(record(kRestored));
  if (restored_->adopted) {
    TV_RETURN_IF_ERROR(restored_->follows ? record(kAdopted)
                                          : RecordEvent(kAdopted, restored_->accepted));
  }
  TV_CRASH_POINT("restore.recorded");
  // Until the lock is on disk the next start locks again.
  if (!lockdown_->Status().durable()) return absl::OkStatus();
  restored_->started = true;
  const absl::Status written =
      backup::WriteOrder(around_.fs, layout_.store_dir(), *restored_, *order_key_);
  if (!written.ok()) {
    // A full disk keeps nobody from locking down: the vault runs, and the next start locks again.
    Log(LogLevel::kError, "restore is recorded, and will be once more",
        {{"why", std::string(written.message())}});
  }
  return absl::OkStatus();
}

// Before anything of the restored store is opened: what was shredded since stays shredded. An older
// keyring, which does not know that, learns only that there were keys that it has not.
absl::Status Vault::FollowKeyring() {
  if (!restored_.has_value()) return absl::OkStatus();
  if (!restored_->follows) {
    TV_RETURN_IF_ERROR(keyring_->NoteLostHistory());
    TV_RETURN_IF_ERROR(backup::RemoveOrder(around_.fs, layout_.store_dir()));
    restored_.reset();
    return absl::OkStatus();
  }
  // Nothing is recorded as shredded while an old slot secret is left.
  TV_RETURN_IF_ERROR(keyring_->Shred(std::vector<PartitionId>()).status());
  catalog::Catalog catalog(*meta_);
  {
    TV_ASSIGN_OR_RETURN(const auto view, engine_.store->Pin());
    TV_RETURN_IF_ERROR(catalog.Load(*view));
  }
  if (!restored_->accepted.empty()) TV_RETURN_IF_ERROR(keyring_->NoteLostHistory());
  const auto commit = [this](backup::ShredLedger::Entries entries,
                             std::vector<store::Mutation> mutations) -> absl::Status {
    store::CommitUnit unit;
    for (record::v1::AuditEntry& entry : entries) {
      TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, recorder_->Seal(std::move(entry)));
      unit.leaves.push_back(std::move(leaf));
    }
    unit.mutations = std::move(mutations);
    unit.urgency = store::Urgency::kSecurity;
    return engine_.journal->Commit(unit).status();
  };
  const auto name_of = [&catalog](DatasetId id) {
    const auto dataset = catalog.Find(id);
    return dataset.ok() ? (*dataset)->name : absl::StrCat("#", id.value());
  };
  backup::ShredLedger ledger(
      {.store = *engine_.store,
       .meta = *meta_,
       .keyring = *keyring_,
       .now = lockdown_->SteadyTime(),
       .name_of = name_of,
       .pseudonym_of = [this, &name_of](DatasetId id) { return PseudonymOf(name_of(id)); },
       .commit = commit,
       .may_go_on = [this] { return MayUnseal(); }});
  TV_ASSIGN_OR_RETURN(const backup::LedgerReport report, ledger.Apply());
  TV_CRASH_POINT("restore.followed");
  record::v1::AuditEntry entry = service::EventEntry("backup.restore.ledger");
  auto& details = *entry.mutable_details();
  details["shredded"] = absl::StrCat(report.shredded);
  details["shortened"] = absl::StrCat(report.shortened);
  details["units_dropped"] = absl::StrCat(report.units_dropped);
  details["events_dropped"] = absl::StrCat(report.events_dropped);
  details["grants_ended"] = absl::StrCat(report.grants_ended);
  TV_RETURN_IF_ERROR(
      recorder_->Record(std::move(entry), {.urgency = store::Urgency::kSecurity}).status());
  TV_RETURN_IF_ERROR(backup::RemoveOrder(around_.fs, layout_.store_dir()));
  restored_.reset();
  Log(LogLevel::kInfo, "restored store follows the keyring",
      {{"shredded", report.shredded}, {"units_dropped", report.units_dropped}});
  return absl::OkStatus();
}

}  // namespace televault::daemon
