#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "audit/note.h"
#include "vault/backup/content.h"
#include "vault/backup/files.h"
#include "vault/backup/manifest.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/journal.h"
#include "vault/store/store.h"

namespace televault::backup {

// What was made or looked at.
struct Summary {
  std::string directory;
  Manifest manifest;
  Content content;
  std::chrono::duration<double> copy_time{0};
  std::chrono::duration<double> verify_time{0};
};

// A backup that is complete but for its name. Removed again unless it is published.
// Threads: one at a time.  Borrows: file system.
class Unpublished {
 public:
  Unpublished(FileSystem& fs, Summary summary) : fs_(fs), summary_(std::move(summary)) {}
  ~Unpublished();
  Unpublished(const Unpublished&) = delete;
  Unpublished& operator=(const Unpublished&) = delete;

  const Summary& summary() const { return summary_; }
  // Gives it its name; durable when OK.
  absl::Status Publish();

 private:
  FileSystem& fs_;
  const Summary summary_;
  bool published_ = false;
};

// Makes backups of a vault that goes on serving, and holds them against it.
// Refuses to copy a key, to overwrite anything, to call a copy a backup that was not read again and
// opened; to decide who may ask.
// Threads: one call at a time.  Borrows: everything handed in.
// Invariants: (1) under its own name there is a whole backup or none: what is under way ends in
// ".partial". (2) No file of it is one of the store's under another name. (3) The list and the
// signature cover every byte but their own.
// Failure: nothing is left; ALREADY_EXISTS, INVALID_ARGUMENT for the directory, RESOURCE_EXHAUSTED
// for its disk, DATA_LOSS for the copy, and what go_on said.
class BackupMaker {
 public:
  struct Parts {
    FileSystem& fs;
    const Clock& clock;
    store::Store& store;
    const store::Journal& journal;
    std::string store_directory;
    const SecretBytes& freshness_key;
    VaultId vault;
    audit::VerifierKey log;
    std::function<absl::StatusOr<std::string>(const std::string& text)> sign;
    // Of now.
    StoreEpoch store_epoch;
    std::function<uint64_t()> keyring_generation;
    std::function<LockEpoch()> lock_epoch;
    // Directories that no backup may lie in: of the vault, of its keys.
    std::vector<std::string> kept_apart;
  };
  explicit BackupMaker(Parts parts) : parts_(std::move(parts)) {}

  absl::StatusOr<std::unique_ptr<Unpublished>> Make(const std::string& directory,
                                                    const ContentCheck::Keys& keys,
                                                    const GoOn& go_on);
  // Errors where it is none, is not this vault's, was changed, or does not fit its log, and
  // FAILED_PRECONDITION where somebody else may change it meanwhile; what does not open in one that
  // is whole is in `problems`.
  absl::StatusOr<Summary> Verify(const std::string& directory, const ContentCheck::Keys& keys,
                                 const GoOn& go_on);

 private:
  absl::Status CheckPlace(const std::string& directory) const;
  absl::Status Copy(const std::string& to, std::vector<FileEntry>& files, const GoOn& go_on);
  // How often it waits for a log that has not grown to it yet.
  absl::Status CheckAgainstLog(const audit::TreeHead& head, int waits) const;
  absl::Status Sign(const std::string& partial, std::vector<FileEntry> files, Manifest& manifest);

  const Parts parts_;
};

// Opens a backup as far as no key is needed: the signature, the names, the contents of all files.
// `take` reads each file and says what is in it.
absl::StatusOr<Manifest> CheckFiles(
    FileSystem& fs, const std::string& directory, const audit::VerifierKey& log,
    const VaultId& vault,
    const std::function<absl::StatusOr<FileEntry>(const std::string& name)>& take);

}  // namespace televault::backup
