#include "vault/backup/backup.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "audit/checkpoint.h"
#include "vault/base/bytes.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/store/rocks_store.h"

namespace televault::backup {
namespace {

constexpr size_t kMaxCheckpointBytes = 64 * 1024;
// Of the second handle: what it reads it reads once.
constexpr size_t kCacheBytes = size_t{8} << 20;
constexpr int kOpenFiles = 128;
constexpr auto kPublished = std::chrono::milliseconds(1'000);
constexpr int kPublishTries = 10;

std::string PartialOf(const std::string& directory) { return directory + ".partial"; }

// Whether `path` lies in `directory`, whatever names or mounts lead there.
bool LiesIn(const std::filesystem::path& path, const std::string& directory) {
  std::error_code error;
  for (std::filesystem::path at = path;; at = at.parent_path()) {
    if (std::filesystem::equivalent(at, directory, error)) return true;
    if (at == at.root_path()) return false;
  }
}

absl::StatusOr<std::unique_ptr<store::Store>> OpenCopy(FileSystem& fs, const std::string& backup) {
  auto copy =
      store::OpenRocksStoreReadOnly({.directory = absl::StrCat(backup, "/", kStoreDirectory),
                                     .fs = fs,
                                     .cache_bytes = kCacheBytes,
                                     .max_open_files = kOpenFiles});
  if (copy.ok()) return copy;
  return absl::DataLossError(
      absl::StrCat("the copy does not open: ", std::string(copy.status().message())));
}

std::chrono::nanoseconds Since(const Clock& clock, MonoTime start) { return clock.Mono() - start; }

absl::Status CheckHead(const Manifest& manifest, const store::JournalHead& head) {
  if (head.tree_size == manifest.head.size && head.root == manifest.head.root &&
      head.seq == manifest.commits && head.meta_sum == manifest.meta_sum) {
    return absl::OkStatus();
  }
  return absl::DataLossError("the copy does not end where its manifest says");
}

}  // namespace

Unpublished::~Unpublished() {
  if (!published_) RemoveTree(fs_, PartialOf(summary_.directory)).IgnoreError();
}

absl::Status Unpublished::Publish() {
  if (fs_.Exists(summary_.directory)) {
    return absl::AlreadyExistsError(
        absl::StrCat(summary_.directory, " was made by somebody else meanwhile"));
  }
  TV_CRASH_POINT("backup.complete");
  TV_RETURN_IF_ERROR(fs_.Rename(PartialOf(summary_.directory), summary_.directory));
  published_ = true;
  TV_CRASH_POINT("backup.named");
  return fs_.SyncDirectory(ParentOf(summary_.directory));
}

absl::Status BackupMaker::CheckPlace(const std::string& directory) const {
  const std::filesystem::path path(directory);
  if (directory.size() > limits::kMaxBackupPathBytes || !path.is_absolute() ||
      path.filename().empty() || path != path.lexically_normal()) {
    return absl::InvalidArgumentError(
        "a backup is made in a directory with an absolute path without \"..\" or a slash at its "
        "end");
  }
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::canonical(path.parent_path(), error);
  if (error || !std::filesystem::is_directory(parent, error)) {
    return absl::InvalidArgumentError(absl::StrCat(ParentOf(directory), " is not a directory"));
  }
  for (const std::string& kept : parts_.kept_apart) {
    if (LiesIn(parent, kept)) {
      return absl::InvalidArgumentError(absl::StrCat(
          directory, " lies in ", kept, ": a backup is kept apart from the vault and its keys"));
    }
  }
  for (const std::string& taken : {directory, PartialOf(directory)}) {
    if (std::filesystem::symlink_status(taken, error).type() ==
        std::filesystem::file_type::not_found) {
      continue;
    }
    return absl::AlreadyExistsError(absl::StrCat(
        taken, taken == directory ? " exists already: give a directory that does not"
                                  : " is left of a backup that was cut short: remove it"));
  }
  return absl::OkStatus();
}

// Linked beside the store first, which takes a moment and fixes what is copied; then byte for byte,
// so that what befalls one of the two does not befall the other.
absl::Status BackupMaker::Copy(const std::string& to, std::vector<FileEntry>& files,
                               const GoOn& go_on) {
  const std::string linked = store::CopyDirectory(parts_.store_directory);
  TV_RETURN_IF_ERROR(RemoveTree(parts_.fs, linked));
  const absl::Cleanup unlink = [&] {
    // Erasures wait while it is there; what cannot be removed now is when the store is opened.
    RemoveTree(parts_.fs, linked).IgnoreError();
  };
  TV_RETURN_IF_ERROR(parts_.store.Checkpoint(linked));
  const std::string from = linked + "/db";
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> names, parts_.fs.List(from));
  uint64_t bytes = 0;
  for (const std::string& name : names) {
    TV_ASSIGN_OR_RETURN(const uint64_t size, parts_.fs.FileSize(absl::StrCat(from, "/", name)));
    bytes += size;
  }
  TV_ASSIGN_OR_RETURN(const uint64_t free, parts_.fs.FreeBytes(to));
  if (free < bytes + limits::kBackupKeepFreeBytes) {
    return WithReason(
        absl::ResourceExhaustedError(absl::StrCat("a backup of ", bytes, " bytes does not fit ", to,
                                                  ": ", free, " bytes free, of which ",
                                                  limits::kBackupKeepFreeBytes, " are left alone")),
        reason::kDiskFull);
  }
  const std::string database = absl::StrCat(to, "/", kDatabaseDirectory);
  TV_RETURN_IF_ERROR(parts_.fs.CreateNewDirectory(absl::StrCat(to, "/", kStoreDirectory), 0700));
  TV_RETURN_IF_ERROR(parts_.fs.CreateNewDirectory(database, 0700));
  for (const std::string& name : names) {
    TV_ASSIGN_OR_RETURN(FileEntry entry, CopyFile(parts_.fs, from, database, name, go_on));
    entry.name = absl::StrCat(kDatabaseDirectory, "/", name);
    files.push_back(std::move(entry));
  }
  TV_RETURN_IF_ERROR(parts_.fs.SyncDirectory(database));
  return parts_.fs.SyncDirectory(absl::StrCat(to, "/", kStoreDirectory));
}

// The copy may hold a commit that the journal has not told anybody of yet.
absl::Status BackupMaker::CheckAgainstLog(const audit::TreeHead& head, int waits) const {
  store::CommitReceipt now = parts_.journal.Head();
  for (int i = 0; now.tree_size < head.size && i < waits; ++i) {
    parts_.journal.WaitForGrowth(now.tree_size, kPublished);
    now = parts_.journal.Head();
  }
  if (now.tree_size < head.size) {
    return absl::DataLossError(absl::StrCat("the backup ends at entry ", head.size,
                                            " of the log, which has ", now.tree_size,
                                            ": history was lost since it was made"));
  }
  if (head.size == 0) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(const auto proof, parts_.journal.ConsistencyProof(head.size, now.tree_size));
  if (audit::VerifyConsistency(head, {now.tree_size, now.root}, proof).ok()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      "the backup's log is not the beginning of this vault's: one of the two "
      "is a fork");
}

absl::Status BackupMaker::Sign(const std::string& partial, std::vector<FileEntry> files,
                               Manifest& manifest) {
  TV_ASSIGN_OR_RETURN(const std::string checkpoint,
                      parts_.sign(audit::CheckpointBody(
                          {parts_.log.name(), manifest.head.size, manifest.head.root})));
  TV_RETURN_IF_ERROR(ReplaceFile(parts_.fs, absl::StrCat(partial, "/", kCheckpointFile),
                                 AsBytes(checkpoint), 0600));
  files.insert(files.begin(), {.name = kCheckpointFile,
                               .size = checkpoint.size(),
                               .hash = crypto::PlainHash32(AsBytes(checkpoint))});
  const std::string list = FormatList(files);
  TV_RETURN_IF_ERROR(
      ReplaceFile(parts_.fs, absl::StrCat(partial, "/", kListFile), AsBytes(list), 0600));
  manifest.files = files.size();
  for (const FileEntry& file : files) manifest.bytes += file.size;
  manifest.list = crypto::PlainHash32(AsBytes(list));
  TV_ASSIGN_OR_RETURN(const std::string note, parts_.sign(FormatManifest(manifest)));
  TV_CRASH_POINT("backup.listed");
  return ReplaceFile(parts_.fs, absl::StrCat(partial, "/", kManifestFile), AsBytes(note), 0600);
}

absl::StatusOr<std::unique_ptr<Unpublished>> BackupMaker::Make(const std::string& directory,
                                                               const ContentCheck::Keys& keys,
                                                               const GoOn& go_on) {
  TV_RETURN_IF_ERROR(CheckPlace(directory));
  const std::string partial = PartialOf(directory);
  TV_RETURN_IF_ERROR(parts_.fs.CreateNewDirectory(partial, 0700));
  absl::Cleanup remove = [&] { RemoveTree(parts_.fs, partial).IgnoreError(); };
  Summary summary{.directory = directory};
  Manifest& manifest = summary.manifest;
  manifest.vault = parts_.vault;
  manifest.created_at = parts_.clock.Wall();
  manifest.store_epoch = parts_.store_epoch;
  manifest.keyring_generation = parts_.keyring_generation();
  manifest.lock_epoch = parts_.lock_epoch();

  const MonoTime start = parts_.clock.Mono();
  std::vector<FileEntry> files;
  TV_RETURN_IF_ERROR(Copy(partial, files, go_on));
  TV_CRASH_POINT("backup.copied");
  summary.copy_time = Since(parts_.clock, start);

  const MonoTime copied = parts_.clock.Mono();
  // From its own disk: what was read to be copied proves nothing about what was written.
  for (const FileEntry& file : files) {
    TV_ASSIGN_OR_RETURN(const FileEntry again, HashFile(parts_.fs, partial, file.name, go_on));
    TV_RETURN_IF_ERROR(CheckEntry(file, again));
  }
  TV_ASSIGN_OR_RETURN(const auto copy, OpenCopy(parts_.fs, partial));
  ContentCheck check({*copy, parts_.freshness_key, go_on});
  TV_ASSIGN_OR_RETURN(summary.content, check.CheckSealed());
  const store::JournalHead& head = summary.content.head;
  manifest.head = {head.tree_size, head.root};
  manifest.commits = head.seq;
  manifest.meta_sum = head.meta_sum;
  // Before it is signed: the vault never signs a head that it has not shown.
  TV_RETURN_IF_ERROR(CheckAgainstLog(manifest.head, kPublishTries));
  TV_RETURN_IF_ERROR(check.Open(keys, summary.content));
  manifest.meta_key = summary.content.meta_key;
  summary.verify_time = Since(parts_.clock, copied);
  TV_RETURN_IF_ERROR(go_on());
  TV_RETURN_IF_ERROR(Sign(partial, std::move(files), manifest));
  TV_RETURN_IF_ERROR(parts_.fs.SyncDirectory(partial));
  std::move(remove).Cancel();
  return std::make_unique<Unpublished>(parts_.fs, std::move(summary));
}

absl::StatusOr<Manifest> CheckFiles(
    FileSystem& fs, const std::string& directory, const audit::VerifierKey& log,
    const VaultId& vault,
    const std::function<absl::StatusOr<FileEntry>(const std::string& name)>& take) {
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  const auto note = ReadPlainFile(fs, path, limits::kMaxBackupManifestBytes);
  if (!note.ok()) {
    return absl::NotFoundError(
        absl::StrCat(directory, " is no backup: it has no manifest that can be read"));
  }
  const auto manifest = OpenManifest(*note, log);
  if (!manifest.ok()) {
    return absl::DataLossError(absl::StrCat(path, " is not signed by this vault's log key, or was ",
                                            "changed: ", std::string(manifest.status().message())));
  }
  if (manifest->vault != vault) {
    return absl::DataLossError(absl::StrCat(directory, " is another vault's backup"));
  }
  TV_ASSIGN_OR_RETURN(
      const std::string list,
      ReadPlainFile(fs, absl::StrCat(directory, "/", kListFile), limits::kMaxBackupListBytes));
  if (crypto::PlainHash32(AsBytes(list)) != manifest->list) {
    return absl::DataLossError(absl::StrCat("the list of files in ", directory, " was changed"));
  }
  TV_ASSIGN_OR_RETURN(const std::vector<FileEntry> files, ParseList(list));
  TV_RETURN_IF_ERROR(CheckNames(fs, directory, files));
  for (const FileEntry& file : files) {
    TV_ASSIGN_OR_RETURN(const FileEntry found, take(file.name));
    TV_RETURN_IF_ERROR(CheckEntry(file, found));
  }
  TV_ASSIGN_OR_RETURN(
      const std::string checkpoint,
      ReadPlainFile(fs, absl::StrCat(directory, "/", kCheckpointFile), kMaxCheckpointBytes));
  const auto head = audit::OpenCheckpoint(checkpoint, log);
  if (!head.ok() || head->Head() != manifest->head) {
    return absl::DataLossError(
        absl::StrCat("the checkpoint in ", directory, " is not the one that its manifest names"));
  }
  return *manifest;
}

absl::StatusOr<Summary> BackupMaker::Verify(const std::string& directory,
                                            const ContentCheck::Keys& keys, const GoOn& go_on) {
  if (!std::filesystem::path(directory).is_absolute() ||
      directory.size() > limits::kMaxBackupPathBytes) {
    return absl::InvalidArgumentError("give the directory of the backup with an absolute path");
  }
  // Hashed here and opened by the engine below: between the two nobody may have changed it.
  for (const char* const part : {"", kStoreDirectory, kDatabaseDirectory}) {
    TV_RETURN_IF_ERROR(CheckNobodyElseWrites(absl::StrCat(directory, "/", part)));
  }
  Summary summary{.directory = directory};
  const MonoTime start = parts_.clock.Mono();
  TV_ASSIGN_OR_RETURN(
      summary.manifest,
      CheckFiles(parts_.fs, directory, parts_.log, parts_.vault,
                 [&](const std::string& name) -> absl::StatusOr<FileEntry> {
                   TV_RETURN_IF_ERROR(CheckNobodyElseWrites(absl::StrCat(directory, "/", name)));
                   return HashFile(parts_.fs, directory, name, go_on);
                 }));
  TV_RETURN_IF_ERROR(CheckAgainstLog(summary.manifest.head, 0));
  TV_ASSIGN_OR_RETURN(const auto copy, OpenCopy(parts_.fs, directory));
  ContentCheck check({*copy, parts_.freshness_key, go_on});
  TV_ASSIGN_OR_RETURN(summary.content, check.CheckSealed());
  TV_RETURN_IF_ERROR(CheckHead(summary.manifest, summary.content.head));
  TV_RETURN_IF_ERROR(CheckMetaKey(summary.manifest, keys.keyring.MetaKeys()));
  TV_RETURN_IF_ERROR(check.Open(keys, summary.content));
  summary.verify_time = Since(parts_.clock, start);
  return summary;
}

}  // namespace televault::backup
