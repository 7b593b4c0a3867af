#include "vault/daemon/passphrase.h"

#include <algorithm>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "vault/base/file_system.h"
#include "vault/crypto/hash.h"

namespace televault::daemon {
namespace {

constexpr size_t kMaxPassphraseBytes = 1'024;

absl::StatusOr<SecretBytes> FirstLine(std::string text) {
  const size_t length = std::min(text.find('\n'), text.size());
  if (length == 0) {
    std::fill(text.begin(), text.end(), '\0');
    return absl::InvalidArgumentError("the passphrase is empty");
  }
  SecretBytes secret = crypto::TakeSecret({reinterpret_cast<uint8_t*>(text.data()), length});
  return secret;
}

// Switches echo off while it lives.
class QuietTerminal {
 public:
  explicit QuietTerminal(int fd) : fd_(fd) {
    ::tcgetattr(fd_, &saved_);
    termios quiet = saved_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() { ::tcsetattr(fd_, TCSAFLUSH, &saved_); }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  const int fd_;
  termios saved_{};
};

absl::StatusOr<SecretBytes> Ask(int terminal, const std::string& prompt) {
  const QuietTerminal quiet(terminal);
  (void)!::write(terminal, prompt.data(), prompt.size());
  std::string line(kMaxPassphraseBytes + 1, '\0');
  const ssize_t got = ::read(terminal, line.data(), line.size());
  (void)!::write(terminal, "\n", 1);
  line.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return FirstLine(std::move(line));
}

}  // namespace

absl::StatusOr<SecretBytes> ReadPassphrase(const std::string& file, const std::string& prompt) {
  if (!file.empty()) {
    TV_ASSIGN_OR_RETURN(std::string text,
                        PosixFileSystem().ReadFile(file, kMaxPassphraseBytes + 1));
    return FirstLine(std::move(text));
  }
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) {
    return absl::InvalidArgumentError("no terminal to ask at: give --passphrase-file");
  }
  auto first = Ask(terminal, prompt);
  auto second = first.ok() ? Ask(terminal, "Again: ") : first.status();
  ::close(terminal);
  TV_RETURN_IF_ERROR(first.status());
  TV_RETURN_IF_ERROR(second.status());
  if (!crypto::EqualSecrets(*first, *second)) {
    return absl::InvalidArgumentError("the two passphrases are not the same");
  }
  return first;
}

}  // namespace televault::daemon
