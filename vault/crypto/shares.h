#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/hash.h"

// A root key in k of n shares (Shamir's secret sharing over GF(2^8), one polynomial a byte).
namespace televault::crypto {

inline constexpr size_t kMaxShares = 32;
inline constexpr size_t kMinShareThreshold = 2;
// Letters and digits of a share as text, groups and dashes included.
inline constexpr size_t kShareTextBytes = 92;

using ShareSetId = std::array<uint8_t, 8>;

// What is kept of one splitting. Tells a share of it from every other one; opens nothing.
struct ShareSet {
  ShareSetId id{};        // random; each share carries it
  uint8_t shares = 0;     // 2 to kMaxShares
  uint8_t threshold = 0;  // kMinShareThreshold to `shares`
  // Of share 1, 2, …: BLAKE2b-128 of its 32 random-looking bytes, so that a wrong one is noticed
  // when it is given and not at the end.
  std::vector<Hash16> digests;
};

// INVALID_ARGUMENT says which bound is not kept.
absl::Status ValidateShareSet(const ShareSet& set);

struct SplitRoot {
  ShareSet set;
  // Text of each share (docs/formats/share-v1.md): `tvs1-` and eleven groups of seven letters and
  // digits, for typing by hand. Together at least `threshold` of them are the root key.
  std::vector<SecretBytes> texts;
};

// INVALID_ARGUMENT for counts out of bounds. `root` has 32 bytes.
absl::StatusOr<SplitRoot> Split(const SecretBytes& root, size_t shares, size_t threshold,
                                Random& random);

// The text of one share, for handing it out.
std::string RevealShare(const SecretBytes& text);

// Takes shares of one set until there are enough.
// Refuses shares of other sets, damaged ones, ones it has. Nothing it says depends on the shares
// taken before, but whether this one is among them.
// Threads: one at a time. Invariant: what it holds is wiped when it goes.
class ShareCollector {
 public:
  explicit ShareCollector(ShareSet set) : set_(std::move(set)) {}

  // `text`: of one share; case, spaces and dashes do not matter. INVALID_ARGUMENT: no share, or
  // mistyped; FAILED_PRECONDITION: of another set; ALREADY_EXISTS: given before;
  // PERMISSION_DENIED: whole, but not one of this set's.
  absl::Status Check(std::string_view text) const;
  // The same, and keeps it.
  absl::Status Add(std::string_view text);
  size_t given() const { return shares_.size(); }
  size_t needed() const { return set_.threshold; }
  bool complete() const { return given() >= needed(); }
  // The root key; FAILED_PRECONDITION before it is complete. That it is the right one is the
  // keyring's to say.
  absl::StatusOr<SecretBytes> Combine() const;
  void Forget() { shares_.clear(); }
  const ShareSet& set() const { return set_; }

 private:
  ShareSet set_;
  std::map<uint8_t, SecretBytes> shares_;  // by number, 1 to 32
};

}  // namespace televault::crypto
