#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "vault/backup/backup.h"
#include "vault/backup/restore_order.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/control/audit_signer.h"
#include "vault/control/control_keys.h"
#include "vault/control/control_store.h"
#include "vault/crypto/audit_sealer.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/daemon/config.h"
#include "vault/daemon/crash_recovery.h"
#include "vault/daemon/key_replicas.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/root_key.h"
#include "vault/daemon/witnesses.h"
#include "vault/incident/lockdown_manager.h"
#include "vault/service/backup_call.h"
#include "vault/service/data_plane.h"
#include "vault/service/entry_reader.h"
#include "vault/service/operator_service.h"
#include "vault/service/recorder.h"
#include "vault/service/stream_registry.h"
#include "vault/store/engine.h"

namespace televault::daemon {

// One opened vault: owns every part and ties them together.
// Refuses to serve: listeners and calls are the server's.
// Threads: any; some of its own, so that none waits for the work of another: housekeeping (lock
// state, clock, anchor), shredding, purging, erasing, merging, marking, asking witnesses; one more
// seals when a lockdown says so. Invariants: (1) lock state is read before any key. (2) The gate
// reports SEALED until the data plane is complete, overdue shreds included. (3) No thread of its
// own holds the state mutex over I/O of the data plane. (4) A data plane is built only after nobody
// holds an earlier one.
class Vault final : public service::DataPlaneSource,
                    public service::VaultControl,
                    public service::BackupControl {
 public:
  struct Surroundings {
    FileSystem& fs;
    const Clock& clock;
    Random& random;
    // How long an unseal waits for the work of before the seal to end.
    microseconds ending{5'000'000};
  };
  // Opens the vault sealed. Errors only where not even control mode is possible: no vault, another
  // process holds it, control keys or control file unreadable; and for a setting that cannot be
  // followed (witnesses.policy).
  static absl::StatusOr<std::unique_ptr<Vault>> Open(const Config& config,
                                                     const Surroundings& surroundings);
  ~Vault() override;

  // Unattended start: reads the keyfile and unseals, unless the vault is sealed by a lockdown or is
  // in control mode. FAILED_PRECONDITION: the vault wants a passphrase. Takes its time where there
  // is much to look back on: the server listens by then.
  absl::Status UnsealWithKeyfile();
  // An unseal that is under way is given up, and none begins any more. For a stop.
  void GiveUpUnseal() { giving_up_ = true; }
  // Starts merges, retention and the clock.
  void StartHousekeeping();
  // Ends the vault's threads, each after the partition it is at, and records the stop.
  void Stop();

  // --- DataPlaneSource, VaultControl ------------------------------------------------------------
  absl::StatusOr<std::shared_ptr<service::DataPlane>> Data() override;
  v1::GetStatusResponse Status() override;
  absl::StatusOr<service::UnsealAttempt> CheckUnseal(std::string_view secret) override;
  void ForgetShares() override { root_key_->ForgetShares(); }
  void AbandonRootChange() override { root_key_->Abandon(); }
  absl::Status Unseal(const SecretBytes& root) override;
  absl::Status Seal() override;
  absl::StatusOr<v1::GetKeysResponse> Keys() override;
  absl::StatusOr<service::RootChangeStep> ChangeRoot(const v1::ChangeRootRequest& request,
                                                     std::string_view secret,
                                                     std::string_view new_passphrase,
                                                     const std::string& by) override;
  absl::Status MayRotate(v1::RotatedKey key) override;
  absl::StatusOr<uint64_t> RotateKey(v1::RotatedKey key) override;

  // --- BackupControl ----------------------------------------------------------------------------
  absl::StatusOr<std::unique_ptr<backup::Unpublished>> MakeBackup(
      const std::string& directory, const backup::GoOn& go_on) override;
  absl::StatusOr<backup::Summary> VerifyBackup(const std::string& directory,
                                               const backup::GoOn& go_on) override;

  // What services are built from.
  const Clock& clock() const { return around_.clock; }
  Random& random() { return around_.random; }
  control::ControlStore& control() { return *control_; }
  incident::LockdownManager& lockdown() { return *lockdown_; }
  service::Recorder& recorder() { return *recorder_; }
  store::Journal& journal() { return *engine_.journal; }
  service::EntryReader& entries() { return *entries_; }
  const service::LiteralHashes& literals() const { return *literals_; }
  service::StreamRegistry& streams() { return streams_; }
  const crypto::AuditEpochKeys& audit_keys() const { return *keyring_; }
  const std::string& vkey() const { return signer_->vkey(); }
  // The newest checkpoint with a quorum of cosignatures; "" = none, or no witnesses.
  std::string Cosigned() const { return witnesses_ == nullptr ? "" : witnesses_->Cosigned(); }
  const Identity& identity() const { return identity_; }
  // Writes keyring and control generation and the lock epoch to the anchor; durable when OK.
  absl::Status RecordGenerations();
  // What the keyring asks before it destroys older generations of itself.
  absl::Status RecordKeyring(uint64_t generation);

 private:
  class NoteSigner;

  Vault(Config config, const Surroundings& surroundings);
  absl::Status OpenControl();
  absl::Status OpenKeyring();
  void OpenLockdown();
  absl::Status OpenEngine();
  absl::Status OpenWitnesses();
  // Backups, and what follows a restore: vault_backup.cc.
  absl::StatusOr<backup::BackupMaker> NewBackupMaker();
  backup::ContentCheck::Keys KeysFor(const service::DataPlane& data, bool fresh);
  // Ends with a seal, control mode and a stop, beside what `go_on` says.
  backup::GoOn WhileOpen(const backup::GoOn& go_on);
  absl::StatusOr<std::string> SignText(const std::string& text) const;
  // Of a dataset, in receipts.
  std::string PseudonymOf(const std::string& dataset) const;
  absl::Status ReadRestoreOrder();
  std::string LockBecause() const;
  std::optional<store::RecoveredEnd> AcceptedEnd() const;
  // Leaves an order as a restore does, so that the store follows the keyring also after a crash.
  absl::Status OrderAdoption(const store::Adoption& adoption);
  absl::Status RecordRestore();
  absl::Status FollowKeyring();
  std::shared_ptr<service::DataPlane> NewDataPlane();
  absl::StatusOr<std::shared_ptr<service::DataPlane>> BuildDataPlane();
  absl::Status AddErasures(service::DataPlane& data);
  void AddDeletion(service::DataPlane& data, const std::function<std::string(DatasetId)>& name_of);
  // An error once no unseal is to begin or go on: a stop, control mode, a lockdown at level seal.
  absl::Status MayUnseal() const;
  absl::Status OpenData(const SecretBytes& root);
  absl::Status RecordEvent(const char* method, const std::string& reason);
  void Quarantine(partition::PartitionCatalog& catalog, PartitionId partition,
                  std::string_view why);
  absl::Status AwaitLastDataPlane();
  void Housekeep(const std::stop_token& stop);
  // Runs `work` now and then every `period`; every second as long as it answers that it cannot run
  // yet.
  std::jthread Repeat(microseconds period, std::function<bool(const std::stop_token&)> work);
  void SealOnLockdown(const std::stop_token& stop);
  absl::Status ForgetOldBatches(service::DataPlane& data);
  absl::Status ForgetOldQueries(service::DataPlane& data);
  absl::Status StartEpochOfMonth();
  absl::StatusOr<uint64_t> StartAuditEpoch(WallTime now);
  // Seals records under the current meta key that an older one seals, and destroys that one.
  absl::Status ResealRecords(service::DataPlane& data, const std::stop_token& stop);
  absl::Status RecordForgetting(const char* method, std::vector<store::Mutation> mutations);
  // False while there are no datasets to work on.
  bool RunMerges(const std::stop_token& stop);
  void RunShredding();
  bool RunRetention(const std::stop_token& stop);
  bool RunErasures(const std::stop_token& stop);
  // Says in the trail which key replicas came since `before`, and drops the one that is lost.
  void RecordReplicas(const std::vector<crypto::ReplicaId>& before);
  void ShredWithoutData();
  void WarnOfReplicas(v1::GetStatusResponse& status) const;
  void WarnOfErasures(const service::DataPlane& data, v1::GetStatusResponse& status) const;
  // Whether the tokens among the key replicas are in their places, for `televault status`.
  void AskReplicas();
  void MarkRecovery();

  const Config config_;
  const Surroundings around_;
  const Layout layout_;
  Identity identity_;
  std::unique_ptr<store::Anchor> anchor_;  // until the engine takes it
  std::unique_ptr<control::ControlKeys> keys_;
  std::unique_ptr<control::AuditSigner> signer_;
  std::unique_ptr<NoteSigner> note_signer_;
  std::unique_ptr<control::ControlStore> control_;
  std::optional<KeyReplicas> replicas_;
  std::unique_ptr<crypto::KeySlots> slots_;
  std::unique_ptr<crypto::Keyring> keyring_;
  std::optional<RootKey> root_key_;
  std::unique_ptr<incident::LockdownManager> lockdown_;
  std::unique_ptr<SecretBytes> freshness_key_;
  std::unique_ptr<crypto::AuditSealer> sealer_;
  std::unique_ptr<crypto::AuditOpener> opener_;
  std::unique_ptr<SecretBytes> order_key_;
  // The store was restored, and has not followed the keyring yet; guarded by unseal_mu_ once open.
  std::optional<backup::RestoreOrder> restored_;
  store::Engine engine_;
  std::unique_ptr<store::MetaStore> meta_;
  std::unique_ptr<service::Recorder> recorder_;
  std::unique_ptr<service::LiteralHashes> literals_;
  std::unique_ptr<service::EntryReader> entries_;
  std::optional<CrashRecovery> recovery_;
  std::unique_ptr<Witnesses> witnesses_;  // none: null
  service::StreamRegistry streams_;
  WallTime started_at_;

  std::atomic<bool> giving_up_{false};
  std::mutex backup_mu_;   // one backup at a time is made or looked at
  std::mutex unseal_mu_;   // one change of the seal state at a time; taken before mu_
  mutable std::mutex mu_;  // guards data_
  std::shared_ptr<service::DataPlane> data_;

  // Shared with the data planes themselves, which tell when they go.
  struct Planes {
    std::mutex mu;  // guards alive
    std::condition_variable gone;
    int alive = 0;
  };
  const std::shared_ptr<Planes> planes_ = std::make_shared<Planes>();

  std::mutex wake_mu_;  // guards woken_
  std::condition_variable_any wake_;
  bool woken_ = false;
  incident::LockdownManager::Subscription lock_changes_;
  std::string forgotten_up_to_;  // of the batch ids, this round; the merging thread's
  std::vector<std::jthread> threads_;
};

}  // namespace televault::daemon
