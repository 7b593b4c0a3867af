#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "vault/base/bytes.h"
#include "vault/base/clock.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/crypto/audit_epoch.h"

namespace televault::crypto {

// A sealed entry as it goes into the log.
struct SealedLeaf {
  std::string data;
  audit::Hash hash{};  // SHA-256(00 ‖ data)
};

// Seals audit entries under the entry key of the hour, which is fresh every hour and at every
// start: who looks for the key of an entry finds it at most an hour of entries back. Needs only the
// public half of the audit epoch: works while sealed. Refuses an entry that would not fit a leaf
// (limits::kMaxAuditLeafBytes). Threads: any. Borrows: clock, random. Invariants: (1) before the
// first entry under a key the caller was given the key leaf that carries it, in the same result and
// in front of it. (2) The entry key never leaves guarded memory except inside that leaf, sealed to
// the epoch.
class AuditSealer {
 public:
  AuditSealer(VaultId vault, uint32_t epoch, const std::array<uint8_t, 32>& epoch_public_key,
              const Clock& clock, Random& random);

  // One or two leaves in the order they must be committed. Where the caller could not commit them,
  // it must call KeyLeafLost, or later entries cannot be read (they still verify).
  // INVALID_ARGUMENT: too large. FAILED_PRECONDITION: the epoch's public key is unusable.
  // Two callers may commit in the other order than they sealed: an entry can stand shortly before
  // its key leaf. The start entry commits the first key leaf before anybody else seals.
  absl::StatusOr<std::vector<SealedLeaf>> SealEntry(Bytes serialized_entry);

  // The next entry starts a new key. Call it when a commit that held a key leaf failed.
  void KeyLeafLost();
  // From now on seal to another epoch.
  void UseEpoch(uint32_t epoch, const std::array<uint8_t, 32>& epoch_public_key);

 private:
  absl::StatusOr<std::string> NewKeyLeafLocked(int64_t hour);

  const VaultId vault_;
  const Clock& clock_;
  Random& random_;
  std::mutex mu_;  // guards everything below
  uint32_t epoch_;
  std::array<uint8_t, 32> epoch_public_key_;
  int64_t hour_ = 0;  // since 1970, of entry_key_
  std::array<uint8_t, 16> key_id_{};
  SecretBytes entry_key_;  // empty: none yet
};

// Opens leaves of the log, in any order once their key leaf was opened.
// Threads: any. Borrows: keys (a keyring must be unsealed).
class AuditOpener {
 public:
  AuditOpener(VaultId vault, const AuditEpochKeys& keys);

  enum class LeafKind { kKey, kEntry };
  struct Opened {
    LeafKind kind = LeafKind::kEntry;
    std::string entry;  // serialised AuditEntry; empty for a key leaf
  };
  // UNAVAILABLE/SEALED; FAILED_PRECONDITION: its key leaf was not opened yet (scan for it);
  // NOT_FOUND/EXPIRED: its epoch was shredded; DATA_LOSS: does not open.
  absl::StatusOr<Opened> OpenLeaf(Bytes leaf);
  // Wipes every entry key; called when the vault seals.
  void Forget();

 private:
  absl::StatusOr<SecretBytes> OpenKeyLeaf(Bytes body) const;

  const VaultId vault_;
  const AuditEpochKeys& epochs_;
  // Empty: the epoch was destroyed. So its entries are not looked for again and again.
  using Keys = std::map<std::array<uint8_t, 16>, SecretBytes>;
  const SecretBytes* FindLocked(const std::array<uint8_t, 16>& key_id) const;
  void KeepLocked(const std::array<uint8_t, 16>& key_id, SecretBytes key);

  std::mutex mu_;  // guards all below
  Keys keys_;
  Keys older_;  // what keys_ held when it was last full
};

}  // namespace televault::crypto
