#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::client {

// Text that proves who calls (a token, a passphrase). Wiped when freed; refuses to be copied or
// printed. Only the transport reads it, into the metadata of one call.
// Threads: immutable after construction.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text) : bytes_(text.begin(), text.end()) {}
  SecretText(SecretText&&) noexcept = default;
  SecretText& operator=(SecretText&&) noexcept = default;

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }
  // For the transport only. Valid as long as this object.
  std::string_view Reveal() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  WipedBuffer bytes_;
};

// Reads the first line of a file (or of standard input for "-"), at most 4 KiB. A file that others
// than its owner may read is refused: whoever reads it is its owner's equal.
// Errors: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (empty, too long).
absl::StatusOr<SecretText> ReadSecretFile(const std::string& path);
// Every line of such a file that is not empty.
absl::StatusOr<std::vector<SecretText>> ReadSecretLines(const std::string& path);

}  // namespace televault::client
