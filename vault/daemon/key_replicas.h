#pragma once

#include <span>
#include <string>
#include <vector>

#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/crypto/keyring.h"

namespace televault::daemon {

// A further directory for the keyring, and for slot secrets where they are in files; best on
// another device.
struct KeyReplica {
  crypto::ReplicaId id{};
  std::string directory;
  std::string mark() const { return directory + "/replica"; }
  std::string slot_dir() const { return directory + "/slots"; }
  std::string keyring_dir() const { return directory + "/keyring"; }
};

// Makes `directory`, absent or empty, a replica of the vault: its mark is written last. Durable
// when OK. ALREADY_EXISTS where anything is in it.
absl::StatusOr<crypto::ReplicaId> MarkKeyReplica(FileSystem& fs, Random& random,
                                                 const VaultId& vault,
                                                 const std::string& directory);

// The replicas that are configured, told by their marks.
// Refuses to make a replica: a directory without mark may be the mount point of one that is not
// there, and what is written under it instead would not be found by the next shred.
// Threads: any after construction. Borrows: file system.
class KeyReplicas {
 public:
  // Of more directories than `most` the last are not used.
  KeyReplicas(FileSystem& fs, const VaultId& vault, const std::vector<std::string>& directories,
              size_t most = crypto::kMaxKeyReplicas);

  const std::vector<KeyReplica>& present() const { return present_; }
  // Configured directories that are not used, and why.
  const std::vector<std::string>& problems() const { return problems_; }
  // FAILED_PRECONDITION names the first that is not in its place now, or was not at the start: a
  // directory, or a marked replica of `slots`.
  absl::Status Check(std::span<const crypto::ReplicaId> required, crypto::KeySlots& slots) const;
  // The same without a question to a token, which may take its time: as each last answered.
  absl::Status CheckAsLastSeen(std::span<const crypto::ReplicaId> required,
                               const crypto::KeySlots& slots) const;

 private:
  absl::Status CheckOne(const crypto::ReplicaId& id, const absl::Status& of_slots) const;

  FileSystem& fs_;
  const VaultId vault_;
  std::vector<KeyReplica> present_;
  std::vector<std::string> problems_;
};

}  // namespace televault::daemon
