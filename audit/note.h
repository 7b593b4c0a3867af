#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Signed text (C2SP signed-note) and timestamped cosignatures (C2SP tlog-cosignature, Ed25519).
namespace televault::audit {

inline constexpr size_t kMaxNoteBytes = 256 * 1024;
inline constexpr size_t kMaxNoteSignatures = 100;
inline constexpr size_t kMaxKeyNameBytes = 255;
inline constexpr size_t kPublicKeyBytes = 32;
inline constexpr size_t kSigningKeyBytes = 64;

using PublicKey = std::array<uint8_t, kPublicKeyBytes>;
// libsodium's form of an Ed25519 secret key: seed ‖ public key. The caller opens and wipes it.
using SigningKey = std::span<const uint8_t, kSigningKeyBytes>;

enum class KeyType : uint8_t {
  kEd25519 = 0x01,        // signs the text
  kCosignatureV1 = 0x04,  // signs time and text, as a witness
};

// A public key with its name: who may sign, and how.
// Refuses names that cannot stand in a signature line.
// Threads: any.  Borrows: nothing.
// Invariants: (1) id() = SHA-256(name ‖ 0A ‖ type ‖ key)[:4], big-endian.
class VerifierKey {
 public:
  // INVALID_ARGUMENT: empty or over-long name, one with a space, '+' or control character.
  static absl::StatusOr<VerifierKey> Create(std::string_view name, KeyType type,
                                            const PublicKey& key);
  // "name+hex8+base64(type ‖ key)".
  static absl::StatusOr<VerifierKey> Parse(std::string_view text);
  std::string Text() const;

  const std::string& name() const { return name_; }
  uint32_t id() const { return id_; }
  KeyType type() const { return type_; }
  const PublicKey& public_key() const { return key_; }
  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;

 private:
  VerifierKey() = default;
  std::string name_;
  uint32_t id_ = 0;
  KeyType type_ = KeyType::kEd25519;
  PublicKey key_{};
};

// One signature line: "— name base64(id ‖ signature)". Nothing is known about it until verified.
struct NoteSignature {
  std::string name;
  uint32_t key_id = 0;
  std::string signature;

  std::string Line() const;  // with its newline
  friend bool operator==(const NoteSignature&, const NoteSignature&) = default;
};

struct Note {
  std::string text;  // with its final newline
  std::vector<NoteSignature> signatures;

  std::string Text() const;  // the whole note
};

// Syntax only. INVALID_ARGUMENT says which rule is broken and on which signature line.
absl::StatusOr<Note> ParseNote(std::string_view note);
// One signature line, without its newline.
absl::StatusOr<NoteSignature> ParseSignatureLine(std::string_view line);

struct VerifiedSignature {
  size_t key = 0;            // index into the keys given
  uint64_t timestamp_s = 0;  // cosignatures: POSIX seconds
};

// Signatures of `note` that `keys` vouch for, at most one per key; unknown keys are skipped.
// FAILED_PRECONDITION where a signature of a known key is wrong, or none is known.
absl::StatusOr<std::vector<VerifiedSignature>> VerifyNote(const Note& note,
                                                          std::span<const VerifierKey> keys);

// OK, or FAILED_PRECONDITION. `signature` is what follows the key id.
absl::Status VerifySignature(std::string_view text, std::string_view signature,
                             const VerifierKey& key);

// Seconds since 1970 of a cosignature (unverified). INVALID_ARGUMENT unless it is 72 bytes.
absl::StatusOr<uint64_t> CosignatureTimestamp(std::string_view signature);

// Signs `text` (ending in newline) as `key`. INVALID_ARGUMENT where the secret is not the one of
// `key`, the text cannot be a note, or the type is not the function's.
absl::StatusOr<NoteSignature> SignText(std::string_view text, const VerifierKey& key,
                                       SigningKey secret);
absl::StatusOr<NoteSignature> CosignText(std::string_view text, uint64_t timestamp_s,
                                         const VerifierKey& key, SigningKey secret);

}  // namespace televault::audit
