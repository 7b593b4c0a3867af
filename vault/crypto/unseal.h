#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/shares.h"

namespace televault::crypto {

// Where the root key comes from. Stored in the keyring, so that unsealing knows what to ask for.
enum class RootSource : uint8_t { kKeyFile = 1, kPassphrase = 2, kShares = 3 };

// Argon2id. Bounds are checked wherever it is read: hostile parameters cannot exhaust the machine.
struct PassphraseParameters {
  std::array<uint8_t, 16> salt{};
  uint32_t passes = 3;
  uint64_t memory_bytes = 256ULL << 20;
};

struct RootDescription {
  RootSource source = RootSource::kKeyFile;
  PassphraseParameters passphrase;  // kPassphrase only
  ShareSet shares;                  // kShares only
};

// INVALID_ARGUMENT where the cost of a passphrase or the counts of shares are out of bounds.
absl::Status ValidateRoot(const RootDescription& description);

// Writes a fresh root key (mode 0600); ALREADY_EXISTS rather than overwrite.
absl::StatusOr<SecretBytes> CreateRootKeyFile(FileSystem& fs, const std::string& path,
                                              Random& random);
absl::Status CreateRootKeyFile(FileSystem& fs, const std::string& path, const SecretBytes& root);
// NOT_FOUND; DATA_LOSS: damage, or another kind of file; FAILED_PRECONDITION, and what to do: it is
// no plain file, or others may read it.
absl::StatusOr<SecretBytes> ReadRootKeyFile(FileSystem& fs, const std::string& path);
// The same of a systemd credential: who may read that is the service manager's business.
absl::StatusOr<SecretBytes> ReadRootCredential(FileSystem& fs, const std::string& path);

// A description with a fresh salt and the given cost.
RootDescription NewPassphraseRoot(Random& random, uint32_t passes = 3,
                                  uint64_t memory_bytes = 256ULL << 20);
// INVALID_ARGUMENT: fewer than 12 or more than 1,024 bytes, or a description that is not a
// passphrase's; RESOURCE_EXHAUSTED without the memory. Takes about a second.
absl::StatusOr<SecretBytes> RootFromPassphrase(const SecretBytes& passphrase,
                                               const RootDescription& description);

}  // namespace televault::crypto
