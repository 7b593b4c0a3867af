#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "audit/merkle.h"

// Where a log's hashes and entries lie when it is published (C2SP tlog-tiles).
namespace televault::audit {

inline constexpr uint32_t kTileWidth = 256;
inline constexpr uint32_t kTileHeight = 8;  // log2(kTileWidth)
inline constexpr uint32_t kMaxTileLevel = 63;
inline constexpr size_t kMaxBundleEntryBytes = 65'535;
inline constexpr std::string_view kCheckpointPath = "checkpoint";

// Hashes [index * 256, index * 256 + width) of tree level 8 * level; or, of a bundle, entries.
struct TileId {
  uint32_t level = 0;
  uint64_t index = 0;
  uint32_t width = kTileWidth;  // 1 … 256; less than 256 only at the right edge

  bool full() const { return width == kTileWidth; }
  friend auto operator<=>(const TileId&, const TileId&) = default;
};

// "tile/0/x001/x234/067" or "tile/0/x001/x234/067.p/41".
std::string TilePath(const TileId& tile);
// "tile/entries/x001/x234/067[.p/W]"; the level is not part of it.
std::string BundlePath(const TileId& bundle);

// INVALID_ARGUMENT unless the text is exactly what TilePath, BundlePath would write.
absl::StatusOr<TileId> ParseTilePath(std::string_view path);
absl::StatusOr<TileId> ParseBundlePath(std::string_view path);

// Width of tile (level, index) in the tree of `size` leaves: 0 … 256; 0 = not there.
uint32_t TileWidthAt(uint32_t level, uint64_t index, uint64_t size);

// Hash tiles that the growth from `old_size` to `new_size` adds or widens, level by level from 0.
// Level 0 of the answer also names the bundles. Bounds: old_size <= new_size.
std::vector<TileId> ChangedTiles(uint64_t old_size, uint64_t new_size);

// Tile content: hashes one after the other.
std::string EncodeTile(std::span<const Hash> hashes);
// INVALID_ARGUMENT unless the bytes are exactly `width` hashes.
absl::StatusOr<std::vector<Hash>> ParseTile(std::string_view bytes, uint32_t width);
// Root over `hashes`, whose number must be a power of two.
Hash CompleteRoot(std::span<const Hash> hashes);

// Bundle: (uint16 big-endian length ‖ entry)*. INVALID_ARGUMENT for an entry over 65,535 bytes.
absl::StatusOr<std::string> EncodeBundle(std::span<const std::string> entries);
// Exactly `width` entries that fill `bytes`; the views point into it. DATA_LOSS names the entry.
absl::StatusOr<std::vector<std::string_view>> ParseBundle(std::string_view bytes, uint32_t width);

// Bytes of a tile at least as wide as asked for (a longer answer is cut).
using TileReader = absl::FunctionRef<absl::StatusOr<std::string>(const TileId& tile)>;

// Hash of the complete subtree (level, index) of a tree of `size` leaves, out of its tile.
// OUT_OF_RANGE where the subtree is not inside the tree; DATA_LOSS for a tile too short.
absl::StatusOr<Hash> SubtreeHash(uint32_t level, uint64_t index, uint64_t size, TileReader reader);

struct Tile {
  TileId id;
  std::string bytes;
};

// Grows the tree and hands out each tile when it is full; keeps the right edge in memory.
// Refuses to store anything: the caller writes full tiles beside the leaves.
// Threads: one at a time.  Borrows: nothing.
// Invariants: (1) edge(level).size() == (size() >> 8 * level) mod 256. (2) Root() depends on the
// leaves alone. (3) A tile is handed out full once.
// Failure: none; Rebuild answers DATA_LOSS where stored tiles contradict the size.
class TileBuilder {
 public:
  TileBuilder() = default;
  // The builder of a log of `size` leaves. `read_tile` is asked for full tiles only (their roots
  // make the edge above), `read_leaf` for the hashes of the last size mod 256 leaves.
  static absl::StatusOr<TileBuilder> Rebuild(
      uint64_t size, TileReader read_tile,
      absl::FunctionRef<absl::StatusOr<Hash>(uint64_t index)> read_leaf);

  // Appends the tiles that became full to `full`.
  void Append(const Hash& leaf_hash, std::vector<Tile>& full);
  uint64_t size() const { return size_; }
  Hash Root() const;
  TreeHead Head() const { return {size_, Root()}; }
  // Hashes of the partial tile at the right edge of `level`; empty where there is none.
  std::span<const Hash> edge(uint32_t level) const;
  // Hash of the complete subtree (level, index) where it lies in a partial tile at the right edge:
  // a look-up, no hashing. nullopt elsewhere (see SubtreeHash).
  std::optional<Hash> Find(uint32_t level, uint64_t index) const;
  // Partial tiles of the present size, level by level.
  std::vector<Tile> PartialTiles() const;

 private:
  struct Edge {
    // rows[h][i]: root over hashes [i << h, (i + 1) << h) of the tile; rows[0] are its hashes.
    std::array<std::vector<Hash>, kTileHeight + 1> rows;
    void Append(const Hash& hash);
  };
  Edge& edge_at(size_t level);

  uint64_t size_ = 0;
  std::vector<Edge> edges_;  // by level
};

}  // namespace televault::audit
