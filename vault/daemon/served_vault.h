#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "vault/base/status.h"
#include "vault/daemon/config.h"
#include "vault/daemon/server.h"
#include "vault/daemon/vault.h"

namespace televault::daemon {

// An opened vault behind its server: the order of start and stop.
// Refuses to make anybody wait for the unattended unseal who does not need it: lockdowns, votes,
// revocations, status and health are answered while it goes on.
// Threads: one, which owns it; the unseal has one of its own.  Borrows: config, vault.
// Failure: an unseal that fails leaves the vault sealed and served.
class ServedVault {
 public:
  static absl::StatusOr<std::unique_ptr<ServedVault>> Start(const Config& config, Vault& vault);
  ~ServedVault() { Stop(); }
  ServedVault(const ServedVault&) = delete;
  ServedVault& operator=(const ServedVault&) = delete;

  // What READY announces.
  const std::vector<std::string>& addresses() const { return server_->addresses(); }
  // True once the unattended unseal has ended, well or not.
  bool ready() const { return ready_; }
  void UpdateHealth() { server_->UpdateHealth(); }
  // Drains the calls, then ends the vault's work. Idempotent.
  void Stop();

 private:
  ServedVault(const Config& config, Vault& vault) : config_(config), vault_(vault) {}

  const Config& config_;
  Vault& vault_;
  std::unique_ptr<Server> server_;
  std::atomic<bool> ready_{false};
  std::jthread unsealing_;
};

}  // namespace televault::daemon
