#include "vault/store/space_reserve.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace televault::store {
namespace {
// Room for the log's framing and the file system's own blocks around one commit.
constexpr uint64_t kSlackBytes = uint64_t{1} << 20;
constexpr size_t kReserveChunkBytes = size_t{1} << 20;
}  // namespace

SpaceReserve::SpaceReserve(FileSystem& fs, Options options)
    : fs_(fs), options_(std::move(options)), held_(HoldsReserve()) {
  Refill();
  missing_ = !held_;
}

// One that was cut short while it was written is none.
bool SpaceReserve::HoldsReserve() const {
  const auto size = fs_.FileSize(options_.path);
  return size.ok() && *size == options_.reserve;
}

bool SpaceReserve::HasRoom(uint64_t free) const {
  return free >= options_.keep_free + 2 * options_.reserve;
}

void SpaceReserve::Refill() {
  const std::lock_guard lock(mu_);
  if (held_ || options_.reserve == 0) return;
  const auto free = fs_.FreeBytes(options_.directory);
  if (!free.ok() || !HasRoom(*free)) return;
  held_ = WriteReserve().ok();
  if (!held_) fs_.Remove(options_.path).IgnoreError();
}

// Real bytes, not a hole: a hole reserves nothing.
absl::Status SpaceReserve::WriteReserve() {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                      fs_.OpenWritable(options_.path, OpenMode::kTruncate, 0600));
  const std::vector<uint8_t> chunk(kReserveChunkBytes, 0xA5);
  for (uint64_t written = 0; written < options_.reserve;) {
    const size_t size = std::min<uint64_t>(chunk.size(), options_.reserve - written);
    TV_RETURN_IF_ERROR(file->Append(Bytes(chunk).first(size)));
    written += size;
  }
  TV_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

uint64_t SpaceReserve::KeptFrom(Urgency urgency) const {
  if (urgency == Urgency::kSecurity) return kSlackBytes;
  return (urgency == Urgency::kTrail ? options_.keep_free / 2 : options_.keep_free) + kSlackBytes;
}

absl::Status SpaceReserve::Admit(uint64_t bytes, Urgency urgency) {
  const uint64_t margin = KeptFrom(urgency);
  auto free = fs_.FreeBytes(options_.directory);
  if (!free.ok()) return absl::OkStatus();
  if (*free >= bytes + margin) {
    // Whoever freed the disk tells nobody. Once: where it fails all the same, not at every write.
    if (urgency == Urgency::kOrdinary && HasRoom(*free) && missing_.exchange(false)) Refill();
    return absl::OkStatus();
  }
  if (urgency == Urgency::kSecurity) {
    const std::lock_guard lock(mu_);
    if (held_ && fs_.Remove(options_.path).ok()) {
      held_ = false;
      missing_ = true;
      free = fs_.FreeBytes(options_.directory);
      if (!free.ok() || *free >= bytes + margin) return absl::OkStatus();
    }
  }
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        "the disk of the data directory is full: ", *free, " bytes free, ",
                        bytes + margin, " needed; free some space there")),
                    reason::kDiskFull);
}

}  // namespace televault::store
