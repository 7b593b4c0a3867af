#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/aead.h"

namespace televault::crypto {

// What an envelope holds. Part of the key derivation and of the AAD: an envelope of one use never
// opens as another. The numbers are not stored; each use has its own 16-byte personal string.
enum class Use : uint8_t {
  kMetaRecord,    // store: value of the meta family
  kHotBatch,      // partition: a micro-batch under the partition's data key
  kAuditEntry,    // an audit leaf under the hour's entry key
  kKeyring,       // the keyring file under a slot secret
  kKeyringEntry,  // one key inside the keyring under the KEK
  kControl,       // the control file under the control key
  kLockState,     // a slot of the lock file under the control key
  kBackup,        // what a backup writes besides the sealed records
  kCursor,        // opaque positions handed to clients
  kLeftOut,       // partition: whom aggregates leave out, under the partition's data key
};

inline constexpr uint8_t kEnvelopeVersion = 1;
inline constexpr size_t kEnvelopeSaltBytes = 16;
inline constexpr size_t kEnvelopeCommitmentBytes = 32;
// version, algorithm, salt, commitment, tag.
inline constexpr size_t kEnvelopeOverhead =
    1 + 1 + kEnvelopeSaltBytes + kEnvelopeCommitmentBytes + kTagBytes;

// The committing envelope around everything that is sealed (docs/formats/envelope-v1.md).
//
// Every call takes a fresh random salt and derives a one-time key and a commitment from it, so the
// number of envelopes under one key is not bounded in practice and an envelope opens under exactly
// one key. `identity` says which thing this is (the full record key, a generation, …): an envelope
// put in another place does not open. `key` has 32 bytes.
// Threads: any.
std::string Seal(const SecretBytes& key, Use use, Bytes identity, Bytes plaintext,
                 const VaultId& vault, Random& random);
// The same with a chosen algorithm, which must be available: golden files and tests.
std::string SealWith(Algorithm algorithm, const SecretBytes& key, Use use, Bytes identity,
                     Bytes plaintext, const VaultId& vault, Random& random);

// DATA_LOSS "does not open": wrong key, place, use or vault, or changed bytes; which one is not
// told. FAILED_PRECONDITION where the processor lacks the algorithm.
absl::StatusOr<WipedBuffer> Open(const SecretBytes& key, Use use, Bytes identity, Bytes envelope,
                                 const VaultId& vault);

// For keys inside an envelope: the plaintext never leaves guarded memory.
std::string SealSecret(const SecretBytes& key, Use use, Bytes identity, const SecretBytes& secret,
                       const VaultId& vault, Random& random);
absl::StatusOr<SecretBytes> OpenSecret(const SecretBytes& key, Use use, Bytes identity,
                                       Bytes envelope, const VaultId& vault);
// Into memory that serves for many keys one after the other: new guarded pages cost ten times as
// much as the opening. After an error `secret` holds no key.
absl::Status OpenSecretInto(const SecretBytes& key, Use use, Bytes identity, Bytes envelope,
                            const VaultId& vault, SecretBytes& secret);

// Whether the bytes have the shape of an envelope of a known version: the check that nothing else
// is ever stored. Says nothing about whether it opens.
bool LooksLikeEnvelope(Bytes bytes);

}  // namespace televault::crypto
