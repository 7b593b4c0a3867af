#pragma once

#include <string>
#include <string_view>

#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::crypto {

// A 32-byte secret in a file of mode 0600: magic, kind, secret, checksum against damage
// (docs/formats/keyring-v1.md). The kind keeps one file from being taken for another.
enum class KeyFileKind : uint8_t { kRoot = 1, kSlot = 2, kControl = 3, kSigner = 4 };
inline constexpr size_t kKeyFileBytes = 72;

// ALREADY_EXISTS if there is a file: a key is never overwritten. Durable when OK. What a crash left
// of another attempt at `path`.new is shredded first.
absl::Status CreateKeyFile(FileSystem& fs, const std::string& path, KeyFileKind kind,
                           const SecretBytes& secret);
// NOT_FOUND; DATA_LOSS for damage or another kind.
absl::StatusOr<SecretBytes> ReadKeyFile(FileSystem& fs, const std::string& path, KeyFileKind kind);
// The same; FAILED_PRECONDITION where others may read it, too (FileSystem::ReadPrivate).
absl::StatusOr<SecretBytes> ReadPrivateKeyFile(FileSystem& fs, const std::string& path,
                                               KeyFileKind kind);

}  // namespace televault::crypto
