#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/crypto/audit_epoch.h"

namespace televault::crypto {

inline constexpr size_t kMaxAuditKeyFileBytes = 256 * 1024;

// Sealed (crypto_box_seal) to whoever asked for it.
// INVALID_ARGUMENT: the public key is not usable. Errors of AuditEpochPrivateKey.
absl::StatusOr<std::string> SealAuditKeyTo(const AuditEpochKeys& keys, uint32_t epoch,
                                           const std::array<uint8_t, 32>& recipient);

// The keys an auditor was given: read an exported log without the vault, whoever holds them
// (docs/formats/audit-keys-v1.md).
// Threads: any once filled.
class ExportedAuditKeys final : public AuditEpochKeys {
 public:
  explicit ExportedAuditKeys(const VaultId& vault) : vault_(vault) {}
  // INVALID_ARGUMENT names the line, without a word of a key.
  static absl::StatusOr<ExportedAuditKeys> Parse(std::string_view text);
  WipedBuffer Format() const;

  // DATA_LOSS where the private key is not the one of `info.public_key`.
  absl::Status Add(const AuditEpochInfo& info, SecretBytes private_key);

  const VaultId& vault() const { return vault_; }
  absl::Status CheckUnsealed() const override { return absl::OkStatus(); }
  bool Complete() const override { return false; }
  std::vector<AuditEpochInfo> AuditEpochs() const override;
  absl::StatusOr<SecretRef> AuditEpochPrivateKey(uint32_t epoch) const override;

 private:
  struct Key {
    AuditEpochInfo info;
    SecretRef private_key;
  };
  VaultId vault_;
  std::map<uint32_t, Key> keys_;
};

// One side of a transfer: the pair whose public half goes into the request.
// Threads: one.
class AuditKeyRecipient {
 public:
  explicit AuditKeyRecipient(Random& random);
  const std::array<uint8_t, 32>& public_key() const { return public_key_; }
  // DATA_LOSS: not sealed to this recipient.
  absl::StatusOr<SecretBytes> Open(Bytes sealed) const;

 private:
  SecretBytes private_key_;
  std::array<uint8_t, 32> public_key_{};
};

}  // namespace televault::crypto
