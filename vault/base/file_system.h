#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/status.h"

namespace televault {

// A file open for writing. Bytes are durable only after Sync() returned OK.
// A failed Sync is never retried: the caller must treat the outcome as unknown.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual absl::Status Append(Bytes data) = 0;
  virtual absl::Status WriteAt(uint64_t offset, Bytes data) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::Status Sync() = 0;   // fdatasync
  virtual absl::Status Close() = 0;  // without sync
};

// A file open for reading: always the same one, whatever its name stands for by now.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to out.size() bytes at `offset`; returns how many there were.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) = 0;
  virtual uint64_t SizeWhenOpened() const = 0;
};

enum class OpenMode {
  kNew,       // create; ALREADY_EXISTS where the name is taken, be it by a symbolic link
  kTruncate,  // create or empty
  kReopen,    // create or keep; Append goes to the end
};

// The one layer through which the keyring, slots, control file, anchor and RocksDB write. The POSIX
// implementation is the product's; tests substitute one that loses what was not synced.
// A directory entry (create, rename, remove) is durable only after SyncDirectory of its parent.
// Errors: NOT_FOUND, RESOURCE_EXHAUSTED (disk or quota full), PERMISSION_DENIED, else UNAVAILABLE.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path,
                                                                     OpenMode mode,
                                                                     int permissions) = 0;
  // The whole file; RESOURCE_EXHAUSTED if it is larger than `max_bytes`.
  virtual absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) = 0;
  // Reads up to out.size() bytes at `offset` into memory of the caller's choice (keys go straight
  // into guarded memory); returns how many there were.
  virtual absl::StatusOr<size_t> ReadInto(const std::string& path, uint64_t offset,
                                          std::span<uint8_t> out) = 0;
  // For what somebody else may have put there: opens a plain file only, through no link in its
  // place, and waits for nobody. FAILED_PRECONDITION where the name stands for a link, pipe,
  // device, socket or directory.
  virtual absl::StatusOr<std::unique_ptr<ReadableFile>> OpenPlain(const std::string& path) = 0;
  virtual absl::StatusOr<uint64_t> FileSize(const std::string& path) = 0;
  // A further name for the same file.
  virtual absl::Status Link(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // Each of two names stands for what the other one did, in one step. UNIMPLEMENTED where the file
  // system cannot do that.
  virtual absl::Status Exchange(const std::string& a, const std::string& b);
  virtual absl::Status Remove(const std::string& path) = 0;
  // OK where the directory is there already.
  virtual absl::Status CreateDirectory(const std::string& path, int permissions) = 0;
  // ALREADY_EXISTS where the name is taken, be it by an empty directory or by a link to one: what
  // is in the new one is the caller's alone.
  virtual absl::Status CreateNewDirectory(const std::string& path, int permissions) = 0;
  virtual absl::Status RemoveDirectory(const std::string& path) = 0;  // an empty one
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  // False also where it cannot be found out: never a proof that something is gone.
  virtual bool Exists(const std::string& path) = 0;
  // Bytes a process like this one may still write to the file system that holds `path`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
  // As ReadInto from the start, of a small file with a secret that nobody else may read.
  // FAILED_PRECONDITION, with what is to be done: it is no plain file, or a link; it belongs to
  // neither this process's user nor root; group or others have permissions on it, but for one of
  // root's that this process's group may read (CheckPrivate).
  virtual absl::StatusOr<size_t> ReadPrivate(const std::string& path, std::span<uint8_t> out) = 0;
  // Overwrites the file's blocks in place with zeroes and random bytes, syncs, then removes it.
  // Best effort on copy-on-write and flash; the receipt says so. NOT_FOUND: there is no such file.
  // FAILED_PRECONDITION: it is no plain file, and stays as it is.
  virtual absl::Status Shred(const std::string& path) = 0;
};

FileSystem& PosixFileSystem();

// The directory that holds the name of `path`; "." where it has no slash, "/" for "/".
std::string ParentOf(std::string path);

// All of a file that `path` stands for, for small files. RESOURCE_EXHAUSTED: it is larger.
absl::StatusOr<std::string> ReadWhole(ReadableFile& file, const std::string& path,
                                      size_t max_bytes);

// Removes a file, or a directory with all that is in it. Follows no link. OK where there is
// nothing.
absl::Status RemoveTree(FileSystem& fs, const std::string& path);

// Durable replacement of a small file: write `path`.new, sync, rename, sync the directory.
// After a crash at any step `path` holds either the old or the new content. Whatever stood at
// `path`.new is removed, and not written through: it may be a link that somebody else put there.
absl::Status ReplaceFile(FileSystem& fs, const std::string& path, Bytes content, int permissions);

}  // namespace televault
