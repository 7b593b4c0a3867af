#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "vault/base/status.h"

namespace televault::cli {

// A lock on a file of its own, held until destruction or the end of the process.
// Refuses to remove the file: another process would lock one that is gone.
// Threads: one.  Borrows: nothing.
// Failure: file errors.
class FileLock {
 public:
  // Exclusive. Both make the file where it is missing. Waits for whoever holds it.
  static absl::StatusOr<FileLock> Wait(const std::string& path, int mode);
  // FAILED_PRECONDITION with the text `held` where another holds it.
  static absl::StatusOr<FileLock> Try(const std::string& path, int mode, std::string_view held);
  // Beside others that share it. Holds nothing where there is no such file, or none that this user
  // may read: whoever locks exclusively makes one.
  static absl::StatusOr<FileLock> TryShared(const std::string& path, std::string_view held);

  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  static absl::StatusOr<FileLock> Open(const std::string& path, int mode);
  // Locks `lock`'s open file, or says `held` where another does.
  static absl::StatusOr<FileLock> AtOnce(FileLock lock, int how, const std::string& path,
                                         std::string_view held);

  int fd_;
};

}  // namespace televault::cli
