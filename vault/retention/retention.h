#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/clock.h"
#include "vault/base/gate.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/catalog/salt_rules.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/partition_catalog.h"
#include "vault/store/journal.h"
#include "vault/store/store.h"

namespace televault::partition {
class PartitionReader;
}
namespace televault::store {
class MetaStore;
}

namespace televault::retention {

// What one run did.
struct RunReport {
  uint32_t expired = 0;  // partitions past their deadline that still had a key when it started
  uint32_t shredded = 0;
  uint32_t purged = 0;
  std::vector<std::string> pending;  // partitions that still have bytes, and why
  std::vector<std::string> held;     // the same, because of a legal hold
};

// Expiry of partitions: LIVE → EXPIRED (the deadline passed; no job needed: readers refuse) →
// SHREDDED (data key destroyed) → PURGED (bytes gone from the store). Every step is an audit entry;
// the last leaves a signed receipt.
// Goes by the gate's SteadyTime(): what a clock that jumped destroys does not come back.
// A legal hold keeps a partition EXPIRED, or SHREDDED, for as long as it is in force.
// Refuses to move a deadline to a later time, to decide who may ask, to open any row.
// Threads: any; one run at a time (a second one is refused), ShredDue() beside it. Borrows:
// everything handed in.
// Invariants: (1) a shred takes every key that is due at once and is durable before its record.
// (2) A partition is purged only after its key is gone. (3) A step that was interrupted is finished
// by the next run, in the same order.
// (4) No partition is recorded as shredded while an old slot secret is left anywhere.
// Failure: an error in one partition is reported in `pending` and does not hold up the others;
// where the keyring cannot shred, the run fails after it purged what was recorded before.
class RetentionManager {
 public:
  // Seals one EVENT entry; the manager fills method, dataset and details.
  using LeafFn = std::function<absl::StatusOr<store::AuditLeaf>(record::v1::AuditEntry)>;
  // A signed note over the receipt's text; the vault's audit signer.
  using SignFn = std::function<absl::StatusOr<std::string>(const std::string& text)>;
  // The dataset's name for entries and receipts; its number where the catalog does not know it.
  using NameFn = std::function<std::string(DatasetId)>;
  // The dataset's time to live as its manifest says now; nothing where the catalog does not know
  // it.
  using TtlFn = std::function<std::optional<microseconds>(DatasetId)>;
  // Which salts of its subjects the dataset may still need.
  using SaltRulesFn = std::function<absl::StatusOr<catalog::SaltRules>(DatasetId)>;

  struct Parts {
    store::Store& store;
    store::MetaStore& meta;
    store::Journal& journal;
    crypto::Keyring& keyring;
    partition::PartitionCatalog& catalog;
    partition::PartitionReader& reader;
    const Gate& gate;
    LeafFn make_leaf;
    SignFn sign;
    NameFn name_of;
    NameFn pseudonym_of;  // keyed hash of the name, hex: receipts leave the vault
    TtlFn ttl_of;
    SaltRulesFn salt_rules_of;
  };
  explicit RetentionManager(Parts parts) : parts_(std::move(parts)) {}

  struct RunOptions {
    // Asked before each partition that is to be purged: true puts the rest off to the next run. May
    // be empty.
    std::function<bool()> enough;
    // How long to wait for a run that is under way.
    microseconds wait{0};
  };
  // Shreds what is due, then purges what is shredded. While the vault is sealed only the shred
  // happens; its records follow at the first run after the unseal. UNAVAILABLE: a run is under way.
  absl::StatusOr<RunReport> RunOnce(const RunOptions& options);
  absl::StatusOr<RunReport> RunOnce() { return RunOnce(RunOptions()); }
  // Destroys the keys that are due, and nothing else: waits for no run. RunOnce records it.
  absl::Status ShredDue();

  // Gives the keys of every partition its deadline where that is earlier than theirs, in one write:
  // while the vault is sealed they are shredded by their own. For whoever made a TTL shorter.
  absl::Status AlignKeys();

  // --- legal holds: see crypto::Keyring ---
  std::vector<crypto::LegalHold> Holds() const;
  std::vector<crypto::LegalHold> HoldsOn(PartitionId partition, WallTime now) const;
  absl::Status PlaceHold(const crypto::LegalHold& hold);
  absl::Status EndHold(const std::array<uint8_t, 16>& id, WallTime at);

  // Partitions whose key is destroyed, in order of dataset and day; with the signed note once their
  // bytes are gone too.
  absl::StatusOr<std::vector<record::v1::PartitionRecord>> Receipts() const;

  std::string PseudonymOf(DatasetId dataset) const { return parts_.pseudonym_of(dataset); }

 private:
  absl::Status AlignDeadlines(RunReport& report);
  absl::Status Shorten(PartitionId partition, WallTime deadline);
  absl::Status Shred(RunReport& report);
  absl::Status EndLapsedHolds(WallTime now);
  absl::Status ShredSalts(WallTime now);
  absl::Status Advance(const partition::PartitionInfo& info, WallTime now,
                       const RunOptions& options, RunReport& report);
  absl::Status RecordShredded(const partition::PartitionInfo& info, WallTime now);
  absl::Status Purge(const partition::PartitionInfo& info, WallTime now);
  absl::Status DeleteRecords(const record::v1::PartitionRecord& record,
                             std::vector<store::Mutation> mutations);
  absl::StatusOr<record::v1::PartitionRecord> ReadRecord(PartitionId partition) const;
  record::v1::AuditEntry EventOf(const record::v1::PartitionRecord& record,
                                 const char* method) const;
  absl::StatusOr<LeafIndex> Commit(const record::v1::PartitionRecord& record, const char* method,
                                   std::vector<store::Mutation> mutations);

  const Parts parts_;
  std::mutex shred_mu_;  // a key counts as gone once its shred has returned
  std::timed_mutex mu_;  // one run at a time; guards shredded_leaves_
  // Where the entry of a shred stands, until the purge writes it into the record.
  std::map<PartitionId, LeafIndex> shredded_leaves_;
};

// The text that the deletion receipt of a purged partition signs.
std::string ReceiptText(const record::v1::PartitionRecord& record, std::string_view pseudonym);

}  // namespace televault::retention
