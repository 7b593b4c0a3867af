#include "vault/crypto/audit_sealer.h"

#include <algorithm>
#include <sodium.h>

#include "absl/strings/str_cat.h"

#include "audit/leaf.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/base/time.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

static_assert(audit::kKeyLeafBodyBytes == kKeyBytes + crypto_box_SEALBYTES);
static_assert(audit::kMaxLeafBytes == limits::kMaxAuditLeafBytes);

// Entry keys that were read are kept open, the last half of that many at least; others are opened
// again from their key leaf. Entries follow their key closely: who reads the log from the front
// needs no other.
constexpr size_t kMaxOpenEntryKeys = 4'096;

constexpr int64_t kMicrosPerHour = kMicrosPerDay / 24;

SealedLeaf Finish(std::string data) {
  SealedLeaf leaf{std::move(data), {}};
  leaf.hash = audit::LeafHash(AsBytes(leaf.data));
  return leaf;
}

}  // namespace

AuditSealer::AuditSealer(VaultId vault, uint32_t epoch,
                         const std::array<uint8_t, 32>& epoch_public_key, const Clock& clock,
                         Random& random)
    : vault_(vault),
      clock_(clock),
      random_(random),
      epoch_(epoch),
      epoch_public_key_(epoch_public_key) {}

absl::StatusOr<std::string> AuditSealer::NewKeyLeafLocked(int64_t hour) {
  hour_ = hour;
  random_.Fill(key_id_);
  entry_key_ = NewKey(random_);
  std::array<uint8_t, audit::kKeyLeafBodyBytes> sealed;
  // Fails for a public key that is a low-order point: nobody could open, or everybody.
  if (crypto_box_seal(sealed.data(), entry_key_.Read(MintSecretPass()).data(), kKeyBytes,
                      epoch_public_key_.data()) != 0) {
    entry_key_ = SecretBytes();
    return absl::FailedPreconditionError(
        absl::StrCat("the public key of audit epoch ", epoch_, " is not usable"));
  }
  return audit::EncodeLeaf({audit::LeafType::kKey, key_id_, sealed});
}

absl::StatusOr<std::vector<SealedLeaf>> AuditSealer::SealEntry(Bytes serialized_entry) {
  if (serialized_entry.size() + kEnvelopeOverhead > audit::kMaxLeafBodyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an audit entry of ", serialized_entry.size(), " bytes does not fit a leaf"));
  }
  const std::lock_guard lock(mu_);
  std::vector<SealedLeaf> leaves;
  const int64_t hour = clock_.Wall().micros / kMicrosPerHour;
  if (entry_key_.empty() || hour_ != hour) {
    TV_ASSIGN_OR_RETURN(std::string key_leaf, NewKeyLeafLocked(hour));
    leaves.push_back(Finish(std::move(key_leaf)));
  }
  const std::string header = audit::LeafHeader(audit::LeafType::kEntry, key_id_);
  const std::string envelope =
      Seal(entry_key_, Use::kAuditEntry, AsBytes(header), serialized_entry, vault_, random_);
  TV_ASSIGN_OR_RETURN(std::string leaf,
                      audit::EncodeLeaf({audit::LeafType::kEntry, key_id_, AsBytes(envelope)}));
  leaves.push_back(Finish(std::move(leaf)));
  return leaves;
}

void AuditSealer::KeyLeafLost() {
  const std::lock_guard lock(mu_);
  entry_key_ = SecretBytes();
}

void AuditSealer::UseEpoch(uint32_t epoch, const std::array<uint8_t, 32>& epoch_public_key) {
  const std::lock_guard lock(mu_);
  epoch_ = epoch;
  epoch_public_key_ = epoch_public_key;
  entry_key_ = SecretBytes();
}

// --- opening ---

namespace {

absl::Status Destroyed() {
  return WithReason(absl::NotFoundError("the audit epoch of this entry was destroyed"),
                    reason::kExpired);
}

}  // namespace

AuditOpener::AuditOpener(VaultId vault, const AuditEpochKeys& keys)
    : vault_(vault), epochs_(keys) {}

// The leaf does not say which epoch it was sealed to; the newest is tried first.
absl::StatusOr<SecretBytes> AuditOpener::OpenKeyLeaf(Bytes body) const {
  bool epochs_missing = false;
  const std::vector<AuditEpochInfo> epochs = epochs_.AuditEpochs();
  for (auto epoch = epochs.rbegin(); epoch != epochs.rend(); ++epoch) {
    const auto private_key = epochs_.AuditEpochPrivateKey(epoch->epoch);
    if (absl::IsUnavailable(private_key.status())) return private_key.status();
    if (!private_key.ok()) {
      epochs_missing = true;
      continue;
    }
    SecretBytes key(kKeyBytes);
    if (crypto_box_seal_open(key.Write(MintSecretPass()).data(), body.data(), body.size(),
                             epoch->public_key.data(),
                             (*private_key)->Read(MintSecretPass()).data()) == 0) {
      return key;
    }
  }
  if (epochs_missing || !epochs_.Complete()) return SecretBytes();
  return absl::DataLossError("does not open");
}

const SecretBytes* AuditOpener::FindLocked(const std::array<uint8_t, 16>& key_id) const {
  for (const Keys* const keys : {&keys_, &older_}) {
    if (const auto found = keys->find(key_id); found != keys->end()) return &found->second;
  }
  return nullptr;
}

void AuditOpener::KeepLocked(const std::array<uint8_t, 16>& key_id, SecretBytes key) {
  if (keys_.size() >= kMaxOpenEntryKeys / 2) {
    older_ = std::move(keys_);
    keys_.clear();
  }
  keys_.emplace(key_id, std::move(key));
}

absl::StatusOr<AuditOpener::Opened> AuditOpener::OpenLeaf(Bytes leaf) {
  TV_ASSIGN_OR_RETURN(const audit::LeafView view, audit::ParseLeaf(leaf));
  const std::lock_guard lock(mu_);
  if (view.type == audit::LeafType::kKey) {
    if (FindLocked(view.key_id) == nullptr) {
      TV_ASSIGN_OR_RETURN(SecretBytes key, OpenKeyLeaf(view.body));
      KeepLocked(view.key_id, std::move(key));
    }
    if (FindLocked(view.key_id)->empty()) return Destroyed();
    return Opened{LeafKind::kKey, {}};
  }
  // A vault that was sealed reads nothing, even before what is open here was forgotten.
  TV_RETURN_IF_ERROR(epochs_.CheckUnsealed());
  const SecretBytes* const known = FindLocked(view.key_id);
  if (known == nullptr) {
    return absl::FailedPreconditionError("the key leaf of this entry was not read yet");
  }
  if (known->empty()) return Destroyed();
  const std::string header = audit::LeafHeader(audit::LeafType::kEntry, view.key_id);
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain,
                      Open(*known, Use::kAuditEntry, AsBytes(header), view.body, vault_));
  return Opened{LeafKind::kEntry, std::string(AsText(plain))};
}

void AuditOpener::Forget() {
  const std::lock_guard lock(mu_);
  keys_.clear();
  older_.clear();
}

}  // namespace televault::crypto
