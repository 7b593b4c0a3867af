#include "vault/crypto/keyring.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <sodium.h>
#include <unordered_map>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/envelope.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/keyring_files.h"
#include "vault/crypto/keyring_format.h"
#include "vault/crypto/keyring_state.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

// Opened data keys kept for the next caller; each takes a few guarded pages.
constexpr size_t kCachedDataKeys = 512;

absl::Status Sealed() {
  return WithReason(absl::UnavailableError("the vault is sealed; an operator can unseal it with "
                                           "`televault operator unseal`"),
                    reason::kSealed);
}

absl::Status NotSettled() {
  return absl::FailedPreconditionError(
      "the keyring is an old copy, or there is nothing to hold it against: nothing is written or "
      "destroyed. Put the newest copy back and start again, or start once with `televaultd serve "
      "--adopt-recovered-state REASON`");
}

// What SealSecret returned, into its place; nothing of it is left where it was.
void MoveWrapped(std::string wrapped, std::span<uint8_t> out) {
  TV_CHECK(wrapped.size() == out.size());
  std::copy(wrapped.begin(), wrapped.end(), out.begin());
  sodium_memzero(wrapped.data(), wrapped.size());
}

SecretBytes KekOf(const SecretBytes& root) { return DeriveKey(root, "televault.kek.v1"); }

}  // namespace

using internal::Gone;
using internal::KeysOf;
using internal::Ratchet;

Keyring::Keyring(KeyringOptions options)
    : options_(std::move(options)), state_(std::make_unique<State>()) {
  TV_CHECK(!options_.directories.empty());
}
Keyring::~Keyring() = default;

void Keyring::Wrap(const SecretBytes& kek, const std::string& identity, const SecretBytes& key,
                   std::span<uint8_t> out) {
  MoveWrapped(
      SealSecret(kek, Use::kKeyringEntry, AsBytes(identity), key, options_.vault, options_.random),
      out);
}

void Keyring::WrapNew(const SecretBytes& kek, const std::string& identity, std::span<uint8_t> out) {
  Wrap(kek, identity, NewKey(options_.random), out);
}

namespace {

// A fresh X25519 pair as the newest epoch of `content`.
void AddAuditEpoch(KeyringContent& content, const SecretBytes& kek, WallTime now,
                   const KeyringOptions& options) {
  WrappedAuditEpoch epoch;
  epoch.info.epoch = content.audit_epochs.empty() ? 1 : content.audit_epochs.rbegin()->first + 1;
  epoch.info.created_at = now;
  const SecretBytes private_key = NewKey(options.random);
  TV_CHECK(crypto_scalarmult_base(epoch.info.public_key.data(),
                                  private_key.Read(MintSecretPass()).data()) == 0);
  MoveWrapped(SealSecret(kek, Use::kKeyringEntry, AsBytes(AuditEpochIdentity(epoch.info.epoch)),
                         private_key, options.vault, options.random),
              epoch.private_key);
  content.audit_epochs[epoch.info.epoch] = epoch;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Keyring>> Keyring::Create(KeyringOptions options,
                                                         const RootDescription& description,
                                                         const SecretBytes& root, WallTime now) {
  TV_RETURN_IF_ERROR(ValidateRoot(description));
  auto keyring = std::unique_ptr<Keyring>(new Keyring(std::move(options)));
  TV_ASSIGN_OR_RETURN(const bool exists, KeyringFiles(keyring->options_).Exist());
  if (exists) {
    return absl::AlreadyExistsError(
        absl::StrCat(keyring->options_.directories.front(),
                     " already holds a keyring; it is never overwritten"));
  }
  const auto kek = std::make_shared<const SecretBytes>(KekOf(root));
  KeyringContent content;
  content.root = description;
  content.root_created_at = now;
  // Known from the first secret on: one that is left out later is missed.
  content.replicas = keyring->options_.replicas;
  std::sort(content.replicas.begin(), content.replicas.end());
  keyring->WrapNew(*kek, RootCheckIdentity(), content.root_check);
  keyring->WrapNew(*kek, NameKeyIdentity(), content.name_key);
  content.meta_keys[1].created_at = now;
  keyring->WrapNew(*kek, MetaKeyIdentity(1), content.meta_keys[1].key);
  AddAuditEpoch(content, *kek, now, keyring->options_);
  const std::lock_guard write_lock(keyring->write_mu_);
  keyring->state_->settled = true;
  TV_RETURN_IF_ERROR(keyring->Commit(std::move(content), /*new_slot=*/true));
  keyring->state_->kek = kek;
  return keyring;
}

absl::StatusOr<std::unique_ptr<Keyring>> Keyring::Load(KeyringOptions options) {
  auto keyring = std::unique_ptr<Keyring>(new Keyring(std::move(options)));
  KeyringFiles files(keyring->options_);
  TV_ASSIGN_OR_RETURN(KeyringContent content, files.LoadNewest());
  State& state = *keyring->state_;
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots, files.Slots());
  state.highest_slot = slots.back();
  state.leftovers = slots.size() > 1;
  state.highest_generation = content.generation;
  state.content = std::move(content);
  return keyring;
}

void Keyring::Settle() {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  const size_t known = content.replicas.size();
  content.replicas.insert(content.replicas.end(), options_.replicas.begin(),
                          options_.replicas.end());
  std::sort(content.replicas.begin(), content.replicas.end());
  content.replicas.erase(std::unique(content.replicas.begin(), content.replicas.end()),
                         content.replicas.end());
  const bool grew = content.replicas.size() > known;
  {
    const std::lock_guard lock(mu_);
    state_->settled = true;
  }
  // A replica is known before a slot secret lies on it.
  if (!CheckReplicas(content.replicas).ok() ||
      (grew && !Commit(std::move(content), /*new_slot=*/false).ok())) {
    // As every write will say. What a replica has missed is not known then.
    const std::lock_guard lock(mu_);
    state_->behind = true;
    return;
  }
  // Where a replica cannot be repaired the next write goes to a new slot, and Shred reports what is
  // left: the vault can still be locked and read.
  if (!KeyringFiles(options_).RepairReplicas(Copy()).ok()) {
    const std::lock_guard lock(mu_);
    state_->must_rotate = true;
  }
  FinishDestruction().IgnoreError();
}

absl::Status Keyring::CheckReplicas(std::span<const ReplicaId> known) const {
  return options_.check_replicas ? options_.check_replicas(known) : absl::OkStatus();
}

std::vector<ReplicaId> Keyring::KnownReplicas() const {
  const std::lock_guard lock(mu_);
  return state_->content.replicas;
}

absl::Status Keyring::DropReplica(const ReplicaId& id) {
  const std::lock_guard write_lock(write_mu_);
  if (std::find(options_.replicas.begin(), options_.replicas.end(), id) !=
      options_.replicas.end()) {
    return absl::InvalidArgumentError(
        "the key replica is in use: take it out of keys.replicas before it is dropped");
  }
  KeyringContent content = Copy();
  if (std::erase(content.replicas, id) == 0) {
    return absl::NotFoundError("the keyring knows no such key replica");
  }
  TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/true));
  return FinishDestruction();
}

bool Keyring::settled() const {
  const std::lock_guard lock(mu_);
  return state_->settled;
}

// --- writing ---

KeyringContent Keyring::Copy() const {
  const std::lock_guard lock(mu_);
  return state_->content;
}

absl::Status Keyring::Commit(KeyringContent content, bool new_slot, const SecretRef& new_kek) {
  bool rotates = new_slot;
  if (!settled()) return NotSettled();
  TV_RETURN_IF_ERROR(CheckReplicas(content.replicas));
  {
    const std::lock_guard lock(mu_);
    rotates = rotates || state_->must_rotate || state_->behind;
    if (rotates) content.slot = ++state_->highest_slot;
    content.generation = ++state_->highest_generation;
  }
  const absl::Status written = KeyringFiles(options_).Write(content, rotates);
  {
    const std::lock_guard lock(mu_);
    if (!written.ok()) {
      // Replicas may hold the new content, the old, or both: only a higher slot settles it.
      state_->must_rotate = true;
      state_->leftovers = true;
      if (absl::IsResourceExhausted(written))
        return Annotate(written, "the keyring was not written");
      return absl::UnavailableError(
          absl::StrCat("the keyring was not written: ", written.message()));
    }
    state_->content = std::move(content);
    // Together with what it wraps, so that nobody tries the one with the other. Whoever sealed the
    // vault meanwhile is not overruled.
    if (new_kek != nullptr && state_->kek != nullptr) state_->kek = new_kek;
    state_->must_rotate = false;
    state_->behind = false;
    state_->leftovers = state_->leftovers || (rotates && state_->highest_slot > 1);
  }
  TV_CRASH_POINT("keyring.generation_durable");
  // Whoever asked for a new slot goes on to FinishDestruction, which tells the anchor.
  if (!options_.on_new_generation || new_slot) return absl::OkStatus();
  return options_.on_new_generation(generation());
}

absl::Status Keyring::FinishDestruction() {
  uint64_t slot = 0;
  uint64_t generation = 0;
  {
    const std::lock_guard lock(mu_);
    if (!state_->settled) return NotSettled();
    // After a failed write the slot in force is not the newest on disk: first supersede that.
    if (state_->must_rotate) return absl::UnavailableError("the keyring must be written first");
    if (!state_->leftovers) return absl::OkStatus();
    slot = state_->content.slot;
    generation = state_->content.generation;
  }
  TV_RETURN_IF_ERROR(CheckReplicas(KnownReplicas()));
  if (options_.on_new_generation) {
    TV_RETURN_IF_ERROR(Annotate(options_.on_new_generation(generation), "anchor"));
  }
  TV_CRASH_POINT("keyring.anchored");
  TV_RETURN_IF_ERROR(KeyringFiles(options_).DestroyOthers(slot));
  const std::lock_guard lock(mu_);
  state_->leftovers = false;
  return absl::OkStatus();
}

// --- root ---

RootDescription Keyring::root_description() const {
  const std::lock_guard lock(mu_);
  return state_->content.root;
}

WallTime Keyring::root_created_at() const {
  const std::lock_guard lock(mu_);
  return state_->content.root_created_at;
}

absl::Status Keyring::CheckRoot(const SecretBytes& root) const { return KekFrom(root).status(); }

absl::StatusOr<SecretRef> Keyring::KekFrom(const SecretBytes& root) const {
  if (root.size() != kKeyBytes) return absl::InvalidArgumentError("a root key has 32 bytes");
  const auto kek = std::make_shared<const SecretBytes>(KekOf(root));
  const std::lock_guard lock(mu_);
  const auto check = OpenSecret(*kek, Use::kKeyringEntry, AsBytes(RootCheckIdentity()),
                                state_->content.root_check, options_.vault);
  if (!check.ok()) {
    return absl::PermissionDeniedError("this root key does not open the keyring");
  }
  return kek;
}

absl::Status Keyring::Unseal(const SecretBytes& root) {
  TV_ASSIGN_OR_RETURN(const SecretRef kek, KekFrom(root));
  const std::lock_guard lock(mu_);
  if (state_->kek == nullptr) state_->kek = kek;
  return absl::OkStatus();
}

void Keyring::Seal() {
  const std::lock_guard lock(mu_);
  state_->kek.reset();
  state_->opened.clear();
  state_->recent.clear();
}

bool Keyring::sealed() const {
  const std::lock_guard lock(mu_);
  return state_->kek == nullptr;
}

absl::StatusOr<SecretRef> Keyring::Kek() const {
  const std::lock_guard lock(mu_);
  if (state_->kek == nullptr) return Sealed();
  return state_->kek;
}

absl::Status Keyring::ChangeRoot(const RootDescription& description, const SecretBytes& new_root,
                                 WallTime now) {
  TV_RETURN_IF_ERROR(ValidateRoot(description));
  if (new_root.size() != kKeyBytes) return absl::InvalidArgumentError("a root key has 32 bytes");
  const std::lock_guard write_lock(write_mu_);
  TV_ASSIGN_OR_RETURN(const SecretRef old_kek, Kek());
  const auto new_kek = std::make_shared<const SecretBytes>(KekOf(new_root));
  KeyringContent content = Copy();
  content.root = description;
  content.root_created_at = now;
  absl::Status failure;
  SecretBytes key;  // one after the other
  const auto rewrap = [&](const std::string& identity, WrappedKey& wrapped) {
    if (!failure.ok()) return;
    failure = OpenSecretInto(*old_kek, Use::kKeyringEntry, AsBytes(identity), wrapped,
                             options_.vault, key);
    if (failure.ok()) Wrap(*new_kek, identity, key, wrapped);
  };
  rewrap(RootCheckIdentity(), content.root_check);
  rewrap(NameKeyIdentity(), content.name_key);
  for (auto& [number, entry] : content.meta_keys) rewrap(MetaKeyIdentity(number), entry.key);
  for (auto& [epoch, entry] : content.audit_epochs) {
    if (!entry.shredded) rewrap(AuditEpochIdentity(epoch), entry.private_key);
  }
  for (auto& [dataset, wrapped] : content.erasure_keys)
    rewrap(ErasureKeyIdentity(dataset), wrapped);
  for (auto& [id, wrapped] : content.salts) rewrap(SaltIdentity(id.first, id.second), wrapped);
  for (auto& [id, entry] : content.data_keys) {
    rewrap(DataKeyIdentity(id.first, id.second), entry.key);
  }
  TV_RETURN_IF_ERROR(failure);
  TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/true, new_kek));
  FinishDestruction().IgnoreError();
  return absl::OkStatus();
}

// --- data keys ---

absl::StatusOr<DataKeyRef> Keyring::DataKeyFor(PartitionId partition, KeyId id) {
  const DataKeyName name(partition, id);
  SecretRef kek;
  WrappedKey wrapped;
  {
    const std::lock_guard lock(mu_);
    if (state_->kek == nullptr) return Sealed();
    const auto found = state_->content.data_keys.find(name);
    if (found == state_->content.data_keys.end()) return Gone("the data key");
    if (DataKeyRef held = state_->HeldDataKey(name)) return held;
    kek = state_->kek;
    wrapped = found->second.key;
  }
  auto opened = OpenSecret(*kek, Use::kKeyringEntry, AsBytes(DataKeyIdentity(partition, id)),
                           wrapped, options_.vault);
  if (!opened.ok()) return Annotate(opened.status(), "data key");
  auto key = std::make_shared<const DataKey>(DataKey{id, *std::move(opened)});
  const std::lock_guard lock(mu_);
  // Meanwhile shredded or sealed: the caller must not get what others are told is gone.
  if (!state_->content.data_keys.contains(name)) return Gone("the data key");
  if (state_->kek == nullptr) return Sealed();
  // Of two that open it at once one wins: a second copy would be held without anybody knowing.
  if (DataKeyRef held = state_->HeldDataKey(name)) return held;
  if (state_->data_keys.size() > 4 * kCachedDataKeys) {
    std::erase_if(state_->data_keys, [](const auto& entry) { return entry.second.expired(); });
  }
  state_->data_keys[name] = key;
  state_->recent.push_back(key);
  if (state_->recent.size() > kCachedDataKeys) state_->recent.pop_front();
  return key;
}

absl::StatusOr<DataKeyRef> Keyring::EnsureDataKey(PartitionId partition, WallTime deadline) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::optional<KeyId> current;
    {
      const std::lock_guard lock(mu_);
      const auto [first, last] = KeysOf(state_->content, partition);
      if (first != last && std::prev(last)->second.deadline <= deadline) {
        current = std::prev(last)->first.second;
      }
    }
    if (current.has_value()) return DataKeyFor(partition, *current);
    const std::pair<PartitionId, WallTime> wanted(partition, deadline);
    TV_RETURN_IF_ERROR(EnsureDataKeys({&wanted, 1}));
  }
  return Gone("the data key");
}

absl::Status Keyring::EnsureDataKeys(std::span<const std::pair<PartitionId, WallTime>> partitions) {
  const std::lock_guard write_lock(write_mu_);
  TV_ASSIGN_OR_RETURN(const SecretRef kek, Kek());
  KeyringContent content = Copy();
  bool changed = false;
  SecretBytes fresh(kKeyBytes);  // one after the other
  for (const auto& [partition, deadline] : partitions) {
    const auto [first, last] = KeysOf(content, partition);
    for (auto it = first; it != last; ++it) {
      changed = Ratchet(content.data_keys.at(it->first), deadline) || changed;
    }
    if (first != last) continue;
    if (content.data_keys.size() >= limits::kMaxLivePartitions) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the vault holds its limit of ", limits::kMaxLivePartitions, " partitions"));
    }
    const KeyId id(content.next_key_id++);
    WrappedDataKey key{deadline, {}};
    options_.random.Fill(fresh.Write(MintSecretPass()));
    Wrap(*kek, DataKeyIdentity(partition, id), fresh, key.key);
    content.data_keys.emplace(DataKeyName(partition, id), key);
    changed = true;
  }
  return changed ? Commit(std::move(content), /*new_slot=*/false) : absl::OkStatus();
}

absl::StatusOr<DataKeyRef> Keyring::RotateDataKey(PartitionId partition) {
  KeyId id;
  {
    const std::lock_guard write_lock(write_mu_);
    TV_ASSIGN_OR_RETURN(const SecretRef kek, Kek());
    KeyringContent content = Copy();
    const auto [first, last] = KeysOf(content, partition);
    if (first == last) return Gone("the partition's key");
    if (content.data_keys.size() >= limits::kMaxLivePartitions + limits::kMaxRewrittenPartitions) {
      return absl::ResourceExhaustedError("the keyring holds its limit of data keys");
    }
    id = KeyId(content.next_key_id++);
    WrappedDataKey key{std::prev(last)->second.deadline, {}};
    WrapNew(*kek, DataKeyIdentity(partition, id), key.key);
    content.data_keys.emplace(DataKeyName(partition, id), key);
    TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/false));
  }
  return DataKeyFor(partition, id);
}

// --- other keys ---

absl::StatusOr<SecretRef> Keyring::OpenKeyLocked(const std::string& identity, Bytes wrapped) const {
  if (state_->kek == nullptr) return Sealed();
  if (const auto found = state_->opened.find(identity); found != state_->opened.end()) {
    return found->second;
  }
  auto opened =
      OpenSecret(*state_->kek, Use::kKeyringEntry, AsBytes(identity), wrapped, options_.vault);
  if (!opened.ok()) return Annotate(opened.status(), "keyring entry");
  auto key = std::make_shared<const SecretBytes>(*std::move(opened));
  state_->opened[identity] = key;
  return key;
}

absl::StatusOr<SecretRef> Keyring::MetaKey() const {
  const std::lock_guard lock(mu_);
  const auto& [number, key] = *state_->content.meta_keys.rbegin();
  return OpenKeyLocked(MetaKeyIdentity(number), key.key);
}

absl::StatusOr<std::vector<SecretRef>> Keyring::MetaKeyRing() const {
  const std::lock_guard lock(mu_);
  std::vector<SecretRef> ring;
  const auto& keys = state_->content.meta_keys;
  for (auto it = keys.rbegin(); it != keys.rend(); ++it) {
    TV_ASSIGN_OR_RETURN(SecretRef key, OpenKeyLocked(MetaKeyIdentity(it->first), it->second.key));
    ring.push_back(std::move(key));
  }
  return ring;
}

std::vector<MetaKeyInfo> Keyring::MetaKeys() const {
  const std::lock_guard lock(mu_);
  std::vector<MetaKeyInfo> keys;
  for (const auto& [number, key] : state_->content.meta_keys) {
    keys.push_back({number, key.created_at});
  }
  return keys;
}

absl::StatusOr<MetaKeyInfo> Keyring::RotateMetaKey(WallTime now) {
  const std::lock_guard write_lock(write_mu_);
  TV_ASSIGN_OR_RETURN(const SecretRef kek, Kek());
  KeyringContent content = Copy();
  if (content.meta_keys.size() >= limits::kMaxMetaKeys) {
    return absl::ResourceExhaustedError(
        absl::StrCat(content.meta_keys.size(),
                     " meta keys are in use: what the old ones seal is still being sealed again"));
  }
  const uint32_t number = content.meta_keys.rbegin()->first + 1;
  content.meta_keys[number].created_at = now;
  WrapNew(*kek, MetaKeyIdentity(number), content.meta_keys[number].key);
  TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/false));
  return MetaKeyInfo{number, now};
}

bool Keyring::MetaKeyIsHeld(uint32_t number) const {
  const std::lock_guard lock(mu_);
  const auto found = state_->opened.find(MetaKeyIdentity(number));
  return found != state_->opened.end() && found->second.use_count() > 1;
}

absl::StatusOr<SecretRef> Keyring::NameKey() const {
  const std::lock_guard lock(mu_);
  return OpenKeyLocked(NameKeyIdentity(), state_->content.name_key);
}

template <class Keys>
absl::StatusOr<SecretRef> Keyring::FindOrMake(Keys KeyringContent::*keys,
                                              const typename Keys::key_type& id,
                                              const std::string& identity, size_t limit,
                                              const char* full) {
  const auto open = [&]() -> std::optional<absl::StatusOr<SecretRef>> {
    const std::lock_guard lock(mu_);
    const Keys& all = state_->content.*keys;
    const auto found = all.find(id);
    if (found == all.end()) return std::nullopt;
    return OpenKeyLocked(identity, found->second);
  };
  if (auto key = open()) return *std::move(key);
  const std::lock_guard write_lock(write_mu_);
  TV_ASSIGN_OR_RETURN(const SecretRef kek, Kek());
  if (auto key = open()) return *std::move(key);
  KeyringContent content = Copy();
  if ((content.*keys).size() >= limit) return absl::ResourceExhaustedError(full);
  WrapNew(*kek, identity, (content.*keys)[id]);
  TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/false));
  // Nobody else writes meanwhile: it is there.
  return *open();
}

absl::StatusOr<SecretRef> Keyring::SubjectSalt(DatasetId dataset, int64_t period) {
  return FindOrMake(&KeyringContent::salts, {dataset, period}, SaltIdentity(dataset, period),
                    limits::kMaxSubjectSalts, "the keyring holds its limit of subject salts");
}

std::vector<int64_t> Keyring::LiveSaltPeriods(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  std::vector<int64_t> periods;
  for (const auto& [id, key] : state_->content.salts) {
    if (id.first == dataset) periods.push_back(id.second);
  }
  return periods;
}

absl::StatusOr<SecretRef> Keyring::BlockedSubjectKey(DatasetId dataset) {
  return FindOrMake(&KeyringContent::erasure_keys, dataset, ErasureKeyIdentity(dataset),
                    limits::kMaxDatasets, "the keyring holds its limit of datasets");
}

// --- audit epochs ---

AuditEpochInfo Keyring::CurrentAuditEpoch() const {
  const std::lock_guard lock(mu_);
  return state_->content.audit_epochs.rbegin()->second.info;
}

std::vector<AuditEpochInfo> Keyring::AuditEpochs() const {
  const std::lock_guard lock(mu_);
  std::vector<AuditEpochInfo> epochs;
  for (const auto& [number, epoch] : state_->content.audit_epochs) {
    epochs.push_back(epoch.info);
    epochs.back().destroyed = epoch.shredded;
  }
  return epochs;
}

absl::StatusOr<AuditEpochInfo> Keyring::RotateAuditEpoch(WallTime now) {
  const std::lock_guard write_lock(write_mu_);
  TV_ASSIGN_OR_RETURN(const SecretRef kek, Kek());
  KeyringContent content = Copy();
  if (content.audit_epochs.size() >= limits::kMaxAuditEpochs) {
    return absl::ResourceExhaustedError("the keyring holds its limit of audit epochs");
  }
  AddAuditEpoch(content, *kek, now, options_);
  TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/false));
  return CurrentAuditEpoch();
}

absl::StatusOr<SecretRef> Keyring::AuditEpochPrivateKey(uint32_t epoch) const {
  const std::lock_guard lock(mu_);
  const auto found = state_->content.audit_epochs.find(epoch);
  if (found == state_->content.audit_epochs.end() || found->second.shredded) {
    return Gone("the private key of the audit epoch");
  }
  return OpenKeyLocked(AuditEpochIdentity(epoch), found->second.private_key);
}

}  // namespace televault::crypto
