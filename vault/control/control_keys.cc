#include "vault/control/control_keys.h"

#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"

namespace televault::control {

ControlKeys::ControlKeys(const SecretBytes& master)
    : control_(crypto::DeriveKey(master, "televault.ck.ctl")),
      lock_(crypto::DeriveKey(master, "televault.ck.lck")),
      anchor_(crypto::DeriveKey(master, "televault.ck.anc")),
      tickets_(crypto::DeriveKey(master, "televault.ck.tkt")) {}

absl::StatusOr<std::unique_ptr<ControlKeys>> ControlKeys::Create(FileSystem& fs,
                                                                 const std::string& path,
                                                                 Random& random) {
  const SecretBytes master = crypto::NewKey(random);
  TV_RETURN_IF_ERROR(crypto::CreateKeyFile(fs, path, crypto::KeyFileKind::kControl, master));
  return std::unique_ptr<ControlKeys>(new ControlKeys(master));
}

absl::StatusOr<std::unique_ptr<ControlKeys>> ControlKeys::Load(FileSystem& fs,
                                                               const std::string& path) {
  TV_ASSIGN_OR_RETURN(const SecretBytes master,
                      crypto::ReadKeyFile(fs, path, crypto::KeyFileKind::kControl));
  return std::unique_ptr<ControlKeys>(new ControlKeys(master));
}

}  // namespace televault::control
