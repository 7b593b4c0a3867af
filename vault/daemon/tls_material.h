#pragma once

#include <string>
#include <vector>

#include "vault/base/status.h"

namespace televault::daemon {

// A new certificate authority and a server certificate signed by it, PEM.
struct TlsMaterial {
  std::string ca_cert;
  std::string server_cert;
  std::string server_key;
};

// Makes ECDSA P-256 material for the given host names and addresses, valid for `days` from now. The
// authority's private key is dropped: it signs this one certificate only.
absl::StatusOr<TlsMaterial> MakeTlsMaterial(const std::vector<std::string>& hosts, int days);

}  // namespace televault::daemon
