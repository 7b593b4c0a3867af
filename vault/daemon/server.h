#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/rpc_policy.h"
#include "vault/base/status.h"
#include "vault/daemon/config.h"
#include "vault/daemon/vault.h"

namespace televault::daemon {

// The gRPC side of the daemon: listeners, services, health.
// Refuses plaintext TCP and to start while a registered method has no policy.
// Threads: gRPC's own; work runs on pools that cannot hold each other up: general calls, queries,
// long streams, what takes access away, and engaging lockdowns.
class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config, Vault& vault);
  ~Server();

  // What READY announces: unix:PATH or HOST:PORT with the port that was bound.
  const std::vector<std::string>& addresses() const;
  // Brings health in line with seal, lockdown and control mode; to be called a few times a second.
  // Waits for nothing.
  void UpdateHealth();
  // Stops accepting, waits at most `drain` for calls, then cancels them. Records what was answered
  // or counted and is not in the log yet.
  void Shutdown(microseconds drain);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace televault::daemon
