#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <sodium/utils.h>
#include <string>
#include <utility>
#include <vector>

#include "vault/base/bytes.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/unseal.h"

// The plaintext of a keyring file: docs/formats/keyring-v1.md.
namespace televault::crypto {

// A 32-byte key in an envelope under the KEK.
inline constexpr size_t kWrappedKeyBytes = kEnvelopeOverhead + kKeyBytes;
// Wiped when it goes: whoever has the root key opens a copy that a shred left behind in memory.
struct WrappedKey : std::array<uint8_t, kWrappedKeyBytes> {
  WrappedKey() : array{} {}
  WrappedKey(const WrappedKey&) = default;
  WrappedKey& operator=(const WrappedKey&) = default;
  ~WrappedKey() { sodium_memzero(data(), size()); }
};

struct WrappedDataKey {
  WallTime deadline;
  WrappedKey key;
};
struct WrappedMetaKey {
  WallTime created_at;
  WrappedKey key;
};
struct WrappedAuditEpoch {
  AuditEpochInfo info;
  bool shredded = false;  // the private half is gone
  WrappedKey private_key;
};

// Everything a keyring holds; no key in it can be used without the KEK.
struct KeyringContent {
  uint64_t slot = 0;
  uint64_t generation = 0;
  uint64_t next_key_id = 1;
  uint64_t first_key_since_restore = 0;
  LockEpoch lock_epoch;
  std::vector<ReplicaId> replicas;  // rising
  std::vector<LegalHold> holds;     // by id, rising
  RootDescription root;
  WallTime root_created_at;
  WrappedKey root_check;  // opens under the right root key only
  WrappedKey name_key;
  std::map<uint32_t, WrappedMetaKey> meta_keys;  // the last one is the current one
  std::map<uint32_t, WrappedAuditEpoch> audit_epochs;
  std::map<DatasetId, WrappedKey> erasure_keys;
  std::map<std::pair<DatasetId, int64_t>, WrappedKey> salts;
  std::map<std::pair<PartitionId, KeyId>, WrappedDataKey> data_keys;
};

WipedBuffer EncodeKeyring(const KeyringContent& content);
// DATA_LOSS says what is wrong with damaged or hostile bytes; never reads past them.
absl::StatusOr<KeyringContent> ParseKeyring(Bytes bytes);

// What each wrapped key is bound to, so that none can be put in another's place.
std::string RootCheckIdentity();
std::string NameKeyIdentity();
std::string MetaKeyIdentity(uint32_t number);
std::string AuditEpochIdentity(uint32_t epoch);
std::string ErasureKeyIdentity(DatasetId dataset);
std::string SaltIdentity(DatasetId dataset, int64_t period);
std::string DataKeyIdentity(PartitionId partition, KeyId id);
// What a keyring file is bound to.
std::string KeyringIdentity(uint64_t slot);

}  // namespace televault::crypto
