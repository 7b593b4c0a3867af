#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/keyring_files.h"
#include "vault/crypto/keyring_state.h"

namespace televault::crypto {

using internal::InfoOf;
using internal::KeysOf;
using internal::Ratchet;

// --- expiry and shredding ---

std::vector<DataKeyInfo> Keyring::Due(WallTime now) const {
  const std::lock_guard lock(mu_);
  std::vector<DataKeyInfo> due;
  std::vector<const LegalHold*> in_force;
  for (const LegalHold& hold : state_->content.holds) {
    if (hold.InForce(now)) in_force.push_back(&hold);
  }
  for (const auto& [name, key] : state_->content.data_keys) {
    if (key.deadline > now) continue;
    const auto covers = [partition = name.first](const LegalHold* hold) {
      return hold->Covers(partition);
    };
    const bool held = std::any_of(in_force.begin(), in_force.end(), covers);
    if (!held) due.push_back(InfoOf(name, key));
  }
  std::stable_sort(due.begin(), due.end(), [](const DataKeyInfo& a, const DataKeyInfo& b) {
    return a.deadline < b.deadline;
  });
  return due;
}

std::vector<DataKeyInfo> Keyring::DataKeys(PartitionId partition) const {
  const std::lock_guard lock(mu_);
  std::vector<DataKeyInfo> keys;
  const auto [first, last] = KeysOf(state_->content, partition);
  for (auto it = first; it != last; ++it) keys.push_back(InfoOf(it->first, it->second));
  return keys;
}

std::vector<DataKeyInfo> Keyring::DataKeys(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  std::vector<DataKeyInfo> keys;
  const auto& all = state_->content.data_keys;
  for (auto it = all.lower_bound({PartitionId{dataset, LegalHold::kFirst}, KeyId(0)});
       it != all.end() && it->first.first.dataset == dataset; ++it) {
    keys.push_back(InfoOf(it->first, it->second));
  }
  return keys;
}

std::vector<DataKeyInfo> Keyring::AllDataKeys() const {
  const std::lock_guard lock(mu_);
  std::vector<DataKeyInfo> keys;
  keys.reserve(state_->content.data_keys.size());
  for (const auto& [name, key] : state_->content.data_keys) keys.push_back(InfoOf(name, key));
  return keys;
}

std::set<DatasetId> Keyring::KnownDatasets() const {
  const std::lock_guard lock(mu_);
  const KeyringContent& content = state_->content;
  std::set<DatasetId> known;
  for (const auto& [name, key] : content.data_keys) known.insert(name.first.dataset);
  for (const auto& [id, key] : content.salts) known.insert(id.first);
  for (const auto& [dataset, key] : content.erasure_keys) known.insert(dataset);
  for (const LegalHold& hold : content.holds) known.insert(hold.dataset);
  return known;
}

absl::Status Keyring::SetDeadlines(const std::vector<std::pair<PartitionId, WallTime>>& deadlines) {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  bool changed = false;
  for (const auto& [partition, deadline] : deadlines) {
    const auto [first, last] = KeysOf(content, partition);
    for (auto it = first; it != last; ++it) {
      changed = Ratchet(content.data_keys.at(it->first), deadline) || changed;
    }
  }
  return changed ? Commit(std::move(content), /*new_slot=*/false) : absl::OkStatus();
}

namespace {

bool Names(const ShredRequest& request) {
  return !request.partitions.empty() || !request.keys.empty() || !request.salts.empty() ||
         !request.datasets.empty() || !request.audit_epochs.empty() || !request.meta_keys.empty();
}

// Takes out what `request` names; returns whether anything was there.
bool TakeOut(const ShredRequest& request, KeyringContent& content,
             std::vector<DataKeyInfo>& removed) {
  bool changed = false;
  const auto held = [&](PartitionId partition) {
    return request.unless_held_at.has_value() &&
           std::any_of(content.holds.begin(), content.holds.end(), [&](const LegalHold& hold) {
             return hold.InForce(*request.unless_held_at) && hold.Covers(partition);
           });
  };
  const auto remove_key = [&](const DataKeyName& name) {
    const auto found = content.data_keys.find(name);
    if (found == content.data_keys.end() || held(name.first)) return;
    removed.push_back(InfoOf(name, found->second));
    content.data_keys.erase(found);
    changed = true;
  };
  for (const PartitionId& partition : request.partitions) {
    const auto [first, last] = KeysOf(content, partition);
    std::vector<DataKeyName> names;
    for (auto it = first; it != last; ++it) names.push_back(it->first);
    for (const DataKeyName& name : names) remove_key(name);
  }
  for (const DataKeyName& name : request.keys) remove_key(name);
  for (const auto& salt : request.salts) changed = content.salts.erase(salt) > 0 || changed;
  for (const DatasetId dataset : request.datasets) {
    changed = content.erasure_keys.erase(dataset) > 0 || changed;
    changed = std::erase_if(content.salts,
                            [&](const auto& entry) { return entry.first.first == dataset; }) > 0 ||
              changed;
  }
  for (const uint32_t epoch : request.audit_epochs) {
    const auto found = content.audit_epochs.find(epoch);
    if (found == content.audit_epochs.end() || found->second.shredded) continue;
    if (std::next(found) == content.audit_epochs.end()) continue;  // entries are sealed to it now
    found->second.shredded = true;
    found->second.private_key = WrappedKey();
    changed = true;
  }
  for (const uint32_t number : request.meta_keys) {
    if (number == content.meta_keys.rbegin()->first) continue;  // seals what is written now
    changed = content.meta_keys.erase(number) > 0 || changed;
  }
  return changed;
}

}  // namespace

absl::StatusOr<ShredReport> Keyring::Shred(const ShredRequest& request) {
  const std::lock_guard write_lock(write_mu_);
  return ShredNamed(request);
}

absl::StatusOr<ShredReport> Keyring::ShredDue(WallTime now) {
  const std::lock_guard write_lock(write_mu_);
  ShredRequest request;
  for (const DataKeyInfo& key : Due(now)) request.keys.emplace_back(key.partition, key.id);
  return ShredNamed(request);
}

absl::StatusOr<ShredReport> Keyring::ShredNamed(const ShredRequest& request) {
  bool write = false;
  {
    const std::lock_guard lock(mu_);
    // One that is behind would lose the only secret that opens what it has.
    write = state_->must_rotate || (state_->behind && state_->leftovers);
  }
  KeyringContent content;
  std::vector<DataKeyInfo> removed;
  // Asked at every tick, mostly for nothing: no copy of all keys for that.
  if (write || Names(request)) {
    content = Copy();
    write = TakeOut(request, content, removed) || write;
  }
  if (write) {
    TV_RETURN_IF_ERROR(Commit(std::move(content), /*new_slot=*/true));
    const std::lock_guard lock(mu_);
    state_->unfinished.insert(state_->unfinished.end(), removed.begin(), removed.end());
    std::erase_if(state_->recent, [&](const DataKeyRef& key) {
      return std::any_of(removed.begin(), removed.end(),
                         [&](const DataKeyInfo& info) { return info.id == key->id; });
    });
    // Salts and private halves are opened anew when next needed; what was shredded never again. Who
    // holds a meta key is known by the one copy that there is of it.
    std::erase_if(state_->opened, [&](const auto& entry) {
      const auto& keys = state_->content.meta_keys;
      return std::none_of(keys.begin(), keys.end(), [&](const auto& key) {
        return MetaKeyIdentity(key.first) == entry.first;
      });
    });
  }
  TV_RETURN_IF_ERROR(Annotate(FinishDestruction(), "the old slot secret was not destroyed"));
  ShredReport report;
  report.slot_kind = options_.slots.kind();
  const std::lock_guard lock(mu_);
  report.generation = state_->content.generation;
  report.keys = std::exchange(state_->unfinished, {});
  return report;
}

absl::StatusOr<ShredReport> Keyring::Shred(std::span<const PartitionId> partitions) {
  ShredRequest request;
  request.partitions.assign(partitions.begin(), partitions.end());
  return Shred(request);
}

// --- legal holds ---

std::vector<LegalHold> Keyring::Holds() const {
  const std::lock_guard lock(mu_);
  return state_->content.holds;
}

std::vector<LegalHold> Keyring::HoldsOn(PartitionId partition, WallTime now) const {
  const std::lock_guard lock(mu_);
  std::vector<LegalHold> holds;
  for (const LegalHold& hold : state_->content.holds) {
    if (hold.InForce(now) && hold.Covers(partition)) holds.push_back(hold);
  }
  return holds;
}

absl::Status Keyring::PlaceHold(const LegalHold& hold) {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  if (content.holds.size() >= limits::kMaxLegalHolds) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the vault keeps its limit of ", limits::kMaxLegalHolds, " legal holds"));
  }
  const auto at = std::lower_bound(content.holds.begin(), content.holds.end(), hold,
                                   [](const auto& a, const auto& b) { return a.id < b.id; });
  if (at != content.holds.end() && at->id == hold.id) {
    return absl::AlreadyExistsError("there is a legal hold with this id");
  }
  content.holds.insert(at, hold);
  return Commit(std::move(content), /*new_slot=*/false);
}

absl::Status Keyring::EndHold(const std::array<uint8_t, 16>& id, WallTime at) {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  const auto hold = std::find_if(content.holds.begin(), content.holds.end(),
                                 [&](const LegalHold& one) { return one.id == id; });
  if (hold == content.holds.end()) return absl::NotFoundError("there is no such legal hold");
  if (hold->ended_at.micros != 0) {
    return absl::FailedPreconditionError("the legal hold has ended");
  }
  hold->ended_at = at;
  return Commit(std::move(content), /*new_slot=*/false);
}

absl::Status Keyring::ForgetHolds(const std::function<bool(const LegalHold&)>& done) {
  std::vector<std::array<uint8_t, 16>> gone;
  for (const LegalHold& hold : Holds()) {
    if (done(hold)) gone.push_back(hold.id);
  }
  if (gone.empty()) return absl::OkStatus();
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  std::erase_if(content.holds, [&](const LegalHold& hold) {
    return std::find(gone.begin(), gone.end(), hold.id) != gone.end();
  });
  return Commit(std::move(content), /*new_slot=*/false);
}

// --- state ---

bool Keyring::write_is_open() const {
  const std::lock_guard lock(mu_);
  return state_->must_rotate || state_->behind;
}

size_t Keyring::file_bytes() const {
  const std::lock_guard lock(mu_);
  const KeyringContent& content = state_->content;
  return limits::KiB + content.data_keys.size() * (24 + kWrappedKeyBytes) +
         content.salts.size() * (12 + kWrappedKeyBytes) +
         content.audit_epochs.size() * (45 + kWrappedKeyBytes);
}

absl::Status Keyring::RotateSlot() {
  const std::lock_guard write_lock(write_mu_);
  TV_RETURN_IF_ERROR(Commit(Copy(), /*new_slot=*/true));
  return FinishDestruction();
}

uint64_t Keyring::generation() const {
  const std::lock_guard lock(mu_);
  return state_->content.generation;
}

uint64_t Keyring::slot() const {
  const std::lock_guard lock(mu_);
  return state_->content.slot;
}

SlotKind Keyring::slot_kind() const { return options_.slots.kind(); }

size_t Keyring::replicas() const {
  return std::min(options_.slots.replicas(), options_.directories.size());
}

LockEpoch Keyring::lock_epoch() const {
  const std::lock_guard lock(mu_);
  return state_->content.lock_epoch;
}

absl::Status Keyring::RecordLockEpoch(LockEpoch epoch) {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  if (epoch <= content.lock_epoch) return absl::OkStatus();
  content.lock_epoch = epoch;
  return Commit(std::move(content), /*new_slot=*/false);
}

KeyId Keyring::first_key_since_restore() const {
  const std::lock_guard lock(mu_);
  return KeyId(state_->content.first_key_since_restore);
}

absl::Status Keyring::NoteLostHistory() {
  const std::lock_guard write_lock(write_mu_);
  KeyringContent content = Copy();
  if (content.first_key_since_restore == content.next_key_id) return absl::OkStatus();
  content.first_key_since_restore = content.next_key_id;
  return Commit(std::move(content), /*new_slot=*/false);
}

}  // namespace televault::crypto
