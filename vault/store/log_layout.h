#pragma once

#include <cstdint>
#include <string>

#include "audit/merkle.h"
#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/meta_sum.h"

namespace televault::store {

// Keys of the audit family (docs/formats/store-v1.md).
std::string LeafKey(uint64_t index);                  // "L" be64 → leaf data
std::string TileKey(uint32_t level, uint64_t index);  // "T" level1 be64 → full tile
inline constexpr char kLeafPrefix[] = "L";
inline constexpr char kHeadKey[] = "H";        // → JournalHead
inline constexpr char kCheckpointKey[] = "C";  // → newest signed checkpoint that was stored

// Where the journal stands; written in the same commit as what it counts.
struct JournalHead {
  uint64_t seq = 0;  // commits so far
  uint64_t tree_size = 0;
  audit::Hash root{};
  MetaSum meta_sum{};
  // What the anchor said at that commit: an older anchor that is put back together with an older
  // keyring, control file or lock file contradicts the store.
  uint64_t keyring_generation = 0;
  uint64_t control_generation = 0;
  LockEpoch lock_epoch;
  friend bool operator==(const JournalHead&, const JournalHead&) = default;
};

std::string EncodeHead(const JournalHead& head, const SecretBytes& key);
// DATA_LOSS for any other length, version or MAC.
absl::StatusOr<JournalHead> ParseHead(Bytes value, const SecretBytes& key);

}  // namespace televault::store
