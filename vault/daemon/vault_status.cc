// What `televault status` shows of a vault, and what it warns of.

#include <utility>

#include "vault/base/locked_memory.h"
#include "vault/daemon/vault.h"
#include "vault/daemon/version.h"
#include "vault/service/wire_time.h"

namespace televault::daemon {
namespace {

constexpr size_t kMaxWarningBytes = 512;

}  // namespace

void Vault::WarnOfReplicas(v1::GetStatusResponse& status) const {
  if (keyring_->replicas() > 1) return;
  if (identity_.slots == SlotBackend::kFile) {
    status.add_warnings("one slot replica only: losing " + layout_.slot_dir() +
                        " loses all data; keep a second replica on another device (keys.replicas)");
    return;
  }
  if (slots_->replicas() < 2) {
    status.add_warnings(
        "slot secrets on one token only: losing it loses all data; keep a second replica on "
        "another "
        "token (keys.pkcs11.tokens)");
  }
  if (replicas_->present().empty()) {
    status.add_warnings("one copy of the keyring only: losing " + layout_.keyring_dir() +
                        " loses all data; keep a second copy on another device (keys.replicas)");
  }
}

void Vault::WarnOfErasures(const service::DataPlane& data, v1::GetStatusResponse& status) const {
  const size_t late = data.erasures->Overdue(lockdown_->SteadyTime());
  if (late == 0) return;
  std::string why;
  for (const std::string& one : data.eraser->Pending()) why += "; " + one;
  status.add_warnings("erasures past their deadline: " + std::to_string(late) +
                      why.substr(0, kMaxWarningBytes));
}

v1::GetStatusResponse Vault::Status() {
  v1::GetStatusResponse status;
  status.set_version(kVersion);
  status.set_origin(identity_.origin);
  status.set_seal(lockdown_->sealed() ? v1::SEAL_STATE_SEALED : v1::SEAL_STATE_UNSEALED);
  status.set_control_mode(lockdown_->control_mode());
  *status.mutable_lockdown() = lockdown_->Status();
  const store::CommitReceipt head = engine_.journal->Head();
  status.set_audit_size(head.tree_size);
  status.set_checkpoint(head.checkpoint);
  status.set_vkey(signer_->vkey());
  {
    const std::lock_guard lock(mu_);
    if (data_ != nullptr) {
      status.set_datasets(static_cast<uint32_t>(data_->catalog->All().size()));
      status.set_live_partitions(static_cast<uint32_t>(data_->partitions->live_count()));
      WarnOfErasures(*data_, status);
    }
  }
  if (const auto bytes = engine_.store->DiskBytes(); bytes.ok()) status.set_disk_bytes(*bytes);
  status.set_keyring_generation(keyring_->generation());
  status.set_slot_kind(crypto::ToString(keyring_->slot_kind()));
  status.set_slot_replicas(static_cast<uint32_t>(keyring_->replicas()));
  status.set_root_source(ToWire(keyring_->root_description().source));
  const RootKey::Progress unseal = root_key_->UnsealProgress();
  status.set_shares_given(lockdown_->sealed() ? unseal.given : 0);
  status.set_shares_needed(unseal.needed);
  *status.mutable_started_at() = service::ToWireTime(started_at_);
  WarnOfReplicas(status);
  for (const std::string& problem : replicas_->problems()) {
    status.add_warnings("keys.replicas: " + problem);
  }
  for (const std::string& problem : slots_->problems()) {
    status.add_warnings("keys.pkcs11.tokens: " + problem);
  }
  if (const absl::Status there = replicas_->CheckAsLastSeen(keyring_->KnownReplicas(), *slots_);
      !there.ok()) {
    status.add_warnings(std::string(there.message()));
  }
  if (witnesses_ != nullptr) {
    *status.mutable_witnesses() = witnesses_->Status();
    if (!status.witnesses().quorum()) {
      status.add_warnings("too few witnesses have cosigned the audit log (witnesses.policy)");
    }
    for (const v1::Witness& witness : status.witnesses().witnesses()) {
      if (witness.refuses()) {
        status.add_warnings("witness " + witness.name() + " refuses the log: " + witness.problem());
      }
    }
  }
  if (SecretsMayBeSwapped()) {
    status.add_warnings(
        "keys in memory could not be locked there and may reach swap: raise the limit on locked "
        "memory (LimitMEMLOCK=, ulimit -l) and restart, or turn swap off");
  }
  if (std::string warning = lockdown_->ClockWarning(); !warning.empty()) {
    status.add_warnings(std::move(warning));
  }
  for (const auto& token : control_->Tokens()) {
    if (token.combined_duties() && !token.revoked() &&
        token.expires_at_us() > lockdown_->SteadyTime().micros) {
      status.add_warnings("token " + token.accessor() + " of " + token.person() +
                          " combines duties that are kept apart otherwise");
    }
  }
  return status;
}

}  // namespace televault::daemon
