#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "televault/record/v1/state.pb.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/limits.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::control {

inline constexpr size_t kLockFileBytes = 2 * (limits::kMaxLockStateBytes + 4 * limits::KiB);

// What a lock file says; no state: unreadable, counts as locked at `all`.
struct LockFileContent {
  std::optional<record::v1::LockStateRecord> state;
  uint64_t generation = 0;  // the highest that opens
  int newest_slot = 1;      // the one that has it
};
LockFileContent ParseLockFile(Bytes bytes, const SecretBytes& key, const VaultId& vault);

// The lockdown state on disk (docs/formats/control-v1.md): a preallocated file of two slots,
// written in turn and in place, so that writing needs no space, no name and no new descriptor.
// Refuses to guess: it returns a state only where both slots are whole.
// Threads: any; serialises on mu_. Borrows: file system (until open), key, random.
// Invariants: (1) what Write acknowledged is what the next Read returns, whatever happens to the
// power in between. (2) A fault never weakens: a slot that is torn, damaged or from another vault
// makes the whole file unreadable, which the caller counts as locked at `all`; an interrupted
// write may therefore lock, never unlock.
// Failure: a failed Write may be repeated; it then goes to the same slot.
class LockFile {
 public:
  // Preallocates the file with an empty state. ALREADY_EXISTS.
  static absl::StatusOr<std::unique_ptr<LockFile>> Create(FileSystem& fs, const std::string& path,
                                                          const SecretBytes& key, VaultId vault,
                                                          Random& random);
  // NOT_FOUND if there is no file, otherwise OK even where the content is damaged: Write still
  // works and repairs it.
  static absl::StatusOr<std::unique_ptr<LockFile>> Open(FileSystem& fs, const std::string& path,
                                                        const SecretBytes& key, VaultId vault,
                                                        Random& random);

  // DATA_LOSS: unreadable, counts as locked at `all`.
  absl::StatusOr<record::v1::LockStateRecord> Read();
  // Durable when OK. RESOURCE_EXHAUSTED: the state does not fit a slot (kMaxLockStateBytes).
  absl::Status Write(const record::v1::LockStateRecord& state);
  // Grows with every write.
  uint64_t generation() const;

 private:
  LockFile(FileSystem& fs, std::string path, const SecretBytes& key, VaultId vault, Random& random);
  absl::Status WriteSlot(int slot, uint64_t generation, const std::string& serialized);

  FileSystem& fs_;
  const std::string path_;
  const SecretBytes& key_;
  const VaultId vault_;
  Random& random_;
  mutable std::mutex mu_;  // guards everything below
  std::unique_ptr<WritableFile> file_;
  uint64_t generation_ = 0;
  int next_slot_ = 0;
  bool damaged_ = false;  // a write must restore both slots
};

}  // namespace televault::control
