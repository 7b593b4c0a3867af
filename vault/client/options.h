#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "vault/client/credentials.h"

namespace televault::client {

using std::chrono::milliseconds;

// Where the vault is and how to reach it.
struct Options {
  // "unix:/run/televault/televault.sock", "/run/….sock" or "vault.example.org:8858" (TLS only).
  std::string address;
  // PEM files. Empty ca_file: the system's certificates. Certificate and key: both or neither.
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  // Deadline of a call that names none.
  milliseconds timeout{30'000};
  // Sends of one repeatable call, the first included; at least 1.
  int max_attempts = 4;
  // How a pause between two sends is spent; empty: the thread sleeps.
  std::function<void(milliseconds)> pause;
};

// Settings and by-products of one call.
struct Call {
  // 0 = Options::timeout. Streams that wait for events name a long one.
  milliseconds timeout{0};

  // Out: trailing metadata, filled whether or not the call succeeded; "" where absent.
  std::string audit_proof;         // televault-audit-proof-bin
  std::string token;               // televault-token-bin, the secret of a new token
  std::vector<SecretText> shares;  // televault-share-bin, new shares of the root key
};

}  // namespace televault::client
