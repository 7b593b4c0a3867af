#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::crypto {

// What destroying a slot secret is worth; every receipt repeats it.
enum class SlotKind { kHardware, kBestEffort };
// "hardware", "best_effort".
std::string ToString(SlotKind kind);

// Where slot secrets live: 32 random bytes per generation that seal one generation of the keyring.
// Threads: one at a time (the keyring serialises).
// Invariants: (1) a secret is durable on every replica when Create returns OK. (2) When Destroy
// returned OK no replica hands it out again.
class KeySlots {
 public:
  virtual ~KeySlots() = default;
  virtual SlotKind kind() const = 0;
  virtual size_t replicas() const = 0;
  virtual absl::StatusOr<SecretBytes> Create(uint64_t slot, Random& random) = 0;
  // NOT_FOUND where no replica has it; a replica that lacks it or holds damage is passed over.
  virtual absl::StatusOr<SecretBytes> Load(uint64_t slot) = 0;
  // Writes `secret` to replicas that lack it.
  virtual absl::Status Repair(uint64_t slot, const SecretBytes& secret) = 0;
  // Idempotent. OK only when every replica has destroyed it.
  virtual absl::Status Destroy(uint64_t slot) = 0;
  // Numbers that at least one replica has, ascending.
  virtual absl::StatusOr<std::vector<uint64_t>> List() = 0;
};

// Slot secrets as files `slot.<number>` (mode 0600) in one or more directories, best on different
// devices. Destroying overwrites, punches a hole, syncs, unlinks: best effort, flash and snapshots
// may keep copies.
class FileKeySlots final : public KeySlots {
 public:
  // The directories exist. `fs` outlives the slots.
  FileKeySlots(FileSystem& fs, std::vector<std::string> directories);
  SlotKind kind() const override { return SlotKind::kBestEffort; }
  size_t replicas() const override { return directories_.size(); }
  absl::StatusOr<SecretBytes> Create(uint64_t slot, Random& random) override;
  absl::StatusOr<SecretBytes> Load(uint64_t slot) override;
  absl::Status Repair(uint64_t slot, const SecretBytes& secret) override;
  absl::Status Destroy(uint64_t slot) override;
  absl::StatusOr<std::vector<uint64_t>> List() override;

 private:
  FileSystem& fs_;
  const std::vector<std::string> directories_;
};

}  // namespace televault::crypto
