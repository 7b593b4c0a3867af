#include "vault/store/anchor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/crypto/hash.h"

namespace televault::store {
namespace {

constexpr std::string_view kMagic = "TVANCHR1";
constexpr std::string_view kPersonal = "televault.anchor";
constexpr size_t kMacBytes = 32;
constexpr size_t kMacOffset = kAnchorSectorBytes - kMacBytes;
constexpr int kPermissions = 0600;

template <size_t N>
absl::StatusOr<std::array<uint8_t, N>> TakeArray(ByteReader& reader) {
  TV_ASSIGN_OR_RETURN(const Bytes bytes, reader.Take(N));
  std::array<uint8_t, N> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// After the MAC was found right.
absl::StatusOr<AnchorSectors> ParseFields(Bytes sector) {
  ByteReader reader(sector);
  TV_RETURN_IF_ERROR(reader.Take(kMagic.size()).status());
  AnchorSectors out;
  AnchorState& state = out.state;
  TV_ASSIGN_OR_RETURN(out.revision, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(state.seq, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(state.tree_size, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(state.root, TakeArray<32>(reader));
  TV_ASSIGN_OR_RETURN(state.meta_sum, TakeArray<32>(reader));
  TV_ASSIGN_OR_RETURN(const uint64_t epoch, reader.LittleEndian<uint64_t>());
  state.store_epoch = StoreEpoch(epoch);
  TV_ASSIGN_OR_RETURN(state.keyring_generation, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(state.control_generation, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(const uint64_t lock_epoch, reader.LittleEndian<uint64_t>());
  state.lock_epoch = LockEpoch(lock_epoch);
  return out;
}

bool ValidSector(Bytes sector, const SecretBytes& key) {
  if (AsText(sector.first(kMagic.size())) != kMagic) return false;
  const crypto::Hash32 mac = crypto::KeyedHash32(key, kPersonal, sector.first(kMacOffset));
  return crypto::EqualSecrets(mac, sector.subspan(kMacOffset));
}

bool Decreases(const AnchorState& from, const AnchorState& to) {
  return to.seq < from.seq || to.tree_size < from.tree_size || to.store_epoch < from.store_epoch ||
         to.keyring_generation < from.keyring_generation ||
         to.control_generation < from.control_generation || to.lock_epoch < from.lock_epoch;
}

}  // namespace

std::string EncodeAnchorSector(const AnchorState& state, uint64_t revision,
                               const SecretBytes& key) {
  std::string out(kMagic);
  PutLittleEndian(out, revision);
  PutLittleEndian(out, state.seq);
  PutLittleEndian(out, state.tree_size);
  out += AsText(state.root);
  out += AsText(state.meta_sum);
  PutLittleEndian(out, state.store_epoch.value());
  PutLittleEndian(out, state.keyring_generation);
  PutLittleEndian(out, state.control_generation);
  PutLittleEndian(out, state.lock_epoch.value());
  out.resize(kMacOffset, '\0');
  const crypto::Hash32 mac = crypto::KeyedHash32(key, kPersonal, AsBytes(out));
  out += AsText(mac);
  return out;
}

absl::StatusOr<AnchorSectors> ParseAnchor(Bytes file, const SecretBytes& key) {
  std::optional<AnchorSectors> best;
  for (int i = 0; i < 2; ++i) {
    const size_t offset = i * kAnchorSectorBytes;
    if (file.size() < offset + kAnchorSectorBytes) break;
    const Bytes sector = file.subspan(offset, kAnchorSectorBytes);
    if (!ValidSector(sector, key)) continue;
    TV_ASSIGN_OR_RETURN(AnchorSectors parsed, ParseFields(sector));
    parsed.sector = i;
    if (!best || parsed.revision > best->revision) best = parsed;
  }
  if (best) return *best;
  return absl::DataLossError(
      "the anchor file is damaged or belongs to another vault: neither of its two sectors carries "
      "a valid MAC");
}

Anchor::Anchor(const AnchorOptions& options) : options_(options) {}

absl::StatusOr<std::unique_ptr<Anchor>> Anchor::Open(const AnchorOptions& options) {
  std::unique_ptr<Anchor> anchor(new Anchor(options));
  if (options.fs.Exists(options.path)) {
    auto content = options.fs.ReadFile(options.path, kAnchorFileBytes);
    if (absl::IsResourceExhausted(content.status())) {
      content = std::string();  // longer than any anchor
    }
    if (!content.ok()) return Annotate(content.status(), "reading the anchor");
    if (auto sectors = ParseAnchor(AsBytes(*content), options.key); sectors.ok()) {
      anchor->recovered_ = sectors->state;
      anchor->state_ = sectors->state;
      anchor->revision_ = sectors->revision;
      anchor->sector_ = 1 - sectors->sector;
      anchor->established_ = true;
    } else {
      anchor->damage_ = Annotate(sectors.status(), options.path);
    }
  }
  if (options.sync == AnchorSync::kLagging) {
    anchor->syncer_ =
        std::jthread([raw = anchor.get()](const std::stop_token& stop) { raw->RunSyncer(stop); });
  }
  return anchor;
}

Anchor::~Anchor() {
  if (syncer_.joinable()) {
    syncer_.request_stop();
    dirty_changed_.notify_all();
    syncer_.join();
  }
  const std::lock_guard lock(mu_);
  if (dirty_ && failure_.ok()) SyncLocked().IgnoreError();
}

AnchorState Anchor::state() const {
  const std::lock_guard lock(mu_);
  return state_;
}

absl::Status Anchor::RecordHead(uint64_t seq, uint64_t tree_size, const audit::Hash& root,
                                const MetaSum& meta_sum) {
  const std::lock_guard lock(mu_);
  AnchorState next = state_;
  next.seq = seq;
  next.tree_size = tree_size;
  next.root = root;
  next.meta_sum = meta_sum;
  return UpdateLocked(next, options_.sync == AnchorSync::kCommit);
}

absl::Status Anchor::RecordKeyring(uint64_t generation) {
  const std::lock_guard lock(mu_);
  AnchorState next = state_;
  next.keyring_generation = generation;
  return UpdateLocked(next, /*durable=*/true);
}

absl::Status Anchor::RecordControl(uint64_t generation, LockEpoch lock_epoch) {
  const std::lock_guard lock(mu_);
  AnchorState next = state_;
  next.control_generation = generation;
  next.lock_epoch = lock_epoch;
  return UpdateLocked(next, /*durable=*/true);
}

absl::Status Anchor::RecordEpoch(StoreEpoch epoch) {
  const std::lock_guard lock(mu_);
  AnchorState next = state_;
  next.store_epoch = epoch;
  return UpdateLocked(next, /*durable=*/true);
}

absl::Status Anchor::Sync() {
  const std::lock_guard lock(mu_);
  TV_RETURN_IF_ERROR(failure_);
  return dirty_ ? SyncLocked() : absl::OkStatus();
}

absl::Status Anchor::Adopt(const AnchorState& state) {
  const std::lock_guard lock(mu_);
  TV_RETURN_IF_ERROR(failure_);
  // Whatever is there is replaced as a whole, so that no sector of the past wins by its revision.
  established_ = true;
  state_ = state;
  file_.reset();
  TV_RETURN_IF_ERROR(CreateFileLocked());
  damage_ = absl::OkStatus();
  return absl::OkStatus();
}

absl::Status Anchor::UpdateLocked(const AnchorState& next, bool durable) {
  TV_RETURN_IF_ERROR(failure_);
  if (Decreases(state_, next)) {
    return absl::FailedPreconditionError(
        "the anchor already records a later state: an older copy of the data directory, the "
        "keyring or the control file was put in place");
  }
  state_ = next;
  if (!established_) return absl::OkStatus();
  TV_RETURN_IF_ERROR(WriteLocked());
  return durable ? SyncLocked() : absl::OkStatus();
}

// Both sectors hold the state after it; durable.
absl::Status Anchor::CreateFileLocked() {
  std::string content = EncodeAnchorSector(state_, revision_ + 1, options_.key);
  content += EncodeAnchorSector(state_, revision_ + 2, options_.key);
  revision_ += 2;
  sector_ = 0;
  failure_ = ReplaceFile(options_.fs, options_.path, AsBytes(content), kPermissions);
  dirty_ = false;
  return failure_;
}

absl::Status Anchor::WriteLocked() {
  if (file_ == nullptr) {
    auto file = options_.fs.OpenWritable(options_.path, OpenMode::kReopen, kPermissions);
    if (!file.ok()) return failure_ = Annotate(file.status(), "opening the anchor");
    file_ = std::move(*file);
  }
  const std::string sector = EncodeAnchorSector(state_, ++revision_, options_.key);
  TV_CHECK(sector.size() == kAnchorSectorBytes);
  failure_ = file_->WriteAt(sector_ * kAnchorSectorBytes, AsBytes(sector));
  TV_RETURN_IF_ERROR(failure_);
  if (!dirty_) {
    dirty_ = true;
    dirty_changed_.notify_all();
  }
  return absl::OkStatus();
}

absl::Status Anchor::SyncLocked() {
  TV_CRASH_POINT("anchor.before_sync");
  failure_ = file_->Sync();
  TV_RETURN_IF_ERROR(failure_);
  TV_CRASH_POINT("anchor.after_sync");
  dirty_ = false;
  sector_ = 1 - sector_;
  return absl::OkStatus();
}

void Anchor::RunSyncer(const std::stop_token& stop) {
  std::unique_lock lock(mu_);
  while (!stop.stop_requested()) {
    dirty_changed_.wait(lock, stop, [this] { return dirty_; });
    if (stop.stop_requested()) return;
    // Commits of the next max_lag share this sync; the state written by then is what is synced.
    dirty_changed_.wait_for(lock, stop, options_.max_lag, [] { return false; });
    if (dirty_ && failure_.ok()) SyncLocked().IgnoreError();
    if (!failure_.ok()) return;
  }
}

}  // namespace televault::store
