#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/entry.h"

// What entries about expiry and erasure say, read strictly: nullopt for everything that a vault
// does not write.
namespace televault::audit {

// Years 1 to 9999, in µs since 1970: sums of two times stay far from the ends of the type.
inline constexpr int64_t kMinLedgerUs = -62'135'596'800'000'000;
inline constexpr int64_t kMaxLedgerUs = 253'402'300'800'000'000;

// RFC 3339 in UTC, as the vault writes it.
std::optional<int64_t> ParseLedgerTime(const std::string& text);
// Of 2026-11-23, the midnight after it.
std::optional<int64_t> EndOfLedgerDay(const std::string& text);
// "90d": a number and one unit; in µs.
std::optional<int64_t> ParseTtl(const std::string& text);
// "," between them.
std::vector<std::string> ParseIds(const std::string& joined);

// One entry and where it stands. Borrows: the entry.
struct RetentionFacts {
  uint64_t index;
  const AuditEntry& entry;

  std::string Text(const char* name) const;  // "" where it is not there
  std::optional<uint64_t> Number(const char* name) const;
  std::optional<int64_t> Time(const char* name) const { return ParseLedgerTime(Text(name)); }
};

}  // namespace televault::audit
