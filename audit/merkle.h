#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "audit/sha256.h"

namespace televault::audit {

// RFC 6962, section 2.1: SHA-256(00 ‖ leaf).
Hash LeafHash(std::span<const uint8_t> leaf);
// SHA-256(01 ‖ left ‖ right).
Hash NodeHash(const Hash& left, const Hash& right);
// Root of a tree without leaves: SHA-256("").
Hash EmptyRoot();

// A hash that came from outside: exactly 32 bytes or INVALID_ARGUMENT.
absl::StatusOr<Hash> HashFromBytes(std::span<const uint8_t> bytes);

// Hash of the complete subtree over leaves [index << level, (index + 1) << level).
// Level 0 is the leaf hash. Called only for subtrees that lie inside the tree.
using HashReader = absl::FunctionRef<absl::StatusOr<Hash>(uint32_t level, uint64_t index)>;

// Audit path of leaf `index` in the tree of `size` leaves, sibling first (RFC 6962, 2.1.1).
// OUT_OF_RANGE unless index < size; else whatever the reader failed with.
absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size, HashReader reader);

// Proof that the tree of `old_size` leaves is a prefix of the tree of `new_size` (2.1.2).
// OUT_OF_RANGE unless 1 <= old_size <= new_size. Empty where the sizes are equal.
absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t new_size,
                                                   HashReader reader);

// Root of the first `size` leaves, read from complete subtrees.
absl::StatusOr<Hash> RootFromReader(uint64_t size, HashReader reader);

// One tree head.
struct TreeHead {
  uint64_t size = 0;
  Hash root{};
  friend bool operator==(const TreeHead&, const TreeHead&) = default;
};

// OK where `proof` shows that `leaf_hash` stands at `index` in `head` (RFC 9162, 2.1.3.2).
// FAILED_PRECONDITION otherwise.
absl::Status VerifyInclusion(uint64_t index, const Hash& leaf_hash, std::span<const Hash> proof,
                             const TreeHead& head);

// OK where `proof` shows that `older` is a prefix of `newer` (RFC 9162, 2.1.4.2), except that an
// older size of 0 is refused: every tree extends the empty one, so a proof of it says nothing.
// FAILED_PRECONDITION otherwise.
absl::Status VerifyConsistency(const TreeHead& older, const TreeHead& newer,
                               std::span<const Hash> proof);

// The right edge of a growing tree: roots of the complete subtrees, largest first.
// Refuses to keep leaves or inner hashes (see TileBuilder).
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) subtrees().size() == popcount(size()).
// Failure: none; FromState refuses a state that contradicts the size.
class Frontier {
 public:
  Frontier() = default;
  static absl::StatusOr<Frontier> FromState(uint64_t size, std::vector<Hash> subtrees);

  void Append(const Hash& leaf_hash);
  uint64_t size() const { return size_; }
  Hash Root() const;
  TreeHead Head() const { return {size_, Root()}; }
  const std::vector<Hash>& subtrees() const { return subtrees_; }

 private:
  uint64_t size_ = 0;
  std::vector<Hash> subtrees_;
};

}  // namespace televault::audit
