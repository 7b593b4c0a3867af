#include "audit/tiles.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "audit/encoding.h"

namespace televault::audit {
namespace {

constexpr std::string_view kTilePrefix = "tile/";
constexpr std::string_view kBundlePrefix = "tile/entries/";
constexpr std::string_view kPartialMark = ".p/";
constexpr uint32_t kLevelsOf64Bits = 64 / kTileHeight;

// Hashes of tree level 8 * level in a tree of `size` leaves.
uint64_t HashCount(uint32_t level, uint64_t size) {
  return level < kLevelsOf64Bits ? size >> (kTileHeight * level) : 0;
}

// "x001/x234/067[.p/41]".
std::string IndexPath(const TileId& tile) {
  std::string path = absl::StrFormat("%03d", tile.index % 1000);
  for (uint64_t rest = tile.index / 1000; rest > 0; rest /= 1000) {
    path = absl::StrFormat("x%03d/%s", rest % 1000, path);
  }
  if (!tile.full()) absl::StrAppend(&path, AsAbsl(kPartialMark), tile.width);
  return path;
}

// Reads what IndexPath writes, and perhaps more: the caller compares with the one spelling.
std::optional<TileId> ParseIndexPath(std::string_view path) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  TileId tile;
  if (const size_t mark = path.find(kPartialMark); mark != std::string_view::npos) {
    const absl::StatusOr<uint64_t> width = ParseDecimal(path.substr(mark + kPartialMark.size()));
    if (!width.ok() || *width == 0 || *width >= kTileWidth) return std::nullopt;
    tile.width = static_cast<uint32_t>(*width);
    path = path.substr(0, mark);
  }
  for (const char c : path) {
    if (c == 'x' || c == '/') continue;
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (tile.index > (kMax - digit) / 10) return std::nullopt;
    tile.index = tile.index * 10 + digit;
  }
  return tile;
}

absl::Status PathError(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(AsAbsl(what), " path: must be ", AsAbsl(what),
                   "/N in groups of three digits, all but the last after an x, and for a partial "
                   "one .p/W with W from 1 to 255"));
}

}  // namespace

std::string TilePath(const TileId& tile) {
  return absl::StrCat(AsAbsl(kTilePrefix), tile.level, "/", IndexPath(tile));
}

std::string BundlePath(const TileId& bundle) {
  return absl::StrCat(AsAbsl(kBundlePrefix), IndexPath(bundle));
}

absl::StatusOr<TileId> ParseTilePath(std::string_view path) {
  const absl::Status error = PathError("tile/L");
  if (!path.starts_with(kTilePrefix)) return error;
  const std::string_view rest = path.substr(kTilePrefix.size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return error;
  const absl::StatusOr<uint64_t> level = ParseDecimal(rest.substr(0, slash));
  if (!level.ok() || *level > kMaxTileLevel) return error;
  std::optional<TileId> tile = ParseIndexPath(rest.substr(slash + 1));
  if (!tile) return error;
  tile->level = static_cast<uint32_t>(*level);
  if (TilePath(*tile) != path) return error;
  return *tile;
}

absl::StatusOr<TileId> ParseBundlePath(std::string_view path) {
  const absl::Status error = PathError("tile/entries");
  if (!path.starts_with(kBundlePrefix)) return error;
  const std::optional<TileId> bundle = ParseIndexPath(path.substr(kBundlePrefix.size()));
  if (!bundle || BundlePath(*bundle) != path) return error;
  return *bundle;
}

uint32_t TileWidthAt(uint32_t level, uint64_t index, uint64_t size) {
  const uint64_t hashes = HashCount(level, size);
  const uint64_t full = hashes / kTileWidth;
  if (index < full) return kTileWidth;
  return index == full ? static_cast<uint32_t>(hashes % kTileWidth) : 0;
}

std::vector<TileId> ChangedTiles(uint64_t old_size, uint64_t new_size) {
  std::vector<TileId> changed;
  for (uint32_t level = 0; HashCount(level, new_size) > HashCount(level, old_size); ++level) {
    const uint64_t last = (HashCount(level, new_size) - 1) / kTileWidth;
    for (uint64_t index = HashCount(level, old_size) / kTileWidth; index <= last; ++index) {
      changed.push_back({level, index, TileWidthAt(level, index, new_size)});
    }
  }
  return changed;
}

std::string EncodeTile(std::span<const Hash> hashes) {
  std::string bytes;
  bytes.reserve(hashes.size() * kHashBytes);
  for (const Hash& hash : hashes) bytes.append(AsText(hash));
  return bytes;
}

absl::StatusOr<std::vector<Hash>> ParseTile(std::string_view bytes, uint32_t width) {
  if (bytes.size() != size_t{width} * kHashBytes) {
    return absl::InvalidArgumentError(absl::StrCat("tile: must be ", width * kHashBytes, " bytes (",
                                                   width, " hashes), is ", bytes.size()));
  }
  std::vector<Hash> hashes(width);
  for (uint32_t i = 0; i < width; ++i) {
    const std::string_view hash = bytes.substr(i * kHashBytes, kHashBytes);
    std::copy(hash.begin(), hash.end(), hashes[i].begin());
  }
  return hashes;
}

Hash CompleteRoot(std::span<const Hash> hashes) {
  std::vector<Hash> row(hashes.begin(), hashes.end());
  for (; row.size() > 1; row.resize(row.size() / 2)) {
    for (size_t i = 0; i < row.size() / 2; ++i) row[i] = NodeHash(row[2 * i], row[2 * i + 1]);
  }
  return row.front();
}

absl::StatusOr<std::string> EncodeBundle(std::span<const std::string> entries) {
  std::string bytes;
  for (size_t i = 0; i < entries.size(); ++i) {
    const size_t length = entries[i].size();
    if (length > kMaxBundleEntryBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("bundle: entry ", i, " is longer than 65535 bytes"));
    }
    bytes.push_back(static_cast<char>(length >> 8));
    bytes.push_back(static_cast<char>(length));
    bytes.append(entries[i]);
  }
  return bytes;
}

absl::StatusOr<std::vector<std::string_view>> ParseBundle(std::string_view bytes, uint32_t width) {
  std::vector<std::string_view> entries;
  entries.reserve(width);
  for (uint32_t i = 0; i < width; ++i) {
    if (bytes.size() < 2) {
      return absl::DataLossError(absl::StrCat("bundle: ends before entry ", i, " of ", width));
    }
    const size_t length = (static_cast<uint8_t>(bytes[0]) << 8) | static_cast<uint8_t>(bytes[1]);
    bytes.remove_prefix(2);
    if (length > bytes.size()) {
      return absl::DataLossError(absl::StrCat("bundle: ends inside entry ", i, " of ", width));
    }
    entries.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) {
    return absl::DataLossError(absl::StrCat("bundle: bytes after the last of ", width, " entries"));
  }
  return entries;
}

absl::StatusOr<Hash> SubtreeHash(uint32_t level, uint64_t index, uint64_t size, TileReader reader) {
  if (level >= 64 || index >= size >> level) {
    return absl::OutOfRangeError("subtree: not completely inside the tree");
  }
  const uint32_t tile_level = level / kTileHeight;
  const uint32_t height = level % kTileHeight;
  const uint64_t first = index << height;  // in hashes of the tile's level
  TileId id{tile_level, first / kTileWidth, 0};
  id.width = TileWidthAt(id.level, id.index, size);
  absl::StatusOr<std::string> bytes = reader(id);
  if (!bytes.ok()) return bytes.status();
  const size_t wanted = size_t{id.width} * kHashBytes;
  if (bytes->size() < wanted) {
    return absl::DataLossError(absl::StrCat(TilePath(id), ": shorter than ", wanted, " bytes"));
  }
  absl::StatusOr<std::vector<Hash>> hashes =
      ParseTile(std::string_view(*bytes).substr(0, wanted), id.width);
  if (!hashes.ok()) return hashes.status();
  return CompleteRoot(std::span(*hashes).subspan(first % kTileWidth, size_t{1} << height));
}

void TileBuilder::Edge::Append(const Hash& hash) {
  rows[0].push_back(hash);
  for (size_t height = 0; rows[height].size() % 2 == 0; ++height) {
    const std::vector<Hash>& row = rows[height];
    rows[height + 1].push_back(NodeHash(row[row.size() - 2], row.back()));
    if (height + 1 == kTileHeight) break;
  }
}

TileBuilder::Edge& TileBuilder::edge_at(size_t level) {
  if (edges_.size() <= level) edges_.resize(level + 1);
  return edges_[level];
}

absl::StatusOr<TileBuilder> TileBuilder::Rebuild(
    uint64_t size, TileReader read_tile,
    absl::FunctionRef<absl::StatusOr<Hash>(uint64_t index)> read_leaf) {
  // A hash of an upper level is the root of the full tile below it.
  const auto root_of = [&](const TileId& tile) -> absl::StatusOr<Hash> {
    const absl::StatusOr<std::string> bytes = read_tile(tile);
    if (!bytes.ok()) return bytes.status();
    const absl::StatusOr<std::vector<Hash>> hashes = ParseTile(*bytes, kTileWidth);
    if (!hashes.ok()) {
      return absl::DataLossError(absl::StrCat(TilePath(tile), ": ", hashes.status().message()));
    }
    return CompleteRoot(*hashes);
  };
  TileBuilder builder;
  builder.size_ = size;
  for (uint32_t level = 0; HashCount(level, size) > 0; ++level) {
    Edge& edge = builder.edge_at(level);
    const uint64_t count = HashCount(level, size);
    for (uint64_t i = count - count % kTileWidth; i < count; ++i) {
      const absl::StatusOr<Hash> hash =
          level == 0 ? read_leaf(i) : root_of({level - 1, i, kTileWidth});
      if (!hash.ok()) return hash.status();
      edge.Append(*hash);
    }
  }
  return builder;
}

void TileBuilder::Append(const Hash& leaf_hash, std::vector<Tile>& full) {
  Hash hash = leaf_hash;
  for (uint32_t level = 0;; ++level) {
    Edge& edge = edge_at(level);
    edge.Append(hash);
    if (edge.rows[0].size() < kTileWidth) break;
    const uint64_t index = size_ >> (kTileHeight * (level + 1));
    full.push_back({{level, index, kTileWidth}, EncodeTile(edge.rows[0])});
    hash = edge.rows[kTileHeight][0];
    edge = Edge();
  }
  ++size_;
}

Hash TileBuilder::Root() const {
  std::optional<Hash> root;
  for (const Edge& edge : edges_) {  // from the smallest subtrees on the right to the largest
    for (const std::vector<Hash>& row : edge.rows) {
      if (row.size() % 2 == 0) continue;  // its last subtree is part of one in the next row
      root = root ? NodeHash(row.back(), *root) : row.back();
    }
  }
  return root.value_or(EmptyRoot());
}

std::span<const Hash> TileBuilder::edge(uint32_t level) const {
  if (level >= edges_.size()) return {};
  return edges_[level].rows[0];
}

std::optional<Hash> TileBuilder::Find(uint32_t level, uint64_t index) const {
  const uint32_t tile_level = level / kTileHeight;
  if (tile_level >= edges_.size()) return std::nullopt;
  const std::vector<Hash>& row = edges_[tile_level].rows[level % kTileHeight];
  // Subtrees of this height in the full tiles on the left.
  const uint64_t before = (HashCount(tile_level, size_) / kTileWidth)
                          << (kTileHeight - level % kTileHeight);
  if (index < before || index - before >= row.size()) return std::nullopt;
  return row[index - before];
}

std::vector<Tile> TileBuilder::PartialTiles() const {
  std::vector<Tile> tiles;
  for (uint32_t level = 0; level < edges_.size(); ++level) {
    const std::vector<Hash>& hashes = edges_[level].rows[0];
    if (hashes.empty()) continue;
    const uint64_t index = HashCount(level, size_) / kTileWidth;
    tiles.push_back({{level, index, static_cast<uint32_t>(hashes.size())}, EncodeTile(hashes)});
  }
  return tiles;
}

}  // namespace televault::audit
