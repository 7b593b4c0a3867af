#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/keyring_format.h"

namespace televault::crypto {

// The replicated files of a keyring: `keyring.<slot>` in every directory, and the slot secrets.
// Does not decide what is in them.
// Threads: one at a time.
// Failure: a write that failed reached some replicas or none; the caller goes on to a new slot.
class KeyringFiles {
 public:
  explicit KeyringFiles(const KeyringOptions& options) : options_(options) {}

  // Whether any replica holds a keyring or a slot.
  absl::StatusOr<bool> Exist();
  // The readable keyring with the highest slot, of its replicas the highest generation.
  absl::StatusOr<KeyringContent> LoadNewest();
  // Seals `content` under a new slot secret (`new_slot`) or the live one, durable everywhere.
  absl::Status Write(const KeyringContent& content, bool new_slot);
  // Brings replicas of `content` that lag behind up to it.
  absl::Status RepairReplicas(const KeyringContent& content);
  // Destroys every other slot secret and removes the keyring files they sealed. Goes on past what
  // cannot be destroyed, and returns the first error.
  absl::Status DestroyOthers(uint64_t slot);
  // Slot numbers of which anything is left, ascending.
  absl::StatusOr<std::vector<uint64_t>> Slots();

 private:
  absl::Status DestroySlot(uint64_t slot);
  absl::StatusOr<KeyringContent> ReadReplica(const std::string& directory, uint64_t slot,
                                             const SecretBytes& secret);
  const KeyringOptions& options_;
};

}  // namespace televault::crypto
