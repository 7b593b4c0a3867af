#pragma once

#include <deque>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "vault/crypto/keyring.h"
#include "vault/crypto/keyring_format.h"

// What the parts of the keyring's implementation share; nobody else includes it.
namespace televault::crypto {

using DataKeyName = std::pair<PartitionId, KeyId>;

struct Keyring::State {
  KeyringContent content;
  uint64_t highest_generation = 0;  // ever used, also by a write that failed
  uint64_t highest_slot = 0;        // ever seen; the next new slot is above it
  bool settled = false;             // false: read-only
  bool must_rotate = false;         // a write failed: what reached the disk must be superseded
  bool behind = false;              // a replica may have missed a write: it was not repaired
  bool leftovers = false;           // old slots are still to be destroyed
  // Gone from the keyring, but an old slot may still open them.
  std::vector<DataKeyInfo> unfinished;
  SecretRef kek;  // null while sealed
  std::unordered_map<std::string, SecretRef> opened;
  std::map<DataKeyName, std::weak_ptr<const DataKey>> data_keys;
  std::deque<DataKeyRef> recent;

  // The opened copy that somebody holds, or null.
  DataKeyRef HeldDataKey(const DataKeyName& name) const {
    const auto held = data_keys.find(name);
    return held == data_keys.end() ? nullptr : held->second.lock();
  }
};

namespace internal {

inline absl::Status Gone(std::string_view what) {
  return WithReason(absl::NotFoundError(absl::StrCat(absl::string_view(what.data(), what.size()),
                                                     " was destroyed or never existed")),
                    reason::kExpired);
}

// Every data key of `partition`, oldest first.
inline auto KeysOf(const KeyringContent& content, PartitionId partition) {
  return std::pair(
      content.data_keys.lower_bound({partition, KeyId(0)}),
      content.data_keys.upper_bound({partition, KeyId(std::numeric_limits<uint64_t>::max())}));
}

inline DataKeyInfo InfoOf(const DataKeyName& name, const WrappedDataKey& key) {
  return {name.first, name.second, key.deadline};
}

// Only this way: a deadline moves earlier, never later.
inline bool Ratchet(WrappedDataKey& key, WallTime deadline) {
  if (deadline >= key.deadline) return false;
  key.deadline = deadline;
  return true;
}

}  // namespace internal
}  // namespace televault::crypto
