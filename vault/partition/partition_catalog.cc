#include "vault/partition/partition_catalog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "televault/record/v1/state.pb.h"
#include "vault/base/limits.h"
#include "vault/partition/sealing.h"
#include "vault/store/meta.h"
#include "vault/store/store.h"

namespace televault::partition {
namespace {

PartitionId IdOf(uint32_t dataset, int32_t day) { return {DatasetId(dataset), Day(day)}; }

State StateOf(record::v1::PartitionState state) {
  switch (state) {
    case record::v1::PARTITION_STATE_SHREDDED:
      return State::kShredded;
    case record::v1::PARTITION_STATE_PURGED:
      return State::kPurged;
    default:
      return State::kLive;
  }
}

PartitionInfo InfoOf(const record::v1::PartitionRecord& record) {
  PartitionInfo info;
  info.id = IdOf(record.dataset_id(), record.day());
  info.state = StateOf(record.state());
  info.key = KeyId(record.key_id());
  info.deadline = {record.deadline_us()};
  info.opened_at = {static_cast<int64_t>(record.opened_at_us())};
  info.quarantined = record.quarantined();
  info.erased = ErasedStateOf(record);
  return info;
}

// A merge may report that a micro-batch is gone before its writer reports that it came. The figures
// count modulo 2^64, so that both together leave nothing; until then it is shown as nothing.
void ClampShown(uint64_t& value) {
  if (static_cast<int64_t>(value) < 0) value = 0;
}

PartitionInfo Shown(PartitionInfo info) {
  ClampShown(info.hot_batches);
  ClampShown(info.hot_rows);
  ClampShown(info.hot_bytes);
  return info;
}

}  // namespace

PartitionCatalog::MaintenanceLock::MaintenanceLock(MaintenanceLock&& other) noexcept
    : catalog_(other.catalog_), id_(other.id_) {
  other.catalog_ = nullptr;
}

PartitionCatalog::MaintenanceLock::~MaintenanceLock() {
  if (catalog_ == nullptr) return;
  const std::lock_guard lock(catalog_->mu_);
  catalog_->locked_.erase(id_);
}

PartitionCatalog::RecordLock::RecordLock(RecordLock&& other) noexcept
    : catalog_(std::exchange(other.catalog_, nullptr)) {}

PartitionCatalog::RecordLock::~RecordLock() {
  if (catalog_ == nullptr) return;
  {
    const std::lock_guard lock(catalog_->mu_);
    catalog_->records_locked_ = false;
  }
  catalog_->records_free_.notify_one();
}

PartitionCatalog::OpeningHold::~OpeningHold() {
  const std::lock_guard lock(catalog_->mu_);
  const auto at = catalog_->opening_.find(id_);
  if (at != catalog_->opening_.end() && --at->second.holds == 0) catalog_->opening_.erase(at);
}

absl::StatusOr<std::unique_ptr<PartitionCatalog>> PartitionCatalog::Load(
    store::Store& store, const store::MetaStore& meta, WallTime now) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, store.Pin());
  std::unique_ptr<PartitionCatalog> catalog(new PartitionCatalog());
  std::map<PartitionId, PartitionInfo>& partitions = catalog->partitions_;
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::PartitionRecord>(
      *view, store::RecordKind::kPartition, store::RecordId(),
      [&](const record::v1::PartitionRecord& record) {
        const PartitionInfo info = InfoOf(record);
        partitions[info.id] = info;
        return true;
      }));
  // Data whose partition is not known would be readable by nobody and deleted by nobody.
  bool stray = false;
  const auto find = [&](uint32_t dataset, int32_t day) -> PartitionInfo* {
    const auto at = partitions.find(IdOf(dataset, day));
    stray |= at == partitions.end();
    return at == partitions.end() ? nullptr : &at->second;
  };
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::BlockRecord>(
      *view, store::RecordKind::kBlock, store::RecordId(),
      [&](const record::v1::BlockRecord& record) {
        PartitionInfo* info = find(record.dataset_id(), record.day());
        if (info == nullptr) return false;
        ++info->blocks;
        info->block_rows += record.rows();
        info->block_bytes += record.sealed_bytes();
        return true;
      }));
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::MicroBatchRecord>(
      *view, store::RecordKind::kMicroBatch, store::RecordId(),
      [&](const record::v1::MicroBatchRecord& record) {
        PartitionInfo* info = find(record.dataset_id(), record.day());
        if (info == nullptr) return false;
        const WallTime at{std::min(record.written_at_us(), now.micros)};
        info->oldest_hot = info->hot_batches == 0 ? at : std::min(info->oldest_hot, at);
        ++info->hot_batches;
        info->hot_rows += record.rows();
        info->hot_bytes += record.sealed_bytes();
        return true;
      }));
  if (stray) {
    return absl::DataLossError(
        "a block or micro-batch record belongs to a partition that has no record; restore the meta "
        "family or start in control mode");
  }
  if (catalog->live_count() > limits::kMaxLivePartitions) {
    return absl::ResourceExhaustedError(absl::StrCat("the store holds ", catalog->live_count(),
                                                     " live partitions; at most ",
                                                     limits::kMaxLivePartitions, " are supported"));
  }
  return catalog;
}

std::optional<PartitionInfo> PartitionCatalog::Find(PartitionId id) const {
  const std::lock_guard lock(mu_);
  const auto at = partitions_.find(id);
  if (at == partitions_.end()) return std::nullopt;
  return Shown(at->second);
}

std::vector<PartitionInfo> PartitionCatalog::List(DatasetId dataset, Day first, Day last) const {
  const std::lock_guard lock(mu_);
  std::vector<PartitionInfo> found;
  for (auto at = partitions_.lower_bound({dataset, first}); at != partitions_.end(); ++at) {
    if (at->first > PartitionId{dataset, last}) break;
    found.push_back(Shown(at->second));
  }
  return found;
}

std::vector<PartitionInfo> PartitionCatalog::All() const {
  const std::lock_guard lock(mu_);
  std::vector<PartitionInfo> found;
  found.reserve(partitions_.size());
  for (const auto& [id, info] : partitions_) found.push_back(Shown(info));
  return found;
}

std::optional<PartitionInfo> PartitionCatalog::FindForReading(PartitionId id) const {
  const std::lock_guard lock(mu_);
  if (const auto at = partitions_.find(id); at != partitions_.end()) return Shown(at->second);
  if (const auto at = opening_.find(id); at != opening_.end()) return at->second.info;
  return std::nullopt;
}

std::vector<PartitionInfo> PartitionCatalog::ListForReading(DatasetId dataset, Day first,
                                                            Day last) const {
  const std::lock_guard lock(mu_);
  std::map<PartitionId, PartitionInfo> found;
  const auto add = [&](const auto& known, const auto& info_of) {
    auto at = known.lower_bound({dataset, first});
    for (; at != known.end() && at->first <= PartitionId{dataset, last}; ++at) {
      found.try_emplace(at->first, Shown(info_of(at->second)));
    }
  };
  add(partitions_, [](const PartitionInfo& info) { return info; });
  add(opening_, [](const Prepared& prepared) { return prepared.info; });
  std::vector<PartitionInfo> listed;
  listed.reserve(found.size());
  for (const auto& [id, info] : found) listed.push_back(info);
  return listed;
}

std::optional<PartitionCatalog::Opening> PartitionCatalog::Open(PartitionId id, WallTime deadline,
                                                                WallTime now) {
  const std::lock_guard lock(mu_);
  if (const auto at = partitions_.find(id); at != partitions_.end()) {
    return Opening{Shown(at->second), false};
  }
  // Two callers may open a partition at once: nobody knows yet whether the first one commits. Its
  // deadline is not more than a bound, in case the TTL became shorter in between.
  auto at = opening_.find(id);
  if (at == opening_.end()) {
    if (LiveCount() + opening_.size() >= limits::kMaxLivePartitions) return std::nullopt;
    at = opening_.try_emplace(id).first;
    at->second.info.id = id;
    at->second.info.deadline = deadline;
    at->second.info.opened_at = now;
    if (const auto settled = settled_.find(id.dataset); settled != settled_.end()) {
      at->second.info.erased.erased_up_to = settled->second;
    }
  }
  Prepared& prepared = at->second;
  prepared.info.deadline = std::min(prepared.info.deadline, deadline);
  ++prepared.holds;
  return Opening{prepared.info, true, std::make_shared<const OpeningHold>(this, id)};
}

size_t PartitionCatalog::live_count() const {
  const std::lock_guard lock(mu_);
  return LiveCount();
}

size_t PartitionCatalog::LiveCount() const {
  return static_cast<size_t>(
      std::count_if(partitions_.begin(), partitions_.end(),
                    [](const auto& entry) { return entry.second.state == State::kLive; }));
}

std::optional<PartitionCatalog::MaintenanceLock> PartitionCatalog::TryLock(PartitionId id) {
  const std::lock_guard lock(mu_);
  if (!locked_.insert(id).second) return std::nullopt;
  return MaintenanceLock(this, id);
}

PartitionCatalog::RecordLock PartitionCatalog::LockRecords() {
  std::unique_lock lock(mu_);
  records_free_.wait(lock, [this] { return !records_locked_; });
  records_locked_ = true;
  return RecordLock(this);
}

void PartitionCatalog::OnOpened(const PartitionInfo& info) {
  const std::lock_guard lock(mu_);
  PartitionInfo fresh;
  fresh.id = info.id;
  fresh.key = info.key;
  fresh.deadline = info.deadline;
  fresh.opened_at = info.opened_at;
  fresh.erased = info.erased;
  const auto known = partitions_.try_emplace(info.id, fresh).first;
  known->second.deadline = std::min(known->second.deadline, info.deadline);
  opening_.erase(info.id);
  ++deadline_changes_;
}

void PartitionCatalog::OnMicroBatch(PartitionId id, uint64_t rows, uint64_t bytes, WallTime at) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  PartitionInfo& info = found->second;
  if (info.hot_batches == 0) info.oldest_hot = at;
  ++info.hot_batches;
  info.hot_rows += rows;
  info.hot_bytes += bytes;
}

void PartitionCatalog::OnRewritten(PartitionId id, const Rewrite& rewrite) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  PartitionInfo& info = found->second;
  info.hot_batches -= rewrite.hot_batches;
  info.hot_rows -= rewrite.hot_rows;
  info.hot_bytes -= rewrite.hot_bytes;
  info.blocks += rewrite.new_blocks - rewrite.old_blocks;
  info.block_rows += rewrite.new_block_rows - rewrite.old_block_rows;
  info.block_bytes += rewrite.new_block_bytes - rewrite.old_block_bytes;
  info.oldest_hot = rewrite.at;
}

void PartitionCatalog::OnRekeyed(PartitionId id, KeyId key) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found != partitions_.end()) found->second.key = key;
}

void PartitionCatalog::OnErased(PartitionId id, ErasedState erased) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found != partitions_.end()) found->second.erased = std::move(erased);
}

void PartitionCatalog::OnSettled(DatasetId dataset, uint64_t number) {
  const std::lock_guard lock(mu_);
  uint64_t& settled = settled_[dataset];
  settled = std::max(settled, number);
}

void PartitionCatalog::OnState(PartitionId id, State state) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  PartitionInfo& info = found->second;
  info.state = std::max(info.state, state);
  if (info.state != State::kPurged) return;
  info.hot_batches = info.hot_rows = info.hot_bytes = 0;
  info.blocks = info.block_rows = info.block_bytes = 0;
}

void PartitionCatalog::OnDeadline(PartitionId id, WallTime deadline) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return;
  found->second.deadline = std::min(found->second.deadline, deadline);
  ++deadline_changes_;
}

bool PartitionCatalog::OnQuarantined(PartitionId id) {
  const std::lock_guard lock(mu_);
  const auto found = partitions_.find(id);
  if (found == partitions_.end()) return false;
  return !std::exchange(found->second.quarantined, true);
}

}  // namespace televault::partition
