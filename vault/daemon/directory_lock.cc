#include "vault/daemon/directory_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/daemon/layout.h"

namespace televault::daemon {
namespace {

absl::Status InUse(const std::string& data_dir) {
  return absl::FailedPreconditionError(
      absl::StrCat("another process has ", data_dir, " open: stop it first"));
}

// Whether the engine's lock is free. Only looked at: closing the file would give up a lock that
// this process has itself.
absl::Status CheckEngine(const std::string& data_dir) {
  const std::string path = Layout{data_dir}.store_dir() + "/db/LOCK";
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return absl::OkStatus();  // no engine
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  const bool asked = ::fcntl(fd, F_GETLK, &wanted) == 0;
  ::close(fd);
  return asked && wanted.l_type == F_UNLCK ? absl::OkStatus() : InUse(data_dir);
}

}  // namespace

absl::StatusOr<DirectoryLock> DirectoryLock::Take(const std::string& data_dir) {
  const int fd = ::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot open ", data_dir, ": ", std::generic_category().message(errno)));
  }
  DirectoryLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return InUse(data_dir);
  TV_RETURN_IF_ERROR(CheckEngine(data_dir));
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace televault::daemon
