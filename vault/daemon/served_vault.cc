#include "vault/daemon/served_vault.h"

#include "vault/service/log.h"

namespace televault::daemon {

absl::StatusOr<std::unique_ptr<ServedVault>> ServedVault::Start(const Config& config,
                                                                Vault& vault) {
  std::unique_ptr<ServedVault> served(new ServedVault(config, vault));
  TV_ASSIGN_OR_RETURN(served->server_, Server::Start(config, vault));
  vault.StartHousekeeping();
  served->unsealing_ = std::jthread([&vault, &ready = served->ready_] {
    if (const absl::Status unsealed = vault.UnsealWithKeyfile(); !unsealed.ok()) {
      service::Log(service::LogLevel::kWarning, "started sealed",
                   {{"why", std::string(unsealed.message())}});
    }
    ready = true;
  });
  return served;
}

void ServedVault::Stop() {
  if (!unsealing_.joinable()) return;
  vault_.GiveUpUnseal();
  server_->Shutdown(config_.drain_timeout);
  unsealing_.join();
  vault_.Stop();
}

}  // namespace televault::daemon
