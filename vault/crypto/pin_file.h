#pragma once

#include <string>

#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::crypto {

// The first line of a file: the PIN of a token's user, straight into guarded memory.
// PERMISSION_DENIED where anybody but its owner, this process's user or root, may read or write it
// (but for one of root's that this process's group may read: CheckPrivate);
// INVALID_ARGUMENT: no plain file, an empty line, or more than 255 bytes. Never says what is in it.
absl::StatusOr<SecretBytes> ReadPinFile(const std::string& path);

}  // namespace televault::crypto
