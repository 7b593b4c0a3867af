#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/status.h"

namespace televault::crypto {
class Keyring;
}

namespace televault::service {

inline constexpr size_t kMaxSearchedLiteralBytes = 4'096;

// Keyed hashes of the literals of queries, as audit entries keep them: who knows a value finds the
// queries that held it, and nobody reads one out of the trail. The key belongs to the audit epoch
// of the entry and goes with its private half. Refuses while sealed. Threads: any.  Borrows:
// keyring. Invariants: (1) equal texts have equal hashes within an epoch, and unrelated ones in
// two.
class LiteralHashes {
 public:
  explicit LiteralHashes(const crypto::Keyring& keyring) : keyring_(keyring) {}

  // Of each text in order, under the epoch in force. UNAVAILABLE/SEALED.
  absl::StatusOr<std::vector<std::string>> Of(std::span<const std::string> texts) const;

  // What a searched literal looks like in entries, whatever their epoch.
  struct Wanted {
    std::set<std::string> hashes;
    bool In(const record::v1::AuditEntry& entry) const;
  };
  // A number is found however it is written ("1.50" is 1.5). INVALID_ARGUMENT: over
  // kMaxSearchedLiteralBytes. UNAVAILABLE/SEALED.
  absl::StatusOr<Wanted> Find(std::string_view literal) const;

 private:
  const crypto::Keyring& keyring_;
};

// The texts under which a parameter of a query is found, as its literals are: lists by their items.
std::vector<std::string> LiteralTexts(const v1::Value& value);

}  // namespace televault::service
