// Keys as an operator sees and changes them: `televault keys`.

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/daemon/vault.h"
#include "vault/service/log.h"
#include "vault/service/wire_time.h"

namespace televault::daemon {
namespace {

using service::Log;
using service::LogLevel;
using service::ToWireTime;

constexpr char kResealed[] = "keys.reseal";
constexpr char kMetaKeyDestroyed[] = "keys.meta_destroyed";

// What of each dataset needs keys; by its number, so that keys of unknown ones are seen, too.
std::map<DatasetId, v1::DatasetKeyStatus> KeysByDataset(const crypto::Keyring& keyring,
                                                        WallTime now) {
  std::map<DatasetId, v1::DatasetKeyStatus> all;
  for (const crypto::DataKeyInfo& key : keyring.AllDataKeys()) {
    v1::DatasetKeyStatus& status = all[key.partition.dataset];
    status.set_data_keys(status.data_keys() + 1);
    const std::string day = FormatDay(key.partition.day);
    if (status.first_day().empty()) status.set_first_day(day);  // they come in rising order
    status.set_last_day(day);
    if (key.deadline > now) continue;
    status.set_due(status.due() + 1);
    if (!keyring.HoldsOn(key.partition, now).empty()) status.set_held(status.held() + 1);
  }
  return all;
}

void DescribeRoot(const crypto::Keyring& keyring, v1::RootKeyStatus& root) {
  const crypto::RootDescription description = keyring.root_description();
  root.set_source(ToWire(description.source));
  *root.mutable_created_at() = ToWireTime(keyring.root_created_at());
  if (description.source != crypto::RootSource::kShares) return;
  root.set_shares(description.shares.shares);
  root.set_threshold(description.shares.threshold);
  root.set_share_set(ToHex(description.shares.id));
}

}  // namespace

absl::StatusOr<v1::GetKeysResponse> Vault::Keys() {
  TV_ASSIGN_OR_RETURN(const auto data, Data());
  v1::GetKeysResponse keys;
  DescribeRoot(*keyring_, *keys.mutable_root());
  keys.set_keyring_generation(keyring_->generation());
  keys.set_keyring_bytes(keyring_->file_bytes());
  keys.set_slot(keyring_->slot());
  keys.set_slot_kind(crypto::ToString(keyring_->slot_kind()));
  keys.set_slot_replicas(static_cast<uint32_t>(keyring_->replicas()));

  const std::vector<crypto::MetaKeyInfo> meta_keys = keyring_->MetaKeys();
  std::vector<uint64_t> records;  // of the newest first; nobody counts while there is one key only
  if (meta_keys.size() > 1) {
    TV_ASSIGN_OR_RETURN(const auto view, data->store.Pin());
    TV_ASSIGN_OR_RETURN(records, data->meta.CountByKey(*view));
  }
  for (size_t i = 0; i < meta_keys.size(); ++i) {
    v1::MetaKeyStatus& key = *keys.add_meta_keys();
    key.set_number(meta_keys[i].number);
    *key.mutable_created_at() = ToWireTime(meta_keys[i].created_at);
    key.set_current(i + 1 == meta_keys.size());
    // The keyring may have changed since it was asked.
    if (records.size() == meta_keys.size()) key.set_records(records[meta_keys.size() - 1 - i]);
  }
  const uint32_t current_epoch = keyring_->CurrentAuditEpoch().epoch;
  for (const crypto::AuditEpochInfo& info : keyring_->AuditEpochs()) {
    v1::AuditEpochStatus& epoch = *keys.add_audit_epochs();
    epoch.set_epoch(info.epoch);
    *epoch.mutable_created_at() = ToWireTime(info.created_at);
    epoch.set_current(info.epoch == current_epoch);
    epoch.set_destroyed(info.destroyed);
  }

  auto datasets = KeysByDataset(*keyring_, lockdown_->SteadyTime());
  for (const partition::PartitionInfo& info : data->partitions->All()) {
    if (info.state != partition::State::kLive) continue;
    v1::DatasetKeyStatus& status = datasets[info.id.dataset];
    status.set_events(status.events() + info.rows());
    status.set_bytes(status.bytes() + info.bytes());
  }
  for (const auto& dataset : data->catalog->All()) datasets.try_emplace(dataset->id);
  for (auto& [id, status] : datasets) {
    const auto dataset = data->catalog->Find(id);
    status.set_dataset(dataset.ok() ? (*dataset)->name : absl::StrCat(id.value()));
    status.set_salts(static_cast<uint32_t>(keyring_->LiveSaltPeriods(id).size()));
    *keys.add_datasets() = std::move(status);
  }
  *keys.mutable_root_change() = root_key_->Change();
  return keys;
}

absl::StatusOr<service::RootChangeStep> Vault::ChangeRoot(const v1::ChangeRootRequest& request,
                                                          std::string_view secret,
                                                          std::string_view new_passphrase,
                                                          const std::string& by) {
  TV_RETURN_IF_ERROR(Data().status());
  service::RootChangeStep step;
  RootKey::Step taken;
  switch (request.step()) {
    case v1::ROOT_CHANGE_STEP_START: {
      TV_ASSIGN_OR_RETURN(taken,
                          root_key_->Start(request, new_passphrase, by, lockdown_->SteadyTime()));
      break;
    }
    case v1::ROOT_CHANGE_STEP_GIVE: {
      TV_ASSIGN_OR_RETURN(taken, root_key_->Give(request, secret, by));
      break;
    }
    case v1::ROOT_CHANGE_STEP_CANCEL: {
      TV_RETURN_IF_ERROR(root_key_->Cancel());
      taken.change = root_key_->Change();
      break;
    }
    default:
      return absl::InvalidArgumentError("step: START, GIVE or CANCEL");
  }
  step.change = std::move(taken.change);
  step.shares = std::move(taken.shares);
  if (taken.complete) {
    step.carry_out = [this] { return root_key_->CarryOut(lockdown_->SteadyTime()); };
  }
  return step;
}

absl::Status Vault::MayRotate(v1::RotatedKey key) {
  TV_RETURN_IF_ERROR(Data().status());
  if (key == v1::ROTATED_KEY_UNSPECIFIED || !v1::RotatedKey_IsValid(key)) {
    return absl::InvalidArgumentError("key: META, AUDIT_EPOCH or SLOT");
  }
  if (key == v1::ROTATED_KEY_META && keyring_->MetaKeys().size() >= limits::kMaxMetaKeys) {
    return absl::ResourceExhaustedError(
        "too many old meta keys: what they seal is still being sealed again");
  }
  // One that is destroyed keeps its number, so that they only become more.
  const size_t epochs = key == v1::ROTATED_KEY_AUDIT_EPOCH ? keyring_->AuditEpochs().size() : 0;
  if (epochs >= limits::kMaxAskedAuditEpochs) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there have been ", epochs, " audit epochs, and further ones on request end at ",
        limits::kMaxAskedAuditEpochs, " of ", limits::kMaxAuditEpochs,
        ": the rest is for those that begin by themselves, one a month"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Vault::RotateKey(v1::RotatedKey key) {
  TV_RETURN_IF_ERROR(MayRotate(key));
  const WallTime now = lockdown_->SteadyTime();
  switch (key) {
    case v1::ROTATED_KEY_META: {
      TV_ASSIGN_OR_RETURN(const crypto::MetaKeyInfo info, keyring_->RotateMetaKey(now));
      return info.number;
    }
    case v1::ROTATED_KEY_AUDIT_EPOCH:
      return StartAuditEpoch(now);
    case v1::ROTATED_KEY_SLOT:
      TV_RETURN_IF_ERROR(keyring_->RotateSlot());
      return keyring_->slot();
    default:
      return absl::InternalError("a key that may be rotated and is not known");
  }
}

absl::StatusOr<uint64_t> Vault::StartAuditEpoch(WallTime now) {
  TV_ASSIGN_OR_RETURN(const crypto::AuditEpochInfo epoch, keyring_->RotateAuditEpoch(now));
  sealer_->UseEpoch(epoch.epoch, epoch.public_key);
  return epoch.epoch;
}

// One pass over all records; the old key goes after a pass that found none under it. Nothing that
// is on its way to the journal is sealed under an old key by then: whoever made it holds the key.
absl::Status Vault::ResealRecords(service::DataPlane& data, const std::stop_token& stop) {
  constexpr size_t kPerCommit = 20'000;
  std::vector<crypto::MetaKeyInfo> keys = keyring_->MetaKeys();
  keys.pop_back();
  if (keys.empty()) return absl::OkStatus();
  crypto::ShredRequest old;
  for (const crypto::MetaKeyInfo& key : keys) {
    if (keyring_->MetaKeyIsHeld(key.number)) return absl::OkStatus();  // next time
    old.meta_keys.push_back(key.number);
  }
  bool found = false;
  std::string cursor;
  do {
    if (stop.stop_requested() || lockdown_->sealed()) return absl::OkStatus();
    std::vector<store::Mutation> mutations;
    {
      TV_ASSIGN_OR_RETURN(const auto view, data.store.Pin());
      TV_ASSIGN_OR_RETURN(mutations,
                          data.meta.Reseal(*view, kPerCommit, limits::kMaxUnitBytes / 4, cursor));
    }
    if (mutations.empty()) continue;
    found = true;
    TV_RETURN_IF_ERROR(RecordForgetting(kResealed, std::move(mutations)));
    TV_CRASH_POINT("meta.resealed");
  } while (!cursor.empty());
  if (found) return absl::OkStatus();
  // A copy that is being looked at, and is given its name after that, has to open until then.
  const std::unique_lock no_backup(backup_mu_, std::try_to_lock);
  if (!no_backup.owns_lock()) return absl::OkStatus();
  TV_RETURN_IF_ERROR(keyring_->Shred(old).status());
  TV_CRASH_POINT("meta.key_destroyed");
  Log(LogLevel::kInfo, "old meta keys destroyed", {{"keys", keys.size()}});
  return RecordEvent(kMetaKeyDestroyed, absl::StrCat(old.meta_keys.back()));
}

}  // namespace televault::daemon
