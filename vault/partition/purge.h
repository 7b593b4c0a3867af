#pragma once

#include <cstdint>
#include <vector>

#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::store {
class MetaStore;
}

namespace televault::partition {

// Everything the store holds of one partition, but for the bytes of its blocks:
// Store::ErasePartition, after the commit, takes those that no record names as well.
struct PurgePlan {
  uint64_t rows = 0;
  uint64_t sealed_bytes = 0;
  std::vector<store::Mutation> mutations;  // delete every hot key and block record
};

// Lists what is to be removed when a partition is purged. Needs no data key, so it works after the
// shred. The caller holds the partition's maintenance lock. The mutations may exceed one commit:
// split them with limits::kMaxUnitBytes; the order does not matter.
absl::StatusOr<PurgePlan> PlanPurge(store::Store& store, const store::MetaStore& meta,
                                    PartitionId partition);

}  // namespace televault::partition
