#include "vault/daemon/vault.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/checkpoint.h"
#include "audit/note.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/unseal.h"
#include "vault/daemon/crash_recovery.h"
#include "vault/daemon/open_key_slots.h"
#include "vault/daemon/version.h"
#include "vault/incident/lock_file_store.h"
#include "vault/service/log.h"
#include "vault/store/rocks_store.h"

namespace televault::daemon {
namespace {

using service::Log;
using service::LogLevel;

constexpr char kUnsealEvent[] = "operator.unseal";

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

// Records what `read` says, again where that has changed meanwhile.
template <class Read, class Record>
absl::Status RecordLatest(const Read& read, const Record& record) {
  while (true) {
    const auto now = read();
    const absl::Status status = record(now);
    if (status.ok() || read() == now) return status;
  }
}

}  // namespace

// Signs notes as the vault: checkpoints for the journal, receipts for retention.
class Vault::NoteSigner final : public store::CheckpointSigner {
 public:
  explicit NoteSigner(const control::AuditSigner& signer) : signer_(signer) {}

  absl::StatusOr<std::string> SignCheckpoint(uint64_t tree_size,
                                             const audit::Hash& root) const override {
    return SignText(audit::CheckpointBody({signer_.name(), tree_size, root}));
  }
  absl::StatusOr<std::string> SignText(const std::string& text) const {
    const crypto::Signature signature = signer_.Sign(AsBytes(text));
    audit::NoteSignature line;
    line.name = signer_.name();
    for (const uint8_t byte : signer_.key_id()) line.key_id = (line.key_id << 8) | byte;
    line.signature = AsText(signature);
    return audit::Note{text, {line}}.Text();
  }

 private:
  const control::AuditSigner& signer_;
};

Vault::Vault(Config config, const Surroundings& surroundings)
    : config_(std::move(config)), around_(surroundings), layout_{config_.data_dir} {}

Vault::~Vault() {
  Stop();
  // Its threads use the anchor, which goes with the engine.
  if (lockdown_ != nullptr) lockdown_->StopWriting();
}

absl::StatusOr<std::unique_ptr<Vault>> Vault::Open(const Config& config,
                                                   const Surroundings& surroundings) {
  std::unique_ptr<Vault> vault(new Vault(config, surroundings));
  vault->started_at_ = surroundings.clock.Wall();
  TV_ASSIGN_OR_RETURN(vault->identity_, ReadIdentity(surroundings.fs, vault->layout_));
  TV_RETURN_IF_ERROR(vault->OpenControl());
  TV_RETURN_IF_ERROR(vault->OpenKeyring());
  vault->OpenLockdown();
  TV_RETURN_IF_ERROR(vault->OpenEngine());
  TV_RETURN_IF_ERROR(vault->OpenWitnesses());
  return vault;
}

absl::Status Vault::OpenControl() {
  TV_ASSIGN_OR_RETURN(keys_, control::ControlKeys::Load(around_.fs, layout_.control_key()));
  TV_ASSIGN_OR_RETURN(
      signer_, control::AuditSigner::Load(around_.fs, layout_.signer_key(), identity_.origin));
  note_signer_ = std::make_unique<NoteSigner>(*signer_);
  freshness_key_ =
      std::make_unique<SecretBytes>(crypto::DeriveKey(keys_->anchor(), "televault.fresh"));
  const std::string anchor =
      config_.anchor_file.empty() ? layout_.default_anchor() : config_.anchor_file;
  TV_ASSIGN_OR_RETURN(
      anchor_, store::Anchor::Open({.path = anchor,
                                    .fs = around_.fs,
                                    .key = keys_->anchor(),
                                    .sync = config_.anchor_strict ? store::AnchorSync::kCommit
                                                                  : store::AnchorSync::kLagging}));
  // Read-only until OpenEngine has held it against the anchor: an older one quarantines the vault,
  // so that it can say so and still be locked down.
  TV_ASSIGN_OR_RETURN(control_, control::ControlStore::Open({.fs = around_.fs,
                                                             .random = around_.random,
                                                             .key = keys_->control(),
                                                             .vault = identity_.vault,
                                                             .directory = layout_.control_dir()}));
  return ReadRestoreOrder();
}

absl::Status Vault::OpenKeyring() {
  std::vector<std::string> keyring_dirs{layout_.keyring_dir()};
  replicas_.emplace(around_.fs, identity_.vault, config_.key_replicas,
                    crypto::kMaxKeyReplicas - config_.pkcs11.tokens.size());
  TV_ASSIGN_OR_RETURN(slots_,
                      OpenKeySlots(around_.fs, around_.random, config_, identity_, *replicas_));
  std::vector<crypto::ReplicaId> ids = slots_->marked();
  for (const KeyReplica& replica : replicas_->present()) {
    keyring_dirs.push_back(replica.keyring_dir());
    ids.push_back(replica.id);
  }
  TV_ASSIGN_OR_RETURN(
      keyring_,
      crypto::Keyring::Load(
          {.fs = around_.fs,
           .slots = *slots_,
           .random = around_.random,
           .vault = identity_.vault,
           .directories = std::move(keyring_dirs),
           .on_new_generation = [this](uint64_t generation) { return RecordKeyring(generation); },
           .replicas = std::move(ids),
           .check_replicas =
               [this](std::span<const crypto::ReplicaId> known) {
                 return replicas_->Check(known, *slots_);
               }}));
  root_key_.emplace(RootKey::Parts{
      .fs = around_.fs,
      .clock = around_.clock,
      .random = around_.random,
      .keyring = *keyring_,
      .keyfile = config_.keyfile.empty() ? layout_.default_keyfile() : config_.keyfile,
      .is_credential = !config_.credential.empty(),
      .default_keyfile = layout_.default_keyfile()});
  return absl::OkStatus();
}

absl::Status Vault::RecordKeyring(uint64_t generation) {
  if (engine_.anchor == nullptr) return absl::OkStatus();
  const absl::Status status = engine_.anchor->RecordKeyring(generation);
  // An anchor that has failed once takes nothing until the restart, and keys must not outlive their
  // deadlines for it: a keyring that is newer than the anchor says contradicts nothing. One that
  // contradicts what it is told is another matter.
  if (status.ok() || absl::IsFailedPrecondition(status)) return status;
  Log(LogLevel::kError, "anchor not written", {{"why", MessageOf(status)}});
  return absl::OkStatus();
}

void Vault::OpenLockdown() {
  const store::AnchorState anchored = anchor_->recovered().value_or(store::AnchorState());
  std::unique_ptr<incident::LockStateStore> store;
  if (auto file = control::LockFile::Open(around_.fs, layout_.lock_file(), keys_->lock(),
                                          identity_.vault, around_.random);
      file.ok()) {
    store = std::make_unique<incident::LockFileStore>(std::move(*file));
  }
  lockdown_ = std::make_unique<incident::LockdownManager>(incident::LockdownManager::Options{
      .clock = around_.clock,
      .random = around_.random,
      .store = std::move(store),
      .min_lock_epoch = std::max({anchored.lock_epoch, keyring_->lock_epoch(),
                                  restored_ ? restored_->lock_epoch : LockEpoch(0)}),
      .high_water = control_->ClockHighWater(),
      .persist_high_water =
          [this](WallTime t) {
            // An old copy stays as it is; the start after an adoption goes on from its time.
            return control_->settled() ? control_->AdvanceClockHighWater(t) : absl::OkStatus();
          },
      .follow =
          [this] {
            if (const absl::Status status = RecordGenerations(); !status.ok()) {
              // The lockdown stands all the same; housekeeping tries again.
              Log(LogLevel::kError, "anchor not written", {{"why", MessageOf(status)}});
            }
          },
      .lock_because = LockBecause(),
      .sealed = true});
  lock_changes_ = lockdown_->Subscribe([this](LockEpoch) {
    const std::lock_guard lock(wake_mu_);
    woken_ = true;
    wake_.notify_all();
  });
}

absl::Status Vault::OpenEngine() {
  TV_ASSIGN_OR_RETURN(auto store,
                      store::OpenRocksStore({.directory = layout_.store_dir(), .fs = around_.fs}));
  const std::optional<store::RecoveredEnd> accepted = AcceptedEnd();
  const bool adopt = !config_.adopt_reason.empty() || accepted.has_value();
  store::EngineOptions options{
      .store = std::move(store),
      .anchor = std::move(anchor_),
      .freshness_key = *freshness_key_,
      .signer = *note_signer_,
      .lock_epoch = [this] { return LockEpoch(lockdown_->View()->epoch); },
      .now = [this] { return lockdown_->SteadyTime(); },
      .on_failure =
          [this](std::string_view why) {
            lockdown_->SetControlMode(std::string(why));
            Log(LogLevel::kError, "journal stopped", {{"why", why}});
          },
      .keyring_generation = keyring_->generation(),
      .control_generation = control_->generation(),
      .current_lock_epoch = LockEpoch(lockdown_->View()->epoch),
      .used_epoch = restored_ ? restored_->store_epoch : StoreEpoch(0),
      .adopt_recovered_state = adopt,
      .adopt_only = accepted,
      .before_adoption =
          [this](const store::Adoption& adoption) { return OrderAdoption(adoption); }};
  TV_ASSIGN_OR_RETURN(engine_, store::OpenEngine(std::move(options)));
  const std::vector<crypto::ReplicaId> replicas_before = keyring_->KnownReplicas();
  if (engine_.keyring_current) {
    keyring_->Settle();
    root_key_->DropLeftOver();
  }
  if (engine_.control_current) control_->Settle();
  if (!engine_.quarantine.empty()) {
    lockdown_->SetControlMode(engine_.quarantine);
    Log(LogLevel::kError, "vault is quarantined", {{"why", engine_.quarantine}});
  }
  const crypto::AuditEpochInfo epoch = keyring_->CurrentAuditEpoch();
  sealer_ = std::make_unique<crypto::AuditSealer>(identity_.vault, epoch.epoch, epoch.public_key,
                                                  around_.clock, around_.random);
  opener_ = std::make_unique<crypto::AuditOpener>(identity_.vault, *keyring_);
  meta_ = std::make_unique<store::MetaStore>(identity_.vault, *keyring_, around_.random);
  recorder_ = std::make_unique<service::Recorder>(
      *sealer_, *engine_.journal, [this] { return lockdown_->SteadyTime(); }, around_.random);
  literals_ = std::make_unique<service::LiteralHashes>(*keyring_);
  entries_ = std::make_unique<service::EntryReader>(*engine_.journal, *opener_);
  recovery_.emplace(
      CrashRecovery::Parts{*engine_.journal, *entries_, *recorder_, std::as_const(*lockdown_)});
  if (engine_.quarantine.empty()) {
    TV_RETURN_IF_ERROR(RecordGenerations());
    TV_RETURN_IF_ERROR(RecordEvent("daemon.start", "OK"));
    // Where nothing was contradicted, no order says it.
    if (!config_.adopt_reason.empty() &&
        !(restored_ && restored_->adopted && !restored_->started)) {
      TV_RETURN_IF_ERROR(RecordEvent("daemon.adopt", config_.adopt_reason));
    }
    TV_RETURN_IF_ERROR(RecordRestore());
  }
  RecordReplicas(replicas_before);
  // What is overdue goes before anybody can ask, sealed, quarantined or not. Readers refuse it, and
  // housekeeping tries again: lockdown must not wait for it.
  ShredWithoutData();
  return absl::OkStatus();
}

absl::Status Vault::OpenWitnesses() {
  if (config_.witness_policy.empty()) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(audit::VerifierKey log, audit::VerifierKey::Parse(signer_->vkey()));
  TV_ASSIGN_OR_RETURN(audit::Policy policy,
                      ReadWitnessPolicy(around_.fs, config_.witness_policy, log));
  witnesses_ = std::make_unique<Witnesses>(
      Witnesses::Parts{*engine_.journal, *recorder_, around_.fs, around_.clock, PlainHttpPost(),
                       std::move(policy), std::move(log), layout_.cosigned()});
  return absl::OkStatus();
}

void Vault::RecordReplicas(const std::vector<crypto::ReplicaId>& before) {
  const auto record = [this](const char* method, const std::string& id) {
    if (const absl::Status status = RecordEvent(method, id); !status.ok()) {
      Log(LogLevel::kError, "key replicas not recorded", {{"why", MessageOf(status)}});
    }
  };
  for (const crypto::ReplicaId& id : keyring_->KnownReplicas()) {
    if (std::find(before.begin(), before.end(), id) == before.end()) {
      record("keys.replica_add", ToHex(id));
    }
  }
  if (config_.drop_key_replica.empty()) return;
  crypto::ReplicaId lost{};
  const auto bytes = FromHex(config_.drop_key_replica);
  if (bytes.ok() && bytes->size() == lost.size()) {
    std::copy(bytes->begin(), bytes->end(), lost.begin());
  }
  if (const absl::Status status = keyring_->DropReplica(lost); !status.ok()) {
    Log(LogLevel::kError, "key replica not dropped", {{"why", MessageOf(status)}});
    return;
  }
  record("keys.replica_drop", ToHex(lost));
}

void Vault::ShredWithoutData() {
  // An old copy of the keyring is evidence, and destroys nothing that a newer one would not.
  if (!keyring_->settled()) return;
  if (const absl::Status status = ShredWhileSealed(*keyring_, *lockdown_); !status.ok()) {
    Log(LogLevel::kError, "shred failed", {{"why", MessageOf(status)}});
  }
}

absl::Status Vault::RecordGenerations() {
  // Several threads come here. Whoever read its numbers before another one wrote later ones would
  // seem to turn the clock back: it reads again. Numbers that stand still are the anchor's verdict.
  TV_RETURN_IF_ERROR(
      RecordLatest([this] { return keyring_->generation(); },
                   [this](uint64_t now) { return engine_.anchor->RecordKeyring(now); }));
  return RecordLatest(
      [this] { return std::pair(control_->generation(), lockdown_->View()->epoch); },
      [this](const auto& now) {
        return engine_.anchor->RecordControl(now.first, LockEpoch(now.second));
      });
}

absl::Status Vault::RecordEvent(const char* method, const std::string& reason) {
  record::v1::AuditEntry entry = service::EventEntry(method);
  entry.set_reason(reason);
  (*entry.mutable_details())["version"] = kVersion;
  const auto lockdown = lockdown_->View();
  entry.set_lock_epoch(lockdown->epoch);
  return recorder_->Record(std::move(entry), {.urgency = store::Urgency::kSecurity}).status();
}

std::shared_ptr<service::DataPlane> Vault::NewDataPlane() {
  {
    const std::lock_guard lock(planes_->mu);
    ++planes_->alive;
  }
  return {new service::DataPlane{.store = *engine_.store, .meta = *meta_, .literals = *literals_},
          [planes = planes_](service::DataPlane* last) {
            delete last;
            const std::lock_guard lock(planes->mu);
            --planes->alive;
            planes->gone.notify_all();
          }};
}

absl::StatusOr<std::string> Vault::SignText(const std::string& text) const {
  return note_signer_->SignText(text);
}

absl::StatusOr<std::shared_ptr<service::DataPlane>> Vault::BuildDataPlane() {
  TV_RETURN_IF_ERROR(FollowKeyring());
  std::shared_ptr<service::DataPlane> data = NewDataPlane();
  const VaultId vault = identity_.vault;
  data->catalog = std::make_unique<catalog::Catalog>(*meta_);
  data->access = std::make_unique<service::AccessDesk>(*meta_, around_.random,
                                                       service::VotesThatCount(*control_));
  {
    // Let go of before the purge below: what a view still sees stays on disk.
    TV_ASSIGN_OR_RETURN(const auto view, engine_.store->Pin());
    TV_RETURN_IF_ERROR(data->catalog->Load(*view));
    TV_RETURN_IF_ERROR(data->access->Load(*view));
  }
  // Where a restored store knows nothing of a dataset, its keys, salts and holds are still there:
  // its number is not given to another one.
  for (const DatasetId known : keyring_->KnownDatasets()) data->catalog->Reserve(known);
  TV_ASSIGN_OR_RETURN(data->partitions, partition::PartitionCatalog::Load(*engine_.store, *meta_,
                                                                          around_.clock.Wall()));
  // A rewrite that was interrupted has made a further key: what comes is sealed under the newest.
  for (const crypto::DataKeyInfo& key : keyring_->AllDataKeys()) {
    data->partitions->OnRekeyed(key.partition, key.id);
  }
  data->reader = std::make_unique<partition::PartitionReader>(*engine_.store, *meta_, *keyring_,
                                                              *data->partitions, *lockdown_, vault);
  data->reader->SetQuarantineListener(
      [this, &catalog = *data->partitions](PartitionId id, std::string_view why) {
        Quarantine(catalog, id, why);
      });
  data->writer = std::make_unique<partition::PartitionWriter>(
      *data->partitions, *keyring_, *meta_, *engine_.journal, *lockdown_, around_.random, vault);
  service::DataPlane* plane = data.get();
  const auto name_of = [plane](DatasetId id) {
    const auto dataset = plane->catalog->Find(id);
    return dataset.ok() ? (*dataset)->name : absl::StrCat("#", id.value());
  };
  data->merger = std::make_unique<partition::Merger>(
      partition::Merger::Parts{*engine_.store, *meta_, *engine_.journal, *keyring_,
                               *data->partitions, *data->reader, around_.clock, around_.random,
                               vault},
      [this, name_of](const partition::MergeEvent& event) {
        return SealMerge(*recorder_, event, name_of(event.partition.dataset));
      });
  data->sink = std::make_unique<ingest::WriterSink>(*data->writer);
  data->subject_keys = std::make_unique<ingest::KeyringSubjectKeys>(*keyring_);
  TV_RETURN_IF_ERROR(AddErasures(*plane));
  data->ledger = std::make_unique<ingest::MetaLedger>(*engine_.store, *meta_);
  data->ingestor = std::make_unique<ingest::Ingestor>(ingest::Ingestor::Parts{
      *data->sink, *data->subject_keys, *data->subject_blocks, *data->ledger, around_.random});
  AddDeletion(*plane, name_of);
  data->mask_key = crypto::NewKey(around_.random);
  TV_RETURN_IF_ERROR(MayUnseal());
  TV_RETURN_IF_ERROR(data->merger->SweepOrphans().status());
  // Overdue keys are gone before anybody can ask. Their entries and purges take as long as there
  // are many: retention's own thread does them.
  TV_RETURN_IF_ERROR(data->retention->ShredDue());
  return data;
}

// A partition of which something did not open stays closed over restarts, and the trail says why.
void Vault::Quarantine(partition::PartitionCatalog& catalog, PartitionId partition,
                       std::string_view why) {
  const auto write = [&]() -> absl::Status {
    const auto records = catalog.LockRecords();
    TV_ASSIGN_OR_RETURN(const auto view, engine_.store->Pin());
    TV_ASSIGN_OR_RETURN(
        auto record, meta_->Get<record::v1::PartitionRecord>(*view, store::RecordKind::kPartition,
                                                             store::RecordId(partition)));
    record.set_quarantined(true);
    TV_ASSIGN_OR_RETURN(store::Mutation mutation, meta_->Put(store::RecordKind::kPartition,
                                                             store::RecordId(partition), record));
    record::v1::AuditEntry entry;
    entry.set_kind(record::v1::ENTRY_KIND_EVENT);
    entry.set_method("partition.quarantine");
    entry.set_verdict(record::v1::VERDICT_DENY);
    entry.set_reason("QUARANTINED");
    auto& details = *entry.mutable_details();
    details["dataset_id"] = absl::StrCat(partition.dataset.value());
    details["day"] = FormatDay(partition.day);
    details["why"] = std::string(why);
    service::Recording recording;
    recording.mutations.push_back(std::move(mutation));
    recording.urgency = store::Urgency::kSecurity;
    return recorder_->Record(std::move(entry), std::move(recording)).status();
  };
  const absl::Status written = write();
  Log(LogLevel::kError, "partition quarantined",
      {{"dataset", partition.dataset.value()},
       {"day", FormatDay(partition.day)},
       {"why", why},
       {"durable", written.ok() ? "yes" : "no"}});
}

absl::StatusOr<std::shared_ptr<service::DataPlane>> Vault::Data() {
  if (const std::string why = lockdown_->control_mode(); !why.empty()) {
    return WithReason(absl::UnavailableError("the vault is in control mode: " + why),
                      reason::kControlMode);
  }
  const std::lock_guard lock(mu_);
  if (data_ != nullptr) return data_;
  return WithReason(
      absl::UnavailableError("the vault is sealed: an operator runs `televault operator unseal`"),
      reason::kSealed);
}

// What still runs on the last data plane may commit: blocks that a new one would sweep as orphans,
// batches that it would not know of.
absl::Status Vault::AwaitLastDataPlane() {
  std::unique_lock lock(planes_->mu);
  if (planes_->gone.wait_for(lock, around_.ending, [this] { return planes_->alive == 0; })) {
    return absl::OkStatus();
  }
  return WithReason(
      absl::UnavailableError("work of before the seal is still ending; try again in a moment"),
      reason::kSealed);
}

absl::Status Vault::UnsealWithKeyfile() {
  if (keyring_->root_description().source != crypto::RootSource::kKeyFile) {
    return absl::FailedPreconditionError(
        "this vault is unsealed by an operator: `televault operator unseal`");
  }
  const absl::StatusOr<service::UnsealAttempt> attempt = CheckUnseal("");
  absl::Status unsealed = attempt.status();
  if (unsealed.ok()) {
    TV_RETURN_IF_ERROR(RecordEvent(kUnsealEvent, "KEYFILE"));
    unsealed = Unseal(attempt->root);
  }
  // An operator may have been faster, or the daemon told to stop.
  if (!unsealed.ok() && lockdown_->sealed() && !giving_up_) {
    record::v1::AuditEntry entry = service::EventEntry(kUnsealEvent);
    entry.set_status(static_cast<int>(unsealed.code()));
    const std::string why = ReasonOf(unsealed);
    entry.set_reason(why.empty() ? absl::StatusCodeToString(unsealed.code()) : why);
    // The vault stays sealed whether or not the trail can be written.
    (void)recorder_->Record(std::move(entry), {.urgency = store::Urgency::kSecurity}).status();
  }
  return unsealed;
}

absl::StatusOr<service::UnsealAttempt> Vault::CheckUnseal(std::string_view secret) {
  // Before the mutex: sealing must not wait for it.
  if (lockdown_->sealed()) TV_RETURN_IF_ERROR(AwaitLastDataPlane());
  // Nor are others to wait, which the calling call may hold up.
  const std::unique_lock unseal_lock(unseal_mu_, std::try_to_lock);
  if (!unseal_lock.owns_lock()) {
    return WithReason(
        absl::UnavailableError("an unseal or a seal is under way; try again in a moment"),
        reason::kSealed);
  }
  TV_RETURN_IF_ERROR(MayUnseal());
  if (!lockdown_->sealed()) return absl::FailedPreconditionError("the vault is not sealed");
  TV_ASSIGN_OR_RETURN(RootKey::Found found, root_key_->GiveForUnseal(secret));
  return service::UnsealAttempt{std::move(found.root), found.progress.given, found.progress.needed};
}

absl::Status Vault::MayUnseal() const {
  if (giving_up_) return absl::UnavailableError("the daemon is stopping");
  if (const std::string why = lockdown_->control_mode(); !why.empty()) {
    return WithReason(absl::UnavailableError("the vault is in control mode: " + why),
                      reason::kControlMode);
  }
  if (lockdown_->Status().level() == v1::LOCKDOWN_LEVEL_SEAL) {
    return WithReason(absl::FailedPreconditionError(
                          "a lockdown at level seal is in force: lift it first, with two persons"),
                      reason::kLockedDown);
  }
  return absl::OkStatus();
}

absl::Status Vault::Unseal(const SecretBytes& root) {
  const std::lock_guard unseal_lock(unseal_mu_);
  // Another one may have come first.
  if (!lockdown_->sealed()) return absl::FailedPreconditionError("the vault is not sealed");
  if (const absl::Status status = OpenData(root); !status.ok()) {
    keyring_->Seal();
    opener_->Forget();
    Log(LogLevel::kError, "unseal failed", {{"why", MessageOf(status)}});
    return status;
  }
  lockdown_->SetSealed(false);
  Log(LogLevel::kInfo, "unsealed");
  return absl::OkStatus();
}

// What may take long in here asks whether it may go on: a seal waits for the end of it.
absl::Status Vault::OpenData(const SecretBytes& root) {
  TV_RETURN_IF_ERROR(MayUnseal());
  TV_RETURN_IF_ERROR(keyring_->Unseal(root));
  TV_ASSIGN_OR_RETURN(auto data, BuildDataPlane());
  TV_RETURN_IF_ERROR(recovery_->CloseOpenIntents([this] { return MayUnseal(); }));
  TV_RETURN_IF_ERROR(MayUnseal());
  const std::lock_guard lock(mu_);
  data_ = std::move(data);
  return absl::OkStatus();
}

absl::Status Vault::Seal() {
  const std::lock_guard unseal_lock(unseal_mu_);
  lockdown_->SetSealed(true);
  streams_.CutRefused();
  std::shared_ptr<service::DataPlane> last;
  {
    const std::lock_guard lock(mu_);
    last = std::exchange(data_, nullptr);
  }
  keyring_->Seal();
  root_key_->Forget();
  opener_->Forget();
  Log(LogLevel::kInfo, "sealed");
  return absl::OkStatus();
}

}  // namespace televault::daemon
