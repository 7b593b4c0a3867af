#include "audit/verifier.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

absl::Status Prefixed(std::string_view where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(AsAbsl(where), ": ", status.message()));
}

// One pass over a published log; see VerifyLog.
// Refuses to go on after the first problem.
// Threads: one.  Borrows: read, options, report.
// Invariants: (1) nothing of the log is trusted before the entries lead to it.
// Failure: report_.status says what and where.
class LogCheck {
 public:
  LogCheck(PathReader read, const VerifyOptions& options, VerifyReport& report)
      : read_(read),
        options_(options),
        report_(report),
        stream_(options.pinned ? std::optional(options.pinned->Head()) : std::nullopt,
                options.check_framing) {}

  void Run() {
    if (!OpenHead()) return;
    const uint64_t size = report_.checkpoint->size;
    for (uint64_t index = 0; TileWidthAt(0, index, size) > 0; ++index) {
      if (!CheckBundle({0, index, TileWidthAt(0, index, size)})) return;
    }
    for (const Tile& tile : stream_.tree().PartialTiles()) {
      if (tile.id.level > 0 && !CompareTile(tile)) return;
    }
    report_.pin = stream_.pin();
    report_.entries_without_key = stream_.entries_without_key();
    report_.status = stream_.Finish(*report_.checkpoint);
  }

 private:
  bool Fail(const absl::Status& status, std::optional<uint64_t> index = std::nullopt) {
    report_.status = status;
    report_.first_bad_index = index;
    return false;
  }

  bool OpenHead() {
    const absl::StatusOr<std::string> note = read_(std::string(kCheckpointPath));
    if (!note.ok()) return Fail(Prefixed(kCheckpointPath, note.status()));
    absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(*note, options_.key);
    if (!checkpoint.ok()) return Fail(checkpoint.status());
    report_.checkpoint = *std::move(checkpoint);
    if (!options_.pinned) return true;
    if (options_.pinned->origin != report_.checkpoint->origin) {
      return Fail(absl::InvalidArgumentError("the pinned checkpoint is of another log"));
    }
    if (options_.pinned->size > report_.checkpoint->size) {
      report_.pin = PinVerdict::kRollback;
      return Fail(absl::FailedPreconditionError(
                      absl::StrCat("rollback: the log has ", report_.checkpoint->size, " entries, ",
                                   options_.pinned->size, " were seen before")),
                  report_.checkpoint->size);
    }
    return true;
  }

  // A right edge may meanwhile have been replaced by the full file, whose beginning it is.
  absl::StatusOr<std::string> ReadPublished(const std::string& path, const std::string& full_path) {
    absl::StatusOr<std::string> bytes = read_(path);
    if (absl::IsNotFound(bytes.status()) && path != full_path) {
      absl::StatusOr<std::string> full = read_(full_path);
      if (full.ok()) return full;
    }
    if (absl::IsNotFound(bytes.status())) return absl::DataLossError(path + ": is missing");
    if (!bytes.ok()) return Prefixed(path, bytes.status());
    return bytes;
  }

  absl::StatusOr<std::string> ReadTile(const TileId& id) {
    const std::string path = TilePath(id);
    absl::StatusOr<std::string> bytes = ReadPublished(path, TilePath({id.level, id.index}));
    if (!bytes.ok()) return bytes;
    const size_t wanted = size_t{id.width} * kHashBytes;
    if (bytes->size() == size_t{kTileWidth} * kHashBytes) bytes->resize(wanted);
    if (bytes->size() != wanted) {
      return absl::DataLossError(
          absl::StrCat(path, ": is ", bytes->size(), " bytes long, must be ", wanted));
    }
    return bytes;
  }

  // Entries of a bundle; of a full file that stands for a partial one, its beginning.
  absl::StatusOr<std::vector<std::string_view>> Entries(const TileId& id,
                                                        const std::string& bytes) {
    absl::StatusOr<std::vector<std::string_view>> entries = ParseBundle(bytes, id.width);
    if (entries.ok() || id.full()) return entries;
    absl::StatusOr<std::vector<std::string_view>> all = ParseBundle(bytes, kTileWidth);
    if (!all.ok()) return entries;
    all->resize(id.width);
    return all;
  }

  bool CheckBundle(const TileId& id) {
    const uint64_t first = id.index * kTileWidth;
    const std::string path = BundlePath(id);
    const absl::StatusOr<std::string> bytes =
        ReadPublished(path, BundlePath({0, id.index, kTileWidth}));
    if (!bytes.ok()) return Fail(bytes.status(), first);
    const absl::StatusOr<std::vector<std::string_view>> entries = Entries(id, *bytes);
    if (!entries.ok()) return Fail(Prefixed(path, entries.status()), first);
    const absl::StatusOr<std::string> hashes = ReadTile(id);
    if (!hashes.ok()) return Fail(hashes.status(), first);
    for (size_t i = 0; i < entries->size(); ++i) {
      const std::string_view hash = std::string_view(*hashes).substr(i * kHashBytes, kHashBytes);
      if (!CheckEntry((*entries)[i], hash, first + i)) return false;
    }
    ++report_.tiles;  // level 0: compared hash by hash
    return true;
  }

  bool CheckEntry(std::string_view entry, std::string_view published_hash, uint64_t index) {
    const absl::Status status = stream_.Append(AsBytes(entry));
    if (!status.ok()) return Fail(status, index);
    ++report_.entries;
    report_.entry_bytes += entry.size();
    if (AsText(stream_.last_leaf_hash()) != published_hash) {
      return Fail(absl::DataLossError(absl::StrCat(
                      "entry ", index, ": its bytes do not have the hash the log published")),
                  index);
    }
    for (const Tile& tile : stream_.full_tiles()) {
      if (tile.id.level > 0 && !CompareTile(tile)) return false;
    }
    return true;
  }

  // Compares a tile above level 0 with the one the entries lead to.
  bool CompareTile(const Tile& rebuilt) {
    const uint32_t shift = kTileHeight * rebuilt.id.level;
    const uint64_t first = rebuilt.id.index * kTileWidth << shift;
    const absl::StatusOr<std::string> published = ReadTile(rebuilt.id);
    if (!published.ok()) return Fail(published.status(), first);
    ++report_.tiles;
    const auto differs = std::mismatch(published->begin(), published->end(), rebuilt.bytes.begin());
    if (differs.first == published->end()) return true;
    const auto at = static_cast<uint64_t>(differs.first - published->begin()) / kHashBytes;
    return Fail(absl::DataLossError(absl::StrCat(TilePath(rebuilt.id), ": hash ", at,
                                                 " is not the one its entries lead to")),
                first + (at << shift));
  }

  PathReader read_;
  const VerifyOptions& options_;
  VerifyReport& report_;
  LeafStreamVerifier stream_;
};

}  // namespace

std::string_view PinVerdictName(PinVerdict verdict) {
  switch (verdict) {
    case PinVerdict::kSame:
      return "same";
    case PinVerdict::kAdvanced:
      return "advanced";
    case PinVerdict::kFork:
      return "fork";
    case PinVerdict::kRollback:
      return "rollback";
  }
  return "unknown";
}

VerifyReport VerifyLog(PathReader read, const VerifyOptions& options) {
  VerifyReport report;
  LogCheck(read, options, report).Run();
  return report;
}

LeafStreamVerifier::LeafStreamVerifier(std::optional<TreeHead> pinned, bool check_framing)
    : pinned_(pinned), check_framing_(check_framing) {
  if (pinned_ && pinned_->size == 0) root_at_pin_ = EmptyRoot();
}

absl::Status LeafStreamVerifier::CheckFraming(std::span<const uint8_t> leaf) {
  const absl::StatusOr<LeafView> view = ParseLeaf(leaf);
  if (!view.ok()) return view.status();
  if (view->type == LeafType::kKey) {
    keys_.insert(view->key_id);
  } else if (!keys_.contains(view->key_id)) {
    ++entries_without_key_;
  }
  return absl::OkStatus();
}

absl::Status LeafStreamVerifier::Append(std::span<const uint8_t> leaf) {
  if (!failure_.ok()) return failure_;
  full_tiles_.clear();
  const absl::Status framing = check_framing_ ? CheckFraming(leaf) : absl::OkStatus();
  if (!framing.ok()) {
    failure_ = Prefixed(absl::StrCat("entry ", tree_.size()), framing);
    return failure_;
  }
  last_leaf_hash_ = LeafHash(leaf);
  tree_.Append(last_leaf_hash_, full_tiles_);
  if (pinned_ && tree_.size() == pinned_->size) root_at_pin_ = tree_.Root();
  return absl::OkStatus();
}

std::optional<PinVerdict> LeafStreamVerifier::pin() const {
  if (!root_at_pin_) return std::nullopt;
  if (*root_at_pin_ != pinned_->root) return PinVerdict::kFork;
  return tree_.size() == pinned_->size ? PinVerdict::kSame : PinVerdict::kAdvanced;
}

absl::Status LeafStreamVerifier::Finish(const Checkpoint& checkpoint) const {
  if (!failure_.ok()) return failure_;
  if (tree_.size() != checkpoint.size) {
    return absl::DataLossError(absl::StrCat("the checkpoint signs ", checkpoint.size,
                                            " entries, there are ", tree_.size()));
  }
  if (tree_.Root() != checkpoint.root) {
    return absl::DataLossError("the entries do not lead to the root the checkpoint signs");
  }
  if (pinned_ && !root_at_pin_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rollback: the log has ", tree_.size(), " entries, ", pinned_->size, " were seen before"));
  }
  if (pin() == PinVerdict::kFork) {
    return absl::FailedPreconditionError(absl::StrCat(
        "fork: the first ", pinned_->size, " entries are not the ones that were seen before"));
  }
  return absl::OkStatus();
}

absl::StatusOr<LogPin> LogPin::Parse(std::string_view text, VerifierKey key) {
  LogPin pin(std::move(key));
  absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(text, pin.key_);
  if (!checkpoint.ok()) return checkpoint.status();
  pin.pinned_ = *std::move(checkpoint);
  pin.text_ = std::string(text);
  return pin;
}

uint64_t LogPin::ProofNeededFrom(const Checkpoint& seen) const {
  return pinned_ && seen.size > pinned_->size ? pinned_->size : 0;
}

absl::StatusOr<PinVerdict> LogPin::Advance(std::string_view note,
                                           std::span<const Hash> consistency) {
  absl::StatusOr<Checkpoint> seen = OpenCheckpoint(note, key_);
  if (!seen.ok()) return seen.status();
  if (pinned_) {
    if (seen->size < pinned_->size) return PinVerdict::kRollback;
    if (seen->size == pinned_->size) {
      return seen->root == pinned_->root ? PinVerdict::kSame : PinVerdict::kFork;
    }
    if (pinned_->size > 0 && consistency.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "a consistency proof from size ", pinned_->size, " to ", seen->size, " is needed"));
    }
    // Every tree extends the empty one: nothing to prove from there.
    if (pinned_->size > 0 && !VerifyConsistency(pinned_->Head(), seen->Head(), consistency).ok()) {
      return PinVerdict::kFork;
    }
  }
  pinned_ = *std::move(seen);
  text_ = std::string(note);
  return PinVerdict::kAdvanced;
}

}  // namespace televault::audit
