#pragma once

#include <gtest/gtest.h>
#include <memory>

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"

namespace televault::testing {

// A fresh keyring, unsealed, in a directory of its own.
class KeyringFixture : public ::testing::Test {
 protected:
  static constexpr VaultId kVault{{7}};

  void SetUp() override {
    auto keyring = crypto::Keyring::Create(
        {PosixFileSystem(), slots_, random_, kVault, {dir_.path()}, nullptr}, {}, root_,
        clock_.Wall());
    TV_CHECK(keyring.ok());
    keyring_ = *std::move(keyring);
  }

  TempDirectory dir_;
  SeededRandom random_{3};
  FakeClock clock_;
  crypto::FileKeySlots slots_{PosixFileSystem(), {dir_.path()}};
  const SecretBytes root_ = crypto::NewKey(random_);
  std::unique_ptr<crypto::Keyring> keyring_;
};

}  // namespace televault::testing
