#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <utility>

namespace televault {

// A number with a meaning: ids of different kinds do not mix.
template <class Tag, class Rep>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Rep value_{};
};

// Numeric handle of a dataset inside the engine; 0 is never given out.
using DatasetId = StrongId<struct DatasetIdTag, uint32_t>;
// UTC days since 1970-01-01.
using Day = StrongId<struct DayTag, int32_t>;
// Data key, unique within a vault, never reused.
using KeyId = StrongId<struct KeyIdTag, uint64_t>;
// Index of a leaf in the audit log.
using LeafIndex = StrongId<struct LeafIndexTag, uint64_t>;
// Grows with every change of the lockdown state.
using LockEpoch = StrongId<struct LockEpochTag, uint64_t>;
// The writer's epoch; grows with every open of the store.
using StoreEpoch = StrongId<struct StoreEpochTag, uint64_t>;

// Dataset × UTC day of the event: the unit of keys, expiry and files.
struct PartitionId {
  DatasetId dataset;
  Day day;
  friend constexpr auto operator<=>(const PartitionId&, const PartitionId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PartitionId& id) {
    return H::combine(std::move(h), id.dataset, id.day);
  }
};

// A block of a partition; `block` is unique within the vault.
struct BlockId {
  PartitionId partition;
  uint64_t block = 0;
  friend constexpr auto operator<=>(const BlockId&, const BlockId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const BlockId& id) {
    return H::combine(std::move(h), id.partition, id.block);
  }
};

// Random identity of a vault, part of every AAD.
struct VaultId {
  std::array<uint8_t, 16> bytes{};
  friend constexpr auto operator<=>(const VaultId&, const VaultId&) = default;
};

}  // namespace televault
