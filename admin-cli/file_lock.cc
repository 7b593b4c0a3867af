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

absl::StatusOr<FileLock> FileLock::AtOnce(FileLock lock, int how, const std::string& path,
                                          std::string_view held) {
  if (flock(lock.fd_, how | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return absl::FailedPreconditionError(audit::AsAbsl(held));
  return absl::ErrnoToStatus(errno, path);
}

absl::StatusOr<FileLock> FileLock::Try(const std::string& path, int mode, std::string_view held) {
  TV_ASSIGN_OR_RETURN(FileLock lock, Open(path, mode));
  return AtOnce(std::move(lock), LOCK_EX, path, held);
}

absl::StatusOr<FileLock> FileLock::TryShared(const std::string& path, std::string_view held) {
  FileLock lock(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (lock.fd_ < 0) return lock;
  return AtOnce(std::move(lock), LOCK_SH, path, held);
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace televault::cli
