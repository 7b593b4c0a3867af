#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/merkle.h"
#include "audit/note.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/hash.h"
#include "vault/store/meta_sum.h"

// What a backup says of itself (docs/formats/backup-v1.md): a list of its files, and a manifest
// that names the list by its hash and is signed by the vault.
namespace televault::backup {

// Names within a backup.
inline constexpr char kManifestFile[] = "manifest";
inline constexpr char kListFile[] = "files";
inline constexpr char kCheckpointFile[] = "checkpoint";
inline constexpr char kStoreDirectory[] = "store";
inline constexpr char kDatabaseDirectory[] = "store/db";

struct FileEntry {
  std::string name;  // "checkpoint", "store/db/000012.sst"
  uint64_t size = 0;
  crypto::Hash32 hash{};  // BLAKE2b-256
  friend bool operator==(const FileEntry&, const FileEntry&) = default;
};

// Lines "hash size name", ascending by name.
std::string FormatList(const std::vector<FileEntry>& files);
// DATA_LOSS unless the text is exactly what FormatList writes, and every name one that a backup may
// have: no other directory is ever reached through it.
absl::StatusOr<std::vector<FileEntry>> ParseList(std::string_view text);

struct Manifest {
  VaultId vault;
  WallTime created_at;
  // Head of the log that the copy ends with.
  audit::TreeHead head;
  uint64_t commits = 0;
  store::MetaSum meta_sum{};
  StoreEpoch store_epoch;
  // When the copy was made.
  uint64_t keyring_generation = 0;
  // The oldest that a record of the copy is sealed under: where it is destroyed, nothing opens
  // them.
  uint32_t meta_key = 0;
  LockEpoch lock_epoch;
  uint64_t files = 0;
  uint64_t bytes = 0;
  crypto::Hash32 list{};  // of the list of files
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// The text that is signed.
std::string FormatManifest(const Manifest& manifest);
// DATA_LOSS unless the text is exactly what FormatManifest writes.
absl::StatusOr<Manifest> ParseManifest(std::string_view text);

// A signed manifest as it lies in the backup. FAILED_PRECONDITION: not signed by `key`; DATA_LOSS:
// no manifest at all.
absl::StatusOr<Manifest> OpenManifest(std::string_view note, const audit::VerifierKey& key);

}  // namespace televault::backup
