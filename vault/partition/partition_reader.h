#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "vault/base/gate.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
#include "vault/block/footer.h"
#include "vault/partition/partition_catalog.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::store {
class MetaStore;
class Store;
class View;
}  // namespace televault::store

namespace televault::partition {

struct BlockEntry;  // a block's manifest record and, once somebody asked, its footer
class BlockCache;

// The piece of a partition that is read at once: the unit of parallelism of a query.
struct Unit {
  enum class Kind : uint8_t { kMicroBatch, kBlock };
  Kind kind = Kind::kMicroBatch;
  PartitionId partition;
  uint64_t id = 0;  // batch or block number
  uint32_t rows = 0;
  // Event times of its rows lie within; for a micro-batch that is the whole day.
  WallTime min_time;
  WallTime max_time;
  std::shared_ptr<const BlockEntry> block;  // shared with the cache; null for micro-batches
};

// A column as the current schema sees it.
struct ColumnRequest {
  uint16_t number = 0;
  block::PhysicalType type = block::PhysicalType::kInt;
};

// A consistent point-in-time look at the data: every row committed before Pin() exactly once,
// whatever is merged meanwhile.
// Refuses partitions that are past their deadline (also one that passes while the snapshot is
// held: FAILED_PRECONDITION/EXPIRED), shredded or quarantined (DATA_LOSS/QUARANTINED).
// Threads: any, at the same time.  Borrows: its PartitionReader.
// Invariants: (1) nothing is returned that did not verify against the manifest record. (2) A unit
// that does not open makes the answer an error, never a shorter answer.
class Snapshot {
 public:
  virtual ~Snapshot() = default;

  // Readable partitions with days first..last inclusive, ascending; expired ones are left out, a
  // quarantined one is an error.
  virtual absl::StatusOr<std::vector<PartitionInfo>> Partitions(DatasetId dataset, Day first,
                                                                Day last) const = 0;
  // Blocks first, then micro-batches; ascending ids.
  virtual absl::StatusOr<std::vector<Unit>> Units(PartitionId partition) const = 0;

  // Zone maps of a block; null for a micro-batch, which has none.
  virtual absl::StatusOr<std::shared_ptr<const block::Footer>> Footer(const Unit& unit) const = 0;
  // False only if no row of the unit belongs to the subject (16 bytes). Micro-batches: true.
  virtual absl::StatusOr<bool> MayContainSubject(const Unit& unit,
                                                 std::string_view subject) const = 0;

  // The columns asked for, ascending numbers, each with `unit.rows` rows. A column the unit was
  // written without is NULL in every row.
  virtual absl::StatusOr<block::ColumnBatch> Read(const Unit& unit,
                                                  std::span<const ColumnRequest> columns) const = 0;
};

// Hands out snapshots; keeps decrypted footers in a cache of bounded size, wiped on eviction.
// Threads: any.  Borrows: everything handed in; outlives its snapshots.
class PartitionReader {
 public:
  PartitionReader(store::Store& store, store::MetaStore& meta, crypto::Keyring& keyring,
                  PartitionCatalog& catalog, const Gate& gate, VaultId vault);
  ~PartitionReader();
  PartitionReader(const PartitionReader&) = delete;
  PartitionReader& operator=(const PartitionReader&) = delete;

  absl::StatusOr<std::unique_ptr<Snapshot>> Pin();
  // Wipes what is cached of a partition (it was shredded or rewritten).
  void Forget(PartitionId partition);

 private:
  class PinnedSnapshot;

  store::Store& store_;
  store::MetaStore& meta_;
  crypto::Keyring& keyring_;
  PartitionCatalog& catalog_;
  const Gate& gate_;
  const VaultId vault_;
  std::unique_ptr<BlockCache> cache_;
};

}  // namespace televault::partition
