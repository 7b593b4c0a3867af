#include "admin-cli/file_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/encoding.h"

namespace televault::cli {

absl::StatusOr<FileLock> FileLock::Open(const std::string& path, int mode) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  return FileLock(fd);
}

absl::StatusOr<FileLock> FileLock::Wait(const std::string& path, int mode) {
  TV_ASSIGN_OR_RETURN(FileLock lock, Open(path, mode));
  while (flock(lock.fd_, LOCK_EX) != 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, path);
  }
  return lock;
}

absl::StatusOr<FileLock> FileLock::Try(const std::string& path, int mode, std::string_view held) {
  TV_ASSIGN_OR_RETURN(FileLock lock, Open(path, mode));
  if (flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return absl::FailedPreconditionError(audit::AsAbsl(held));
  return absl::ErrnoToStatus(errno, path);
}

absl::StatusOr<FileLock> FileLock::TryShared(const std::string& path, std::string_view held) {
  FileLock lock(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (lock.fd_ < 0 || flock(lock.fd_, LOCK_SH | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return absl::FailedPreconditionError(audit::AsAbsl(held));
  return absl::ErrnoToStatus(errno, path);
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace televault::cli
