#include "tests/support/sim_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/limits.h"

namespace televault::testing {

using store::CommitOutcome;
using store::Family;

namespace {

// What a reader at `change` sees of one key.
template <class VersionList>
auto Visible(const VersionList& versions, uint64_t change) -> decltype(&*versions[0].value) {
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->change <= change) return it->value ? &*it->value : nullptr;
  }
  return nullptr;
}

template <class Map>
void ForgetAfter(Map& map, uint64_t change) {
  for (auto& [key, versions] : map) {
    while (!versions.empty() && versions.back().change > change) versions.pop_back();
  }
}

}  // namespace

bool SimDisk::Chance(double probability) {
  return probability > 0 && std::uniform_real_distribution<>(0, 1)(random_) < probability;
}

void SimDisk::set_faults(SimFaults faults) {
  const std::lock_guard lock(mu_);
  faults_ = std::move(faults);
}

void SimDisk::Crash() {
  const std::lock_guard lock(mu_);
  ++crashes_;
  const uint64_t kept = std::uniform_int_distribution<uint64_t>(synced_, change_)(random_);
  for (auto& family : families_) ForgetAfter(family, kept);
  ForgetAfter(blocks_, kept);
  change_ = synced_ = kept;
}

bool SimDisk::RollBackRecord(Family family, const std::string& key) {
  const std::lock_guard lock(mu_);
  auto& records = families_[static_cast<int>(family)];
  const auto it = records.find(key);
  if (it == records.end() || it->second.size() < 2) return false;
  it->second.pop_back();
  return true;
}

void SimDisk::Apply(const store::CommitBatch& batch) {
  ++change_;
  for (const store::Mutation& mutation : batch.mutations) {
    TV_CHECK(mutation.family != Family::kCold);
    auto& versions = families_[static_cast<int>(mutation.family)][mutation.key];
    if (!versions.empty() && versions.back().change == change_) versions.pop_back();
    versions.push_back({change_, mutation.value});
  }
}

class SimView final : public store::View {
 public:
  SimView(std::shared_ptr<SimDisk> disk, uint64_t change, uint64_t crashes)
      : disk_(std::move(disk)), change_(change), crashes_(crashes) {}

  absl::StatusOr<std::string> Get(Family family, std::string_view key) const override {
    const std::lock_guard lock(disk_->mu_);
    TV_RETURN_IF_ERROR(AliveLocked());
    const auto& records = disk_->families_[static_cast<int>(family)];
    const auto it = records.find(std::string(key));
    const std::string* value = it == records.end() ? nullptr : Visible(it->second, change_);
    if (value == nullptr) return absl::NotFoundError("the store has no such key");
    return *value;
  }

  absl::Status Scan(
      Family family, std::string_view prefix, std::string_view start,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    std::vector<std::pair<std::string, std::string>> found;
    {
      const std::lock_guard lock(disk_->mu_);
      TV_RETURN_IF_ERROR(AliveLocked());
      const auto& records = disk_->families_[static_cast<int>(family)];
      for (auto it = records.lower_bound(std::string(std::max(start, prefix)));
           it != records.end() && it->first.starts_with(prefix); ++it) {
        const std::string* value = Visible(it->second, change_);
        if (value != nullptr) found.emplace_back(it->first, *value);
      }
    }
    for (const auto& [key, value] : found) {
      if (!visit(key, value)) break;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status AliveLocked() const {
    if (disk_->crashes_ == crashes_) return absl::OkStatus();
    return absl::UnavailableError("the view expired");
  }

  const std::shared_ptr<SimDisk> disk_;
  const uint64_t change_;
  const uint64_t crashes_;
};

SimStore::SimStore(std::shared_ptr<SimDisk> disk)
    : disk_(std::move(disk)), born_([this] {
        const std::lock_guard lock(disk_->mu_);
        return disk_->crashes_;
      }()) {}

absl::Status SimStore::AliveLocked() const {
  if (disk_->crashes_ == born_ && failed_ == CommitOutcome::kOk) return absl::OkStatus();
  return WithReason(absl::UnavailableError("the store stopped; reopen it"), reason::kControlMode);
}

absl::StatusOr<StoreEpoch> SimStore::AcquireLease(StoreEpoch above) {
  const std::lock_guard lock(disk_->mu_);
  TV_RETURN_IF_ERROR(AliveLocked());
  disk_->lease_ = std::max(disk_->lease_, above.value()) + 1;
  return StoreEpoch(disk_->lease_);
}

CommitOutcome SimStore::Commit(StoreEpoch epoch, const store::CommitBatch& batch) {
  std::function<void()> before;
  {
    const std::lock_guard lock(disk_->mu_);
    before = disk_->faults_.before_commit;
  }
  if (before) before();
  TV_CHECK(batch.Bytes() <= limits::kMaxCommitBytes);
  const std::lock_guard lock(disk_->mu_);
  if (!AliveLocked().ok()) return failed_ == CommitOutcome::kOk ? CommitOutcome::kUnknown : failed_;
  if (disk_->lease_ == 0 || epoch.value() != disk_->lease_) return CommitOutcome::kFenced;
  if (batch.urgency < disk_->faults_.room_for && disk_->Chance(disk_->faults_.full)) {
    return CommitOutcome::kFull;
  }
  if (disk_->Chance(disk_->faults_.unknown)) {
    if (disk_->Chance(0.5)) disk_->Apply(batch);
    return failed_ = CommitOutcome::kUnknown;
  }
  disk_->Apply(batch);
  if (!disk_->Chance(disk_->faults_.sync_is_a_lie)) disk_->synced_ = disk_->change_;
  return CommitOutcome::kOk;
}

absl::StatusOr<std::unique_ptr<store::View>> SimStore::Pin() {
  const std::lock_guard lock(disk_->mu_);
  if (disk_->crashes_ != born_) return absl::UnavailableError("the store stopped; reopen it");
  return std::make_unique<SimView>(disk_, disk_->change_, disk_->crashes_);
}

absl::Status SimStore::PutBlock(const BlockId& id, std::span<const store::BlockChunk> chunks) {
  size_t bytes = 0;
  SimDisk::Chunks numbered;
  for (const store::BlockChunk& chunk : chunks) {
    bytes += chunk.bytes.size();
    if (!numbered.emplace(chunk.number, chunk.bytes).second) {
      return absl::InvalidArgumentError("two chunks have one number");
    }
  }
  if (numbered.empty() || bytes > limits::kMaxBlockBytes) {
    return absl::InvalidArgumentError("a block has 1 chunk or more and 16 MiB or less");
  }
  const std::lock_guard lock(disk_->mu_);
  TV_RETURN_IF_ERROR(AliveLocked());
  if (disk_->Chance(disk_->faults_.full)) return absl::ResourceExhaustedError("the disk is full");
  auto& versions = disk_->blocks_[id];
  if (Visible(versions, disk_->change_) != nullptr) {
    return absl::AlreadyExistsError("the block was put before");
  }
  const bool fails = disk_->Chance(disk_->faults_.block_fails);
  if (!fails || disk_->Chance(0.5)) versions.push_back({++disk_->change_, std::move(numbered)});
  if (fails) return absl::UnavailableError("the block may or may not be there");
  disk_->synced_ = disk_->change_;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimStore::ReadBlock(const BlockId& id,
                                                             std::span<const uint32_t> chunks) {
  const std::lock_guard lock(disk_->mu_);
  const auto it = disk_->blocks_.find(id);
  const auto* found = it == disk_->blocks_.end() ? nullptr : Visible(it->second, disk_->change_);
  if (found == nullptr) return absl::NotFoundError("the store has no such block");
  std::vector<std::string> out;
  for (const uint32_t number : chunks) {
    const auto chunk = found->find(number);
    if (chunk == found->end()) return absl::NotFoundError("the block has no such chunk");
    out.push_back(chunk->second);
  }
  return out;
}

absl::Status SimStore::EraseBlock(const BlockId& id) {
  const std::lock_guard lock(disk_->mu_);
  const auto it = disk_->blocks_.find(id);
  if (it == disk_->blocks_.end() || Visible(it->second, disk_->change_) == nullptr) {
    return absl::OkStatus();
  }
  // Not synced: a crash may bring the block back.
  it->second.push_back({++disk_->change_, std::nullopt});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<BlockId>> SimStore::ListBlocks() {
  const std::lock_guard lock(disk_->mu_);
  std::vector<BlockId> out;
  for (const auto& [id, versions] : disk_->blocks_) {
    if (Visible(versions, disk_->change_) != nullptr) out.push_back(id);
  }
  return out;
}

absl::StatusOr<store::EraseReport> SimStore::ErasePartition(PartitionId partition) {
  const std::lock_guard lock(disk_->mu_);
  TV_RETURN_IF_ERROR(AliveLocked());
  store::EraseReport report;
  ++disk_->change_;
  for (auto& [id, versions] : disk_->blocks_) {
    const auto* chunks = Visible(versions, disk_->change_);
    if (id.partition != partition || chunks == nullptr) continue;
    ++report.files_removed;
    for (const auto& [number, bytes] : *chunks) report.bytes_removed += bytes.size();
    versions.push_back({disk_->change_, std::nullopt});
  }
  const std::string prefix = store::HotPrefix(partition);
  const auto& hot = disk_->families_[static_cast<int>(Family::kHot)];
  uint64_t live = 0;
  for (auto it = hot.lower_bound(prefix); it != hot.end() && it->first.starts_with(prefix); ++it) {
    if (Visible(it->second, disk_->change_) != nullptr) ++live;
  }
  disk_->synced_ = disk_->change_;
  if (live > 0) report.remaining = absl::StrCat(live, " micro-batch(es) were not deleted");
  report.complete = report.remaining.empty();
  return report;
}

absl::Status SimStore::Checkpoint(const std::string&) {
  return absl::UnimplementedError("a simulated store has no directory");
}

absl::StatusOr<uint64_t> SimStore::DiskBytes() {
  const std::lock_guard lock(disk_->mu_);
  uint64_t bytes = 0;
  for (const auto& family : disk_->families_) {
    for (const auto& [key, versions] : family) {
      for (const auto& version : versions)
        bytes += key.size() + (version.value ? version.value->size() : 0);
    }
  }
  return bytes;
}

}  // namespace televault::testing
