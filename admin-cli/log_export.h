#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin-cli/file_lock.h"
#include "audit/checkpoint.h"
#include "audit/tiles.h"
#include "vault/base/file_system.h"
#include "vault/base/status.h"

namespace televault::cli {

// Reads a file of an exported log. NOT_FOUND where there is none.
absl::StatusOr<std::string> ReadLogFile(const std::string& directory, const std::string& path);

// An exported log to be verified, with its checkpoint. No export changes it as long as this lives,
// where there is a `.lock` that this user may read.
struct Exported {
  std::string note;
  FileLock lock;
};
// Errors: NOT_FOUND (no checkpoint), FAILED_PRECONDITION (an export to it is under way).
absl::StatusOr<Exported> OpenExported(const std::string& directory);

// Leaves [first, first + 256), fewer at the end of a log of `size` leaves. Bounds: `first` is a
// multiple of 256 below `size`. DATA_LOSS: a bundle that is none.
absl::StatusOr<std::vector<std::string>> ReadExportedLeaves(const std::string& directory,
                                                            uint64_t first, uint64_t size);
// Bounds: index < size.
absl::StatusOr<std::string> ReadExportedLeaf(const std::string& directory, uint64_t index,
                                             uint64_t size);

// Writes the audit log as a tlog-tiles directory, from where an earlier export stopped.
// Refuses to trust what lies there: the earlier part must give the root of its signed checkpoint.
// Refuses to follow a symbolic link below its directory: it would write and remove elsewhere.
// Refuses to write beside another exporter, or under somebody who reads: the directory is locked
// (`.lock`) for as long as this lives.
// Threads: one.  Borrows: the file system.
// Invariants: (1) `checkpoint` is written last, so that a directory always holds every file its
// checkpoint covers, after a power cut too. (2) A checkpoint is written only where the leaves give
// its root. Failure: VERIFICATION_FAILED; files beyond the old checkpoint are written again by the
// next run.
class LogExporter {
 public:
  // Errors: VERIFICATION_FAILED (earlier export damaged or of another log), FAILED_PRECONDITION
  // (somebody exports to this directory, or reads it), file errors.
  static absl::StatusOr<std::unique_ptr<LogExporter>> Open(FileSystem& fs,
                                                           const std::string& directory,
                                                           const audit::VerifierKey& key);

  // Index of the first leaf that is not there yet.
  uint64_t next_index() const { return builder_.size(); }
  absl::Status Append(std::span<const uint8_t> leaf);
  // `note` signs exactly the leaves appended so far. Writes the partial tiles, then the checkpoint,
  // then removes the partial tiles of earlier ones.
  absl::Status Finish(std::string_view note);

 private:
  LogExporter(FileSystem& fs, std::string directory, audit::VerifierKey key, FileLock lock)
      : fs_(fs), directory_(std::move(directory)), key_(std::move(key)), lock_(std::move(lock)) {}
  absl::Status Resume(std::string_view note);
  absl::StatusOr<std::vector<std::string>> ReadPartialBundle(uint64_t size) const;
  absl::Status Write(const std::string& path, std::string_view content);
  absl::Status WriteBundle(const audit::TileId& id);
  absl::Status RefuseLinks(const std::string& directory) const;
  void RemovePartials() const;
  void RemoveOtherWidths(const std::string& a_path, uint32_t width) const;

  FileSystem& fs_;
  const std::string directory_;
  const audit::VerifierKey key_;
  const FileLock lock_;
  audit::TileBuilder builder_;
  std::vector<std::string> bundle_;  // entries of the last, partial bundle
};

}  // namespace televault::cli
