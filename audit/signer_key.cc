#include "audit/signer_key.h"

#include <algorithm>
#include <sodium.h>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kPrefix = "PRIVATE+KEY+";
static_assert(kSigningSeedBytes == crypto_sign_SEEDBYTES);

bool IsBase64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("secret key: ", AsAbsl(what)));
}

}  // namespace

void WipeText(std::string& text) { sodium_memzero(text.data(), text.size()); }

absl::StatusOr<VerifierKey> KeyOfSeed(std::string_view name, KeyType type,
                                      std::span<const uint8_t, kSigningSeedBytes> seed) {
  PublicKey public_key;
  std::array<uint8_t, kSigningKeyBytes> secret;
  crypto_sign_seed_keypair(public_key.data(), secret.data(), seed.data());
  sodium_memzero(secret.data(), secret.size());
  return VerifierKey::Create(name, type, public_key);
}

absl::StatusOr<std::string> FormatSignerKey(std::string_view name, KeyType type,
                                            std::span<const uint8_t, kSigningSeedBytes> seed) {
  const absl::StatusOr<VerifierKey> key = KeyOfSeed(name, type, seed);
  if (!key.ok()) return key.status();
  const std::string public_text = key->Text();
  const std::string_view name_and_id =
      std::string_view(public_text).substr(0, public_text.find('+', name.size() + 1) + 1);
  std::string material(1, static_cast<char>(type));
  material.append(AsText(seed));
  std::string encoded = Base64(AsBytes(material));
  std::string text = absl::StrCat(AsAbsl(kPrefix), AsAbsl(name_and_id), encoded);
  WipeText(material);
  WipeText(encoded);
  return text;
}

absl::StatusOr<VerifierKey> ParseSignerKey(std::string_view text,
                                           std::span<uint8_t, kSigningKeyBytes> secret) {
  if (text.size() > kMaxSignerKeyTextBytes || !text.starts_with(kPrefix)) {
    return Malformed("must be PRIVATE+KEY+name+id+base64(type, seed)");
  }
  text.remove_prefix(kPrefix.size());
  const size_t first = text.find('+');
  const size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) {
    return Malformed("must be PRIVATE+KEY+name+id+base64(type, seed)");
  }
  // Not FromBase64: this is decoded once, into memory that is wiped.
  const std::string_view encoded = text.substr(second + 1);
  std::array<uint8_t, 1 + kSigningSeedBytes> material{};
  size_t size = 0;
  const char* end = nullptr;
  // libsodium takes bytes above 127 for characters of the alphabet.
  const bool decodes =
      std::all_of(encoded.begin(), encoded.end(), IsBase64) &&
      sodium_base642bin(material.data(), material.size(), encoded.data(), encoded.size(), nullptr,
                        &size, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
      end == encoded.data() + encoded.size() && size == material.size();
  const auto type = static_cast<KeyType>(material[0]);
  PublicKey public_key;
  crypto_sign_seed_keypair(public_key.data(), secret.data(), material.data() + 1);
  sodium_memzero(material.data(), material.size());
  if (!decodes) {
    sodium_memzero(secret.data(), secret.size());
    return Malformed("after the id must come the base64 of a type byte and a 32-byte seed");
  }
  // The public form checks name, type and id.
  std::string public_material(1, static_cast<char>(type));
  public_material.append(AsText(public_key));
  const std::string public_text =
      absl::StrCat(AsAbsl(text.substr(0, second + 1)), Base64(AsBytes(public_material)));
  const absl::StatusOr<VerifierKey> key = VerifierKey::Parse(public_text);
  if (!key.ok()) {
    sodium_memzero(secret.data(), secret.size());
    return Malformed(std::string(key.status().message()));
  }
  return key;
}

}  // namespace televault::audit
