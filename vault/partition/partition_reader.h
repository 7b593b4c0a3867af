#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "vault/base/gate.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
#include "vault/block/footer.h"
#include "vault/block/unit_columns.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/subjects.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::store {
class MetaStore;
class Store;
class View;
}  // namespace televault::store

namespace televault::partition {

struct UnitManifest;  // the record in the meta family that says what the unit must be
class FooterCache;

// The piece of a partition that is read at once: the unit of parallelism of a query.
struct Unit {
  enum class Kind : uint8_t { kMicroBatch, kBlock };
  Kind kind = Kind::kMicroBatch;
  PartitionId partition;
  uint64_t id = 0;  // batch or block number
  uint32_t rows = 0;
  // Event times of its rows lie within.
  WallTime min_time;
  WallTime max_time;
  std::shared_ptr<const UnitManifest> manifest;  // shared: units are copied
};

// The data key that it is sealed under.
KeyId KeyOf(const Unit& unit);

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
  // What erasures did to the partition as it is in this look. Empty for one that it does not hold.
  virtual absl::StatusOr<ErasedState> Erased(PartitionId partition) const = 0;
  // The subjects that `erased` leaves out; null = nobody.
  virtual absl::StatusOr<SubjectListRef> LeftOut(PartitionId partition,
                                                 const ErasedState& erased) const = 0;
  // Blocks first, then micro-batches; ascending ids.
  virtual absl::StatusOr<std::vector<Unit>> Units(PartitionId partition) const = 0;

  // Zone maps of a block; null for a micro-batch, which has none.
  virtual absl::StatusOr<std::shared_ptr<const block::Footer>> Footer(const Unit& unit) const = 0;
  // False only if no row of the unit belongs to the subject (16 bytes). Micro-batches: true.
  virtual absl::StatusOr<bool> MayContainSubject(const Unit& unit,
                                                 std::string_view subject) const = 0;

  // The columns of a unit, opened one by one as they are asked for; `columns` (ascending numbers)
  // are those that may be. Borrows the snapshot.
  virtual absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const Unit& unit, std::span<const uint16_t> columns) const = 0;
  // The columns asked for (ascending numbers), each with `unit.rows` rows. A column that the unit
  // was written without is left out: it reads as NULL.
  virtual absl::StatusOr<block::ColumnBatch> Read(const Unit& unit,
                                                  std::span<const uint16_t> columns) const = 0;
  // Every column the unit was written with.
  virtual absl::StatusOr<block::ColumnBatch> ReadAll(const Unit& unit) const = 0;
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
  // Called once for each partition of which something did not open, on the thread that noticed:
  // to make the quarantine durable and to audit it. Set before the first Pin().
  void SetQuarantineListener(std::function<void(PartitionId, std::string_view why)> listener);

  // For whoever removes data that pinned snapshots may still read: a number for now, and whether
  // every snapshot pinned before that number is gone.
  uint64_t PinMark() const;
  bool PinnedBefore(uint64_t mark) const;

 private:
  class PinnedSnapshot;

  void Quarantine(PartitionId partition, std::string_view why);

  store::Store& store_;
  store::MetaStore& meta_;
  crypto::Keyring& keyring_;
  PartitionCatalog& catalog_;
  const Gate& gate_;
  const VaultId vault_;
  std::unique_ptr<FooterCache> cache_;
  std::function<void(PartitionId, std::string_view)> on_quarantine_;
  mutable std::mutex mu_;  // guards the two below
  uint64_t next_pin_ = 1;
  std::multiset<uint64_t> pins_;  // numbers of the snapshots that are alive
};

}  // namespace televault::partition
