#include "vault/crypto/pin_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/base/private_file.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

std::string Why(int error) { return std::generic_category().message(error); }

absl::Status CheckOpened(int fd, const std::string& path) {
  const std::optional<FileAccess> access = AccessOf(fd);
  if (!access.has_value()) {
    return absl::UnavailableError(absl::StrCat("cannot look at ", path, ": ", Why(errno)));
  }
  if (!S_ISREG(access->mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no plain file: a PIN needs one"));
  }
  const absl::Status is_private = CheckPrivate(path, *access, ThisProcess());
  if (is_private.ok()) return is_private;
  return absl::PermissionDeniedError(is_private.message());
}

}  // namespace

absl::StatusOr<SecretBytes> ReadPinFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string text = absl::StrCat("cannot open the PIN file ", path, ": ", Why(errno));
    return errno == ENOENT ? absl::NotFoundError(text) : absl::PermissionDeniedError(text);
  }
  const absl::Cleanup close = [fd] { ::close(fd); };
  TV_RETURN_IF_ERROR(CheckOpened(fd, path));
  // The longest PIN, and the end of its line.
  SecretBytes text(limits::kMaxPinBytes + 1);
  const auto room = text.Write(MintSecretPass());
  size_t used = 0;
  while (used < room.size()) {
    const ssize_t got = ::read(fd, room.data() + used, room.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::UnavailableError(absl::StrCat("cannot read ", path, ": ", Why(errno)));
    }
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  const auto read = room.first(used);
  const size_t length =
      static_cast<size_t>(std::find(read.begin(), read.end(), '\n') - read.begin());
  if (length == 0 || length > limits::kMaxPinBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the first line is the PIN, 1 to ", limits::kMaxPinBytes, " bytes"));
  }
  if (read[length - 1] == '\r') {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the line ends as on Windows; end it with a newline only"));
  }
  SecretBytes pin(length);
  std::copy_n(read.begin(), length, pin.Write(MintSecretPass()).begin());
  return pin;
}

}  // namespace televault::crypto
