#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/store.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::store {
class MetaStore;
}

namespace televault::backup {

// What a restored store was told.
struct LedgerReport {
  uint32_t shredded = 0;       // partitions whose key is gone
  uint32_t shortened = 0;      // partitions whose deadline the keyring knows to be earlier
  uint64_t units_dropped = 0;  // blocks and micro-batches sealed under a key that was replaced
  uint64_t events_dropped = 0;
  uint32_t grants_ended = 0;  // requests for row access and grants
};

// Brings a restored store up to what happened to its keys since: the keyring is the ledger of every
// shred. A partition without a key is recorded as shredded, and purged like any other; what was
// sealed under a key that was replaced is dropped; deadlines become the keyring's; grants end,
// because they may have been revoked or used up since. The legal holds that the keyring has are
// written into the trail, which may have lost how they came and went.
// Refuses to destroy a key or to open a row.
// Threads: one, before anybody is served.  Borrows: everything handed in.
// Invariants: (1) every change is one commit with its entry. (2) Running it again changes nothing
// more.
// Failure: the error of what failed; what was committed stays, and the next run goes on from there.
class ShredLedger {
 public:
  using Entries = std::vector<record::v1::AuditEntry>;
  struct Parts {
    store::Store& store;
    const store::MetaStore& meta;
    const crypto::Keyring& keyring;
    WallTime now;
    std::function<std::string(DatasetId)> name_of;
    // Of the dataset, as it stands in receipts.
    std::function<std::string(DatasetId)> pseudonym_of;
    // Durable together when OK.
    std::function<absl::Status(Entries entries, std::vector<store::Mutation> mutations)> commit;
    // Asked again and again: an error ends it. A seal waits for the unseal that this is part of.
    std::function<absl::Status()> may_go_on;
  };
  explicit ShredLedger(Parts parts) : parts_(std::move(parts)) {}

  absl::StatusOr<LedgerReport> Apply();

 private:
  struct Rows;
  struct Batch;
  absl::Status ListHolds();
  absl::Status EndGrants(LedgerReport& report);
  absl::StatusOr<Rows> SortUnits(LedgerReport& report);
  void Shred(record::v1::PartitionRecord& record, const Rows& rows) const;
  std::vector<const char*> Settle(record::v1::PartitionRecord& record, const Rows& rows,
                                  LedgerReport& report) const;
  absl::Status SettlePartitions(const Rows& rows, LedgerReport& report);
  absl::Status Commit(Batch& batch);

  const Parts parts_;
};

}  // namespace televault::backup
