#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/audit_epoch.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/unseal.h"

namespace televault::crypto {

// A partition's data key, opened. Hold it no longer than the work that needs it: memory is wiped
// when the last holder lets go.
struct DataKey {
  KeyId id;
  SecretBytes key;
};
using DataKeyRef = std::shared_ptr<const DataKey>;

// What is known about a data key without opening it.
struct DataKeyInfo {
  PartitionId partition;
  KeyId id;
  WallTime deadline;
};

// Keeps days of a dataset from being destroyed; here, because shredding works while sealed. What it
// says can be read with the slot secret alone.
struct LegalHold {
  // As bounds: every day before, or after.
  static constexpr Day kFirst{std::numeric_limits<int32_t>::min()};
  static constexpr Day kLast{std::numeric_limits<int32_t>::max()};

  std::array<uint8_t, 16> id{};
  DatasetId dataset;
  Day first_day;  // both included
  Day last_day;
  WallTime placed_at;
  WallTime until;
  WallTime ended_at;  // 0: not ended before `until`
  std::string placed_by;
  std::string reason;

  bool Covers(PartitionId partition) const {
    return partition.dataset == dataset && first_day <= partition.day && partition.day <= last_day;
  }
  // "" where there is no bound.
  std::string FirstDayText() const { return first_day == kFirst ? "" : FormatDay(first_day); }
  std::string LastDayText() const { return last_day == kLast ? "" : FormatDay(last_day); }
  WallTime End() const { return ended_at.micros != 0 ? ended_at : until; }
  bool InForce(WallTime now) const { return ended_at.micros == 0 && now < until; }
};

struct MetaKeyInfo {
  uint32_t number = 0;
  WallTime created_at;
};

struct KeyringContent;

// What one Shred destroys; everything in it shares one new generation.
struct ShredRequest {
  std::vector<PartitionId> partitions;               // every key of these
  std::vector<std::pair<PartitionId, KeyId>> keys;   // single keys, e.g. after a rewrite
  std::vector<std::pair<DatasetId, int64_t>> salts;  // subject salts: (dataset, period)
  std::vector<DatasetId> datasets;                   // erasure hash key and all salts
  std::vector<uint32_t> audit_epochs;                // private halves, never the current one
  std::vector<uint32_t> meta_keys;                   // never the current one
  // Set: data keys of days under a legal hold then are passed over.
  std::optional<WallTime> unless_held_at;
};

struct ShredReport {
  uint64_t generation = 0;        // in force now
  std::vector<DataKeyInfo> keys;  // destroyed
  SlotKind slot_kind = SlotKind::kBestEffort;
};

struct KeyringOptions {
  FileSystem& fs;
  KeySlots& slots;
  Random& random;
  VaultId vault;
  std::vector<std::string> directories;  // ≥ 1, existing; every write reaches all of them
  // Called with every new generation once it is durable, and before an old slot is destroyed. Runs
  // under the writer's lock: it must not write to the keyring.
  std::function<absl::Status(uint64_t generation)> on_new_generation;
  // The marked replicas among `directories` and the slots'; Create takes them in, too.
  std::vector<ReplicaId> replicas;
  // Asked before each write and each destruction for all replicas the keyring knows: OK only if
  // every one of them is in its place. May be empty.
  std::function<absl::Status(std::span<const ReplicaId> known)> check_replicas;
};

// All keys of a vault (docs/formats/keyring-v1.md). One file, sealed as a whole under the live slot
// secret; inside it each key is wrapped under the KEK, which exists only while unsealed. Deadlines
// and numbers are outside the KEK's part: expiry and shredding work while sealed.
// Refuses to hand out a key that is not durable, to extend a deadline, to derive a data key from
// anything, to write or destroy before the caller found the generation to be in force.
// Threads: any; writes serialise on write_mu_, reads on mu_.
// Borrows: file system, slots, random.
// Invariants: (1) a data key is durable on every replica before it is handed out. (2) After Shred
// returned OK no combination of root key and surviving files opens a shredded key. (3) After a
// crash at any step the old or the new generation opens. (4) generation() grows with every write.
// (5) A deadline only moves earlier. (6) What was loaded touches nothing on disk until Settle(): a
// slot that did not open may hold a newer generation than the one that did.
// Failure: a failed write is UNAVAILABLE and changes nothing in memory; the next write goes to a
// new slot, so that whatever reached the disk is superseded. So does the first write after a
// Settle() that missed a replica.
class Keyring : public AuditEpochKeys {
 public:
  // Creates the first generation under `root`; the keyring is unsealed. ALREADY_EXISTS if a
  // directory already holds a keyring.
  static absl::StatusOr<std::unique_ptr<Keyring>> Create(KeyringOptions options,
                                                         const RootDescription& description,
                                                         const SecretBytes& root, WallTime now);
  // Opens the newest generation that opens, sealed and read-only: until Settle() every write and
  // every shred is FAILED_PRECONDITION. NOT_FOUND: no keyring. DATA_LOSS: none opens.
  static absl::StatusOr<std::unique_ptr<Keyring>> Load(KeyringOptions options);
  // The caller has held generation() against everything that is known of it (store::OpenEngine), or
  // an operator adopted what is there: takes in options.replicas, brings lagging replicas up to it
  // and completes an interrupted shred. What fails of that is tried again by the next write and by
  // Shred.
  void Settle();
  // Every replica that was ever taken in and not dropped. No write and no shred is done without it.
  std::vector<ReplicaId> KnownReplicas() const;
  // Goes on without a replica that is lost, under a new slot secret. What lies on it still opens
  // the keys of its time, for whoever has the root key, too. NOT_FOUND; INVALID_ARGUMENT: it is in
  // use.
  absl::Status DropReplica(const ReplicaId& id);
  bool settled() const;
  ~Keyring() override;
  Keyring(const Keyring&) = delete;
  Keyring& operator=(const Keyring&) = delete;

  // --- root ---
  RootDescription root_description() const;
  // PERMISSION_DENIED: another root key.
  absl::Status CheckRoot(const SecretBytes& root) const;
  // The same; OK if already unsealed with this one.
  absl::Status Unseal(const SecretBytes& root);
  // Wipes KEK, meta key and every cached key. Holders of a DataKeyRef keep theirs until they let
  // go.
  void Seal();
  bool sealed() const;
  WallTime root_created_at() const;
  // Puts a new root key in place of the old: every key is wrapped anew and the slot changes. OK
  // once the new one is durable: what cannot be destroyed of before is tried again by Shred. After
  // an error either may be in force at the next start.
  absl::Status ChangeRoot(const RootDescription& description, const SecretBytes& new_root,
                          WallTime now);

  // --- data keys ---
  // UNAVAILABLE/SEALED while sealed, from here to the next heading.
  // The current key of the partition, made if there is none, durable when returned. An earlier
  // `deadline` than the recorded one moves it; a later one is ignored.
  absl::StatusOr<DataKeyRef> EnsureDataKey(PartitionId partition, WallTime deadline);
  // The same for many in one write: a backfill, or the days ahead.
  absl::Status EnsureDataKeys(std::span<const std::pair<PartitionId, WallTime>> partitions);
  // A further key for a partition that is rewritten; the current one from now on.
  absl::StatusOr<DataKeyRef> RotateDataKey(PartitionId partition);
  // Data keys with a smaller id may open events that the store does not know: their history was
  // lost by a restore, and other copies have them. 0 where that never was.
  KeyId first_key_since_restore() const;
  // From now on that is every key that there is.
  absl::Status NoteLostHistory();
  // NOT_FOUND with reason EXPIRED where the key does not exist (any more).
  absl::StatusOr<DataKeyRef> DataKeyFor(PartitionId partition, KeyId id);

  // --- expiry and shredding; all of it works while sealed
  // ------------------------------------------ Keys whose deadline is at or before `now`, oldest
  // deadline first; without those that a legal hold keeps, and those that are out of the keyring
  // while an old slot may still open them: every shred goes on with these.
  std::vector<DataKeyInfo> Due(WallTime now) const;
  std::vector<DataKeyInfo> DataKeys(PartitionId partition) const;
  std::vector<DataKeyInfo> DataKeys(DatasetId dataset) const;
  std::vector<DataKeyInfo> AllDataKeys() const;
  // Those that anything here is of: data keys, salts, erasure keys, holds, ended ones included.
  // Such an id is never given to another dataset.
  std::set<DatasetId> KnownDatasets() const;
  // Moves the deadline of every key of these partitions earlier, in one write; later ones are
  // ignored, and so are partitions that have no key.
  absl::Status SetDeadlines(const std::vector<std::pair<PartitionId, WallTime>>& deadlines);
  // New generation without the named keys under a new slot secret, durable everywhere → hook →
  // old slot destroyed everywhere. Unknown names are passed over. UNAVAILABLE: not complete, call
  // again; nothing may be recorded as shredded. Without names it finishes what an earlier call, or
  // an earlier process, left: a key that is in no keyring any more is not destroyed before that.
  absl::StatusOr<ShredReport> Shred(const ShredRequest& request);
  absl::StatusOr<ShredReport> Shred(std::span<const PartitionId> partitions);
  // The same for what is Due(now), looked up when nobody else writes: no other key of its
  // partitions, and none that a hold keeps which was placed meanwhile.
  absl::StatusOr<ShredReport> ShredDue(WallTime now);

  // --- legal holds; they work while sealed, too ---
  // By id. Ended ones stay until they are forgotten.
  std::vector<LegalHold> Holds() const;
  // Those in force at `now` over the partition.
  std::vector<LegalHold> HoldsOn(PartitionId partition, WallTime now) const;
  // RESOURCE_EXHAUSTED at limits::kMaxLegalHolds; ALREADY_EXISTS: the id.
  absl::Status PlaceHold(const LegalHold& hold);
  // NOT_FOUND; FAILED_PRECONDITION: it has ended.
  absl::Status EndHold(const std::array<uint8_t, 16>& id, WallTime at);
  // Takes out those that `done` says nothing needs any more.
  absl::Status ForgetHolds(const std::function<bool(const LegalHold&)>& done);

  // --- other keys ---
  // Seals what is written to the meta family now. UNAVAILABLE/SEALED, as the others here.
  absl::StatusOr<SecretRef> MetaKey() const;
  // Every key that records of it may be sealed under, the current one first.
  absl::StatusOr<std::vector<SecretRef>> MetaKeyRing() const;
  std::vector<MetaKeyInfo> MetaKeys() const;  // the current one last
  // A further meta key, current from now on. RESOURCE_EXHAUSTED: too many are not destroyed yet.
  absl::StatusOr<MetaKeyInfo> RotateMetaKey(WallTime now);
  // Whether somebody may still bring a record that is sealed under the meta key of that number:
  // holds it, or a mutation made with it.
  bool MetaKeyIsHeld(uint32_t number) const;
  // Hashes names into keys of the meta family. Does not rotate: they would all move.
  absl::StatusOr<SecretRef> NameKey() const;
  // Hashes subjects of `dataset` in `period` (a number the caller defines; made at first use,
  // durable when returned). UNAVAILABLE/SEALED.
  absl::StatusOr<SecretRef> SubjectSalt(DatasetId dataset, int64_t period);
  std::vector<int64_t> LiveSaltPeriods(DatasetId dataset) const;
  // Hashes erased subjects of `dataset`; does not rotate. UNAVAILABLE/SEALED.
  absl::StatusOr<SecretRef> BlockedSubjectKey(DatasetId dataset);

  // --- audit epochs ---
  AuditEpochInfo CurrentAuditEpoch() const;  // works while sealed
  bool Complete() const override { return true; }
  absl::Status CheckUnsealed() const override { return Kek().status(); }
  std::vector<AuditEpochInfo> AuditEpochs() const override;
  absl::StatusOr<AuditEpochInfo> RotateAuditEpoch(WallTime now);
  absl::StatusOr<SecretRef> AuditEpochPrivateKey(uint32_t epoch) const override;

  // --- state ---
  uint64_t generation() const;  // grows with every write; for the anchor
  uint64_t slot() const;        // number of the live slot secret
  SlotKind slot_kind() const;
  size_t replicas() const;  // the smaller number of keyring and slot replicas
  // What is in force here may not be on every known replica: a write failed, and what it left on
  // disk is not superseded yet, or a replica was not in its place at Settle() and nothing was
  // written since. A start may find something else in force.
  bool write_is_open() const;
  size_t file_bytes() const;  // of the keyring's file as it is now, or a little more
  // A new slot secret in place of the live one, which is destroyed. UNAVAILABLE: not complete, call
  // again, or Shred.
  absl::Status RotateSlot();
  // The lock epoch last recorded here; a start compares it with the lock file.
  LockEpoch lock_epoch() const;
  absl::Status RecordLockEpoch(LockEpoch epoch);  // works while sealed

 private:
  struct State;
  explicit Keyring(KeyringOptions options);

  // With write_mu_ held:
  // `new_kek`: what the content is wrapped under from now on, null where that does not change.
  absl::Status Commit(KeyringContent content, bool new_slot, const SecretRef& new_kek = nullptr);
  absl::Status FinishDestruction();
  absl::StatusOr<ShredReport> ShredNamed(const ShredRequest& request);
  absl::Status CheckReplicas(std::span<const ReplicaId> known) const;
  KeyringContent Copy() const;
  // Opens or returns a cached key; UNAVAILABLE/SEALED. mu_ is held since `wrapped` was found, so
  // that it is neither put back after a shred nor opened with another KEK.
  absl::StatusOr<SecretRef> OpenKeyLocked(const std::string& identity, Bytes wrapped) const;
  // The key of that id in one of the content's maps, made and stored durably when it is new;
  // RESOURCE_EXHAUSTED with the text `full` at the limit.
  template <class Keys>
  absl::StatusOr<SecretRef> FindOrMake(Keys KeyringContent::*keys,
                                       const typename Keys::key_type& id,
                                       const std::string& identity, size_t limit, const char* full);
  void Wrap(const SecretBytes& kek, const std::string& identity, const SecretBytes& key,
            std::span<uint8_t> out);
  // A fresh key wrapped under `kek`.
  void WrapNew(const SecretBytes& kek, const std::string& identity, std::span<uint8_t> out);
  // PERMISSION_DENIED: not this keyring's.
  absl::StatusOr<SecretRef> KekFrom(const SecretBytes& root) const;
  // The KEK, or UNAVAILABLE/SEALED.
  absl::StatusOr<SecretRef> Kek() const;

  const KeyringOptions options_;
  mutable std::mutex write_mu_;  // one writer at a time; taken before mu_
  mutable std::mutex mu_;        // guards *state_
  std::unique_ptr<State> state_;
};

}  // namespace televault::crypto
