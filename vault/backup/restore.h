#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note.h"
#include "vault/backup/content.h"
#include "vault/backup/manifest.h"
#include "vault/backup/restore_order.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/store/anchor.h"

namespace televault::backup {

// Puts the data of a backup in the place of a vault's store, while no daemon runs.
// Refuses another vault's backup, one that was changed, a fork, older keys, and older rights that
// are not put back with it, whoever asks; what is older than the anchor unless that is accepted; to
// touch keys or anchor.
// Threads: one.  Borrows: everything handed in. The caller holds the vault's lock.
// Invariants: (1) under the store's name there is the old store or the new one, whole, after a
// crash at any step. (2) What is copied is checked as it is read, and nothing is read again from
// the backup. (3) The new store carries its order from the moment it has its name. Failure: the old
// store is in its place; a copy that was begun is removed by the next run.
class StoreRestore {
 public:
  struct Parts {
    FileSystem& fs;
    const Clock& clock;
    VaultId vault;
    audit::VerifierKey log;
    std::string store_directory;
    const SecretBytes& freshness_key;
    const SecretBytes& order_key;
    // What the anchor says; nothing where there is none, or none that can be read.
    std::optional<store::AnchorState> anchor;
    uint64_t keyring_generation = 0;
    std::vector<crypto::MetaKeyInfo> meta_keys;  // that are left in the keyring
    uint64_t control_generation = 0;
    // The control files are put back, too: then they may be older, where that is accepted.
    bool restores_control = false;
    LockEpoch lock_epoch;
    std::string accepted;  // why lost history is accepted; "" = it is not
    std::string by;
  };
  explicit StoreRestore(Parts parts) : parts_(std::move(parts)) {}

  struct Report {
    Manifest manifest;
    std::string kept;  // where the old store lies now; "" = there was none
    // Entries of the log that the anchor knew of and the backup has not.
    uint64_t lost_entries = 0;
    // Changes of persons, tokens and their uses that the anchor knew of and the control files have
    // not.
    uint64_t lost_control = 0;
    double seconds = 0;
  };
  absl::StatusOr<Report> Run(const std::string& backup);

  // Where a copy is made, and where the old store is left.
  static std::string StagingOf(const std::string& store_directory);
  static std::string KeptOf(const std::string& store_directory);

 private:
  absl::Status FinishEarlier();
  bool IsOnlyACopy(const std::string& directory) const;
  bool IsUnderWay(const std::string& staging) const;
  absl::Status CheckKeyring(uint64_t known) const;
  absl::Status CheckControl(uint64_t known, std::string_view who) const;
  absl::Status Stage(const std::string& backup, Manifest& manifest);
  absl::Status CheckCopy(const Manifest& manifest);
  absl::Status CheckAgainstAnchor(const Manifest& manifest, store::Store& copy);
  absl::Status CheckAgainstOldStore(const Manifest& manifest);
  void TakeOver(RestoreOrder& order) const;
  absl::Status Order(const Manifest& manifest);
  absl::StatusOr<std::string> Swap(bool keeps);

  const Parts parts_;
};

}  // namespace televault::backup
