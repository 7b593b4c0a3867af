#pragma once

#include <memory>

#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/crypto/key_slots.h"
#include "vault/daemon/config.h"
#include "vault/daemon/key_replicas.h"
#include "vault/daemon/layout.h"

namespace televault::daemon {

// Where the slot secrets of a vault are, as its identity and the configuration say, which must
// agree: FAILED_PRECONDITION where they do not, and nothing is touched. Slots in files lie in the
// data directory and in the directories of `replicas`; tokens are opened as Pkcs11KeySlots::Open
// says. What is returned borrows file system and random.
absl::StatusOr<std::unique_ptr<crypto::KeySlots>> OpenKeySlots(FileSystem& fs, Random& random,
                                                               const Config& config,
                                                               const Identity& identity,
                                                               const KeyReplicas& replicas);

// For a vault that is being made: tokens are marked as its replicas.
absl::StatusOr<std::unique_ptr<crypto::KeySlots>> NewKeySlots(FileSystem& fs, Random& random,
                                                              const Layout& layout,
                                                              const VaultId& vault,
                                                              const crypto::Pkcs11Settings& pkcs11);

}  // namespace televault::daemon
