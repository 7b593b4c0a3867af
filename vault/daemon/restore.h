#pragma once

#include <string>

#include "vault/backup/restore.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/daemon/config.h"

namespace televault::daemon {

struct RestoreOptions {
  Config config;       // data directory, anchor, key replicas
  std::string backup;  // directory
  std::string accepted;
  // Not "": the data directory is lost, and made again out of this one, which holds copies of
  // identity, control and tls. Keyring and slot secrets come from a key replica at the next start.
  // No file that is there already is overwritten: ALREADY_EXISTS where it is not the same.
  std::string static_files;
  std::string by;
};

// Puts the data of a backup into a vault that no daemon serves; the next start takes it in. Takes
// the vault's lock. Errors as StoreRestore; NOT_FOUND and FAILED_PRECONDITION where the vault, its
// keys or its lock are not to be had.
absl::StatusOr<backup::StoreRestore::Report> RestoreVault(FileSystem& fs, const Clock& clock,
                                                          Random& random,
                                                          const RestoreOptions& options);

}  // namespace televault::daemon
