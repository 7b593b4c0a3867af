#pragma once

#include <string>

#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::daemon {

// The first line of `file`, or, where `file` is empty, what is typed at the terminal without echo.
// A terminal is asked twice. INVALID_ARGUMENT: empty, not the same twice, or no terminal.
absl::StatusOr<SecretBytes> ReadPassphrase(const std::string& file, const std::string& prompt);

}  // namespace televault::daemon
