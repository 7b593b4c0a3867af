#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/lossy_file_system.h"
#include "tests/support/sim_store.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"
#include "vault/store/rocks_store.h"

namespace televault::testing {

// Something a store can be opened on again and again, and that can lose power.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual absl::StatusOr<std::unique_ptr<store::Store>> Open() = 0;
  // What was not synced is gone; a store that is open is dead.
  virtual void PowerCut(uint64_t seed) = 0;
  virtual std::string name() const = 0;
};

class SimHarness final : public StoreHarness {
 public:
  absl::StatusOr<std::unique_ptr<store::Store>> Open() override {
    return std::make_unique<SimStore>(disk_);
  }
  void PowerCut(uint64_t) override { disk_->Crash(); }
  std::string name() const override { return "Sim"; }
  SimDisk& disk() { return *disk_; }

 private:
  const std::shared_ptr<SimDisk> disk_ = std::make_shared<SimDisk>(1);
};

// A disk whose free space a test sets.
class SmallDisk final : public LossyFileSystem {
 public:
  absl::StatusOr<uint64_t> FreeBytes(const std::string&) override {
    // The reserve file is the only thing whose removal makes room.
    return free + (Exists(reserve_path) ? 0 : reserve_gives.load());
  }
  std::atomic<uint64_t> free{uint64_t{1} << 40};
  std::atomic<uint64_t> reserve_gives{0};
  std::string reserve_path;
};

class RocksHarness final : public StoreHarness {
 public:
  absl::StatusOr<std::unique_ptr<store::Store>> Open() override {
    return store::OpenRocksStore({.directory = data(),
                                  .fs = disk_,
                                  .keep_free_bytes = uint64_t{8} << 20,
                                  .reserve_bytes = uint64_t{1} << 20});
  }
  void PowerCut(uint64_t seed) override { disk_.PowerCut(seed); }
  std::string name() const override { return "Rocks"; }
  SmallDisk& disk() { return disk_; }
  std::string data() const { return directory_.Path("data"); }

 private:
  TempDirectory directory_;
  SmallDisk disk_;
};

}  // namespace televault::testing
