#include "vault/crypto/envelope.h"

#include <algorithm>
#include <array>
#include <sodium.h>

#include "vault/base/check.h"
#include "vault/crypto/aead_key.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

constexpr size_t kPersonalBytes = 16;
constexpr size_t kHeaderBytes = 2 + kEnvelopeSaltBytes + kEnvelopeCommitmentBytes;

// Each exactly 16 bytes and never changed.
std::span<const uint8_t, kPersonalBytes> PersonalOf(Use use) {
  static constexpr std::array<std::string_view, 10> kPersonal = {
      "televault.meta.1", "televault.hot..1", "televault.audit1", "televault.kring1",
      "televault.kwrap1", "televault.contr1", "televault.lock.1", "televault.bakup1",
      "televault.cursr1", "televault.lefto1"};
  static_assert(std::all_of(kPersonal.begin(), kPersonal.end(),
                            [](std::string_view p) { return p.size() == kPersonalBytes; }));
  const auto index = static_cast<size_t>(use);
  TV_CHECK(index < kPersonal.size());
  return AsBytes(kPersonal[index]).first<kPersonalBytes>();
}

// vault id ‖ personal ‖ version ‖ algorithm ‖ identity length (LE32) ‖ identity.
std::string Aad(Use use, Algorithm algorithm, Bytes identity, const VaultId& vault) {
  std::string aad;
  aad.reserve(38 + identity.size());
  aad.append(AsText(vault.bytes));
  aad.append(AsText(PersonalOf(use)));
  aad.push_back(static_cast<char>(kEnvelopeVersion));
  aad.push_back(static_cast<char>(algorithm));
  PutLittleEndian(aad, static_cast<uint32_t>(identity.size()));
  aad.append(AsText(identity));
  return aad;
}

absl::Status DoesNotOpen() { return absl::DataLossError("does not open"); }

// Opens into memory that `allocate(size)` provides.
template <class Allocate>
absl::Status OpenInto(const SecretBytes& key, Use use, Bytes identity, Bytes envelope,
                      const VaultId& vault, Allocate allocate) {
  if (!LooksLikeEnvelope(envelope)) return DoesNotOpen();
  TV_ASSIGN_OR_RETURN(const Algorithm algorithm, ParseAlgorithm(envelope[1]));
  const auto salt = envelope.subspan<2, kEnvelopeSaltBytes>();
  const internal::CommittedKey derived(key, salt, PersonalOf(use), kEnvelopeVersion, algorithm);
  const Bytes commitment = envelope.subspan(2 + kEnvelopeSaltBytes, kEnvelopeCommitmentBytes);
  if (!EqualSecrets(derived.commitment(), commitment)) return DoesNotOpen();
  const Bytes sealed = envelope.subspan(kHeaderBytes);
  const internal::AeadKey aead(algorithm, derived.key());
  uint8_t* const out = allocate(sealed.size() - kTagBytes);
  const std::string aad = Aad(use, algorithm, identity, vault);
  return aead.Open(0, AsBytes(aad), sealed, out) ? absl::OkStatus() : DoesNotOpen();
}

}  // namespace

std::string SealWith(Algorithm algorithm, const SecretBytes& key, Use use, Bytes identity,
                     Bytes plaintext, const VaultId& vault, Random& random) {
  std::array<uint8_t, kEnvelopeSaltBytes> salt;
  random.Fill(salt);
  const internal::CommittedKey derived(key, salt, PersonalOf(use), kEnvelopeVersion, algorithm);
  const internal::AeadKey aead(algorithm, derived.key());
  std::string envelope;
  envelope.reserve(kEnvelopeOverhead + plaintext.size());
  envelope.push_back(static_cast<char>(kEnvelopeVersion));
  envelope.push_back(static_cast<char>(algorithm));
  envelope.append(AsText(salt));
  envelope.append(AsText(derived.commitment()));
  envelope.resize(kEnvelopeOverhead + plaintext.size());
  const std::string aad = Aad(use, algorithm, identity, vault);
  aead.Seal(0, AsBytes(aad), plaintext, reinterpret_cast<uint8_t*>(&envelope[kHeaderBytes]));
  return envelope;
}

std::string Seal(const SecretBytes& key, Use use, Bytes identity, Bytes plaintext,
                 const VaultId& vault, Random& random) {
  return SealWith(PreferredAlgorithm(), key, use, identity, plaintext, vault, random);
}

absl::StatusOr<WipedBuffer> Open(const SecretBytes& key, Use use, Bytes identity, Bytes envelope,
                                 const VaultId& vault) {
  WipedBuffer plaintext;
  TV_RETURN_IF_ERROR(OpenInto(key, use, identity, envelope, vault, [&](size_t size) {
    plaintext.resize(size);
    return plaintext.data();
  }));
  return plaintext;
}

std::string SealSecret(const SecretBytes& key, Use use, Bytes identity, const SecretBytes& secret,
                       const VaultId& vault, Random& random) {
  return Seal(key, use, identity, secret.Read(MintSecretPass()), vault, random);
}

absl::StatusOr<SecretBytes> OpenSecret(const SecretBytes& key, Use use, Bytes identity,
                                       Bytes envelope, const VaultId& vault) {
  SecretBytes secret;
  TV_RETURN_IF_ERROR(OpenSecretInto(key, use, identity, envelope, vault, secret));
  return secret;
}

absl::Status OpenSecretInto(const SecretBytes& key, Use use, Bytes identity, Bytes envelope,
                            const VaultId& vault, SecretBytes& secret) {
  // An empty secret has no meaning, and guarded memory of no bytes does not exist.
  if (envelope.size() <= kEnvelopeOverhead) return DoesNotOpen();
  const absl::Status opened = OpenInto(key, use, identity, envelope, vault, [&](size_t size) {
    if (secret.size() != size) secret = SecretBytes(size);
    return secret.Write(MintSecretPass()).data();
  });
  if (!opened.ok()) secret = SecretBytes();
  return opened;
}

bool LooksLikeEnvelope(Bytes bytes) {
  return bytes.size() >= kEnvelopeOverhead && bytes[0] == kEnvelopeVersion &&
         (bytes[1] == static_cast<uint8_t>(Algorithm::kAes256Gcm) ||
          bytes[1] == static_cast<uint8_t>(Algorithm::kXChaCha20Poly1305));
}

}  // namespace televault::crypto
