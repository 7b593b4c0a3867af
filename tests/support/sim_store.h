#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "vault/store/store.h"

namespace televault::testing {

// How often a simulated store misbehaves; probabilities per call.
struct SimFaults {
  double full = 0;                                   // Commit and PutBlock: nothing written
  store::Urgency room_for = store::Urgency::kTrail;  // commits as urgent as this are not refused so
  double unknown = 0;        // Commit: applied or not, at random; the store stops
  double block_fails = 0;    // PutBlock: UNAVAILABLE; the block is there or not, at random
  double sync_is_a_lie = 0;  // Commit answers kOk, but a crash may still take it (a broken disk)
  // Called before every commit, outside the lock: to delay, to interleave.
  std::function<void()> before_commit;
};

// What survives a crash. Several SimStores may share one: only the last to take the lease writes.
// Every change has a number; a crash forgets a random tail of those that were not synced.
// Threads: any.
class SimDisk {
 public:
  explicit SimDisk(uint64_t seed) : random_(seed) {}

  // Forgets a random tail of what was not synced. Stores opened before are dead.
  void Crash();
  void set_faults(SimFaults faults);
  // Puts an earlier value of one record back, as somebody with the disk in his hands could. False
  // if there is none.
  bool RollBackRecord(store::Family family, const std::string& key);

 private:
  friend class SimStore;
  friend class SimView;

  template <class T>
  struct Version {
    uint64_t change;
    std::optional<T> value;
  };
  template <class Key, class T>
  using Versions = std::map<Key, std::vector<Version<T>>>;
  using Chunks = std::map<uint32_t, std::string>;

  bool Chance(double probability);
  void Apply(const store::CommitBatch& batch);

  mutable std::mutex mu_;  // guards everything below
  std::mt19937_64 random_;
  SimFaults faults_;
  Versions<std::string, std::string> families_[3];
  Versions<BlockId, Chunks> blocks_;
  uint64_t change_ = 0;
  uint64_t synced_ = 0;
  uint64_t lease_ = 0;
  uint64_t crashes_ = 0;
};

// The second implementation of the seam: in memory, seeded, unreliable on demand.
class SimStore final : public store::Store {
 public:
  explicit SimStore(std::shared_ptr<SimDisk> disk);

  absl::StatusOr<StoreEpoch> AcquireLease(StoreEpoch above) override;
  store::CommitOutcome Commit(StoreEpoch epoch, const store::CommitBatch& batch) override;
  absl::StatusOr<std::unique_ptr<store::View>> Pin() override;
  absl::Status PutBlock(const BlockId& id, std::span<const store::BlockChunk> chunks) override;
  absl::StatusOr<std::vector<std::string>> ReadBlock(const BlockId& id,
                                                     std::span<const uint32_t> chunks) override;
  absl::Status EraseBlock(const BlockId& id) override;
  absl::StatusOr<std::vector<BlockId>> ListBlocks() override;
  absl::StatusOr<store::EraseReport> ErasePartition(PartitionId partition) override;
  // UNIMPLEMENTED: there is no directory.
  absl::Status Checkpoint(const std::string& directory) override;
  absl::StatusOr<uint64_t> DiskBytes() override;
  store::StoreCaps caps() const override { return {}; }

 private:
  absl::Status AliveLocked() const;

  const std::shared_ptr<SimDisk> disk_;
  const uint64_t born_;                                      // the disk's crash count at open
  store::CommitOutcome failed_ = store::CommitOutcome::kOk;  // guarded by the disk's lock
};

}  // namespace televault::testing
