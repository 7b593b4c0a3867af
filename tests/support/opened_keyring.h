#pragma once

#include <memory>
#include <string>

#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "vault/base/file_system.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/daemon/layout.h"

namespace televault::testing {

// The keyring of a data directory as whoever has its files reads it. Changes nothing there.
class OpenedKeyring {
 public:
  // `keys`: a directory with slots and keyring, the data directory or a copy of it.
  absl::Status Open(const std::string& keys, const VaultId& vault) {
    slots_ = std::make_unique<crypto::FileKeySlots>(PosixFileSystem(),
                                                    std::vector<std::string>{keys + "/slots"});
    auto keyring = crypto::Keyring::Load({.fs = PosixFileSystem(),
                                          .slots = *slots_,
                                          .random = random_,
                                          .vault = vault,
                                          .directories = {keys + "/keyring"},
                                          .on_new_generation = nullptr});
    TV_RETURN_IF_ERROR(keyring.status());
    keyring_ = *std::move(keyring);
    return absl::OkStatus();
  }
  crypto::Keyring& operator*() { return *keyring_; }
  crypto::Keyring* operator->() { return keyring_.get(); }

 private:
  SeededRandom random_{77};
  std::unique_ptr<crypto::FileKeySlots> slots_;
  std::unique_ptr<crypto::Keyring> keyring_;
};

}  // namespace televault::testing
