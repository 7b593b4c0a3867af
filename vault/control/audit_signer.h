#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/signing.h"

namespace televault::control {

// Signs checkpoints and receipts with the vault's Ed25519 key, a file of mode 0600.
// Does not decide what may be signed: the journal persists before it asks.
// Threads: any.
class AuditSigner {
 public:
  // `name` is the key name of the signed note, normally the log's origin: not empty, no space, no
  // '+'. INVALID_ARGUMENT, ALREADY_EXISTS, NOT_FOUND, DATA_LOSS.
  static absl::StatusOr<std::unique_ptr<AuditSigner>> Create(FileSystem& fs,
                                                             const std::string& path,
                                                             std::string_view name, Random& random);
  static absl::StatusOr<std::unique_ptr<AuditSigner>> Load(FileSystem& fs, const std::string& path,
                                                           std::string_view name);

  crypto::Signature Sign(Bytes message) const;
  const crypto::PublicKey& public_key() const { return key_.public_key(); }
  const std::string& name() const { return name_; }
  // SHA-256(name ‖ 0A ‖ 01 ‖ public key)[:4].
  const std::array<uint8_t, 4>& key_id() const { return key_id_; }
  // "name+hex8+base64(01 ‖ public key)".
  const std::string& vkey() const { return vkey_; }

 private:
  AuditSigner(const SecretBytes& seed, std::string_view name);
  const crypto::SigningKey key_;
  std::string name_;
  std::array<uint8_t, 4> key_id_{};
  std::string vkey_;
};

}  // namespace televault::control
