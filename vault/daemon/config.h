#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/pkcs11_key_slots.h"
#include "vault/service/log.h"

namespace televault::daemon {

struct TlsConfig {
  std::string cert_file;       // PEM chain; with key_file, required for a TCP listener
  std::string key_file;        // PEM
  std::string client_ca_file;  // "" = client certificates are not asked for
};

// Everything `televaultd serve` can be told. Defaults and bounds are the ones documented in
// deploy/config/televault.toml; a test keeps the two in step.
struct Config {
  std::string data_dir;
  std::string anchor_file;          // "" = data_dir + ".anchor"
  bool anchor_strict = false;       // sync the anchor with every commit
  std::string credential;           // name of a systemd credential that is the keyfile; "" = none
  std::string keyfile;              // "" = data_dir + ".keyfile"; unattended unseal
  std::vector<std::string> listen;  // unix:PATH or HOST:PORT
  TlsConfig tls;
  // More directories, best on other devices, that hold a copy of keyring and slot secrets.
  std::vector<std::string> key_replicas;
  // Tokens that hold the slot secrets of a vault that was made with them; none: they are in files.
  crypto::Pkcs11Settings pkcs11;
  // Not a setting: goes on once without this key replica, which is lost (hex); "" = none.
  std::string drop_key_replica;
  // Not a setting: goes on once from a state that contradicts the anchor; "" = no.
  std::string adopt_reason;
  service::LogFormat log_format = service::LogFormat::kText;
  service::LogLevel log_level = service::LogLevel::kInfo;
  size_t query_memory_bytes = 0;          // 0 = limits::kDefaultQueryMemoryBytes
  size_t worker_threads = 64;             // 4 … 512: calls that may wait for the disk at one time
  size_t queries_in_flight = 16;          // 1 … limits::kMaxQueriesInFlight
  std::string witness_policy;             // C2SP tlog-policy file; "" = no witnesses
  microseconds witness_tick{10'000'000};  // 1 s … 3600 s: how often they are asked to cosign
  microseconds retention_tick{10'000'000};  // 1 s … 60 s
  microseconds merge_tick{5'000'000};       // 1 s … 60 s
  microseconds drain_timeout{10'000'000};   // 0 … 120 s: how long SIGTERM waits for calls
};

// Reads TOML. Unknown keys, wrong types and values out of bounds are errors that name the key, what
// was found wrong, and what would be right.
absl::StatusOr<Config> ParseConfig(std::string_view toml_text, std::string_view file_name);
// Takes the keyfile from the systemd credential that `config` names, if it names one; `directory`
// is $CREDENTIALS_DIRECTORY. FAILED_PRECONDITION: the service manager gave none.
absl::Status UseCredential(Config& config, const std::string& directory);

// Checks relations between settings: listeners, TLS files, tokens, data directory.
absl::Status CheckConfig(const Config& config);

}  // namespace televault::daemon
