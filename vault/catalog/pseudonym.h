#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/time.h"
#include "vault/crypto/hash.h"

// How a raw subject id becomes what is stored. Ingest writes with it, erasure looks up with it.
namespace televault::catalog {

// The salt period that `day` falls into; all events of a partition share one. `rotate` empty:
// never.
constexpr int64_t SaltPeriod(Day day, std::optional<microseconds> rotate) {
  if (!rotate || rotate->count() <= 0) return 0;
  const int64_t start = StartOf(day).micros;
  const int64_t quotient = start / rotate->count();
  return start % rotate->count() < 0 ? quotient - 1 : quotient;
}

// The pseudonym under the dataset's salt of that period.
inline crypto::Hash16 Pseudonym(const SecretBytes& salt, std::string_view raw_id) {
  return crypto::KeyedHash16(salt, "tv.subject", AsBytes(raw_id));
}

// What the block list is asked with: under the dataset's own key that never rotates.
inline crypto::Hash16 BlockedHash(const SecretBytes& key, std::string_view raw_id) {
  return crypto::KeyedHash16(key, "tv.blocked", AsBytes(raw_id));
}

}  // namespace televault::catalog
