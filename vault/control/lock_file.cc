#include "vault/control/lock_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/envelope.h"

namespace televault::control {
namespace {

using record::v1::LockStateRecord;

// "TVL1" ‖ generation (LE64) ‖ envelope bytes (LE32) ‖ envelope around the record, then zeroes.
constexpr std::string_view kMagic = "TVL1";
constexpr size_t kHeaderBytes = 16;
constexpr size_t kSlotBytes = kLockFileBytes / 2;
static_assert(kSlotBytes >= limits::kMaxLockStateBytes + kHeaderBytes + crypto::kEnvelopeOverhead);

std::string Identity(uint64_t generation) {
  std::string identity = "lock";
  PutLittleEndian(identity, generation);
  return identity;
}

struct Slot {
  uint64_t generation = 0;
  LockStateRecord state;
};

absl::StatusOr<Slot> ParseSlot(Bytes bytes, const SecretBytes& key, const VaultId& vault) {
  ByteReader reader(bytes);
  TV_ASSIGN_OR_RETURN(const Bytes magic, reader.Take(kMagic.size()));
  if (AsText(magic) != kMagic) return absl::DataLossError("not a lock state");
  Slot slot;
  TV_ASSIGN_OR_RETURN(slot.generation, reader.LittleEndian<uint64_t>());
  TV_ASSIGN_OR_RETURN(const uint32_t size, reader.LittleEndian<uint32_t>());
  TV_ASSIGN_OR_RETURN(const Bytes envelope, reader.Take(size));
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain,
                      crypto::Open(key, crypto::Use::kLockState, AsBytes(Identity(slot.generation)),
                                   envelope, vault));
  if (!slot.state.ParseFromArray(plain.data(), static_cast<int>(plain.size()))) {
    return absl::DataLossError("not a lock state");
  }
  return slot;
}

absl::Status Unreadable(const std::string& path) {
  return absl::DataLossError(
      absl::StrCat(path, " is damaged or a write to it was cut short: counts as locked at `all`"));
}

}  // namespace

LockFile::LockFile(FileSystem& fs, std::string path, const SecretBytes& key, VaultId vault,
                   Random& random)
    : fs_(fs), path_(std::move(path)), key_(key), vault_(vault), random_(random) {}

absl::StatusOr<std::unique_ptr<LockFile>> LockFile::Create(FileSystem& fs, const std::string& path,
                                                           const SecretBytes& key, VaultId vault,
                                                           Random& random) {
  if (fs.Exists(path)) return absl::AlreadyExistsError(absl::StrCat(path, " exists"));
  // Complete under another name first: a lock file is never seen half made.
  const std::string temporary = path + ".new";
  auto lock = std::unique_ptr<LockFile>(new LockFile(fs, path, key, vault, random));
  TV_ASSIGN_OR_RETURN(lock->file_, fs.OpenWritable(temporary, OpenMode::kTruncate, 0600));
  TV_RETURN_IF_ERROR(lock->file_->Append(AsBytes(std::string(2 * kSlotBytes, '\0'))));
  lock->damaged_ = true;  // both slots are written
  TV_RETURN_IF_ERROR(lock->Write(LockStateRecord()));
  TV_RETURN_IF_ERROR(fs.Rename(temporary, path));
  const size_t slash = path.rfind('/');
  TV_RETURN_IF_ERROR(fs.SyncDirectory(slash == std::string::npos ? "." : path.substr(0, slash)));
  return lock;
}

absl::StatusOr<std::unique_ptr<LockFile>> LockFile::Open(FileSystem& fs, const std::string& path,
                                                         const SecretBytes& key, VaultId vault,
                                                         Random& random) {
  if (!fs.Exists(path)) return absl::NotFoundError(absl::StrCat("no lock file ", path));
  auto lock = std::unique_ptr<LockFile>(new LockFile(fs, path, key, vault, random));
  TV_ASSIGN_OR_RETURN(lock->file_, fs.OpenWritable(path, OpenMode::kReopen, 0600));
  lock->Read().IgnoreError();  // learns generations and damage
  return lock;
}

LockFileContent ParseLockFile(Bytes bytes, const SecretBytes& key, const VaultId& vault) {
  LockFileContent content;
  if (bytes.size() != kLockFileBytes) return content;
  auto a = ParseSlot(bytes.first(kSlotBytes), key, vault);
  auto b = ParseSlot(bytes.last(kSlotBytes), key, vault);
  const uint64_t generation_a = a.ok() ? a->generation : 0;
  const uint64_t generation_b = b.ok() ? b->generation : 0;
  const uint64_t low = std::min(generation_a, generation_b);
  content.generation = std::max(generation_a, generation_b);
  content.newest_slot = generation_a > generation_b ? 0 : 1;
  // Neighbours, always: anything else is a slot that a write should have replaced and did not.
  if (!a.ok() || !b.ok() || content.generation - low != 1) return content;
  content.state = content.newest_slot == 0 ? std::move(a->state) : std::move(b->state);
  return content;
}

absl::StatusOr<LockStateRecord> LockFile::Read() {
  const std::lock_guard lock(mu_);
  damaged_ = true;
  const auto bytes = fs_.ReadFile(path_, kLockFileBytes);
  if (!bytes.ok()) return Unreadable(path_);
  LockFileContent content = ParseLockFile(AsBytes(*bytes), key_, vault_);
  generation_ = std::max(generation_, content.generation);
  next_slot_ = 1 - content.newest_slot;
  if (!content.state.has_value()) return Unreadable(path_);
  damaged_ = false;
  return *std::move(content.state);
}

absl::Status LockFile::WriteSlot(int slot, uint64_t generation, const std::string& serialized) {
  const std::string envelope =
      crypto::Seal(key_, crypto::Use::kLockState, AsBytes(Identity(generation)),
                   AsBytes(serialized), vault_, random_);
  std::string bytes(kMagic);
  PutLittleEndian(bytes, generation);
  PutLittleEndian(bytes, static_cast<uint32_t>(envelope.size()));
  bytes += envelope;
  TV_RETURN_IF_ERROR(file_->WriteAt(static_cast<uint64_t>(slot) * kSlotBytes, AsBytes(bytes)));
  TV_CRASH_POINT("lock.written");
  TV_RETURN_IF_ERROR(file_->Sync());
  TV_CRASH_POINT("lock.synced");
  return absl::OkStatus();
}

absl::Status LockFile::Write(const LockStateRecord& state) {
  const std::lock_guard lock(mu_);
  const std::string serialized = state.SerializeAsString();
  if (serialized.size() > limits::kMaxLockStateBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the lock state has ", serialized.size(),
                                                     " bytes, more than the ",
                                                     limits::kMaxLockStateBytes, " of a slot"));
  }
  // Until this succeeds the file may hold anything; the next write puts both slots right.
  const bool both = std::exchange(damaged_, true);
  if (both) {
    // Two numbers in a row, so that a file with one repaired slot still counts as damaged.
    TV_RETURN_IF_ERROR(WriteSlot(next_slot_, ++generation_, serialized));
    next_slot_ ^= 1;
  }
  TV_RETURN_IF_ERROR(WriteSlot(next_slot_, ++generation_, serialized));
  next_slot_ ^= 1;
  damaged_ = false;
  return absl::OkStatus();
}

uint64_t LockFile::generation() const {
  const std::lock_guard lock(mu_);
  return generation_;
}

}  // namespace televault::control
