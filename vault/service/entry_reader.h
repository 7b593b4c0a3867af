#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "vault/base/status.h"
#include "vault/crypto/audit_sealer.h"
#include "vault/store/journal.h"

namespace televault::service {

// Every leaf of [begin, end), also where they do not fit one read of the journal. DATA_LOSS where
// the log has a gap.
absl::StatusOr<std::vector<std::string>> ReadLeafRange(const store::Journal& journal,
                                                       uint64_t begin, uint64_t end);

// An entry, not a key: one that nobody can open any more is still there.
bool IsSealedEntry(const std::string& leaf);

// Opens entries of the log by index.
// Refuses nothing of its own: who may read is decided before.
// Threads: any. Borrows: journal, opener.
// Failure: UNAVAILABLE/SEALED while the keys are away. A leaf that does not open with the keys that
// are there (its epoch was destroyed, or is not in this copy of the keyring) is no failure: it says
// nothing, and must not keep everything else from being read.
class EntryReader {
 public:
  EntryReader(const store::Journal& journal, crypto::AuditOpener& opener)
      : journal_(journal), opener_(opener) {}

  // The entry of `index`; nothing for a leaf that carries a key or does not open. `leaf` gets the
  // stored bytes.
  absl::StatusOr<std::optional<record::v1::AuditEntry>> Read(LeafIndex index,
                                                             std::string* leaf = nullptr);
  // The entry in a leaf that was read already.
  absl::StatusOr<std::optional<record::v1::AuditEntry>> Open(LeafIndex index,
                                                             const std::string& leaf);

 private:
  absl::Status FindKeyLeaf(LeafIndex index);

  const store::Journal& journal_;
  crypto::AuditOpener& opener_;
};

}  // namespace televault::service
