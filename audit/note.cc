#include "audit/note.h"

#include <algorithm>
#include <optional>
#include <sodium.h>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kSignaturePrefix = "\xE2\x80\x94 ";  // em dash, space
constexpr size_t kKeyIdBytes = 4;
constexpr size_t kKeyIdHexDigits = 2 * kKeyIdBytes;
constexpr size_t kTimestampBytes = 8;
constexpr size_t kMaxSignatureBytes = 8 * 1024;
static_assert(kPublicKeyBytes == crypto_sign_PUBLICKEYBYTES);
static_assert(kSigningKeyBytes == crypto_sign_SECRETKEYBYTES);

void PutBigEndian(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t GetBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<uint8_t>(byte);
  return value;
}

std::string TypeAndKey(KeyType type, const PublicKey& key) {
  std::string bytes(1, static_cast<char>(type));
  bytes.append(AsText(key));
  return bytes;
}

uint32_t ComputeKeyId(std::string_view name, KeyType type, const PublicKey& key) {
  std::string input(name);
  input.push_back('\n');
  input.append(TypeAndKey(type, key));
  const Hash hash = Sha256({AsBytes(input)});
  return static_cast<uint32_t>(GetBigEndian(AsText(hash).substr(0, kKeyIdBytes)));
}

std::string KeyIdHex(uint32_t id) {
  std::string bytes;
  PutBigEndian(bytes, id, kKeyIdBytes);
  return absl::BytesToHexString(bytes);
}

// What a witness signs: the time stands before the text, so neither kind passes for the other.
std::string CosignedMessage(std::string_view text, uint64_t timestamp_s) {
  return absl::StrCat("cosignature/v1\ntime ", timestamp_s, "\n", AsAbsl(text));
}

std::string SignDetached(std::string_view message, SigningKey secret) {
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(reinterpret_cast<uint8_t*>(signature.data()), nullptr,
                       AsBytes(message).data(), message.size(), secret.data());
  return signature;
}

absl::Status CheckSigning(std::string_view text, const VerifierKey& key, KeyType wanted,
                          SigningKey secret) {
  if (key.type() != wanted) {
    return absl::InvalidArgumentError("the key's type does not sign this kind of note");
  }
  const auto half = secret.subspan<kPublicKeyBytes>();
  if (!std::equal(half.begin(), half.end(), key.public_key().begin())) {
    return absl::InvalidArgumentError("the secret key does not belong to the verifier key");
  }
  if (text.empty() || text.back() != '\n' || text.size() > kMaxNoteBytes || !IsNoteText(text)) {
    return absl::InvalidArgumentError(
        "a note's text must be UTF-8 without control characters and end in a newline");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifierKey> VerifierKey::Create(std::string_view name, KeyType type,
                                                const PublicKey& key) {
  if (name.size() > kMaxKeyNameBytes || !IsKeyName(name)) {
    return absl::InvalidArgumentError(
        "key name: 1 to 255 bytes of UTF-8 without spaces, '+' and control characters");
  }
  VerifierKey result;
  result.name_ = std::string(name);
  result.id_ = ComputeKeyId(name, type, key);
  result.type_ = type;
  result.key_ = key;
  return result;
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(std::string_view text) {
  // Base64 may hold '+' too, so only the first two separate.
  const size_t first = text.find('+');
  const size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) {
    return absl::InvalidArgumentError("verifier key: must be name+id+base64(type, key)");
  }
  const std::string_view id = text.substr(first + 1, second - first - 1);
  absl::StatusOr<std::string> material = FromBase64(text.substr(second + 1));
  if (!material.ok()) {
    return absl::InvalidArgumentError("verifier key: the part after the id is not base64");
  }
  if (material->size() != 1 + kPublicKeyBytes) {
    return absl::InvalidArgumentError("verifier key: must hold a type byte and a 32-byte key");
  }
  const auto type = static_cast<KeyType>((*material)[0]);
  if (type != KeyType::kEd25519 && type != KeyType::kCosignatureV1) {
    return absl::InvalidArgumentError(
        "verifier key: only types 01 (Ed25519) and 04 (cosignature) are known");
  }
  PublicKey key;
  std::copy(material->begin() + 1, material->end(), key.begin());
  absl::StatusOr<VerifierKey> result = Create(text.substr(0, first), type, key);
  if (!result.ok()) return result;
  if (id.size() != kKeyIdHexDigits || id != KeyIdHex(result->id())) {
    return absl::InvalidArgumentError(
        "verifier key: the id is not the one of this name and key (8 lower-case hex digits)");
  }
  return result;
}

std::string VerifierKey::Text() const {
  return absl::StrCat(name_, "+", KeyIdHex(id_), "+", Base64(AsBytes(TypeAndKey(type_, key_))));
}

std::string NoteSignature::Line() const {
  std::string bytes;
  PutBigEndian(bytes, key_id, kKeyIdBytes);
  bytes.append(signature);
  return absl::StrCat(AsAbsl(kSignaturePrefix), name, " ", Base64(AsBytes(bytes)), "\n");
}

std::string Note::Text() const {
  std::string note = text + "\n";
  for (const NoteSignature& signature : signatures) note += signature.Line();
  return note;
}

absl::StatusOr<NoteSignature> ParseSignatureLine(std::string_view line) {
  if (!line.starts_with(kSignaturePrefix)) {
    return absl::InvalidArgumentError("must start with an em dash and a space");
  }
  line.remove_prefix(kSignaturePrefix.size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return absl::InvalidArgumentError("must hold a key name, a space and a signature");
  }
  NoteSignature signature;
  signature.name = std::string(line.substr(0, space));
  if (signature.name.size() > kMaxKeyNameBytes || !IsKeyName(signature.name)) {
    return absl::InvalidArgumentError("the key name is empty, too long or has a space or '+'");
  }
  absl::StatusOr<std::string> bytes = FromAnyBase64(line.substr(space + 1));
  if (!bytes.ok()) return absl::InvalidArgumentError("the signature is not base64");
  if (bytes->size() <= kKeyIdBytes || bytes->size() > kMaxSignatureBytes) {
    return absl::InvalidArgumentError("the signature is too short or too long");
  }
  signature.key_id = static_cast<uint32_t>(GetBigEndian(bytes->substr(0, kKeyIdBytes)));
  signature.signature = bytes->substr(kKeyIdBytes);
  return signature;
}

absl::StatusOr<Note> ParseNote(std::string_view note) {
  if (note.size() > kMaxNoteBytes) {
    return absl::InvalidArgumentError("note: longer than 256 KiB");
  }
  if (!IsNoteText(note)) {
    return absl::InvalidArgumentError("note: not UTF-8, or with a control character");
  }
  // The text may hold empty lines itself: the last one separates.
  const size_t separator = note.rfind("\n\n");
  if (separator == std::string_view::npos) {
    return absl::InvalidArgumentError("note: no empty line between text and signatures");
  }
  Note result;
  result.text = std::string(note.substr(0, separator + 1));
  std::string_view rest = note.substr(separator + 2);
  if (rest.empty()) return absl::InvalidArgumentError("note: no signature line");
  while (!rest.empty()) {
    const std::string where =
        absl::StrCat("note: signature line ", result.signatures.size() + 1, ": ");
    absl::StatusOr<std::string_view> line = TakeLine(rest);
    if (!line.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(where, line.status().message()));
    }
    absl::StatusOr<NoteSignature> signature = ParseSignatureLine(*line);
    if (!signature.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(where, signature.status().message()));
    }
    if (result.signatures.size() == kMaxNoteSignatures) {
      return absl::InvalidArgumentError("note: more than 100 signatures");
    }
    result.signatures.push_back(*std::move(signature));
  }
  return result;
}

absl::StatusOr<uint64_t> CosignatureTimestamp(std::string_view signature) {
  if (signature.size() != kTimestampBytes + crypto_sign_BYTES) {
    return absl::InvalidArgumentError("a cosignature must be 72 bytes long");
  }
  const uint64_t timestamp = GetBigEndian(signature.substr(0, kTimestampBytes));
  if (timestamp > INT64_MAX) {
    return absl::InvalidArgumentError("a cosignature's time must be below 2^63");
  }
  return timestamp;
}

absl::Status VerifySignature(std::string_view text, std::string_view signature,
                             const VerifierKey& key) {
  std::string message(text);
  if (key.type() == KeyType::kCosignatureV1) {
    absl::StatusOr<uint64_t> timestamp = CosignatureTimestamp(signature);
    if (!timestamp.ok()) return absl::FailedPreconditionError(timestamp.status().message());
    message = CosignedMessage(text, *timestamp);
    signature.remove_prefix(kTimestampBytes);
  }
  if (signature.size() != crypto_sign_BYTES) {
    return absl::FailedPreconditionError("an Ed25519 signature must be 64 bytes long");
  }
  if (crypto_sign_verify_detached(AsBytes(signature).data(), AsBytes(message).data(),
                                  message.size(), key.public_key().data()) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("invalid signature of ", key.name()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<VerifiedSignature>> VerifyNote(const Note& note,
                                                          std::span<const VerifierKey> keys) {
  std::vector<std::optional<VerifiedSignature>> by_key(keys.size());
  for (const NoteSignature& signature : note.signatures) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const VerifierKey& key = keys[i];
      if (key.id() != signature.key_id || key.name() != signature.name) continue;
      const absl::Status status = VerifySignature(note.text, signature.signature, key);
      if (!status.ok()) return status;
      if (by_key[i]) continue;
      by_key[i] = VerifiedSignature{i, 0};
      if (key.type() == KeyType::kCosignatureV1) {
        by_key[i]->timestamp_s = CosignatureTimestamp(signature.signature).value();
      }
    }
  }
  std::vector<VerifiedSignature> verified;
  for (const auto& found : by_key) {
    if (found) verified.push_back(*found);
  }
  if (verified.empty()) {
    return absl::FailedPreconditionError("the note has no signature of a known key");
  }
  return verified;
}

absl::StatusOr<NoteSignature> SignText(std::string_view text, const VerifierKey& key,
                                       SigningKey secret) {
  const absl::Status status = CheckSigning(text, key, KeyType::kEd25519, secret);
  if (!status.ok()) return status;
  return NoteSignature{key.name(), key.id(), SignDetached(text, secret)};
}

absl::StatusOr<NoteSignature> CosignText(std::string_view text, uint64_t timestamp_s,
                                         const VerifierKey& key, SigningKey secret) {
  const absl::Status status = CheckSigning(text, key, KeyType::kCosignatureV1, secret);
  if (!status.ok()) return status;
  if (timestamp_s > INT64_MAX) {
    return absl::InvalidArgumentError("a cosignature's time must be below 2^63");
  }
  NoteSignature result{key.name(), key.id(), {}};
  PutBigEndian(result.signature, timestamp_s, kTimestampBytes);
  result.signature += SignDetached(CosignedMessage(text, timestamp_s), secret);
  return result;
}

}  // namespace televault::audit
