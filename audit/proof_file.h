#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "audit/checkpoint.h"
#include "audit/merkle.h"

// `.tlog-proof` files (C2SP tlog-proof): a leaf's place in the log, checkable without the log.
namespace televault::audit {

inline constexpr size_t kMaxProofHashes = 63;
inline constexpr size_t kMaxProofExtraBytes = 64 * 1024;

struct ProofFile {
  uint64_t index = 0;
  std::vector<Hash> hashes;  // sibling first
  // Not authenticated by the proof: a hint, never a fact.
  std::optional<std::string> extra;
  std::string checkpoint;  // signed note, verbatim

  friend bool operator==(const ProofFile&, const ProofFile&) = default;
};

std::string FormatProofFile(const ProofFile& proof);
// Syntax of the lines before the checkpoint; the checkpoint itself is opened by VerifyProofFile.
absl::StatusOr<ProofFile> ParseProofFile(std::string_view text);

// The checkpoint, where the proof shows that the log `key` holds `leaf_hash` at proof.index.
absl::StatusOr<Checkpoint> VerifyProofFile(const ProofFile& proof, const Hash& leaf_hash,
                                           const VerifierKey& key);

}  // namespace televault::audit
