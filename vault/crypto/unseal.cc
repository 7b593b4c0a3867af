#include "vault/crypto/unseal.h"

#include <sodium.h>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {

absl::Status ValidateRoot(const RootDescription& description) {
  switch (description.source) {
    case RootSource::kKeyFile:
      return absl::OkStatus();
    case RootSource::kShares:
      return ValidateShareSet(description.shares);
    case RootSource::kPassphrase:
      break;
    default:
      return absl::InvalidArgumentError("unknown source of the root key");
  }
  const PassphraseParameters& p = description.passphrase;
  if (p.passes < 1 || p.passes > limits::kMaxPassphrasePasses) {
    return absl::InvalidArgumentError(
        absl::StrCat("Argon2id passes must be 1 to ", limits::kMaxPassphrasePasses));
  }
  if (p.memory_bytes < limits::kMinPassphraseMemory ||
      p.memory_bytes > limits::kMaxPassphraseMemory) {
    return absl::InvalidArgumentError(absl::StrCat("Argon2id memory must be ",
                                                   limits::kMinPassphraseMemory, " to ",
                                                   limits::kMaxPassphraseMemory, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SecretBytes> CreateRootKeyFile(FileSystem& fs, const std::string& path,
                                              Random& random) {
  SecretBytes root = NewKey(random);
  TV_RETURN_IF_ERROR(CreateRootKeyFile(fs, path, root));
  return root;
}

absl::Status CreateRootKeyFile(FileSystem& fs, const std::string& path, const SecretBytes& root) {
  return CreateKeyFile(fs, path, KeyFileKind::kRoot, root);
}

absl::StatusOr<SecretBytes> ReadRootKeyFile(FileSystem& fs, const std::string& path) {
  return ReadPrivateKeyFile(fs, path, KeyFileKind::kRoot);
}

absl::StatusOr<SecretBytes> ReadRootCredential(FileSystem& fs, const std::string& path) {
  return ReadKeyFile(fs, path, KeyFileKind::kRoot);
}

RootDescription NewPassphraseRoot(Random& random, uint32_t passes, uint64_t memory_bytes) {
  RootDescription description;
  description.source = RootSource::kPassphrase;
  description.passphrase.passes = passes;
  description.passphrase.memory_bytes = memory_bytes;
  random.Fill(description.passphrase.salt);
  return description;
}

absl::StatusOr<SecretBytes> RootFromPassphrase(const SecretBytes& passphrase,
                                               const RootDescription& description) {
  TV_CHECK(sodium_init() >= 0);
  TV_RETURN_IF_ERROR(ValidateRoot(description));
  if (description.source != RootSource::kPassphrase) {
    return absl::InvalidArgumentError("the root key of this vault is not made from a passphrase");
  }
  if (passphrase.size() < limits::kMinPassphraseBytes ||
      passphrase.size() > limits::kMaxPassphraseBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a passphrase has ", limits::kMinPassphraseBytes,
                                                   " to ", limits::kMaxPassphraseBytes, " bytes"));
  }
  const PassphraseParameters& p = description.passphrase;
  static_assert(crypto_pwhash_SALTBYTES == sizeof(p.salt));
  SecretBytes root(kKeyBytes);
  const auto text = passphrase.Read(MintSecretPass());
  if (crypto_pwhash(root.Write(MintSecretPass()).data(), kKeyBytes,
                    reinterpret_cast<const char*>(text.data()), text.size(), p.salt.data(),
                    p.passes, p.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("not enough memory for Argon2id: ", p.memory_bytes, " bytes are needed"));
  }
  return root;
}

}  // namespace televault::crypto
