#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/partition/subjects.h"

namespace televault::store {
class MetaStore;
class Store;
}  // namespace televault::store

namespace televault::partition {

enum class State : uint8_t { kLive = 1, kShredded = 2, kPurged = 3 };

// What is known about a partition without opening any of its data.
struct PartitionInfo {
  PartitionId id;
  State state = State::kLive;
  KeyId key;
  WallTime deadline;  // from then on nobody reads it
  WallTime opened_at;
  bool quarantined = false;
  ErasedState erased;
  uint64_t hot_batches = 0;
  uint64_t hot_rows = 0;
  uint64_t hot_bytes = 0;  // sealed
  WallTime oldest_hot;     // when the oldest micro-batch was committed (or found at open)
  uint64_t blocks = 0;
  uint64_t block_rows = 0;
  uint64_t block_bytes = 0;  // sealed, footers included

  uint64_t rows() const { return hot_rows + block_rows; }
  uint64_t bytes() const { return hot_bytes + block_bytes; }
};

// The partitions of the vault and their figures, in memory; the truth is the meta and hot families,
// from which it is rebuilt at open.
// Refuses to hold rows or keys, to commit anything: whoever commits reports here afterwards.
// Threads: any.  Borrows: nothing after Load.
// Invariants: (1) a deadline only moves to earlier times. (2) A state only moves forward.
// (3) At most one holder of the maintenance lock per partition, and one of the record lock.
// Failure: Load fails where a record does not open or the counts exceed limits.
class PartitionCatalog {
 public:
  // Held while a partition's data is rewritten or removed (merge, erasure, purge): they exclude
  // each other. Released when destroyed; must not outlive the catalog.
  class MaintenanceLock {
   public:
    MaintenanceLock(MaintenanceLock&& other) noexcept;
    MaintenanceLock& operator=(MaintenanceLock&&) = delete;
    ~MaintenanceLock();

   private:
    friend class PartitionCatalog;
    MaintenanceLock(PartitionCatalog* catalog, PartitionId id) : catalog_(catalog), id_(id) {}
    PartitionCatalog* catalog_;
    PartitionId id_;
  };

  // Held from reading a partition's record to the commit of its changed form, so that no writer
  // puts back what another one changed. Any thread may release it. Must not outlive the catalog.
  class RecordLock {
   public:
    RecordLock(RecordLock&& other) noexcept;
    RecordLock& operator=(RecordLock&&) = delete;
    ~RecordLock();

   private:
    friend class PartitionCatalog;
    explicit RecordLock(PartitionCatalog* catalog) : catalog_(catalog) {}
    PartitionCatalog* catalog_;
  };

  static absl::StatusOr<std::unique_ptr<PartitionCatalog>> Load(store::Store& store,
                                                                const store::MetaStore& meta,
                                                                WallTime now);

  std::optional<PartitionInfo> Find(PartitionId id) const;
  // Days first..last inclusive, ascending; every state.
  std::vector<PartitionInfo> List(DatasetId dataset, Day first, Day last) const;
  std::vector<PartitionInfo> All() const;
  size_t live_count() const;
  // Another number after any deadline may have moved. Takes no lock.
  uint64_t deadline_changes() const { return deadline_changes_; }

  // As Find and List, and those that a commit which is under way may open: a view pinned
  // before the call can hold nothing of a partition that is not among them. Their figures are 0.
  std::optional<PartitionInfo> FindForReading(PartitionId id) const;
  std::vector<PartitionInfo> ListForReading(DatasetId dataset, Day first, Day last) const;

  // --- before a commit --------------------------------------------------------------------------
  // While one of a partition is held it may be opened by a commit, and is read. Must not outlive
  // the catalog.
  class OpeningHold {
   public:
    OpeningHold(PartitionCatalog* catalog, PartitionId id) : catalog_(catalog), id_(id) {}
    OpeningHold(const OpeningHold&) = delete;
    OpeningHold& operator=(const OpeningHold&) = delete;
    ~OpeningHold();

   private:
    PartitionCatalog* catalog_;
    PartitionId id_;
  };
  struct Opening {
    PartitionInfo info;
    bool opens = false;  // the commit has to carry the partition's record
    // Where it opens: kept until OnOpened was called, or the commit is given up. Shared, because
    // callbacks are copied.
    std::shared_ptr<const OpeningHold> hold;
  };
  // What a batch is to be written into: the partition where it is known, otherwise one that is
  // opened, with the earliest deadline of those that hold it. Nothing if there is room for no more.
  std::optional<Opening> Open(PartitionId id, WallTime deadline, WallTime now);

  // Nothing if somebody else holds it.
  std::optional<MaintenanceLock> TryLock(PartitionId id);
  // Waits for whoever holds it: as long as a commit takes. Taken after a maintenance lock, and not
  // twice by one caller.
  RecordLock LockRecords();

  // --- reports of what has been committed -------------------------------------------------------
  // Key, deadline and opened_at count; where the partition is known, an earlier deadline does.
  void OnOpened(const PartitionInfo& info);
  void OnMicroBatch(PartitionId id, uint64_t rows, uint64_t bytes, WallTime at);
  // Micro-batches and blocks became other blocks.
  struct Rewrite {
    uint64_t hot_batches = 0;  // gone, and so on
    uint64_t hot_rows = 0;
    uint64_t hot_bytes = 0;
    uint64_t old_blocks = 0;
    uint64_t old_block_rows = 0;
    uint64_t old_block_bytes = 0;
    uint64_t new_blocks = 0;
    uint64_t new_block_rows = 0;
    uint64_t new_block_bytes = 0;
    WallTime at;
  };
  void OnRewritten(PartitionId id, const Rewrite& rewrite);
  void OnRekeyed(PartitionId id, KeyId key);  // what is written from now on is sealed under it
  // A rewrite for erasures is complete.
  void OnErased(PartitionId id, ErasedState erased);
  // Every erasure of the dataset up to that number is settled: a partition that opens from now on
  // never held a row of their subjects. A smaller one than known is ignored.
  void OnSettled(DatasetId dataset, uint64_t number);
  void OnState(PartitionId id, State state);
  void OnDeadline(PartitionId id, WallTime deadline);  // a later one than known is ignored
  bool OnQuarantined(PartitionId id);                  // false if it was already, or is not known

 private:
  PartitionCatalog() = default;
  size_t LiveCount() const;  // holds mu_

  std::atomic<uint64_t> deadline_changes_{0};
  mutable std::mutex mu_;  // guards all below
  std::condition_variable records_free_;
  std::map<PartitionId, PartitionInfo> partitions_;
  struct Prepared {
    PartitionInfo info;
    size_t holds = 0;
  };
  std::map<PartitionId, Prepared> opening_;  // not known to be committed
  std::map<DatasetId, uint64_t> settled_;
  std::set<PartitionId> locked_;
  bool records_locked_ = false;
};

}  // namespace televault::partition
