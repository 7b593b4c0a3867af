#pragma once

#include <string>

#include "vault/base/status.h"

namespace televault::daemon {

// Keeps a vault's data directory to one process: the daemon, or a restore. Let go of at the end of
// the process, however that comes.
// Threads: any.
class DirectoryLock {
 public:
  // FAILED_PRECONDITION: another process has it. The engine's own lock is looked at as well, where
  // there is an engine: a program that knows nothing of this one may be at work.
  static absl::StatusOr<DirectoryLock> Take(const std::string& data_dir);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace televault::daemon
