#pragma once

#include <array>
#include <cstddef>
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

// Tells a replica of keyring or slot secrets from another one that stands in its place; random.
using ReplicaId = std::array<uint8_t, 16>;
inline constexpr size_t kMaxKeyReplicas = 16;

// Where slot secrets live: 32 random bytes per generation that seal one generation of the keyring.
// Threads: one at a time (the keyring serialises); whatever is about marked replicas, any.
// Invariants: (1) a secret is durable on every replica when Create returns OK. (2) When Destroy
// returned OK no replica hands it out again.
class KeySlots {
 public:
  virtual ~KeySlots() = default;
  virtual SlotKind kind() const = 0;
  virtual size_t replicas() const = 0;
  virtual absl::StatusOr<SecretBytes> Create(uint64_t slot, Random& random) = 0;
  // Every different secret that replicas have of the slot: more than one where a replica is of
  // another time or was tampered with. NOT_FOUND where no replica has it; a replica that lacks it
  // or holds damage is passed over.
  virtual absl::StatusOr<std::vector<SecretBytes>> LoadAll(uint64_t slot) = 0;
  // The one that all of them have. The same; DATA_LOSS where they differ.
  absl::StatusOr<SecretBytes> Load(uint64_t slot);
  // Writes `secret` to replicas that lack it or have another one.
  virtual absl::Status Repair(uint64_t slot, const SecretBytes& secret) = 0;
  // Idempotent. OK only when every replica has destroyed it.
  virtual absl::Status Destroy(uint64_t slot) = 0;
  // Numbers that at least one replica has, ascending; also those of which a part only is there. An
  // error where a replica cannot be looked through.
  virtual absl::StatusOr<std::vector<uint64_t>> List() = 0;

  // Replicas that carry a mark of their own, as tokens do. Directories are marked by whoever names
  // them.
  virtual std::vector<ReplicaId> marked() const { return {}; }
  // Asks a marked replica if it is in its place. NOT_FOUND: no such one; FAILED_PRECONDITION: why.
  virtual absl::Status Ask(const ReplicaId& id);
  // What the last question to it found; waits for nothing.
  virtual absl::Status LastAnswer(const ReplicaId& id) const;
  // For a vault that did not come to be: takes back what lies outside of its directory.
  virtual void Abandon() {}
  // Marked replicas that are configured and not used, and why.
  virtual std::vector<std::string> problems() const { return {}; }

 protected:
  // Adds what is not among `secrets`.
  static void AddDifferent(SecretBytes secret, std::vector<SecretBytes>& secrets);
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
  absl::StatusOr<std::vector<SecretBytes>> LoadAll(uint64_t slot) override;
  absl::Status Repair(uint64_t slot, const SecretBytes& secret) override;
  absl::Status Destroy(uint64_t slot) override;
  absl::StatusOr<std::vector<uint64_t>> List() override;

 private:
  FileSystem& fs_;
  const std::vector<std::string> directories_;
};

}  // namespace televault::crypto
