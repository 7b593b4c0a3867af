#include "vault/backup/files.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"

namespace televault::backup {
namespace {

using limits::kBackupKeepFreeBytes;
using limits::kBackupUnsyncedBytes;

// DATA_LOSS where something else than a plain file lies there, or nothing.
absl::StatusOr<std::unique_ptr<ReadableFile>> OpenToCopy(FileSystem& fs, const std::string& path) {
  auto file = fs.OpenPlain(path);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(absl::StrCat(path, " is missing"));
  }
  if (absl::IsFailedPrecondition(file.status())) {
    return absl::DataLossError(std::string(file.status().message()));
  }
  return file;
}

// Reads all of a file, piece by piece: of one and the same, and no more than it had when it was
// opened, since whoever writes on at its end would have no end of it.
absl::StatusOr<FileEntry> ReadPieces(FileSystem& fs, const std::string& directory,
                                     const std::string& name, const GoOn& go_on,
                                     const std::function<absl::Status(Bytes)>& take) {
  const std::string path = absl::StrCat(directory, "/", name);
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, OpenToCopy(fs, path));
  FileEntry entry{.name = name};
  crypto::Hasher32 hasher;
  std::vector<uint8_t> piece(limits::kBackupPieceBytes);
  while (true) {
    TV_RETURN_IF_ERROR(go_on());
    TV_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(entry.size, piece));
    const Bytes read = Bytes(piece).first(count);
    hasher.Add(read);
    entry.size += count;
    if (entry.size > file->SizeWhenOpened()) {
      return absl::DataLossError(absl::StrCat(path, " grows while it is read"));
    }
    TV_RETURN_IF_ERROR(take(read));
    if (count < piece.size()) break;
  }
  entry.hash = hasher.Finish();
  return entry;
}

enum class Kind { kFile, kDirectory };

// Through no link: what it points at may be anything.
absl::Status CheckKind(const std::string& path, Kind kind) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return absl::DataLossError(absl::StrCat(path, " is missing"));
  }
  if (kind == Kind::kFile ? S_ISREG(info.st_mode) : S_ISDIR(info.st_mode)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path, " is no ", kind == Kind::kFile ? "plain file" : "directory"));
}

absl::Status CheckListing(FileSystem& fs, const std::string& directory,
                          std::vector<std::string> expected) {
  TV_RETURN_IF_ERROR(CheckKind(directory, Kind::kDirectory));
  TV_ASSIGN_OR_RETURN(std::vector<std::string> found, fs.List(directory));
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  const auto [want, have] =
      std::mismatch(expected.begin(), expected.end(), found.begin(), found.end());
  if (want == expected.end() && have == found.end()) return absl::OkStatus();
  const bool missing = have == found.end() || (want != expected.end() && *want < *have);
  return absl::DataLossError(absl::StrCat(directory, "/", missing ? *want : *have,
                                          missing ? " is missing" : " does not belong there"));
}

}  // namespace

absl::StatusOr<FileEntry> CopyFile(FileSystem& fs, const std::string& from, const std::string& to,
                                   const std::string& name, const GoOn& go_on) {
  TV_ASSIGN_OR_RETURN(
      const std::unique_ptr<WritableFile> file,
      fs.OpenWritable(absl::StrCat(to, "/", name), OpenMode::kNew, /*permissions=*/0600));
  size_t waiting = kBackupUnsyncedBytes;  // the first piece looks for room
  const auto take = [&](Bytes piece) -> absl::Status {
    if (waiting >= kBackupUnsyncedBytes) {
      waiting = 0;
      TV_RETURN_IF_ERROR(file->Sync());
      TV_ASSIGN_OR_RETURN(const uint64_t free, fs.FreeBytes(to));
      if (free < kBackupKeepFreeBytes) {
        return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                              "the disk of ", to, " is nearly full: ", free, " bytes free, ",
                              kBackupKeepFreeBytes, " are left alone")),
                          reason::kDiskFull);
      }
    }
    waiting += piece.size();
    return file->Append(piece);
  };
  TV_ASSIGN_OR_RETURN(FileEntry entry, ReadPieces(fs, from, name, go_on, take));
  TV_RETURN_IF_ERROR(file->Sync());
  TV_RETURN_IF_ERROR(file->Close());
  return entry;
}

absl::StatusOr<FileEntry> HashFile(FileSystem& fs, const std::string& directory,
                                   const std::string& name, const GoOn& go_on) {
  return ReadPieces(fs, directory, name, go_on, [](Bytes) { return absl::OkStatus(); });
}

absl::Status CheckNames(FileSystem& fs, const std::string& directory,
                        const std::vector<FileEntry>& files) {
  std::vector<std::string> in_database;
  for (const FileEntry& file : files) {
    if (file.name != kCheckpointFile)
      in_database.push_back(file.name.substr(file.name.rfind('/') + 1));
  }
  TV_RETURN_IF_ERROR(
      CheckListing(fs, directory, {kManifestFile, kListFile, kCheckpointFile, kStoreDirectory}));
  TV_RETURN_IF_ERROR(CheckListing(fs, absl::StrCat(directory, "/", kStoreDirectory), {"db"}));
  TV_RETURN_IF_ERROR(
      CheckListing(fs, absl::StrCat(directory, "/", kDatabaseDirectory), std::move(in_database)));
  for (const FileEntry& file : files) {
    const std::string path = absl::StrCat(directory, "/", file.name);
    TV_RETURN_IF_ERROR(CheckKind(path, Kind::kFile));
    TV_ASSIGN_OR_RETURN(const uint64_t size, fs.FileSize(path));
    if (size != file.size) {
      return absl::DataLossError(
          absl::StrCat(path, " has ", size, " bytes instead of ", file.size));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPlainFile(FileSystem& fs, const std::string& path,
                                          size_t max_bytes) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, OpenToCopy(fs, path));
  return ReadWhole(*file, path, max_bytes);
}

absl::Status CheckNobodyElseWrites(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (S_ISLNK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is a symbolic link, and what it leads to may be anybody's: put there what it ",
        "leads to"));
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " belongs to the user ", info.st_uid, ", who could change it meanwhile; ", "this is ",
        ::geteuid(), ": give it to that user or to root (chown)"));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " can be written by others than its owner, who could change it meanwhile: take that ",
        "away (chmod go-w)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DirectoryNobodyElseWrites(const std::string& path) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error);
  if (error) {
    const std::string text = absl::StrCat("cannot open ", path, ": ", error.message());
    return error == std::errc::no_such_file_or_directory ? absl::NotFoundError(text)
                                                         : absl::FailedPreconditionError(text);
  }
  TV_RETURN_IF_ERROR(CheckNobodyElseWrites(real));
  return real;
}

absl::Status CheckEntry(const FileEntry& listed, const FileEntry& found) {
  if (listed == found) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(listed.name, " is not what the backup's list says: it was changed"));
}

}  // namespace televault::backup
