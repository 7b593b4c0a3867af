#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "vault/backup/files.h"
#include "vault/backup/manifest.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/log_layout.h"
#include "vault/store/store.h"

namespace televault::crypto {
class Keyring;
struct MetaKeyInfo;
}  // namespace televault::crypto
namespace televault::store {
class MetaStore;
}

namespace televault::backup {

// Where a copy, or a store, ends. DATA_LOSS: it does not say, or not under the key.
absl::StatusOr<store::JournalHead> ReadHead(const store::View& view, const SecretBytes& key);

// Whether the records of a backup open at all with the meta keys that are left: those up to some
// number are destroyed together. FAILED_PRECONDITION: nothing opens them any more.
absl::Status CheckMetaKey(const Manifest& manifest, const std::vector<crypto::MetaKeyInfo>& left);

// What was found in a copy.
struct Content {
  store::JournalHead head;
  uint64_t records = 0;
  uint32_t meta_key = 0;  // the oldest that one of the records is sealed under
  uint32_t partitions = 0;
  uint64_t micro_batches = 0;
  uint64_t blocks = 0;
  uint64_t chunks = 0;
  uint64_t events = 0;
  // Nobody opens anything of them: their key is destroyed, or is due.
  uint32_t shredded_partitions = 0;
  // What is wrong with data that was to be opened, one sentence each; at most
  // limits::kMaxBackupProblems and a word about the others.
  std::vector<std::string> problems;
};

// Looks at everything a copied store holds.
// Refuses to write, and to call a copy whole whose records or log do not add up.
// Threads: one.  Borrows: everything handed in.
// Invariants: (1) no more than one chunk, micro-batch or page of records is in memory, beside a few
// words for each partition. (2) What does not open is a problem, never left out.
// Failure: DATA_LOSS for the log, the head or the sum over all records; what go_on said.
class ContentCheck {
 public:
  struct Parts {
    store::Store& copy;
    const SecretBytes& freshness_key;
    GoOn go_on;
  };
  explicit ContentCheck(const Parts& parts) : parts_(parts) {}

  // The log: each entry hashed, each tile compared, head and root computed. The sum over all
  // records. Needs no key but the one that vouches for the head.
  absl::StatusOr<Content> CheckSealed();

  struct Keys {
    const store::MetaStore& meta;
    crypto::Keyring& keyring;
    VaultId vault;
    // Whether the vault itself takes the partition for unreadable by now, for its state or for its
    // deadline.
    std::function<bool(PartitionId partition, WallTime deadline)> is_gone;
    std::function<std::string(DatasetId)> name_of;
    // The copy was made a moment ago: what it holds under a key that was replaced is missing in it.
    bool fresh = false;
  };
  // Opens every record, micro-batch and chunk under its key. The caller sees to it that no meta key
  // is destroyed meanwhile.
  absl::Status Open(const Keys& keys, Content& content);

 private:
  class Opening;
  const Parts parts_;
};

}  // namespace televault::backup
