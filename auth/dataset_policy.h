#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace televault::auth {

// BLAKE2b-256 of a manifest, of a query, …
using Digest = std::array<uint8_t, 32>;

enum class AccessMode : uint8_t { kUnspecified = 0, kAggregate, kRows, kDifferentialPrivacy };

// "aggregate", "rows", "dp"; "" for kUnspecified.
std::string_view ModeName(AccessMode mode);

// In rising order of sensitivity.
enum class FieldClass : uint8_t {
  kUnspecified = 0,
  kPublic,
  kTechnical,
  kInteraction,
  kIdentifier,
  kPersonal,
  kSpecial,
};

// What a role sees instead of a field's value. Filters, sorts and groups work on the masked value.
struct Mask {
  enum class Kind : uint8_t {
    kHidden = 0,  // NULL; also what an unknown mask counts as
    kVisible,
    kHash,      // keyed hash, equal for equal values within one answer
    kTruncate,  // the first `length` characters
    kYear,      // timestamps: the start of their UTC year
  };
  Kind kind = Kind::kHidden;
  uint32_t length = 0;  // kTruncate only, 1 to 65,535

  static constexpr Mask Visible() { return {Kind::kVisible, 0}; }
  friend constexpr bool operator==(const Mask&, const Mask&) = default;
};

// "visible", "hidden", "hash", "truncate(3)", "year".
std::string FormatMask(const Mask& mask);
absl::StatusOr<Mask> ParseMask(std::string_view text);

struct FieldPolicy {
  FieldClass field_class = FieldClass::kUnspecified;
  std::vector<std::string> purposes;
};

inline constexpr int64_t kDayUs = int64_t{24} * 3'600 * 1'000'000;

struct RolePolicy {
  AccessMode mode = AccessMode::kUnspecified;
  std::vector<std::string> purposes;
  // kAggregate: groups with fewer subjects are withheld. At least 1; the lint wants 5.
  uint32_t k_min = 0;
  // kRows: distinct approvers a grant needs, and how long it may last at most.
  uint32_t approvals = 0;
  int64_t max_grant_us = 0;
  // Fields not named are visible.
  std::map<std::string, Mask, std::less<>> masks;
  // event_time is rounded down to a multiple of it; 0 = exact, which kRows alone may have.
  int64_t time_granularity_us = kDayUs;
};

// The version of this struct's meaning. A policy of another version denies everything.
inline constexpr uint32_t kDatasetPolicyVersion = 1;

// What a dataset's manifest says about access. Built by the catalog from a checked manifest;
// immutable afterwards. Everything left at its default denies.
struct DatasetPolicy {
  uint32_t version = 0;
  std::string name;
  std::vector<std::string> purposes;
  // By role name.
  std::map<std::string, RolePolicy, std::less<>> roles;
  // Every field a query can touch, event_time and subject included.
  std::map<std::string, FieldPolicy, std::less<>> fields;
  bool has_subject = false;
  // The manifest's review_by: from then on nothing is appended until the dataset is reviewed.
  int64_t read_only_after_us = 0;
  // Of the manifest.
  Digest digest{};
};

}  // namespace televault::auth
