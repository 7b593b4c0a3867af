#include "admin-cli/log_export.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/exit_code.h"
#include "audit/encoding.h"

namespace televault::cli {
namespace {

using audit::TileId;

constexpr int kFileMode = 0644;
constexpr int kDirectoryMode = 0755;
// No path of the format, so whoever reads the log never asks for it.
constexpr std::string_view kLockFile = "/.lock";
// The largest file of the format: a bundle of 256 entries of 65,535 bytes.
constexpr size_t kMaxFileBytes = 256 * (2 + 65'535);

// The directory with all above it; their names are durable when this returns.
absl::Status MakeDirectory(FileSystem& fs, const std::string& path) {
  if (fs.Exists(path)) return absl::OkStatus();
  const std::string parent = ParentOf(path);
  TV_RETURN_IF_ERROR(MakeDirectory(fs, parent));
  TV_RETURN_IF_ERROR(fs.CreateDirectory(path, kDirectoryMode));
  return fs.SyncDirectory(parent);
}

// Whether the format has such a path; one that a crash left unfinished counts as its own.
bool IsPathOfTheFormat(std::string_view path) {
  constexpr std::string_view kUnfinished = ".new";
  if (path.ends_with(kUnfinished)) path.remove_suffix(kUnfinished.size());
  return audit::ParseTilePath(path).ok() || audit::ParseBundlePath(path).ok();
}

// The bundle at the right edge of a tree of `size` leaves; width 0: there is none.
TileId EdgeBundle(uint64_t size) {
  return {.level = 0,
          .index = size / audit::kTileWidth,
          .width = static_cast<uint32_t>(size % audit::kTileWidth)};
}

}  // namespace

absl::StatusOr<std::string> ReadLogFile(const std::string& directory, const std::string& path) {
  const std::string full = absl::StrCat(directory, "/", path);
  // Whoever gives the directory away chooses what lies in it; a pipe would be waited for for ever.
  std::error_code error;
  const auto type = std::filesystem::status(full, error).type();
  if (type == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(full + " is missing");
  }
  if (type != std::filesystem::file_type::regular) {
    return absl::DataLossError(full + " is not a file that can be read");
  }
  return PosixFileSystem().ReadFile(full, kMaxFileBytes);
}

absl::StatusOr<Exported> OpenExported(const std::string& directory) {
  TV_ASSIGN_OR_RETURN(FileLock lock,
                      FileLock::TryShared(absl::StrCat(directory, audit::AsAbsl(kLockFile)),
                                          absl::StrCat("an export to ", directory,
                                                       " is under way: wait for its end")));
  TV_ASSIGN_OR_RETURN(std::string note,
                      ReadLogFile(directory, std::string(audit::kCheckpointPath)));
  return Exported{std::move(note), std::move(lock)};
}

absl::StatusOr<std::vector<std::string>> ReadExportedLeaves(const std::string& directory,
                                                            uint64_t first, uint64_t size) {
  const TileId bundle{.level = 0,
                      .index = first / audit::kTileWidth,
                      .width = audit::TileWidthAt(0, first / audit::kTileWidth, size)};
  TV_ASSIGN_OR_RETURN(const std::string bytes, ReadLogFile(directory, audit::BundlePath(bundle)));
  TV_ASSIGN_OR_RETURN(const auto views, audit::ParseBundle(bytes, bundle.width));
  return std::vector<std::string>(views.begin(), views.end());
}

absl::StatusOr<std::string> ReadExportedLeaf(const std::string& directory, uint64_t index,
                                             uint64_t size) {
  const uint64_t within = index % audit::kTileWidth;
  TV_ASSIGN_OR_RETURN(std::vector<std::string> leaves,
                      ReadExportedLeaves(directory, index - within, size));
  return std::move(leaves.at(within));
}

absl::StatusOr<std::unique_ptr<LogExporter>> LogExporter::Open(FileSystem& fs,
                                                               const std::string& directory,
                                                               const audit::VerifierKey& key) {
  TV_RETURN_IF_ERROR(MakeDirectory(fs, directory));
  TV_ASSIGN_OR_RETURN(FileLock lock,
                      FileLock::Try(absl::StrCat(directory, audit::AsAbsl(kLockFile)), kFileMode,
                                    absl::StrCat("another export to ", directory,
                                                 ", or a verification of it, is under way")));
  std::unique_ptr<LogExporter> exporter(new LogExporter(fs, directory, key, std::move(lock)));
  const auto note = ReadLogFile(directory, std::string(audit::kCheckpointPath));
  if (note.ok()) {
    if (const absl::Status status = exporter->Resume(*note); !status.ok()) {
      return VerificationFailed(absl::StrCat(
          "what was exported to ", directory, " before does not hold: ", status.message(),
          "; export to an empty directory and keep this one as evidence"));
    }
  } else if (!absl::IsNotFound(note.status())) {
    return note.status();
  }
  return exporter;
}

absl::Status LogExporter::Resume(std::string_view note) {
  TV_ASSIGN_OR_RETURN(const audit::Checkpoint checkpoint, audit::OpenCheckpoint(note, key_));
  TV_ASSIGN_OR_RETURN(bundle_, ReadPartialBundle(checkpoint.size));
  const uint64_t first = checkpoint.size - bundle_.size();
  const auto read_tile = [this](const TileId& tile) {
    return ReadLogFile(directory_, audit::TilePath(tile));
  };
  const auto read_leaf = [&](uint64_t index) -> absl::StatusOr<audit::Hash> {
    return audit::LeafHash(audit::AsBytes(bundle_.at(index - first)));
  };
  TV_ASSIGN_OR_RETURN(builder_, audit::TileBuilder::Rebuild(checkpoint.size, read_tile, read_leaf));
  if (builder_.Head() != checkpoint.Head()) {
    return absl::DataLossError("its tiles do not give the root that its checkpoint signs");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LogExporter::ReadPartialBundle(uint64_t size) const {
  const TileId edge = EdgeBundle(size);
  std::vector<std::string> entries;
  if (edge.width == 0) return entries;
  TV_ASSIGN_OR_RETURN(const std::string bytes, ReadLogFile(directory_, audit::BundlePath(edge)));
  TV_ASSIGN_OR_RETURN(const auto views, audit::ParseBundle(bytes, edge.width));
  entries.assign(views.begin(), views.end());
  return entries;
}

absl::Status LogExporter::Append(std::span<const uint8_t> leaf) {
  const TileId bundle{.level = 0, .index = next_index() / audit::kTileWidth};
  bundle_.emplace_back(audit::AsText(leaf));
  std::vector<audit::Tile> full;
  builder_.Append(audit::LeafHash(leaf), full);
  if (bundle_.size() == audit::kTileWidth) {
    TV_RETURN_IF_ERROR(WriteBundle(bundle));
    bundle_.clear();
  }
  for (const auto& tile : full) {
    TV_RETURN_IF_ERROR(Write(audit::TilePath(tile.id), tile.bytes));
  }
  return absl::OkStatus();
}

absl::Status LogExporter::Finish(std::string_view note) {
  const auto checkpoint = audit::OpenCheckpoint(note, key_);
  if (!checkpoint.ok()) {
    return VerificationFailed(
        absl::StrCat("the exported checkpoint: ", checkpoint.status().message()));
  }
  if (builder_.Head() != checkpoint->Head()) {
    return VerificationFailed(absl::StrCat(
        "the ", builder_.size(), " exported entries do not give the root that the checkpoint of ",
        checkpoint->size, " entries signs"));
  }
  for (const auto& tile : builder_.PartialTiles()) {
    TV_RETURN_IF_ERROR(Write(audit::TilePath(tile.id), tile.bytes));
  }
  if (!bundle_.empty()) TV_RETURN_IF_ERROR(WriteBundle(EdgeBundle(builder_.size())));
  TV_RETURN_IF_ERROR(Write(std::string(audit::kCheckpointPath), note));
  RemovePartials();
  return absl::OkStatus();
}

absl::Status LogExporter::WriteBundle(const TileId& id) {
  TV_ASSIGN_OR_RETURN(const std::string bytes, audit::EncodeBundle(bundle_));
  return Write(audit::BundlePath(id), bytes);
}

absl::Status LogExporter::Write(const std::string& path, std::string_view content) {
  const std::string full = absl::StrCat(directory_, "/", path);
  TV_RETURN_IF_ERROR(RefuseLinks(ParentOf(full)));
  TV_RETURN_IF_ERROR(MakeDirectory(fs_, ParentOf(full)));
  return ReplaceFile(fs_, full, televault::AsBytes(content), kFileMode);
}

absl::Status LogExporter::RefuseLinks(const std::string& directory) const {
  for (std::string path = directory; path.size() > directory_.size(); path = ParentOf(path)) {
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() ==
        std::filesystem::file_type::symlink) {
      return absl::FailedPreconditionError(absl::StrCat(
          path, " is a symbolic link, and nothing is exported through one: remove it"));
    }
  }
  return absl::OkStatus();
}

// What the new checkpoint does not need: the partial tiles of earlier ones, and those that a crash
// left. All of the log is gone through: which export was cut off is not known. Failing to remove
// one harms nobody.
void LogExporter::RemovePartials() const {
  for (uint32_t level = 0; level <= audit::kMaxTileLevel / audit::kTileHeight; ++level) {
    const uint32_t bits = audit::kTileHeight * (level + 1);
    const uint64_t last = bits < 64 ? builder_.size() >> bits : 0;
    for (uint64_t index = 0; index <= last; ++index) {
      const TileId tile{.level = level, .index = index, .width = 1};
      const uint32_t now = audit::TileWidthAt(level, index, builder_.size());
      RemoveOtherWidths(audit::TilePath(tile), now);
      if (level == 0) RemoveOtherWidths(audit::BundlePath(tile), now);
    }
  }
}

// `a_path` is that of the tile at any partial width.
void LogExporter::RemoveOtherWidths(const std::string& a_path, uint32_t width) const {
  const std::string directory = ParentOf(absl::StrCat(directory_, "/", a_path));
  if (!fs_.Exists(directory) || !RefuseLinks(directory).ok()) return;
  const auto names = fs_.List(directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const bool ours = IsPathOfTheFormat(absl::StrCat(ParentOf(a_path), "/", name));
    if (!ours || name == absl::StrCat(width)) continue;
    fs_.Remove(absl::StrCat(directory, "/", name)).IgnoreError();
  }
  fs_.RemoveDirectory(directory).IgnoreError();  // where that was its last
}

}  // namespace televault::cli
