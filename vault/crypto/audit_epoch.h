#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"

namespace televault::crypto {

using SecretRef = std::shared_ptr<const SecretBytes>;

// The trail is sealed to the public half of the epoch in force.
struct AuditEpochInfo {
  uint32_t epoch = 0;
  std::array<uint8_t, 32> public_key{};  // X25519
  WallTime created_at;
  bool destroyed = false;  // the private half is gone: nobody reads its entries any more
};

// The private halves, which read the trail: the keyring's, or those an auditor was given.
class AuditEpochKeys {
 public:
  virtual ~AuditEpochKeys() = default;
  // OK, or UNAVAILABLE/SEALED.
  virtual absl::Status CheckUnsealed() const = 0;
  // Whether every epoch there ever was is named; else a leaf that does not open may be of another.
  virtual bool Complete() const = 0;
  // In rising order.
  virtual std::vector<AuditEpochInfo> AuditEpochs() const = 0;
  // UNAVAILABLE/SEALED; NOT_FOUND with reason EXPIRED once destroyed.
  virtual absl::StatusOr<SecretRef> AuditEpochPrivateKey(uint32_t epoch) const = 0;
};

}  // namespace televault::crypto
