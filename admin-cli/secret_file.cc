#include "admin-cli/secret_file.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "vault/base/bytes.h"

namespace televault::cli {

absl::StatusOr<std::unique_ptr<SecretFile>> SecretFile::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  return std::unique_ptr<SecretFile>(new SecretFile(path, fd));
}

SecretFile::~SecretFile() {
  close(fd_);
  if (!written_) unlink(path_.c_str());
}

absl::Status SecretFile::Write(const std::string& secret) {
  const std::string line = secret + "\n";
  return WriteBytes(AsBytes(line));
}

absl::Status SecretFile::WriteBytes(std::span<const uint8_t> secret) {
  // Kept from here on whatever happens: a torn secret tells more than a missing file.
  written_ = true;
  while (!secret.empty()) {
    const ssize_t count = write(fd_, secret.data(), secret.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, path_);
    // A disk that is full takes nothing and may leave no reason.
    if (count == 0) return absl::DataLossError(path_ + ": the secret was written in part only");
    secret = secret.subspan(static_cast<size_t>(count));
  }
  return fsync(fd_) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, path_);
}

}  // namespace televault::cli
