#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/unseal.h"
#include "vault/daemon/init.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/vault.h"

namespace televault::daemon {

// A vault that was just made, and what is needed to open it as often as a test likes.
class VaultTest : public ::testing::Test {
 protected:
  VaultTest() {
    config_.data_dir = directory_.path() + "/vault";
    layout_ = {config_.data_dir};
    InitOptions options;
    options.data_dir = config_.data_dir;
    options.origin = "test.example/log";
    options.operators = {"alice", "bob"};
    options.token_dir = directory_.path() + "/tokens";
    options.tls_hosts = {"localhost"};
    auto made = InitVault(PosixFileSystem(), clock_, random_, options);
    TV_CHECK(made.ok());
    accessor_ = made->tokens.at(0).accessor;
  }
  std::unique_ptr<Vault> Open(const std::string& adopt_reason = "") {
    config_.adopt_reason = adopt_reason;
    auto vault = Vault::Open(config_, {PosixFileSystem(), clock_, random_});
    TV_CHECK(vault.ok());
    return *std::move(vault);
  }
  // The vault's keyring while no vault is open, settled and unsealed.
  std::unique_ptr<crypto::Keyring> LoadKeyring() {
    slots_.emplace(PosixFileSystem(), std::vector{layout_.slot_dir()});
    auto keyring = crypto::Keyring::Load({.fs = PosixFileSystem(),
                                          .slots = *slots_,
                                          .random = random_,
                                          .vault = ReadIdentity(PosixFileSystem(), layout_)->vault,
                                          .directories = {layout_.keyring_dir()},
                                          .on_new_generation = nullptr});
    TV_CHECK(keyring.ok());
    (*keyring)->Settle();
    const auto root = crypto::ReadRootKeyFile(PosixFileSystem(), layout_.default_keyfile());
    TV_CHECK(root.ok() && (*keyring)->Unseal(*root).ok());
    return *std::move(keyring);
  }
  // What housekeeping does to the clock, for longer than it takes to pass `generation`.
  void RunTheClock(Vault& vault, uint64_t generation) {
    for (uint64_t i = 0; i < generation + 5; ++i) {
      clock_.Advance(std::chrono::seconds(10));
      EXPECT_THAT(vault.lockdown().Maintain(), testing::IsOk());
    }
  }
  std::string Copy(const std::string& path) {
    const std::string copy = path + ".copy";
    std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  static void PutBack(const std::string& path) {
    std::filesystem::remove_all(path);
    std::filesystem::copy(path + ".copy", path, std::filesystem::copy_options::recursive);
  }

  testing::TempDirectory directory_;
  testing::FakeClock clock_;
  testing::SeededRandom random_{3};
  Config config_;
  Layout layout_;
  std::optional<crypto::FileKeySlots> slots_;
  std::string accessor_;  // alice's token
};

}  // namespace televault::daemon
