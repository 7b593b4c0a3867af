#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"

namespace televault::store {

// Key spaces of the engine (01-storage layout). `kCold` is reached through the block calls only.
enum class Family : uint8_t { kMeta = 0, kAudit = 1, kHot = 2, kCold = 3 };

struct Mutation {
  Family family = Family::kMeta;
  std::string key;
  std::optional<std::string> value;  // empty: delete
  // Meta family, and through the journal only: left out where this is not the record's value at the
  // time of the commit. For work in the background, which must not undo what others wrote
  // meanwhile.
  std::optional<std::string> only_over = std::nullopt;
  // The key that the value is sealed under: held until the commit is over, so that whoever wants to
  // destroy a key can see that nothing is on its way under it.
  std::shared_ptr<const void> sealed_under = nullptr;
};

// Who may still write while the disk is nearly full, the least first. The store keeps some space
// free.
enum class Urgency : uint8_t {
  kOrdinary,  // telemetry, answers: nothing of that space
  kTrail,  // audit of refusals, readings of the trail: half of it, since any caller can cause them
  kSecurity,  // lockdown, votes, expiry, starts: all of it, and then the reserve file
};

// Everything that becomes durable together. At most limits::kMaxCommitBytes.
struct CommitBatch {
  std::vector<Mutation> mutations;
  Urgency urgency = Urgency::kOrdinary;
  size_t Bytes() const;
};

enum class CommitOutcome {
  kOk,       // durable
  kFenced,   // another writer holds the lease: nothing was written
  kUnknown,  // may or may not be durable; this store accepts nothing more until it is reopened
  kFull,     // no space: nothing was written
  kCorrupt,  // the engine found its own state broken; accepts nothing more
};

// A consistent point-in-time view. May expire: then every call answers UNAVAILABLE.
class View {
 public:
  virtual ~View() = default;
  // NOT_FOUND where the key is absent.
  virtual absl::StatusOr<std::string> Get(Family family, std::string_view key) const = 0;
  // Every key with `prefix`, ascending, from `start` (inclusive; "" = from the prefix) until
  // `visit` returns false.
  virtual absl::Status Scan(
      Family family, std::string_view prefix, std::string_view start,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
};

// A piece of a block that is read alone.
struct BlockChunk {
  uint32_t number = 0;  // kFooterChunk: the sealed footer
  std::string bytes;
};
inline constexpr uint32_t kFooterChunk = 0xFFFFFFFF;

// What ErasePartition could remove and what is still there.
struct EraseReport {
  bool complete = false;  // no live file of the store overlaps the partition
  uint64_t files_removed = 0;
  uint64_t bytes_removed = 0;
  std::string remaining;  // why not complete, in words; "" when complete
};

struct StoreCaps {
  bool durable = false;  // survives the process
  bool multi_node = false;
};

// The seam between the vault and whatever keeps its bytes. Everything handed in is already sealed.
// Refuses to interpret values, to hold keys, to retry a failed sync.
// Threads: any; Commit calls are serialised by the journal.
// Invariants: (1) a Commit is atomic and durable when kOk is returned. (2) Commits become visible
// in order. (3) After kUnknown or kCorrupt no later write succeeds. (4) A block is put once and
// never changed; ReadBlock returns exactly what was put.
class Store {
 public:
  virtual ~Store() = default;

  // Fences earlier writers and returns the epoch of this one, greater than every earlier one and
  // than `above`; every Commit carries it. Durable when OK.
  virtual absl::StatusOr<StoreEpoch> AcquireLease(StoreEpoch above = StoreEpoch(0)) = 0;
  virtual CommitOutcome Commit(StoreEpoch epoch, const CommitBatch& batch) = 0;
  virtual absl::StatusOr<std::unique_ptr<View>> Pin() = 0;

  // Durable when OK. ALREADY_EXISTS if the block was put before.
  virtual absl::Status PutBlock(const BlockId& id, std::span<const BlockChunk> chunks) = 0;
  // The chunks with these numbers in the order asked; NOT_FOUND if the block or one is absent.
  virtual absl::StatusOr<std::vector<std::string>> ReadBlock(const BlockId& id,
                                                             std::span<const uint32_t> chunks) = 0;
  virtual absl::Status EraseBlock(const BlockId& id) = 0;  // idempotent
  virtual absl::StatusOr<std::vector<BlockId>> ListBlocks() = 0;

  // Removes every hot and cold byte of the partition: point-deletes are the caller's commit; this
  // compacts, drops files, rolls the log. Idempotent; safe to call again until complete.
  virtual absl::StatusOr<EraseReport> ErasePartition(PartitionId partition) = 0;

  // A consistent copy in a new directory, of hard links where the store makes its own files: for a
  // moment, in the place that the store names for it, from where it is copied on. What was erased
  // meanwhile is not gone before such a copy is.
  virtual absl::Status Checkpoint(const std::string& directory) = 0;
  virtual absl::StatusOr<uint64_t> DiskBytes() = 0;
  virtual StoreCaps caps() const = 0;
};

// Keys of the hot family: dataset4 day4 batch8.
std::string HotKey(PartitionId partition, uint64_t batch);
std::string HotPrefix(PartitionId partition);

}  // namespace televault::store
