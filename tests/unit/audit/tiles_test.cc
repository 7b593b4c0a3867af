#include "audit/tiles.h"

#include <gtest/gtest.h>
#include <map>

#include "audit/encoding.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"
#include "vault/base/check.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using testing::LeafHashes;
using testing::Vector;
using testing::Vectors;

uint32_t Width(uint32_t partial) { return partial == 0 ? kTileWidth : partial; }

// A tile store that keeps what a TileBuilder hands out.
class Published {
 public:
  void Grow(std::span<const Hash> leaves) {
    std::vector<Tile> full;
    for (const Hash& leaf : leaves) builder_.Append(leaf, full);
    for (const Tile& tile : full) {
      EXPECT_TRUE(tiles_.emplace(tile.id, tile.bytes).second) << TilePath(tile.id);
    }
  }
  absl::StatusOr<std::string> Read(const TileId& id) const {
    if (const auto found = tiles_.find(id); found != tiles_.end()) return found->second;
    for (const Tile& tile : builder_.PartialTiles()) {
      if (tile.id.level == id.level && tile.id.index == id.index) return tile.bytes;
    }
    return absl::NotFoundError(TilePath(id));
  }
  const TileBuilder& builder() const { return builder_; }
  const std::map<TileId, std::string>& tiles() const { return tiles_; }

 private:
  TileBuilder builder_;
  std::map<TileId, std::string> tiles_;
};

TEST(TilePaths, ArePublishedOnesInBothDirections) {
  for (const auto& v : Vectors()["layout"]["tile_path"]) {
    const TileId tile{v[0], v[1], Width(v[2])};
    EXPECT_EQ(TilePath(tile), v[3].get<std::string>());
    EXPECT_EQ(ParseTilePath(v[3].get<std::string>()).value(), tile);
  }
  for (const auto& v : Vectors()["layout"]["entries_path"]) {
    // The published index counts entries' bundles; the second number is the partial width.
    const TileId bundle{0, v[0], Width(v[1])};
    EXPECT_EQ(BundlePath(bundle), v[2].get<std::string>());
    EXPECT_EQ(ParseBundlePath(v[2].get<std::string>()).value(), bundle);
  }
}

TEST(TilePaths, PublishedMalformedOnesAreRefused) {
  const Vector rejects = Vectors()["layout"]["reject"];
  ASSERT_EQ(rejects.size(), 8u);
  for (const auto& v : rejects) {
    EXPECT_THAT(ParseTilePath("tile/" + v.get<std::string>()),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << v;
  }
}

TEST(TilePaths, OnlyTheOneSpellingIsTaken) {
  for (const std::string_view path : {"",
                                      "tile",
                                      "tile/",
                                      "tile/0",
                                      "tile/0/",
                                      "tile/0/0",
                                      "tile/00/000",
                                      "tile/0/1000",
                                      "tile/0/x000/001",
                                      "tile/0/x001/x002",
                                      "tile/0/000.p/0",
                                      "tile/0/000.p/256",
                                      "tile/0/000.p/08",
                                      "tile/0/000.p/1.p/1",
                                      "tile/0/000/",
                                      "/tile/0/000",
                                      "tile/-1/000",
                                      "tile/0/x018/x446/x744/x073/x709/x551/616",
                                      "tile/0/ 000",
                                      "tile/0/000 ",
                                      "tile/0/x/000"}) {
    EXPECT_THAT(ParseTilePath(path), StatusIs(absl::StatusCode::kInvalidArgument)) << path;
  }
  for (const std::string_view path : {"tile/entries/", "tile/entries/0", "tile/entries/000.p/",
                                      "tile/entries/x000/000", "tile/entries/001.p/300"}) {
    EXPECT_THAT(ParseBundlePath(path), StatusIs(absl::StatusCode::kInvalidArgument)) << path;
  }
}

TEST(TilePaths, TheLargestIndexGoesThereAndBack) {
  const TileId tile{63, UINT64_MAX, 255};
  EXPECT_EQ(ParseTilePath(TilePath(tile)).value(), tile);
}

TEST(TileLayout, OfSeventyThousandLeavesIsThePublishedOne) {
  const Vector v = Vectors()["layout"]["size_70000"];
  constexpr uint64_t kSize = 70'000;
  EXPECT_EQ(TileWidthAt(0, v["L0_full"].get<uint64_t>() - 1, kSize), kTileWidth);
  EXPECT_EQ(TileWidthAt(0, v["L0_full"], kSize), v["L0_partial"].get<uint32_t>());
  EXPECT_EQ(TileWidthAt(1, v["L1_full"].get<uint64_t>() - 1, kSize), kTileWidth);
  EXPECT_EQ(TileWidthAt(1, v["L1_full"], kSize), v["L1_partial"].get<uint32_t>());
  EXPECT_EQ(TileWidthAt(2, 0, kSize), v["L2_partial"].get<uint32_t>());
  EXPECT_EQ(TileWidthAt(3, 0, kSize), 0u);
  const std::vector<TileId> all = ChangedTiles(0, kSize);
  EXPECT_EQ(all.size(), 273u + 1 + 1 + 1 + 1);

  Published log;
  log.Grow(LeafHashes(kSize));
  EXPECT_EQ(log.tiles().size(), 274u);
  EXPECT_EQ(log.builder().PartialTiles().size(), 3u);
  for (const TileId& id : all) {
    const auto bytes = log.Read(id);
    ASSERT_THAT(bytes, IsOk()) << TilePath(id);
    EXPECT_EQ(bytes->size(), size_t{id.width} * kHashBytes) << TilePath(id);
  }
}

TEST(TileLayout, GrowthNamesExactlyTheTilesThatDiffer) {
  const std::vector<Hash> leaves = LeafHashes(1'000);
  for (const auto& [older, newer] : std::vector<std::pair<uint64_t, uint64_t>>{{0, 0},
                                                                               {0, 1},
                                                                               {1, 2},
                                                                               {0, 256},
                                                                               {255, 256},
                                                                               {256, 257},
                                                                               {250, 600},
                                                                               {512, 768},
                                                                               {768, 1'000},
                                                                               {999, 1'000},
                                                                               {1'000, 1'000}}) {
    std::map<TileId, std::string> before;
    std::map<TileId, std::string> after;
    for (auto* tiles : {&before, &after}) {
      Published log;
      log.Grow(std::span(leaves).first(tiles == &before ? older : newer));
      *tiles = log.tiles();
      for (const Tile& tile : log.builder().PartialTiles()) tiles->emplace(tile.id, tile.bytes);
    }
    std::vector<TileId> want;
    for (const auto& [id, bytes] : after) {
      if (!before.contains(id)) want.push_back(id);
    }
    EXPECT_EQ(ChangedTiles(older, newer), want) << older << " → " << newer;
  }
}

TEST(Tiles, PublishedTileAndBundleOfThreeEntriesMatch) {
  const Vector v = Vectors()["tessera_log"];
  std::vector<Hash> hashes;
  std::vector<std::string> entries;
  for (size_t i = 0; i < 3; ++i) {
    entries.push_back(v["entries_ascii"][i]);
    hashes.push_back(LeafHash(AsBytes(entries.back())));
  }
  EXPECT_EQ(testing::ToHex(AsBytes(EncodeTile(hashes))), v["tile_0_000_p3_hex"]);
  const std::string bundle = EncodeBundle(entries).value();
  EXPECT_EQ(testing::ToHex(AsBytes(bundle)), v["entries_000_p3_hex"]);
  const auto parsed = ParseBundle(bundle, 3);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(std::vector<std::string>(parsed->begin(), parsed->end()), entries);
  EXPECT_EQ(ParseTile(EncodeTile(hashes), 3).value(), hashes);
}

// Leaves told as: ASCII "record <i>", i=0..299
std::vector<Hash> DescribedLeaves(const std::string& words) {
  constexpr std::string_view kNumber = "<i>";
  constexpr std::string_view kRange = "i=0..";
  const std::string pattern = testing::Quoted(words);
  const size_t number = pattern.find(kNumber);
  const size_t range = words.find(kRange);
  TV_CHECK(number != std::string::npos && range != std::string::npos);
  const uint64_t last = ParseDecimal(std::string_view(words).substr(range + kRange.size())).value();
  std::vector<Hash> leaves;
  for (uint64_t i = 0; i <= last; ++i) {
    std::string leaf = pattern;
    leaf.replace(number, kNumber.size(), std::to_string(i));
    leaves.push_back(LeafHash(AsBytes(leaf)));
  }
  return leaves;
}

TEST(Tiles, PublishedMirrorOfThreeHundredRecordsMatches) {
  const Vector v = Vectors()["sunlight_mirror_300"];
  const auto note = ParseNote(v["checkpoint_cosigned"].get<std::string>());
  ASSERT_THAT(note, IsOk());
  const auto checkpoint = ParseCheckpointBody(note->text);
  ASSERT_THAT(checkpoint, IsOk());
  Published log;
  log.Grow(DescribedLeaves(v["leaf_i"]));
  EXPECT_EQ(log.builder().Head(), checkpoint->Head());
  EXPECT_EQ(testing::ToHex(testing::Sha256(log.Read({0, 0}).value())), v["tile/0/000.sha256"]);
  EXPECT_EQ(testing::ToHex(testing::Sha256(log.Read({0, 1, 44}).value())),
            v["tile/0/001.p/44.sha256"]);
  EXPECT_EQ(testing::ToHex(AsBytes(log.Read({1, 0, 1}).value())), v["tile/1/000.p/1_hex"]);
}

TEST(Tiles, AWrongLengthIsRefused) {
  EXPECT_THAT(ParseTile(std::string(31, 'x'), 1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseTile(std::string(64, 'x'), 1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Bundles, DamageIsNamedWithTheEntry) {
  const std::vector<std::string> entries = {"one", "", "three"};
  const std::string bundle = EncodeBundle(entries).value();
  for (size_t cut = 0; cut < bundle.size(); ++cut) {
    EXPECT_THAT(ParseBundle(std::string_view(bundle).substr(0, cut), 3),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(ParseBundle(bundle, 2), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseBundle(bundle, 4), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(std::string(ParseBundle(std::string_view(bundle).substr(0, 9), 3).status().message()),
            "bundle: ends inside entry 2 of 3");
}

TEST(Bundles, TheLongestEntryFitsAndALongerOneIsRefused) {
  const std::vector<std::string> longest = {std::string(65'535, 'x')};
  EXPECT_EQ(ParseBundle(EncodeBundle(longest).value(), 1).value()[0], longest[0]);
  const std::vector<std::string> longer = {std::string(65'536, 'x')};
  EXPECT_THAT(EncodeBundle(longer), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TileBuilders, RootIsTheTreesRootAndRebuildingContinuesTheSame) {
  const std::vector<Hash> leaves = LeafHashes(66'000);
  Published log;
  Frontier frontier;
  size_t done = 0;
  for (const size_t size :
       {1u, 2u, 255u, 256u, 257u, 511u, 1'000u, 65'535u, 65'536u, 65'537u, 66'000u}) {
    log.Grow(std::span(leaves).subspan(done, size - done));
    for (; done < size; ++done) frontier.Append(leaves[done]);
    EXPECT_EQ(log.builder().Root(), frontier.Root()) << size;
    const auto rebuilt = TileBuilder::Rebuild(
        size,
        [&](const TileId& id) {
          EXPECT_TRUE(id.full());
          return log.Read(id);
        },
        [&](uint64_t index) -> absl::StatusOr<Hash> { return leaves[index]; });
    ASSERT_THAT(rebuilt, IsOk());
    EXPECT_EQ(rebuilt->Head(), frontier.Head());
    for (uint32_t level = 0; level < 4; ++level) {
      const auto want = log.builder().edge(level);
      const auto got = rebuilt->edge(level);
      EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin(), got.end())) << level;
    }
  }
}

TEST(TileBuilders, SubtreesAtTheRightEdgeAreFoundAndNoOthers) {
  const std::vector<Hash> leaves = LeafHashes(1'000);
  Published log;
  for (size_t size = 1; size <= leaves.size(); ++size) {
    log.Grow(std::span(leaves).subspan(size - 1, 1));
    if (size % 37 != 0 && size % 256 > 1 && size % 256 != 255) continue;
    for (uint32_t level = 0; (size >> level) > 0; ++level) {
      for (uint64_t index = 0; index <= size >> level; ++index) {
        const auto found = log.builder().Find(level, index);
        const uint64_t tile = index << (level % kTileHeight) >> kTileHeight;
        const uint32_t width = TileWidthAt(level / kTileHeight, tile, size);
        const bool at_edge = index < size >> level && width > 0 && width < kTileWidth;
        ASSERT_EQ(found.has_value(), at_edge) << size << " " << level << " " << index;
        if (!found) continue;
        const uint64_t span = uint64_t{1} << level;
        ASSERT_EQ(*found, testing::DefinitionRoot(std::span(leaves).subspan(index * span, span)));
      }
    }
  }
  EXPECT_EQ(log.builder().Find(63, 0), std::nullopt);
}

TEST(TileBuilders, RebuildingNoticesATileThatIsTooShort) {
  const auto result = TileBuilder::Rebuild(
      300, [](const TileId&) -> absl::StatusOr<std::string> { return std::string(32, 'x'); },
      [](uint64_t) -> absl::StatusOr<Hash> { return Hash{}; });
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss));
}

TEST(TileProofs, ReadFromTilesVerifyAcrossTileBorders) {
  constexpr uint64_t kSize = 66'100;
  const std::vector<Hash> leaves = LeafHashes(kSize);
  Published log;
  log.Grow(leaves);
  const TreeHead head = log.builder().Head();
  const auto read_tile = [&](const TileId& id) { return log.Read(id); };
  const auto reader = [&](uint32_t level, uint64_t index) {
    return SubtreeHash(level, index, kSize, read_tile);
  };
  EXPECT_EQ(RootFromReader(kSize, reader).value(), head.root);
  Frontier frontier;
  for (uint64_t i = 0; i < kSize; ++i) {
    frontier.Append(leaves[i]);
    if (i % 4'099 != 0 && i != kSize - 1 && i != 255 && i != 65'535) continue;
    const auto inclusion = InclusionProof(i, kSize, reader);
    ASSERT_THAT(inclusion, IsOk());
    EXPECT_THAT(VerifyInclusion(i, leaves[i], *inclusion, head), IsOk()) << i;
    const auto consistency = ConsistencyProof(i + 1, kSize, reader);
    ASSERT_THAT(consistency, IsOk());
    EXPECT_THAT(VerifyConsistency(frontier.Head(), head, *consistency), IsOk()) << i;
  }
  EXPECT_THAT(SubtreeHash(0, kSize, kSize, read_tile), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(SubtreeHash(17, 0, kSize, read_tile), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(SubtreeHash(64, 0, kSize, read_tile), StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace televault::audit
