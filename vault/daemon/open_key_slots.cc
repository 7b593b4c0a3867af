#include "vault/daemon/open_key_slots.h"

#include <string>
#include <utility>
#include <vector>

#include "vault/crypto/pkcs11_key_slots.h"

namespace televault::daemon {

absl::StatusOr<std::unique_ptr<crypto::KeySlots>> OpenKeySlots(FileSystem& fs, Random& random,
                                                               const Config& config,
                                                               const Identity& identity,
                                                               const KeyReplicas& replicas) {
  const bool tokens_named = !config.pkcs11.module.empty();
  if (identity.slots == SlotBackend::kPkcs11) {
    if (!tokens_named) {
      return absl::FailedPreconditionError(
          "this vault was made with its slot secrets on PKCS#11 tokens, and none are configured: "
          "set "
          "module, tokens and pin_file in [keys.pkcs11]. Nothing was changed");
    }
    return crypto::Pkcs11KeySlots::Open(config.pkcs11, identity.vault, random);
  }
  if (tokens_named) {
    return absl::FailedPreconditionError(
        "this vault was made with its slot secrets in files, and PKCS#11 tokens are configured: "
        "take "
        "[keys.pkcs11] out of the configuration. Nothing was changed");
  }
  std::vector<std::string> directories{Layout{config.data_dir}.slot_dir()};
  for (const KeyReplica& replica : replicas.present()) directories.push_back(replica.slot_dir());
  return std::make_unique<crypto::FileKeySlots>(fs, std::move(directories));
}

absl::StatusOr<std::unique_ptr<crypto::KeySlots>> NewKeySlots(
    FileSystem& fs, Random& random, const Layout& layout, const VaultId& vault,
    const crypto::Pkcs11Settings& pkcs11) {
  if (!pkcs11.module.empty()) return crypto::Pkcs11KeySlots::Mark(pkcs11, vault, random);
  return std::make_unique<crypto::FileKeySlots>(fs, std::vector{layout.slot_dir()});
}

}  // namespace televault::daemon
