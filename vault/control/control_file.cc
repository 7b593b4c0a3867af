#include "vault/control/control_file.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

#include "vault/base/limits.h"
#include "vault/crypto/envelope.h"

namespace televault::control {
namespace {

using record::v1::ControlRecord;

// "TVC1" ‖ generation (LE64) ‖ envelope around the record.
constexpr std::string_view kMagic = "TVC1";
constexpr size_t kHeaderBytes = 12;

std::string Identity(uint64_t generation) {
  std::string identity = "control";
  PutLittleEndian(identity, generation);
  return identity;
}

// What the clear header claims; the envelope is bound to it.
std::optional<uint64_t> ClaimedGeneration(Bytes bytes) {
  if (bytes.size() < kHeaderBytes || AsText(bytes.first(kMagic.size())) != kMagic) return {};
  ByteReader reader(bytes.subspan(kMagic.size()));
  return *reader.LittleEndian<uint64_t>();
}

struct SlotFile {
  bool exists = false;
  std::optional<uint64_t> claimed;
  absl::StatusOr<ControlRecord> record = absl::NotFoundError("absent");
};

}  // namespace

absl::StatusOr<ControlRecord> ParseControlFile(Bytes bytes, const SecretBytes& key,
                                               const VaultId& vault) {
  const std::optional<uint64_t> generation = ClaimedGeneration(bytes);
  if (!generation.has_value()) return absl::DataLossError("does not open");
  TV_ASSIGN_OR_RETURN(const WipedBuffer plain,
                      crypto::Open(key, crypto::Use::kControl, AsBytes(Identity(*generation)),
                                   bytes.subspan(kHeaderBytes), vault));
  ControlRecord record;
  if (!record.ParseFromArray(plain.data(), static_cast<int>(plain.size())) ||
      record.generation() != *generation) {
    return absl::DataLossError("does not open");
  }
  return record;
}

std::string ControlFile::PathOf(int slot) const {
  return absl::StrCat(options_.directory, "/control.", slot);
}

absl::Status ControlFile::Create(ControlRecord& record) {
  for (const int slot : {0, 1}) {
    if (options_.fs.Exists(PathOf(slot))) {
      return absl::AlreadyExistsError(
          absl::StrCat(PathOf(slot), " exists; a control file is never overwritten"));
    }
  }
  return Write(record);
}

absl::StatusOr<ControlRecord> ControlFile::Load() {
  SlotFile files[2];
  int newest = -1;
  for (const int slot : {0, 1}) {
    SlotFile& file = files[slot];
    file.exists = options_.fs.Exists(PathOf(slot));
    if (!file.exists) continue;
    const auto bytes = options_.fs.ReadFile(PathOf(slot), 2 * limits::kMaxControlBytes);
    if (!bytes.ok()) {
      file.record = bytes.status();
      continue;
    }
    file.claimed = ClaimedGeneration(AsBytes(*bytes));
    file.record = ParseControlFile(AsBytes(*bytes), options_.key, options_.vault);
    if (!file.record.ok()) continue;
    if (newest < 0 || file.record->generation() > files[newest].record->generation()) {
      newest = slot;
    }
  }
  if (!files[0].exists && !files[1].exists) {
    return absl::NotFoundError(
        absl::StrCat("no control file in ", options_.directory, ": initialise the vault"));
  }
  const auto damaged = [&] {
    return absl::DataLossError(
        absl::StrCat("the control file in ", options_.directory,
                     " is damaged or an old copy: a revoked token could be back in force"));
  };
  if (newest < 0) return damaged();
  const uint64_t generation = files[newest].record->generation();
  const SlotFile& other = files[1 - newest];
  // A crash never leaves a damaged or missing file behind. Whatever stood in the other one may be
  // newer than what opens, unless it says itself that it is older.
  const bool other_is_older = other.record.ok() || other.claimed.value_or(generation) < generation;
  const bool never_written = !other.exists && generation == 1;
  if (!other_is_older && !never_written) return damaged();
  highest_generation_ = std::max(generation, other.claimed.value_or(0));
  next_slot_ = 1 - newest;
  return *std::move(files[newest].record);
}

absl::Status ControlFile::Write(ControlRecord& record) {
  record.set_generation(++highest_generation_);
  const std::string serialized = record.SerializeAsString();
  if (serialized.size() > limits::kMaxControlBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the control file would have ",
                                                     serialized.size(), " bytes, more than the ",
                                                     limits::kMaxControlBytes, " allowed"));
  }
  std::string bytes(kMagic);
  PutLittleEndian(bytes, record.generation());
  bytes += crypto::Seal(options_.key, crypto::Use::kControl, AsBytes(Identity(record.generation())),
                        AsBytes(serialized), options_.vault, options_.random);
  TV_RETURN_IF_ERROR(Annotate(ReplaceFile(options_.fs, PathOf(next_slot_), AsBytes(bytes), 0600),
                              "the control file was not written"));
  next_slot_ = 1 - next_slot_;
  return absl::OkStatus();
}

}  // namespace televault::control
