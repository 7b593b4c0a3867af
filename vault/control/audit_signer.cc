#include "vault/control/audit_signer.h"

#include <algorithm>
#include <sodium.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"

namespace televault::control {
namespace {

constexpr char kEd25519 = 0x01;

absl::Status ValidateName(std::string_view name) {
  const auto bad = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte >= 0x7F || c == '+';
  };
  if (!name.empty() && name.size() <= 255 && std::none_of(name.begin(), name.end(), bad)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the name of a log key is 1 to 255 printable characters without space and '+'");
}

}  // namespace

AuditSigner::AuditSigner(const SecretBytes& seed, std::string_view name) : key_(seed), name_(name) {
  std::string tail(1, kEd25519);
  tail += AsText(public_key());
  const std::string named = name_ + "\n" + tail;
  std::array<uint8_t, crypto_hash_sha256_BYTES> digest;
  TV_CHECK(crypto_hash_sha256(digest.data(), AsBytes(named).data(), named.size()) == 0);
  std::copy_n(digest.begin(), key_id_.size(), key_id_.begin());
  vkey_ = absl::StrCat(name_, "+", ToHex(key_id_), "+", absl::Base64Escape(tail));
}

absl::StatusOr<std::unique_ptr<AuditSigner>> AuditSigner::Create(FileSystem& fs,
                                                                 const std::string& path,
                                                                 std::string_view name,
                                                                 Random& random) {
  TV_RETURN_IF_ERROR(ValidateName(name));
  SecretBytes seed = crypto::NewKey(random);
  TV_RETURN_IF_ERROR(crypto::CreateKeyFile(fs, path, crypto::KeyFileKind::kSigner, seed));
  return std::unique_ptr<AuditSigner>(new AuditSigner(seed, name));
}

absl::StatusOr<std::unique_ptr<AuditSigner>> AuditSigner::Load(FileSystem& fs,
                                                               const std::string& path,
                                                               std::string_view name) {
  TV_RETURN_IF_ERROR(ValidateName(name));
  TV_ASSIGN_OR_RETURN(SecretBytes seed,
                      crypto::ReadKeyFile(fs, path, crypto::KeyFileKind::kSigner));
  return std::unique_ptr<AuditSigner>(new AuditSigner(seed, name));
}

crypto::Signature AuditSigner::Sign(Bytes message) const { return key_.Sign(message); }

}  // namespace televault::control
