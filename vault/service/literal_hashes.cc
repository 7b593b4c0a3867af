#include "vault/service/literal_hashes.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/time.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"
#include "vault/query/normalize.h"

namespace televault::service {
namespace {

absl::StatusOr<SecretBytes> KeyOf(const crypto::Keyring& keyring, uint32_t epoch) {
  TV_ASSIGN_OR_RETURN(const crypto::SecretRef secret, keyring.AuditEpochPrivateKey(epoch));
  return crypto::DeriveKey(*secret, "televault.litkey");
}

std::string HashOf(const SecretBytes& key, std::string_view text) {
  return std::string(AsText(crypto::KeyedHash16(key, "televault.litval", AsBytes(text))));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> LiteralHashes::Of(
    std::span<const std::string> texts) const {
  std::vector<std::string> hashes;
  if (texts.empty()) return hashes;
  TV_ASSIGN_OR_RETURN(const SecretBytes key, KeyOf(keyring_, keyring_.CurrentAuditEpoch().epoch));
  for (const std::string& text : texts) hashes.push_back(HashOf(key, text));
  return hashes;
}

bool LiteralHashes::Wanted::In(const record::v1::AuditEntry& entry) const {
  for (const std::string& hash : entry.literal_hashes()) {
    if (hashes.contains(hash)) return true;
  }
  return false;
}

absl::StatusOr<LiteralHashes::Wanted> LiteralHashes::Find(std::string_view literal) const {
  Wanted wanted;
  if (literal.empty()) return wanted;
  if (literal.size() > kMaxSearchedLiteralBytes) {
    return absl::InvalidArgumentError("literal: at most 4096 bytes");
  }
  std::set<std::string> texts{std::string(literal)};
  double number = 0;
  if (absl::SimpleAtod(ToAbsl(literal), &number)) texts.insert(query::NumberText(number));
  for (const crypto::AuditEpochInfo& epoch : keyring_.AuditEpochs()) {
    const auto key = KeyOf(keyring_, epoch.epoch);
    // Entries of an epoch whose private half is gone cannot be read either.
    if (absl::IsNotFound(key.status())) continue;
    TV_RETURN_IF_ERROR(key.status());
    for (const std::string& text : texts) wanted.hashes.insert(HashOf(*key, text));
  }
  return wanted;
}

std::vector<std::string> LiteralTexts(const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kBoolValue:
      return {value.bool_value() ? "true" : "false"};
    case v1::Value::kIntValue:
      return {absl::StrCat(value.int_value())};
    case v1::Value::kDoubleValue:
      return {query::NumberText(value.double_value())};
    case v1::Value::kStringValue:
      return {value.string_value()};
    case v1::Value::kTimestampUs:
      return {FormatRfc3339({value.timestamp_us()})};
    case v1::Value::kDurationUs:
      return {absl::StrCat(value.duration_us())};
    case v1::Value::kListValue:
      return {value.list_value().values().begin(), value.list_value().values().end()};
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return {};
}

}  // namespace televault::service
