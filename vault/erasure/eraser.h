#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/gate.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/erasure/erasures.h"
#include "vault/partition/merger.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/store/journal.h"
#include "vault/store/store.h"

namespace televault::erasure {

// What one run did.
struct EraserReport {
  uint32_t partitions = 0;           // looked through to the end
  uint32_t settled = 0;              // erasures
  std::vector<std::string> pending;  // partitions that are left, and why
};

// Carries erasures out: each live partition of the dataset is looked through; one that holds rows
// of an erased subject is rewritten without them under a new data key, and the old key destroyed.
// When no partition is left the erasure is settled and its receipt signed.
// Aggregates leave out so many subjects more that each time a day changes at least k subjects
// change with it: whoever asks before and after learns of nobody alone.
// Refuses to decide who may ask, to rewrite a day under a legal hold.
// Threads: one run at a time. Borrows: everything handed in.
// Invariants: (1) an erasure is settled only after every key that opened a row of its subject is
// destroyed. (2) Between the first and the last commit of a rewrite no aggregate gets the day.
// (3) What was interrupted is finished by the next run.
// Failure: an error in one partition is reported in `pending` and does not hold up the others.
class Eraser {
 public:
  using LeafFn = std::function<absl::StatusOr<store::AuditLeaf>(record::v1::AuditEntry)>;
  using SignFn = std::function<absl::StatusOr<std::string>(const std::string& text)>;
  using NameFn = std::function<std::string(DatasetId)>;

  struct Parts {
    store::Store& store;
    store::MetaStore& meta;
    store::Journal& journal;
    crypto::Keyring& keyring;
    partition::PartitionCatalog& catalog;
    partition::PartitionReader& reader;
    partition::Merger& merger;
    Erasures& erasures;
    const Gate& gate;
    Random& random;
    VaultId vault;
    LeafFn make_leaf;
    SignFn sign;
    NameFn name_of;
    NameFn pseudonym_of;
    // Subjects that a group of the dataset has to have at least, the greatest of its roles'.
    std::function<uint32_t(DatasetId)> k_of;
    std::function<bool(const std::function<bool()>& give_up)> await_batches;
  };
  explicit Eraser(Parts parts) : parts_(std::move(parts)) {}

  // `enough`: true puts the rest off to the next run. UNAVAILABLE: a run is under way.
  absl::StatusOr<EraserReport> RunOnce(const std::function<bool()>& enough);
  // What the last run left, and why.
  std::vector<std::string> Pending() const;

  // Days that an erasure waits for, and whether it is for legal holds alone.
  struct Waiting {
    uint32_t partitions = 0;
    bool held = false;
  };
  Waiting WaitingFor(const Record& record) const;

 private:
  struct Run;
  struct Found;

  absl::Status RunDataset(Run& run, DatasetId dataset);
  absl::Status Settle(Run& run, const partition::PartitionInfo& info);
  absl::StatusOr<Found> Look(const Run& run, PartitionId partition) const;
  absl::Status Rewrite(Run& run, const partition::PartitionInfo& info, const Found& found,
                       const partition::PartitionCatalog::MaintenanceLock& lock);
  absl::Status NoteFound(Run& run, PartitionId partition, const Found& found);
  // `say`: even where nothing about them is new.
  absl::Status NoteHeld(Run& run, PartitionId partition, bool say = false);
  // Whom aggregates of a partition do not count from now on.
  struct LeftOut {
    partition::SubjectList subjects;
    bool everybody = false;
  };
  absl::StatusOr<LeftOut> ChooseLeftOut(const Run& run, const partition::PartitionInfo& info) const;
  absl::StatusOr<std::vector<crypto::Hash16>> ChooseOthers(const partition::Snapshot& snapshot,
                                                           PartitionId partition,
                                                           const partition::SubjectList& before,
                                                           size_t wanted) const;
  // `rewritten`: the key under which everything of the partition is now; nothing = as it was.
  absl::Status CommitSettled(Run& run, const partition::PartitionInfo& info,
                             std::optional<KeyId> rewritten, partition::ErasedState state);
  absl::Status DestroyOldKeys(Run& run);
  std::vector<crypto::DataKeyInfo> Unrecorded(DatasetId dataset) const;
  absl::Status DestroyUnrecorded(Run& run);
  uint64_t DoneUpTo(Run& run) const;
  bool IsHeld(PartitionId partition) const;
  absl::Status CommitInParts(const record::v1::AuditEntry& entry,
                             std::vector<store::Mutation> mutations);
  absl::Status SettleErasure(Record record);
  absl::StatusOr<store::CommitReceipt> Commit(record::v1::AuditEntry entry,
                                              std::vector<store::Mutation> mutations);
  record::v1::AuditEntry EventOf(DatasetId dataset, const char* method) const;

  const Parts parts_;
  std::mutex mu_;              // one run at a time; guards the next two
  bool clean_ = false;         // nothing is left to do until somebody asks for an erasure
  std::set<KeyId> said_held_;  // without a record of their day, and kept by a legal hold
  mutable std::mutex pending_mu_;
  std::vector<std::string> pending_;  // guarded by pending_mu_
};

// The text that the receipt of a settled erasure signs.
std::string ReceiptText(const Record& record, std::string_view pseudonym);

}  // namespace televault::erasure
