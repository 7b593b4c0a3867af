#include "vault/client/credentials.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

namespace televault::client {
namespace {

constexpr size_t kMaxSecretBytes = 4096;

absl::Status CheckPrivate(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (S_ISREG(info.st_mode) && (info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " may be read by others than its owner: chmod 600 it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<WipedBuffer> ReadAll(int fd, const std::string& path) {
  WipedBuffer bytes(kMaxSecretBytes + 1);
  size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t got = read(fd, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

absl::StatusOr<WipedBuffer> ReadPrivate(const std::string& path) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  absl::Status status = standard_input ? absl::OkStatus() : CheckPrivate(fd, path);
  absl::StatusOr<WipedBuffer> bytes = status.ok() ? ReadAll(fd, path) : status;
  if (!standard_input) close(fd);
  return bytes;
}

bool EndsLine(uint8_t c) { return c == '\n' || c == '\r'; }

SecretText TextOf(WipedBuffer::const_iterator begin, WipedBuffer::const_iterator end) {
  return SecretText({reinterpret_cast<const char*>(&*begin), static_cast<size_t>(end - begin)});
}

}  // namespace

absl::StatusOr<SecretText> ReadSecretFile(const std::string& path) {
  TV_ASSIGN_OR_RETURN(const WipedBuffer bytes, ReadPrivate(path));
  const auto end = std::find_if(bytes.begin(), bytes.end(), EndsLine);
  const auto length = static_cast<size_t>(end - bytes.begin());
  if (length == 0 || length > kMaxSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " must hold 1 to ", kMaxSecretBytes, " bytes on its first line"));
  }
  return TextOf(bytes.begin(), end);
}

absl::StatusOr<std::vector<SecretText>> ReadSecretLines(const std::string& path) {
  TV_ASSIGN_OR_RETURN(const WipedBuffer bytes, ReadPrivate(path));
  if (bytes.size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has more than ", kMaxSecretBytes, " bytes"));
  }
  std::vector<SecretText> lines;
  for (auto at = bytes.begin(); at != bytes.end();) {
    const auto end = std::find_if(at, bytes.end(), EndsLine);
    if (end != at) lines.push_back(TextOf(at, end));
    at = end == bytes.end() ? end : end + 1;
  }
  if (lines.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  return lines;
}

}  // namespace televault::client
