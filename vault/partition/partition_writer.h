#pragma once

#include <functional>
#include <vector>

#include "vault/base/gate.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/block/column.h"
#include "vault/catalog/schema.h"
#include "vault/partition/partition_catalog.h"
#include "vault/store/journal.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::store {
class MetaStore;
}

namespace televault::partition {

// The record of a partition that a batch prepared to open, and what it changes for the trail.
struct Opening {
  store::Mutation record;
  PartitionId id;
  KeyId key;
  WallTime deadline;
  enum class Change { kNone, kOpens, kShortens } change = Change::kNone;
};

// One batch ready to be committed.
struct PreparedBatch {
  std::vector<store::Mutation> mutations;  // the sealed micro-batch and its record
  // Set where the batch opens its partition: makes the partition's record, which the same commit
  // has to carry. Call it with the catalog's record lock held, and hold that until on_committed was
  // called or the batch is given up. UNAVAILABLE/OVERLOADED: the partition was opened by another
  // commit and has ended since. Borrows the writer.
  std::function<absl::StatusOr<Opening>()> open;
  // Call once, after the commit was durable; borrows the writer. While it lives, a partition that
  // the batch opens is listed to readers.
  std::function<void()> on_committed;
};

// Turns a batch of rows of one partition into sealed micro-batches.
// Refuses to commit, to check fields against the manifest (ingest did), to write into a partition
// that is past its deadline, shredded or purged.
// Threads: any; sealing runs on the caller's.  Borrows: everything handed in.
// Invariants: (1) the data key is durable in the keyring before anything is sealed under it.
// (2) A partition's deadline is the earliest of the calls that prepared to open it, and not after
// its key's. (3) What was written into a partition's record is not undone by a commit that prepared
// to open it before.
// Failure: nothing was changed when an error is returned.
class PartitionWriter {
 public:
  PartitionWriter(PartitionCatalog& catalog, crypto::Keyring& keyring, store::MetaStore& meta,
                  store::Journal& journal, const Gate& gate, Random& random, VaultId vault);

  // `batch`: valid, all rows of `id.day`, 1..limits::kMaxEventsPerAppend rows. `deadline` counts
  // only if this call opens the partition. FAILED_PRECONDITION/EXPIRED for a partition that is no
  // longer live; UNAVAILABLE/OVERLOADED while a key of that day is due; RESOURCE_EXHAUSTED for a
  // batch that does not fit one commit, or too many live partitions; INVALID_ARGUMENT for a batch
  // that is not valid.
  absl::StatusOr<PreparedBatch> Prepare(PartitionId id, const catalog::Schema& schema,
                                        const block::ColumnBatch& batch, WallTime deadline);

 private:
  absl::StatusOr<Opening> OpeningRecord(const PartitionInfo& prepared) const;
  void Committed(const PartitionInfo& info, bool opened, uint64_t rows, uint64_t bytes,
                 WallTime at);

  PartitionCatalog& catalog_;
  crypto::Keyring& keyring_;
  store::MetaStore& meta_;
  store::Journal& journal_;
  const Gate& gate_;
  Random& random_;
  const VaultId vault_;
};

}  // namespace televault::partition
