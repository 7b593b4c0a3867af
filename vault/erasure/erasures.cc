#include "vault/erasure/erasures.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/catalog/pseudonym.h"
#include "vault/crypto/keyring.h"
#include "vault/store/meta.h"

namespace televault::erasure {
namespace {

crypto::Hash16 HashOf(std::string_view bytes) {
  crypto::Hash16 hash{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.size()), hash.begin());
  return hash;
}

}  // namespace

absl::Status Erasures::Load(const store::View& view) {
  const std::lock_guard lock(mu_);
  TV_RETURN_IF_ERROR(parts_.meta.Scan<Record>(
      view, store::RecordKind::kErasure, store::RecordId(), [&](const Record& record) {
        OfDataset& of = datasets_[DatasetId(record.dataset_id())];
        of.blocked[HashOf(record.blocked_hash())] = record.number();
        of.newest = std::max(of.newest, record.number());
        if (record.settled_at_us() == 0) of.unsettled[record.number()] = record;
        ++count_;
        return true;
      }));
  for (auto& [dataset, of] : datasets_) {
    RenewHidden(of);
    TellCatalog(dataset, of);
  }
  return absl::OkStatus();
}

void Erasures::RenewHidden(const OfDataset& of) {
  of.hidden_is_stale = false;
  std::vector<crypto::Hash16> all;
  for (const auto& [number, record] : of.unsettled) {
    for (const std::string& pseudonym : record.pseudonyms()) all.push_back(HashOf(pseudonym));
  }
  of.hidden =
      all.empty() ? nullptr : std::make_shared<const partition::SubjectList>(std::move(all));
}

// Called with mu_ held.
void Erasures::TellCatalog(DatasetId dataset, const OfDataset& of) {
  const uint64_t settled = of.unsettled.empty() ? of.newest : of.unsettled.begin()->first - 1;
  if (settled > 0) parts_.catalog.OnSettled(dataset, settled);
}

// --- what others ask ---

bool Erasures::Any(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  const auto of = datasets_.find(dataset);
  return of != datasets_.end() && !of->second.blocked.empty();
}

bool Erasures::Blocked(DatasetId dataset, const crypto::Hash16& hash) const {
  const std::lock_guard lock(mu_);
  const auto of = datasets_.find(dataset);
  return of != datasets_.end() && of->second.blocked.contains(hash);
}

uint64_t Erasures::Newest(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  const auto of = datasets_.find(dataset);
  return of == datasets_.end() ? 0 : of->second.newest;
}

partition::SubjectListRef Erasures::Hidden(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  const auto of = datasets_.find(dataset);
  if (of == datasets_.end()) return nullptr;
  if (of->second.hidden_is_stale) RenewHidden(of->second);
  return of->second.hidden;
}

// --- asking ---

void Erasures::Unblock(DatasetId dataset, const crypto::Hash16& hash) {
  const std::lock_guard lock(mu_);
  OfDataset& of = datasets_[dataset];
  if (const auto at = of.blocked.find(hash); at != of.blocked.end() && at->second == 0) {
    of.blocked.erase(at);
  }
}

absl::StatusOr<Record> Erasures::MakeRecord(const Request& request, const crypto::Hash16& blocked) {
  Record record;
  std::array<uint8_t, 16> id{};
  parts_.random.Fill(id);
  record.set_id(ToHex(id));
  record.set_dataset_id(request.dataset.value());
  record.set_blocked_hash(std::string(AsText(blocked)));
  for (const int64_t period : parts_.keyring.LiveSaltPeriods(request.dataset)) {
    // Under the salt of every period there is, whatever the manifest of today calls a period.
    const auto salt = parts_.keyring.SubjectSalt(request.dataset, period);
    TV_RETURN_IF_ERROR(salt.status());
    record.add_pseudonyms(std::string(AsText(catalog::Pseudonym(**salt, request.subject))));
  }
  record.set_requested_by(request.by);
  record.set_requested_at_us(request.now.micros);
  record.set_deadline_us((request.now + request.within).micros);
  // Last: of two that are asked for one after the other, the later one has the greater number.
  record.set_number(parts_.journal.NextUniqueId());
  return record;
}

absl::StatusOr<Erasures::Asked> Erasures::Ask(const Request& request, const store::View& view,
                                              const std::function<bool()>& give_up) {
  TV_ASSIGN_OR_RETURN(const auto key, parts_.keyring.BlockedSubjectKey(request.dataset));
  const crypto::Hash16 hash = catalog::BlockedHash(*key, request.subject);
  Asked asked;
  {
    const std::lock_guard lock(mu_);
    OfDataset& of = datasets_[request.dataset];
    const auto known = of.blocked.find(hash);
    if (known != of.blocked.end() && known->second != 0) {
      asked.known = true;
      asked.record.set_number(known->second);
    } else if (count_ >= limits::kMaxErasures) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the vault keeps its limit of ", limits::kMaxErasures, " erasures"));
    } else {
      of.blocked[hash] = 0;
    }
  }
  if (asked.known) {
    TV_ASSIGN_OR_RETURN(asked.record,
                        parts_.meta.Get<Record>(view, store::RecordKind::kErasure,
                                                store::RecordId(asked.record.number())));
    return asked;
  }
  const auto unblock = [this, dataset = request.dataset, hash] { Unblock(dataset, hash); };
  // A batch that was checked before may bring an event of the subject, and a salt for it.
  if (!parts_.await_batches(give_up)) {
    unblock();
    return WithReason(absl::UnavailableError("gave up waiting for batches that are being ingested"),
                      reason::kOverloaded);
  }
  auto record = MakeRecord(request, hash);
  auto mutation = record.ok() ? parts_.meta.Put(store::RecordKind::kErasure,
                                                store::RecordId(record->number()), *record)
                              : record.status();
  if (!mutation.ok()) {
    unblock();
    return mutation.status();
  }
  asked.record = *std::move(record);
  asked.mutation = *std::move(mutation);
  asked.on_committed = [this, made = asked.record, hash] {
    const std::lock_guard lock(mu_);
    OfDataset& of = datasets_[DatasetId(made.dataset_id())];
    of.blocked[hash] = made.number();
    of.unsettled[made.number()] = made;
    of.newest = std::max(of.newest, made.number());
    of.hidden_is_stale = true;  // made anew by whoever looks next: many may be asked for in a row
    ++count_;
  };
  asked.on_abandoned = unblock;
  return asked;
}

// --- settling ---

std::vector<DatasetId> Erasures::Datasets() const {
  const std::lock_guard lock(mu_);
  std::vector<DatasetId> datasets;
  for (const auto& [dataset, of] : datasets_) {
    if (of.newest != 0) datasets.push_back(dataset);
  }
  return datasets;
}

Erasures::Work Erasures::WorkOn(DatasetId dataset) const {
  const std::lock_guard lock(mu_);
  Work work;
  if (const auto of = datasets_.find(dataset); of != datasets_.end()) {
    work.newest = of->second.newest;
    for (const auto& [number, record] : of->second.unsettled) work.unsettled.push_back(record);
  }
  return work;
}

std::vector<Record> Erasures::UnsettledWithoutSubjects() const {
  const std::lock_guard lock(mu_);
  std::vector<Record> records;
  for (const auto& [dataset, of] : datasets_) {
    for (const auto& [number, record] : of.unsettled) {
      records.push_back(record);
      records.back().clear_pseudonyms();
      records.back().clear_blocked_hash();
    }
  }
  return records;
}

size_t Erasures::Overdue(WallTime now) const {
  const std::lock_guard lock(mu_);
  size_t overdue = 0;
  for (const auto& [dataset, of] : datasets_) {
    for (const auto& [number, record] : of.unsettled) overdue += record.deadline_us() <= now.micros;
  }
  return overdue;
}

void Erasures::OnChanged(const Record& record) {
  const std::lock_guard lock(mu_);
  const DatasetId dataset(record.dataset_id());
  OfDataset& of = datasets_[dataset];
  if (record.settled_at_us() == 0) {
    of.unsettled[record.number()] = record;
    return;
  }
  of.unsettled.erase(record.number());
  of.hidden_is_stale = true;
  TellCatalog(dataset, of);
}

}  // namespace televault::erasure
