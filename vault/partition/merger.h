#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "vault/base/clock.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/store/journal.h"
#include "vault/store/store.h"

namespace televault::partition {

// What a merge did, for its audit entry.
struct MergeEvent {
  PartitionId partition;
  uint64_t micro_batches = 0;
  uint64_t rows = 0;
  std::vector<uint64_t> blocks;  // new block numbers
  uint64_t sealed_bytes = 0;
  std::vector<std::array<uint8_t, 32>> tag_roots;  // BLAKE2b-256 over each block's chunk tags
};

// Seals the audit entry of a merge: one leaf, or two when a day key is new.
using MergeLeafFn = std::function<absl::StatusOr<std::vector<store::AuditLeaf>>(const MergeEvent&)>;

// Makes blocks out of micro-batches: read → sort by event time → encode, seal → PutBlock (durable)
// → one commit of {block records, deletes of the micro-batches, audit leaf} → report.
// Refuses partitions that are not live or past their deadline, and to touch one that somebody else
// maintains.
// Threads: any; one partition is merged by one thread at a time.  Borrows: everything handed in.
// Invariants: (1) at every instant each committed row is readable exactly once. (2) A block without
// a committed record is not data: SweepOrphans removes it.
// Failure: after an error before the commit the micro-batches are as they were.
class Merger {
 public:
  struct Parts {
    store::Store& store;
    store::MetaStore& meta;
    store::Journal& journal;
    crypto::Keyring& keyring;
    PartitionCatalog& catalog;
    PartitionReader& reader;
    const Clock& clock;
    Random& random;
    VaultId vault;
  };
  Merger(const Parts& parts, MergeLeafFn make_leaf);

  // Partitions whose trigger has fired: 65,536 rows, 8 MiB, 60 s with 8 micro-batches, or the day
  // has closed.
  std::vector<PartitionId> Due(WallTime now) const;

  // Merges what is there now; true if anything was. UNAVAILABLE if the partition is being
  // maintained by somebody else.
  absl::StatusOr<bool> Merge(PartitionId partition);

  // Erases blocks that no record refers to; before anything else writes. Returns how many.
  absl::StatusOr<size_t> SweepOrphans();

 private:
  Parts parts_;
  MergeLeafFn make_leaf_;
};

}  // namespace televault::partition
