#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "audit/merkle.h"
#include "audit/note.h"

// Signed tree heads (C2SP tlog-checkpoint) without extension lines.
namespace televault::audit {

struct Checkpoint {
  std::string origin;
  uint64_t size = 0;
  Hash root{};

  TreeHead Head() const { return {size, root}; }
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// "origin\nsize\nbase64(root)\n". The origin must be a valid key name (see VerifierKey).
std::string CheckpointBody(const Checkpoint& checkpoint);
// INVALID_ARGUMENT says which line is wrong. Extension lines are refused.
absl::StatusOr<Checkpoint> ParseCheckpointBody(std::string_view body);

// The signed note. The origin becomes the key's name: a log signs for itself only.
// The caller has made the tree durable before it signs; see SignText for errors.
absl::StatusOr<std::string> SignCheckpoint(const TreeHead& head, const VerifierKey& key,
                                           SigningKey secret);

// What a signed checkpoint says, its signatures unseen: for those who look them at elsewhere.
// INVALID_ARGUMENT.
absl::StatusOr<Checkpoint> ReadUnverified(std::string_view note);

// Parses and verifies a signed checkpoint of the log `key`: its signature must be there and right
// and the origin must be the key's name. INVALID_ARGUMENT (syntax) or FAILED_PRECONDITION.
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const VerifierKey& key);

}  // namespace televault::audit
