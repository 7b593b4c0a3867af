#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
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
  uint64_t replaced_blocks = 0;  // small ones that were rewritten with them
  uint64_t rows = 0;
  uint64_t erased_rows = 0;      // of them, left out for good
  std::vector<uint64_t> blocks;  // new block numbers
  uint64_t sealed_bytes = 0;
  std::vector<std::string> tag_roots;  // as the blocks' records say
};

// Seals the audit entry of a merge: one leaf, or two when a day key is new.
using MergeLeafFn = std::function<absl::StatusOr<std::vector<store::AuditLeaf>>(const MergeEvent&)>;

// Makes blocks out of micro-batches and of blocks that stayed small: read → sort by event time →
// encode, seal → PutBlock (durable) → one commit of {block records, deletes of what was merged,
// audit leaf} → erase replaced blocks once no snapshot can read them.
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

  // Partitions whose trigger has fired: 65,536 rows, 8 MiB, 60 s with 8 micro-batches, or 60 s
  // where the day has closed.
  std::vector<PartitionId> Due(WallTime now) const;

  // Merges what is there now, at most limits::kMaxMergeRows and kMaxMergeMemoryBytes of it; true if
  // anything was. UNAVAILABLE if the partition is being maintained by somebody else.
  absl::StatusOr<bool> Merge(PartitionId partition);

  // Seals some of what other keys of the partition than `key` seal again under `key`, without the
  // rows of `erased`; false once nothing is left to do. `lock` is the partition's.
  absl::StatusOr<bool> Rewrite(const PartitionCatalog::MaintenanceLock& lock, PartitionId partition,
                               KeyId key, const SubjectList& erased);

  // Erases replaced blocks that no snapshot can read any more; Merge does so too.
  absl::Status EraseReplaced();

  // Erases blocks that no record refers to; before anything else writes. Returns how many.
  absl::StatusOr<size_t> SweepOrphans();

 private:
  struct Inputs;
  struct Outputs;
  struct Target;

  absl::StatusOr<Inputs> Gather(const Snapshot& snapshot, PartitionId partition) const;
  absl::StatusOr<Inputs> GatherOthers(const Snapshot& snapshot, PartitionId partition,
                                      KeyId key) const;
  // Seals and commits what was gathered.
  absl::Status MergeInputs(Inputs& inputs, PartitionId partition, const SubjectList* erased);
  absl::StatusOr<bool> Take(const Snapshot& snapshot, const Unit& unit, Inputs& inputs) const;
  absl::StatusOr<Outputs> WriteBlocks(const Inputs& inputs, PartitionId partition,
                                      const block::ColumnBatch& rows);
  absl::Status WriteRange(const Target& target, const block::ColumnBatch& rows, size_t first,
                          size_t count, Outputs& outputs);
  absl::Status CommitMerge(const Inputs& inputs, const Outputs& outputs, PartitionId partition);
  absl::StatusOr<std::vector<store::Mutation>> Mutations(const Inputs& inputs,
                                                         const Outputs& outputs) const;
  void Discard(const Outputs& outputs);

  Parts parts_;
  MergeLeafFn make_leaf_;
  std::mutex mu_;                                       // guards replaced_
  std::vector<std::pair<uint64_t, BlockId>> replaced_;  // pin mark after which nobody reads it
};

}  // namespace televault::partition
