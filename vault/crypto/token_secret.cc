#include "vault/crypto/token_secret.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/crypto/aead.h"
#include "vault/crypto/hash.h"

namespace televault::crypto {
namespace {

constexpr std::string_view kMagic = "TVS1";
constexpr size_t kPaddingBytes = 3;
constexpr size_t kCheckBytes = 32;

size_t SealedBytes(TokenCipher cipher) {
  return kKeyBytes + (cipher == TokenCipher::kAesGcm ? kTagBytes : 0);
}
size_t CheckBytes(TokenCipher cipher) { return cipher == TokenCipher::kAesCbc ? kCheckBytes : 0; }

}  // namespace

size_t IvBytes(TokenCipher cipher) { return cipher == TokenCipher::kAesGcm ? 12 : 16; }

std::string EncodeTokenSecret(const TokenSecret& secret) {
  std::string out(kMagic);
  out.push_back(static_cast<char>(secret.cipher));
  out.append(kPaddingBytes, '\0');
  absl::StrAppend(&out, secret.iv, secret.sealed, secret.check);
  return out;
}

absl::StatusOr<TokenSecret> ParseTokenSecret(Bytes bytes) {
  const auto damaged = [] {
    return absl::DataLossError("no sealed slot secret, or a damaged one");
  };
  ByteReader reader(bytes);
  TV_ASSIGN_OR_RETURN(const Bytes head, reader.Take(kMagic.size() + 1 + kPaddingBytes));
  if (!AsText(head).starts_with(kMagic)) return damaged();
  TokenSecret secret;
  secret.cipher = static_cast<TokenCipher>(head[kMagic.size()]);
  if (secret.cipher != TokenCipher::kAesGcm && secret.cipher != TokenCipher::kAesCbc) {
    return damaged();
  }
  const Bytes padding = head.last(kPaddingBytes);
  if (std::any_of(padding.begin(), padding.end(), [](uint8_t byte) { return byte != 0; })) {
    return damaged();
  }
  for (const auto& [part, size] : {std::pair(&secret.iv, IvBytes(secret.cipher)),
                                   std::pair(&secret.sealed, SealedBytes(secret.cipher)),
                                   std::pair(&secret.check, CheckBytes(secret.cipher))}) {
    TV_ASSIGN_OR_RETURN(const Bytes taken, reader.Take(size));
    *part = AsText(taken);
  }
  if (reader.remaining() != 0) return damaged();
  return secret;
}

std::string TokenSecretIdentity(const VaultId& vault, uint64_t slot) {
  std::string identity = "televault slot";
  identity += AsText(vault.bytes);
  PutLittleEndian(identity, slot);
  return identity;
}

std::string TokenSecretCheck(const SecretBytes& secret, const std::string& identity) {
  const Hash32 check = KeyedHash32(secret, "televault.tokslt", AsBytes(identity));
  return std::string(AsText(check));
}

}  // namespace televault::crypto
