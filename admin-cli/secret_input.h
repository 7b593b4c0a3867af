#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin-cli/context.h"
#include "vault/client/credentials.h"

namespace televault::cli {

// Asks for a secret on the terminal without showing it; "" where an empty line was typed.
// FAILED_PRECONDITION with `instead` where there is no terminal, or its echo cannot be turned off.
absl::StatusOr<client::SecretText> TypeSecret(Context& context, std::string_view prompt,
                                              std::string_view instead);

// A passphrase that is made up now: typed twice, the same both times.
absl::StatusOr<client::SecretText> TypeNewPassphrase(Context& context, std::string_view instead);

// Secrets one after the other: those of files first, then what is typed, until an empty line.
// Threads: one. Borrows: the context.
class SecretSource {
 public:
  // `files`: each with one secret a line; with any, nothing is asked for.
  static absl::StatusOr<SecretSource> Open(Context& context, const std::vector<std::string>& files);
  // Nothing: there are no more, or an empty line was typed.
  absl::StatusOr<std::optional<client::SecretText>> Next(std::string_view prompt,
                                                         std::string_view instead);
  // A wrong one was typed, and may be typed again.
  bool asks() const { return lines_.empty(); }

 private:
  explicit SecretSource(Context& context) : context_(&context) {}
  Context* context_;
  std::vector<client::SecretText> lines_;
  size_t at_ = 0;
};

}  // namespace televault::cli
