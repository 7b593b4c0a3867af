#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "audit/merkle.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/meta_sum.h"

namespace televault::store {

// What the vault must never fall behind: whoever puts back an older data directory, keyring or
// control file contradicts it.
struct AnchorState {
  uint64_t seq = 0;  // commits so far; grows by one per commit of the journal
  uint64_t tree_size = 0;
  audit::Hash root{};
  MetaSum meta_sum{};
  StoreEpoch store_epoch;
  uint64_t keyring_generation = 0;
  uint64_t control_generation = 0;
  LockEpoch lock_epoch;
  friend bool operator==(const AnchorState&, const AnchorState&) = default;
};

// The bytes of one sector (docs/formats/anchor-v1.md) and of the whole file.
inline constexpr size_t kAnchorSectorBytes = 512;
inline constexpr size_t kAnchorFileBytes = 2 * kAnchorSectorBytes;
std::string EncodeAnchorSector(const AnchorState& state, uint64_t revision, const SecretBytes& key);
struct AnchorSectors {
  AnchorState state;      // of the valid sector with the higher revision
  uint64_t revision = 0;  // of that sector
  int sector = 0;         // which one it is
};
// DATA_LOSS unless at least one of the two sectors is whole and carries a MAC of `key`.
absl::StatusOr<AnchorSectors> ParseAnchor(Bytes file, const SecretBytes& key);

enum class AnchorSync {
  kLagging,  // synced at most `max_lag` after the commit; within it only receipts prove loss
  kCommit,   // synced before the commit's receipt is handed out
};

struct AnchorOptions {
  std::string path;  // best outside the data directory, on another device
  FileSystem& fs;
  const SecretBytes& key;  // outlives the anchor
  AnchorSync sync = AnchorSync::kLagging;
  std::chrono::milliseconds max_lag{100};
};

// Keeps the newest AnchorState outside the engine.
// Refuses to judge what was recovered (see OpenEngine) and to go backwards.
// Threads: any. Borrows: file system, key.
// Invariants: (1) one sector always holds the last synced state: writes between two syncs go to
// the other. (2) No field ever decreases except through Adopt. (3) Nothing is written where no
// valid anchor was found until Adopt: a fresh file must not hide that one is missing.
// Failure: after a failed write or sync every later call fails; fsync is never retried.
class Anchor {
 public:
  // Reads what is there; writes nothing. UNAVAILABLE where the file cannot be read; a damaged one
  // is told by damage().
  static absl::StatusOr<std::unique_ptr<Anchor>> Open(const AnchorOptions& options);
  ~Anchor();
  Anchor(const Anchor&) = delete;
  Anchor& operator=(const Anchor&) = delete;

  // Found at open; nullopt when there was no file or no valid sector.
  const std::optional<AnchorState>& recovered() const { return recovered_; }
  // DATA_LOSS if there is a file and neither of its sectors is valid.
  const absl::Status& damage() const { return damage_; }
  AnchorState state() const;

  // The head after a commit. Written; durable as options.sync says.
  absl::Status RecordHead(uint64_t seq, uint64_t tree_size, const audit::Hash& root,
                          const MetaSum& meta_sum);
  // Durable when OK: call before an old slot secret is destroyed, and after the control or lock
  // file was written. A lower number than recorded is FAILED_PRECONDITION and changes nothing.
  absl::Status RecordKeyring(uint64_t generation);
  absl::Status RecordControl(uint64_t generation, LockEpoch lock_epoch);
  absl::Status RecordEpoch(StoreEpoch epoch);
  absl::Status Sync();
  // Starts over from `state`, also backwards: a fresh vault, or an operator's audited decision.
  // Durable when OK.
  absl::Status Adopt(const AnchorState& state);

 private:
  explicit Anchor(const AnchorOptions& options);
  absl::Status UpdateLocked(const AnchorState& next, bool durable);
  absl::Status WriteLocked();
  absl::Status SyncLocked();
  absl::Status CreateFileLocked();
  void RunSyncer(const std::stop_token& stop);

  const AnchorOptions options_;
  std::optional<AnchorState> recovered_;
  absl::Status damage_;
  mutable std::mutex mu_;  // guards everything below
  std::condition_variable_any dirty_changed_;
  std::unique_ptr<WritableFile> file_;  // opened at the first write
  AnchorState state_;
  bool established_ = false;  // a valid anchor was found, or Adopt was called
  uint64_t revision_ = 0;
  int sector_ = 0;      // the one that does not hold the last synced state
  bool dirty_ = false;  // written, not synced
  absl::Status failure_;
  std::jthread syncer_;
};

}  // namespace televault::store
