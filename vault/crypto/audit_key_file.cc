#include "vault/crypto/audit_key_file.h"

#include <algorithm>
#include <optional>
#include <sodium.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

constexpr std::string_view kHeader = "televault-audit-keys/v1";
constexpr size_t kSealedBytes = kKeyBytes + crypto_box_SEALBYTES;
constexpr size_t kHexDigits = 2 * kKeyBytes;

std::array<uint8_t, 32> PublicHalf(const SecretBytes& private_key) {
  std::array<uint8_t, 32> public_key;
  TV_CHECK(crypto_scalarmult_base(public_key.data(), private_key.Read(MintSecretPass()).data()) ==
           0);
  return public_key;
}

absl::Status Wrong(size_t line, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("audit keys: line ", line, " must be ", ToAbsl(expected)));
}

std::string_view NextWord(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  return word;
}

// Hex straight into guarded memory; empty where it is not a key.
SecretBytes SecretFromHex(std::string_view hex) {
  SecretBytes secret(kKeyBytes);
  size_t size = 0;
  const char* end = nullptr;
  if (hex.size() != kHexDigits ||
      sodium_hex2bin(secret.Write(MintSecretPass()).data(), kKeyBytes, hex.data(), hex.size(),
                     nullptr, &size, &end) != 0 ||
      size != kKeyBytes || end != hex.data() + hex.size()) {
    return SecretBytes();
  }
  return secret;
}

}  // namespace

absl::StatusOr<std::string> SealAuditKeyTo(const AuditEpochKeys& keys, uint32_t epoch,
                                           const std::array<uint8_t, 32>& recipient) {
  TV_ASSIGN_OR_RETURN(const SecretRef key, keys.AuditEpochPrivateKey(epoch));
  std::string sealed(kSealedBytes, '\0');
  if (crypto_box_seal(reinterpret_cast<uint8_t*>(sealed.data()), key->Read(MintSecretPass()).data(),
                      kKeyBytes, recipient.data()) != 0) {
    return absl::InvalidArgumentError("recipient_public_key: is not a usable X25519 key");
  }
  return sealed;
}

absl::StatusOr<ExportedAuditKeys> ExportedAuditKeys::Parse(std::string_view text) {
  constexpr std::string_view kEpochLine =
      "\"epoch NUMBER PUBLIC PRIVATE\", keys in 64 hex digits, every epoch once";
  if (text.size() > kMaxAuditKeyFileBytes) {
    return absl::InvalidArgumentError("audit keys: longer than 256 KiB");
  }
  std::optional<ExportedAuditKeys> keys;
  for (size_t line = 1; !text.empty(); ++line) {
    std::string_view rest = text.substr(0, text.find('\n'));
    if (rest.size() == text.size()) return Wrong(line, "ended by a newline");
    text.remove_prefix(rest.size() + 1);
    if (line == 1) {
      if (rest != kHeader) return Wrong(line, kHeader);
      continue;
    }
    const std::string_view what = NextWord(rest);
    if (line == 2) {
      const auto vault = FromHex(rest);
      VaultId id{};
      if (what != "vault" || !vault.ok() || vault->size() != id.bytes.size()) {
        return Wrong(line, "\"vault ID\", the id in hex digits");
      }
      std::copy(vault->begin(), vault->end(), id.bytes.begin());
      keys.emplace(id);
      continue;
    }
    AuditEpochInfo info;
    const std::string_view number = NextWord(rest);
    const auto public_key = FromHex(NextWord(rest));
    SecretBytes private_key = SecretFromHex(rest);
    if (what != "epoch" || !absl::SimpleAtoi(ToAbsl(number), &info.epoch) || !public_key.ok() ||
        public_key->size() != info.public_key.size()) {
      return Wrong(line, kEpochLine);
    }
    std::copy(public_key->begin(), public_key->end(), info.public_key.begin());
    if (!keys->Add(info, std::move(private_key)).ok()) return Wrong(line, kEpochLine);
  }
  if (!keys.has_value()) return Wrong(1, kHeader);
  return *std::move(keys);
}

WipedBuffer ExportedAuditKeys::Format() const {
  WipedBuffer out;
  const auto add = [&out](std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  };
  add(kHeader);
  add("\nvault ");
  add(ToHex(vault_.bytes));
  add("\n");
  for (const auto& [epoch, key] : keys_) {
    add(absl::StrCat("epoch ", epoch, " ", ToHex(key.info.public_key), " "));
    std::array<char, kHexDigits + 1> hex;
    sodium_bin2hex(hex.data(), hex.size(), key.private_key->Read(MintSecretPass()).data(),
                   kKeyBytes);
    add(std::string_view(hex.data(), kHexDigits));
    sodium_memzero(hex.data(), hex.size());
    add("\n");
  }
  return out;
}

absl::Status ExportedAuditKeys::Add(const AuditEpochInfo& info, SecretBytes private_key) {
  if (private_key.size() != kKeyBytes || PublicHalf(private_key) != info.public_key) {
    return absl::DataLossError(
        absl::StrCat("the key of audit epoch ", info.epoch, " is not the one of its public half"));
  }
  const auto added = keys_.emplace(
      info.epoch, Key{info, std::make_shared<const SecretBytes>(std::move(private_key))});
  if (added.second) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("audit epoch ", info.epoch, " is given twice"));
}

std::vector<AuditEpochInfo> ExportedAuditKeys::AuditEpochs() const {
  std::vector<AuditEpochInfo> epochs;
  for (const auto& [number, key] : keys_) epochs.push_back(key.info);
  return epochs;
}

absl::StatusOr<SecretRef> ExportedAuditKeys::AuditEpochPrivateKey(uint32_t epoch) const {
  const auto found = keys_.find(epoch);
  if (found != keys_.end()) return found->second.private_key;
  return WithReason(absl::NotFoundError(absl::StrCat("no key of audit epoch ", epoch)),
                    reason::kExpired);
}

AuditKeyRecipient::AuditKeyRecipient(Random& random)
    : private_key_(NewKey(random)), public_key_(PublicHalf(private_key_)) {}

absl::StatusOr<SecretBytes> AuditKeyRecipient::Open(Bytes sealed) const {
  SecretBytes key(kKeyBytes);
  if (sealed.size() != kSealedBytes ||
      crypto_box_seal_open(key.Write(MintSecretPass()).data(), sealed.data(), sealed.size(),
                           public_key_.data(), private_key_.Read(MintSecretPass()).data()) != 0) {
    return absl::DataLossError("an audit key does not open: it was sealed to somebody else");
  }
  return key;
}

}  // namespace televault::crypto
