#pragma once

#include <string>
#include <string_view>

#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/crypto/key_slots.h"

namespace televault::crypto {

// What a replica carries to be told from another one: three lines of text, in a directory a file,
// on a token a data object (docs/formats/keyring-v1.md).
std::string FormatReplicaMark(const VaultId& vault, const ReplicaId& id);
// FAILED_PRECONDITION: damaged, or of another vault.
absl::StatusOr<ReplicaId> ParseReplicaMark(std::string_view text, const VaultId& vault);

}  // namespace televault::crypto
