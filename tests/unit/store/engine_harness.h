#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "audit/merkle.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/store_harness.h"
#include "vault/crypto/hash.h"
#include "vault/store/engine.h"

namespace televault::testing {

// Signs nothing, but says what it was asked to sign.
class RecordingSigner final : public store::CheckpointSigner {
 public:
  absl::StatusOr<std::string> SignCheckpoint(uint64_t tree_size,
                                             const audit::Hash& root) const override {
    if (fail) return absl::UnavailableError("no key");
    return "checkpoint of " + std::to_string(tree_size) + " " + ToHex(root);
  }
  std::atomic<bool> fail{false};
};

inline store::AuditLeaf Leaf(const std::string& data) {
  return {data, audit::LeafHash(AsBytes(data))};
}
inline store::CommitUnit Unit(const std::string& leaf,
                              std::vector<store::Mutation> mutations = {}) {
  store::CommitUnit unit;
  unit.leaves = {Leaf(leaf)};
  unit.mutations = std::move(mutations);
  return unit;
}

// Opens engines over a store that can be reopened; the anchor lies on a disk of its own.
class EngineHarness {
 public:
  explicit EngineHarness(std::unique_ptr<StoreHarness> store)
      : store_(std::move(store)),
        anchor_key(crypto::NewKey(random_)),
        freshness_key(crypto::NewKey(random_)) {}

  absl::StatusOr<store::Engine> Open(bool adopt = false) {
    failures = 0;
    TV_ASSIGN_OR_RETURN(auto opened, store_->Open());
    TV_ASSIGN_OR_RETURN(
        auto anchor,
        store::Anchor::Open(
            {.path = anchor_path(), .fs = anchor_disk, .key = anchor_key, .sync = anchor_sync}));
    return store::OpenEngine({.store = std::move(opened),
                              .anchor = std::move(anchor),
                              .freshness_key = freshness_key,
                              .signer = signer,
                              .lock_epoch = [this] { return LockEpoch(lock_epoch); },
                              .now = [this] { return WallTime{now_us}; },
                              .on_failure = [this](std::string_view) { ++failures; },
                              .keyring_generation = keyring_generation,
                              .control_generation = control_generation,
                              .current_lock_epoch = LockEpoch(lock_epoch),
                              .adopt_recovered_state = adopt,
                              .adopt_only = adopt_only});
  }
  StoreHarness& store() { return *store_; }
  std::string anchor_path() const { return directory_.Path("anchor"); }

 private:
  const std::unique_ptr<StoreHarness> store_;
  TempDirectory directory_;
  SeededRandom random_{1};

 public:
  const SecretBytes anchor_key;
  const SecretBytes freshness_key;
  LossyFileSystem anchor_disk;
  RecordingSigner signer;
  store::AnchorSync anchor_sync = store::AnchorSync::kCommit;
  std::atomic<uint64_t> lock_epoch{1};
  std::atomic<int64_t> now_us{0};
  uint64_t keyring_generation = 1;
  uint64_t control_generation = 1;
  std::optional<store::RecoveredEnd> adopt_only;
  std::atomic<int> failures{0};
};

}  // namespace televault::testing
