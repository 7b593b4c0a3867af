#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"

namespace televault::crypto {

using televault::testing::LossyFileSystem;
using televault::testing::SeededRandom;
using televault::testing::TempDirectory;

inline constexpr VaultId kVault{{7}};
inline constexpr WallTime kNow{1'795'435'200'000'000};
constexpr PartitionId P(uint32_t dataset, int32_t day) { return {DatasetId(dataset), Day(day)}; }

inline SecretBytes Root(uint64_t seed = 99) {
  SeededRandom random(seed);
  return NewKey(random);
}

// A keyring on a disk that can lose power, with the replicas asked for.
class Fixture {
 public:
  explicit Fixture(size_t replicas = 1) : dirs_(replicas) {
    for (const TempDirectory& dir : dirs_) paths_.push_back(dir.path());
    slots_.emplace(fs_, paths_);
  }
  KeyringOptions Options() {
    return {fs_, *slots_, random_, kVault, paths_, [this](uint64_t generation) {
              if (!hook_.ok()) return hook_;
              anchored_ = std::max(anchored_, generation);
              return absl::OkStatus();
            }};
  }
  std::unique_ptr<Keyring> Create() {
    auto keyring = Keyring::Create(Options(), {}, Root(), kNow);
    TV_CHECK(keyring.ok());
    return *std::move(keyring);
  }
  // Loaded and found current.
  absl::StatusOr<std::unique_ptr<Keyring>> Load() {
    auto keyring = Keyring::Load(Options());
    if (keyring.ok()) (*keyring)->Settle();
    return keyring;
  }
  // Loaded and unsealed.
  std::unique_ptr<Keyring> Reopen() {
    auto keyring = Load();
    TV_CHECK(keyring.ok());
    TV_CHECK((*keyring)->Unseal(Root()).ok());
    return *std::move(keyring);
  }

  std::vector<TempDirectory> dirs_;
  std::vector<std::string> paths_;
  LossyFileSystem fs_;
  SeededRandom random_{11};
  std::optional<FileKeySlots> slots_;
  absl::Status hook_;
  uint64_t anchored_ = 0;
};

inline std::string Fingerprint(const SecretBytes& key) {
  return ToHex(KeyedHash16(key, "test", {}));
}

}  // namespace televault::crypto
