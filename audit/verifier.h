#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "audit/checkpoint.h"
#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/note.h"

// Checking a whole log, without the server, without a secret.
namespace televault::audit {

// Content of a published file ("checkpoint", "tile/0/000", "tile/entries/000.p/3").
// NOT_FOUND where there is none.
using PathReader = absl::FunctionRef<absl::StatusOr<std::string>(const std::string& path)>;

struct VerifyOptions {
  VerifierKey key;                   // of the log
  std::optional<Checkpoint> pinned;  // seen earlier: must be a prefix
  bool check_framing = true;         // leaves must be audit-leaf-v1, keys before their entries
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
};

// Re-hashes every entry, rebuilds every tile and the root from the entries alone and compares them
// with what is published and signed. Memory: one bundle and the right edge of the tree.
VerifyReport VerifyLog(PathReader read, const VerifyOptions& options);

// Checks a log whose leaves arrive one after the other, e.g. out of an export stream.
// Refuses to open a body.
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) Head() depends on the leaves alone. (2) After an error every Append repeats it.
// Failure: DATA_LOSS names the index of the leaf.
class LeafStreamVerifier {
 public:
  explicit LeafStreamVerifier(std::optional<TreeHead> pinned, bool check_framing = true);

  absl::Status Append(std::span<const uint8_t> leaf);
  TreeHead Head() const { return frontier_.Head(); }
  // OK where the leaves so far are exactly `checkpoint`'s tree and extend the pinned head.
  absl::Status Finish(const Checkpoint& checkpoint) const;

 private:
  absl::Status CheckFraming(std::span<const uint8_t> leaf);

  const std::optional<TreeHead> pinned_;
  const bool check_framing_;
  Frontier frontier_;
  std::optional<Hash> root_at_pin_;
  std::set<LeafKeyId> keys_;
  absl::Status failure_;
};

enum class PinVerdict {
  kSame,      // the pinned head again
  kAdvanced,  // consistent and newer: pin it
  kFork,      // two histories of one log
  kRollback,  // shorter than what was seen before
};
// For messages: "same", "advanced", "fork", "rollback".
std::string_view PinVerdictName(PinVerdict verdict);

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
  // `note` is a signed checkpoint of the log. Errors as OpenCheckpoint (nothing is pinned).
  absl::StatusOr<PinVerdict> Advance(std::string_view note, std::span<const Hash> consistency);

  const std::optional<Checkpoint>& pinned() const { return pinned_; }
  const std::string& Text() const { return text_; }

 private:
  VerifierKey key_;
  std::optional<Checkpoint> pinned_;
  std::string text_;
};

}  // namespace televault::audit
