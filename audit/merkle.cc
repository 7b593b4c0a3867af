#include "audit/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace televault::audit {
namespace {

constexpr uint8_t kLeafPrefix = 0x00;
constexpr uint8_t kNodePrefix = 0x01;

// Largest power of two below `count`; `count` is at least 2.
uint64_t SplitPoint(uint64_t count) { return std::bit_floor(count - 1); }

// Root over leaves [begin, end), where begin is a multiple of the largest power of two that is not
// above the range's length: the shape every right-hand subtree of an RFC 6962 tree has.
absl::StatusOr<Hash> RangeRoot(uint64_t begin, uint64_t end, HashReader reader) {
  std::vector<Hash> subtrees;
  while (begin < end) {
    const uint64_t width = std::bit_floor(end - begin);
    const auto level = static_cast<uint32_t>(std::countr_zero(width));
    absl::StatusOr<Hash> hash = reader(level, begin >> level);
    if (!hash.ok()) return hash.status();
    subtrees.push_back(*hash);
    begin += width;
  }
  Hash root = subtrees.back();
  for (size_t i = subtrees.size() - 1; i-- > 0;) root = NodeHash(subtrees[i], root);
  return root;
}

// Walks up from a node: `index` of the node at the level reached, `last` the last one there.
struct Climb {
  uint64_t index;
  uint64_t last;
  void Up() {
    index >>= 1;
    last >>= 1;
  }
  // True where the next proof hash stands on the left. A last node without a right sibling is
  // carried up unchanged until it has a left one.
  bool TakesLeft() {
    const bool left = (index & 1) != 0 || index == last;
    if (left) {
      while ((index & 1) == 0 && index != 0) Up();
    }
    return left;
  }
};

}  // namespace

Hash LeafHash(std::span<const uint8_t> leaf) { return Sha256({{&kLeafPrefix, 1}, leaf}); }

Hash NodeHash(const Hash& left, const Hash& right) {
  // One piece: short ones cost more than their bytes.
  std::array<uint8_t, 1 + 2 * kHashBytes> input;
  input[0] = kNodePrefix;
  std::copy(left.begin(), left.end(), input.begin() + 1);
  std::copy(right.begin(), right.end(), input.begin() + 1 + kHashBytes);
  return Sha256({input});
}

Hash EmptyRoot() { return Sha256({}); }

absl::StatusOr<Hash> HashFromBytes(std::span<const uint8_t> bytes) {
  if (bytes.size() != kHashBytes) {
    return absl::InvalidArgumentError("a hash must be exactly 32 bytes long");
  }
  Hash hash;
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

absl::StatusOr<std::vector<Hash>> InclusionProof(uint64_t index, uint64_t size, HashReader reader) {
  if (index >= size) {
    return absl::OutOfRangeError("inclusion proof: the leaf index must be below the tree size");
  }
  std::vector<Hash> path;
  uint64_t begin = 0;
  uint64_t end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + SplitPoint(end - begin);
    const bool in_left = index < middle;
    absl::StatusOr<Hash> sibling =
        in_left ? RangeRoot(middle, end, reader) : RangeRoot(begin, middle, reader);
    if (!sibling.ok()) return sibling.status();
    path.push_back(*sibling);
    (in_left ? end : begin) = middle;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint64_t old_size, uint64_t new_size,
                                                   HashReader reader) {
  if (old_size == 0 || old_size > new_size) {
    return absl::OutOfRangeError(
        "consistency proof: the old size must be at least 1 and not above the new size");
  }
  std::vector<Hash> path;
  uint64_t begin = 0;
  uint64_t end = new_size;
  while (old_size != end) {
    const uint64_t middle = begin + SplitPoint(end - begin);
    const bool in_left = old_size <= middle;
    absl::StatusOr<Hash> sibling =
        in_left ? RangeRoot(middle, end, reader) : RangeRoot(begin, middle, reader);
    if (!sibling.ok()) return sibling.status();
    path.push_back(*sibling);
    (in_left ? end : begin) = middle;
  }
  if (begin != 0) {  // the old tree is not itself a subtree: its last part starts the proof
    absl::StatusOr<Hash> rest = RangeRoot(begin, end, reader);
    if (!rest.ok()) return rest.status();
    path.push_back(*rest);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

absl::StatusOr<Hash> RootFromReader(uint64_t size, HashReader reader) {
  if (size == 0) return EmptyRoot();
  return RangeRoot(0, size, reader);
}

absl::Status VerifyInclusion(uint64_t index, const Hash& leaf_hash, std::span<const Hash> proof,
                             const TreeHead& head) {
  if (index >= head.size) {
    return absl::FailedPreconditionError("inclusion: the leaf index is not below the tree size");
  }
  Climb climb{index, head.size - 1};
  Hash root = leaf_hash;
  for (const Hash& sibling : proof) {
    if (climb.last == 0) {
      return absl::FailedPreconditionError("inclusion: the proof has too many hashes");
    }
    root = climb.TakesLeft() ? NodeHash(sibling, root) : NodeHash(root, sibling);
    climb.Up();
  }
  if (climb.last != 0) {
    return absl::FailedPreconditionError("inclusion: the proof has too few hashes");
  }
  if (root != head.root) {
    return absl::FailedPreconditionError("inclusion: the proof leads to another root");
  }
  return absl::OkStatus();
}

absl::Status VerifyConsistency(const TreeHead& older, const TreeHead& newer,
                               std::span<const Hash> proof) {
  if (older.size == 0) {
    return absl::FailedPreconditionError(
        "consistency: a proof from the empty tree says nothing; compare from size 1 on");
  }
  if (older.size > newer.size) {
    return absl::FailedPreconditionError("consistency: the old size is above the new size");
  }
  if (older.size == newer.size) {
    if (!proof.empty()) {
      return absl::FailedPreconditionError("consistency: equal sizes need an empty proof");
    }
    if (older.root == newer.root) return absl::OkStatus();
    return absl::FailedPreconditionError("consistency: equal sizes with different roots");
  }
  if (proof.empty()) {
    return absl::FailedPreconditionError("consistency: the proof has too few hashes");
  }
  Climb climb{older.size - 1, newer.size - 1};
  while ((climb.index & 1) != 0) climb.Up();
  // Where the old tree is a complete subtree of the new one the proof starts from its root.
  const bool complete = std::has_single_bit(older.size);
  Hash old_root = complete ? older.root : proof.front();
  Hash new_root = old_root;
  for (const Hash& sibling : proof.subspan(complete ? 0 : 1)) {
    if (climb.last == 0) {
      return absl::FailedPreconditionError("consistency: the proof has too many hashes");
    }
    if (climb.TakesLeft()) {
      old_root = NodeHash(sibling, old_root);
      new_root = NodeHash(sibling, new_root);
    } else {
      new_root = NodeHash(new_root, sibling);
    }
    climb.Up();
  }
  if (climb.last != 0) {
    return absl::FailedPreconditionError("consistency: the proof has too few hashes");
  }
  if (old_root != older.root) {
    return absl::FailedPreconditionError("consistency: the proof leads to another old root");
  }
  if (new_root != newer.root) {
    return absl::FailedPreconditionError("consistency: the proof leads to another new root");
  }
  return absl::OkStatus();
}

absl::StatusOr<Frontier> Frontier::FromState(uint64_t size, std::vector<Hash> subtrees) {
  if (subtrees.size() != static_cast<size_t>(std::popcount(size))) {
    return absl::DataLossError(
        "frontier: a tree has one subtree hash for each bit set in its size");
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.subtrees_ = std::move(subtrees);
  return frontier;
}

void Frontier::Append(const Hash& leaf_hash) {
  Hash hash = leaf_hash;
  for (uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = NodeHash(subtrees_.back(), hash);
    subtrees_.pop_back();
  }
  subtrees_.push_back(hash);
  ++size_;
}

Hash Frontier::Root() const {
  if (subtrees_.empty()) return EmptyRoot();
  Hash root = subtrees_.back();
  for (size_t i = subtrees_.size() - 1; i-- > 0;) root = NodeHash(subtrees_[i], root);
  return root;
}

}  // namespace televault::audit
