#pragma once

#include <array>
#include <memory>
#include <string>

#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"

namespace televault::control {

// The key under which everything is sealed that must work while the vault is sealed, and the keys
// derived from it. A file of mode 0600, not behind the barrier.
// Threads: immutable.
class ControlKeys {
 public:
  // ALREADY_EXISTS / NOT_FOUND / DATA_LOSS. Durable when OK.
  static absl::StatusOr<std::unique_ptr<ControlKeys>> Create(FileSystem& fs,
                                                             const std::string& path,
                                                             Random& random);
  static absl::StatusOr<std::unique_ptr<ControlKeys>> Load(FileSystem& fs, const std::string& path);

  const SecretBytes& control() const { return control_; }  // seals the control file
  const SecretBytes& lock() const { return lock_; }        // seals the lock file
  const SecretBytes& anchor() const { return anchor_; }    // MAC of the anchor
  const SecretBytes& tickets() const { return tickets_; }  // seed of the panic ticket signer

 private:
  explicit ControlKeys(const SecretBytes& master);
  SecretBytes control_, lock_, anchor_, tickets_;
};

}  // namespace televault::control
