#include "admin-cli/secret_input.h"

#include <optional>
#include <termios.h>
#include <unistd.h>
#include <utility>

#include "vault/base/bytes.h"

namespace televault::cli {
namespace {

constexpr size_t kMaxSecretBytes = 1024;

// Switches the terminal's echo off while it lives.
// Threads: one.  Borrows: the terminal of `fd`.
class EchoOff {
 public:
  explicit EchoOff(int fd) : fd_(fd), changed_(tcgetattr(fd, &before_) == 0) {
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) changed_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~EchoOff() {
    if (changed_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  bool silent() const { return changed_; }

 private:
  const int fd_;
  termios before_{};
  bool changed_;
};

}  // namespace

absl::StatusOr<client::SecretText> TypeSecret(Context& context, std::string_view prompt,
                                              std::string_view instead) {
  if (!context.terminal().in_is_terminal) return absl::FailedPreconditionError(ToAbsl(instead));
  const EchoOff echo(STDIN_FILENO);
  if (!echo.silent()) return absl::FailedPreconditionError(ToAbsl(instead));
  context.err() << prompt << std::flush;
  WipedBuffer typed;
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
    if (typed.size() == kMaxSecretBytes) {
      return absl::InvalidArgumentError("at most 1024 bytes may be typed here");
    }
    typed.push_back(static_cast<uint8_t>(c));
  }
  context.err() << '\n';
  return client::SecretText({reinterpret_cast<const char*>(typed.data()), typed.size()});
}

absl::StatusOr<client::SecretText> TypeNewPassphrase(Context& context, std::string_view instead) {
  TV_ASSIGN_OR_RETURN(client::SecretText first, TypeSecret(context, "New passphrase: ", instead));
  TV_ASSIGN_OR_RETURN(const client::SecretText second, TypeSecret(context, "Again: ", instead));
  if (first.Reveal() != second.Reveal()) {
    return absl::InvalidArgumentError("the two passphrases are not the same");
  }
  return first;
}

absl::StatusOr<SecretSource> SecretSource::Open(Context& context,
                                                const std::vector<std::string>& files) {
  SecretSource source(context);
  for (const std::string& file : files) {
    TV_ASSIGN_OR_RETURN(std::vector<client::SecretText> lines, client::ReadSecretLines(file));
    for (client::SecretText& line : lines) source.lines_.push_back(std::move(line));
  }
  return source;
}

absl::StatusOr<std::optional<client::SecretText>> SecretSource::Next(std::string_view prompt,
                                                                     std::string_view instead) {
  if (!asks()) {
    if (at_ == lines_.size()) return std::optional<client::SecretText>();
    return std::optional<client::SecretText>(std::move(lines_[at_++]));
  }
  TV_ASSIGN_OR_RETURN(client::SecretText typed, TypeSecret(*context_, prompt, instead));
  if (typed.empty()) return std::optional<client::SecretText>();
  return std::optional<client::SecretText>(std::move(typed));
}

}  // namespace televault::cli
