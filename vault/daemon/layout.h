#pragma once

#include <string>

#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"

namespace televault::daemon {

// Where everything of a vault lies. docs/operations.md says what each file is worth to a thief.
struct Layout {
  std::string data_dir;

  std::string identity() const { return data_dir + "/identity"; }
  std::string control_dir() const { return data_dir + "/control"; }
  std::string control_key() const { return control_dir() + "/control.key"; }
  std::string signer_key() const { return control_dir() + "/signer.key"; }
  std::string lock_file() const { return control_dir() + "/lock"; }
  std::string keyring_dir() const { return data_dir + "/keyring"; }
  std::string slot_dir() const { return data_dir + "/slots"; }
  std::string store_dir() const { return data_dir + "/store"; }
  std::string cosigned() const { return data_dir + "/cosigned"; }
  std::string tls_dir() const { return data_dir + "/tls"; }
  // Outside the data directory by default, so that a copied-back directory is noticed.
  std::string default_anchor() const { return data_dir + ".anchor"; }
  std::string default_keyfile() const { return data_dir + ".keyfile"; }
};

// Where a vault's slot secrets are. Chosen by init, for good.
enum class SlotBackend { kFile, kPkcs11 };

// What a vault is called, and where its slot secrets are; public, written once by init.
struct Identity {
  VaultId vault;
  std::string origin;
  SlotBackend slots = SlotBackend::kFile;
};

std::string FormatIdentity(const Identity& identity);
// DATA_LOSS says which line is wrong.
absl::StatusOr<Identity> ParseIdentity(std::string_view text);
// NOT_FOUND: no vault in the directory.
absl::StatusOr<Identity> ReadIdentity(FileSystem& fs, const Layout& layout);

}  // namespace televault::daemon
