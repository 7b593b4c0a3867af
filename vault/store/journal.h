#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/store.h"

namespace televault::store {

// A sealed audit entry, ready to be ordered. Hash = SHA-256(00 ‖ data), computed by the caller's
// thread.
struct AuditLeaf {
  std::string data;
  audit::Hash hash{};
  WallTime stamped{std::numeric_limits<int64_t>::max()};  // the time it says; the end: none
};

// Longest that a leaf may have waited when it is put into the log. Half of what readers allow for
// (audit::kTimeSlackSeconds), who look for times by bisection.
inline constexpr microseconds kMaxLeafWait{150'000'000};

// What one caller wants to become durable together. At most limits::kMaxUnitBytes and
// limits::kMaxLeavesPerCommit, else INVALID_ARGUMENT.
struct CommitUnit {
  std::vector<AuditLeaf> leaves;    // at least one: nothing changes without an audit record
  std::vector<Mutation> mutations;  // sealed values; meta, hot (never audit)
  // Set on every unit whose leaf permits disclosure: refused with STALE_LOCK_EPOCH unless it is
  // still the lock epoch in force when the sequencer takes the unit.
  std::optional<LockEpoch> disclosure_epoch;
  // Security events overtake the rest, and have some room of their own in a full queue.
  Urgency urgency = Urgency::kOrdinary;

  size_t Bytes() const;
};

// Proof that the unit's leaves are in the log.
struct CommitReceipt {
  LeafIndex first_leaf;
  uint64_t tree_size = 0;
  audit::Hash root{};
  std::string checkpoint;  // signed note over (tree_size, root)
};

// Signs tree heads; implemented by whoever holds the audit signing key.
// Threads: called by the sequencer and once at open.
class CheckpointSigner {
 public:
  virtual ~CheckpointSigner() = default;
  // A signed note (C2SP tlog-checkpoint) over the head.
  virtual absl::StatusOr<std::string> SignCheckpoint(uint64_t tree_size,
                                                     const audit::Hash& root) const = 0;
};

// Orders everything that happens and makes it durable: one sequencer, one atomic synced commit for
// many callers.
// Refuses to decide what is worth recording, to open any value, to retry a failed sync.
// Threads: any may Commit (blocks until durable); commits are made one after the other, on a thread
// of the sequencer's or, where it is idle, on the caller's.
// Borrows: store, signer, anchor.
// Invariants: (1) a leaf is durable before its receipt is handed out. (2) The tree only grows.
// (3) State and audit record of a unit are durable together or not at all. (4) A unit with a stale
// disclosure epoch is never accepted.
// Failure: after an unknown outcome every later Commit answers UNAVAILABLE with reason
// CONTROL_MODE and `on_failure` runs once; restart recovers.
class Journal {
 public:
  virtual ~Journal() = default;
  // UNAVAILABLE/OUTCOME_UNKNOWN: may be durable; UNAVAILABLE/CONTROL_MODE: not accepted;
  // RESOURCE_EXHAUSTED/OVERLOADED: queue full, nothing written; FAILED_PRECONDITION/
  // STALE_LOCK_EPOCH: nothing written; ABORTED/STALE_ENTRY_TIME: a leaf waited longer than
  // kMaxLeafWait, nothing written, seal it again; RESOURCE_EXHAUSTED without reason: disk full.
  virtual absl::StatusOr<CommitReceipt> Commit(const CommitUnit& unit) = 0;

  // The newest durable tree head and its signed checkpoint.
  virtual CommitReceipt Head() const = 0;
  virtual absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex index,
                                                                  uint64_t tree_size) const = 0;
  virtual absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t old_size,
                                                                    uint64_t new_size) const = 0;
  // Blocks until the durable tree has more than `size` leaves, at most for `at_most`; for readers
  // that follow the log.
  virtual void WaitForGrowth(uint64_t size, std::chrono::milliseconds at_most) const = 0;
  // Sealed leaf bytes [first, first + count), fewer at the end of the log.
  virtual absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex first,
                                                              size_t count) const = 0;
  // A number never handed out before by this vault: batch and block ids.
  virtual uint64_t NextUniqueId() = 0;
};

}  // namespace televault::store
