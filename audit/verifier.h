#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "audit/checkpoint.h"
#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/note.h"
#include "audit/tiles.h"

// Checking a whole log, without the server, without a secret.
namespace televault::audit {

// Content of a published file ("checkpoint", "tile/0/000", "tile/entries/000.p/3").
// NOT_FOUND where there is none.
using PathReader = absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)>;

enum class PinVerdict {
  kSame,      // the pinned head again
  kAdvanced,  // consistent and newer: pin it
  kFork,      // two histories of one log
  kRollback,  // shorter than what was seen before
};
// For messages: "same", "advanced", "fork", "rollback".
std::string_view PinVerdictName(PinVerdict verdict);

struct VerifyOptions {
  VerifierKey key;                   // of the log
  std::optional<Checkpoint> pinned;  // seen earlier: must be a prefix
  bool check_framing = true;         // leaves must be audit-leaf-v1
};

struct VerifyReport {
  // OK, or what is wrong: INVALID_ARGUMENT (files malformed), DATA_LOSS (missing or altered),
  // FAILED_PRECONDITION (signature; fork or rollback against the pin).
  absl::Status status;
  // The lowest leaf that is wrong or missing, where it can be named.
  std::optional<uint64_t> first_bad_index;
  std::optional<Checkpoint> checkpoint;  // once its signature was verified
  uint64_t entries = 0;                  // hashed
  uint64_t entry_bytes = 0;
  uint64_t tiles = 0;  // compared
  // Entries whose key leaf does not stand before them: intact, but to be read only with a key leaf
  // that follows, or not at all. A writer that crashed or failed over may leave some.
  uint64_t entries_without_key = 0;
  std::optional<PinVerdict> pin;  // where options.pinned was given and the log got that far
};

// Re-hashes every entry, rebuilds every tile and the root from the entries alone and compares them
// with what is published and signed. Memory: one bundle and the right edge of the tree.
// Without a checkpoint the report's status is what `read` says of it.
VerifyReport VerifyLog(PathReader read, const VerifyOptions& options);

// Checks a log whose leaves arrive one after the other, e.g. out of an export stream.
// Refuses to open a body.
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) tree() depends on the leaves alone. (2) After an error every Append repeats it.
// Failure: DATA_LOSS names the index of the leaf.
class LeafStreamVerifier {
 public:
  explicit LeafStreamVerifier(std::optional<TreeHead> pinned, bool check_framing = true);

  absl::Status Append(std::span<const uint8_t> leaf);
  const Hash& last_leaf_hash() const { return last_leaf_hash_; }
  const TileBuilder& tree() const { return tree_; }
  // Tiles that the last Append completed.
  std::span<const Tile> full_tiles() const { return full_tiles_; }
  // See VerifyReport; 0 without the framing check.
  uint64_t entries_without_key() const { return entries_without_key_; }
  // What the leaves so far say about the pinned head; nullopt without one or before its size.
  std::optional<PinVerdict> pin() const;
  // OK where the leaves so far are exactly `checkpoint`'s tree and extend the pinned head.
  absl::Status Finish(const Checkpoint& checkpoint) const;

 private:
  absl::Status CheckFraming(std::span<const uint8_t> leaf);

  const std::optional<TreeHead> pinned_;
  const bool check_framing_;
  TileBuilder tree_;
  std::vector<Tile> full_tiles_;
  Hash last_leaf_hash_{};
  std::optional<Hash> root_at_pin_;
  std::set<LeafKeyId> keys_;
  uint64_t entries_without_key_ = 0;
  absl::Status failure_;
};

// The newest checkpoint a client has seen of one log; every later one must extend it.
// Refuses to store itself: Text() is what the client keeps, Parse what it starts from.
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) the size never shrinks. (2) A forked checkpoint is never pinned.
// Failure: Advance says which; the pin stays as it was.
class LogPin {
 public:
  // Nothing seen yet: the first checkpoint is trusted (given a valid signature).
  explicit LogPin(VerifierKey key) : key_(std::move(key)) {}
  // A pin that was kept. Errors as OpenCheckpoint.
  static absl::StatusOr<LogPin> Parse(std::string_view text, VerifierKey key);

  // 0: no proof needed; else the size from which Advance wants a consistency proof.
  uint64_t ProofNeededFrom(const Checkpoint& seen) const;
  // `note` is a signed checkpoint of the log. Errors as OpenCheckpoint, and FAILED_PRECONDITION
  // where a proof is needed and none was given: no verdict, nothing is pinned.
  absl::StatusOr<PinVerdict> Advance(std::string_view note, std::span<const Hash> consistency);

  const std::optional<Checkpoint>& pinned() const { return pinned_; }
  const std::string& Text() const { return text_; }

 private:
  VerifierKey key_;
  std::optional<Checkpoint> pinned_;
  std::string text_;
};

}  // namespace televault::audit
