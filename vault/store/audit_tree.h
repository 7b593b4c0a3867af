#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "audit/tiles.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::store {

// The durable tree at one moment: full tiles are in the store, the right edge is here.
// Threads: immutable.
struct TreeSnapshot {
  audit::TileBuilder builder;
  std::string checkpoint;  // signed note over the head; "" where none was made
};

// Rebuilds the tree of `size` leaves from the stored tiles and the last leaves, which are hashed
// again. DATA_LOSS where something is missing.
absl::StatusOr<audit::TileBuilder> RebuildTree(const View& view, uint64_t size);

// Answers questions about the published tree.
// Refuses anything beyond it, though the store may hold more already.
// Threads: any. Borrows: store.
class AuditTree {
 public:
  AuditTree(Store& store, TreeSnapshot initial);

  std::shared_ptr<const TreeSnapshot> snapshot() const;
  void Publish(TreeSnapshot next);
  void WaitForGrowth(uint64_t size, std::chrono::milliseconds at_most) const;

  // OUT_OF_RANGE beyond the published tree.
  absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex index,
                                                          uint64_t tree_size) const;
  absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t old_size,
                                                            uint64_t new_size) const;
  absl::StatusOr<audit::Hash> RootAt(uint64_t size) const;
  absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex first, size_t count) const;

 private:
  Store& store_;
  mutable std::mutex mu_;  // guards snapshot_
  mutable std::condition_variable grown_;
  std::shared_ptr<const TreeSnapshot> snapshot_;
};

}  // namespace televault::store
