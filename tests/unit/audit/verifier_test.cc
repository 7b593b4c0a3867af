#include "audit/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "audit/encoding.h"
#include "audit/tiles.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/audit/vectors.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using testing::NamedKey;
using testing::SignedCheckpoint;

std::string KeyLeaf(uint8_t id) {
  const std::vector<uint8_t> body(kKeyLeafBodyBytes, id);
  return EncodeLeaf({LeafType::kKey, LeafKeyId{id}, body}).value();
}
std::string EntryLeaf(uint8_t id, const std::string& body) {
  return EncodeLeaf({LeafType::kEntry, LeafKeyId{id}, AsBytes(body)}).value();
}

// A published log of `size` leaves, with a new entry key every 100; `salt` makes another history.
struct PublishedLog {
  testing::TestKey key = NamedKey("vault.example/audit");
  std::vector<std::string> leaves;
  std::map<std::string, std::string> files;
  TileBuilder tree;

  explicit PublishedLog(size_t size, size_t salt_from = SIZE_MAX) {
    for (size_t i = 0; i < size; ++i) {
      const auto id = static_cast<uint8_t>(i / 100);
      const std::string salt = i >= salt_from ? "other " : "";
      leaves.push_back(i % 100 == 0 ? KeyLeaf(id) : EntryLeaf(id, salt + std::to_string(i)));
    }
    Publish();
  }
  void Publish() {
    files.clear();
    tree = TileBuilder();
    std::vector<Tile> tiles;
    for (const std::string& leaf : leaves) tree.Append(LeafHash(AsBytes(leaf)), tiles);
    for (const Tile& tile : tree.PartialTiles()) tiles.push_back(tile);
    for (const Tile& tile : tiles) files[TilePath(tile.id)] = tile.bytes;
    for (size_t i = 0; i < leaves.size(); i += kTileWidth) {
      const auto width = static_cast<uint32_t>(std::min<size_t>(kTileWidth, leaves.size() - i));
      files[BundlePath({0, i / kTileWidth, width})] =
          EncodeBundle(std::span(leaves).subspan(i, width)).value();
    }
    files["checkpoint"] = SignedCheckpoint(tree.Head(), key);
  }
  TreeHead HeadAt(size_t size) const {
    Frontier frontier;
    for (size_t i = 0; i < size; ++i) frontier.Append(LeafHash(AsBytes(leaves[i])));
    return frontier.Head();
  }
  Checkpoint CheckpointAt(size_t size) const {
    const TreeHead head = HeadAt(size);
    return {key.key.name(), head.size, head.root};
  }
  VerifyReport Verify(std::optional<Checkpoint> pinned = std::nullopt) const {
    return VerifyLog(
        [&](const std::string& path) -> absl::StatusOr<std::string> {
          const auto file = files.find(path);
          if (file == files.end()) return absl::NotFoundError("no such file");
          return file->second;
        },
        {key.key, std::move(pinned), true});
  }
};

TEST(LogVerifier, AcceptsLogsOfEverySortOfSize) {
  for (const size_t size : {0u, 1u, 2u, 255u, 256u, 257u, 300u, 512u, 1'000u}) {
    const PublishedLog log(size);
    const VerifyReport report = log.Verify();
    EXPECT_THAT(report.status, IsOk()) << size;
    EXPECT_EQ(report.entries, size);
    EXPECT_EQ(report.checkpoint->size, size);
    EXPECT_EQ(report.first_bad_index, std::nullopt);
    EXPECT_EQ(report.tiles, ChangedTiles(0, size).size());
  }
}

TEST(LogVerifier, NamesTheEntryOfEveryFlippedByteOfABundle) {
  PublishedLog log(300);
  const std::string path = "tile/entries/001.p/44";
  const std::string original = log.files[path];
  std::vector<size_t> owner;  // entry each byte belongs to
  for (size_t i = 256; i < 300; ++i) owner.insert(owner.end(), log.leaves[i].size() + 2, i);
  for (size_t at = 0; at < original.size(); ++at) {
    log.files[path] = original;
    log.files[path][at] ^= 1;
    const VerifyReport report = log.Verify();
    ASSERT_FALSE(report.status.ok()) << at;
    ASSERT_TRUE(report.first_bad_index.has_value());
    // A length that no longer fits makes the whole bundle unreadable: then its first entry.
    EXPECT_TRUE(*report.first_bad_index == owner[at] || *report.first_bad_index == 256) << at;
  }
}

TEST(LogVerifier, NamesTheLeafOfAnAlteredTileHash) {
  PublishedLog log(600);
  log.files["tile/0/001"][32 * 7] ^= 1;
  VerifyReport report = log.Verify();
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(report.first_bad_index, 256u + 7);

  log.Publish();
  log.files["tile/1/000.p/2"][33] ^= 1;
  report = log.Verify();
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(report.first_bad_index, 256u);
  EXPECT_THAT(std::string(report.status.message()), HasSubstr("tile/1/000.p/2: hash 1"));
}

TEST(LogVerifier, NoticesAMissingOrShortenedFile) {
  const PublishedLog log(600);
  for (const auto& [path, bytes] : log.files) {
    PublishedLog damaged = log;
    damaged.files.erase(path);
    EXPECT_FALSE(damaged.Verify().status.ok()) << path;
    damaged.files[path] = bytes.substr(0, bytes.size() - 1);
    EXPECT_FALSE(damaged.Verify().status.ok()) << path;
  }
}

TEST(LogVerifier, NoticesAnEntryThatWasCutOutWithItsTilesRewritten) {
  PublishedLog log(300);
  const std::string checkpoint = log.files["checkpoint"];
  log.leaves[40] = EntryLeaf(0, "rewritten");
  log.Publish();
  log.files["checkpoint"] = checkpoint;
  const VerifyReport report = log.Verify();
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(std::string(report.status.message()), HasSubstr("root"));
}

TEST(LogVerifier, RefusesACheckpointOfAnotherKey) {
  PublishedLog log(3);
  log.files["checkpoint"] = SignedCheckpoint(log.tree.Head(), NamedKey("someone-else"));
  EXPECT_THAT(log.Verify().status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(log.Verify().entries, 0u);
}

TEST(LogVerifier, ReadsTheBeginningOfFilesThatGrewFullMeanwhile) {
  PublishedLog log(600);
  const TreeHead older = log.HeadAt(300);
  log.files["checkpoint"] = SignedCheckpoint(older, log.key);
  log.files["tile/1/000.p/1"] = log.files["tile/1/000.p/2"].substr(0, kHashBytes);
  const VerifyReport report = log.Verify();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.entries, 300u);
}

TEST(LogVerifier, ComparesWithThePinnedCheckpoint) {
  const PublishedLog log(300);
  EXPECT_EQ(log.Verify(log.CheckpointAt(300)).pin, PinVerdict::kSame);
  for (const size_t size : {0u, 1u, 256u, 299u}) {
    const VerifyReport report = log.Verify(log.CheckpointAt(size));
    EXPECT_THAT(report.status, IsOk()) << size;
    EXPECT_EQ(report.pin, PinVerdict::kAdvanced) << size;
  }
  const PublishedLog other(400, 200);
  VerifyReport report = log.Verify(other.CheckpointAt(250));
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(report.pin, PinVerdict::kFork);
  report = log.Verify(other.CheckpointAt(400));
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(report.pin, PinVerdict::kRollback);
  EXPECT_EQ(report.first_bad_index, 300u);
}

TEST(LogVerifier, CountsEntriesWhoseKeyWasNotLoggedBeforeThem) {
  PublishedLog log(10);
  EXPECT_EQ(log.Verify().entries_without_key, 0u);
  log.leaves.push_back(EntryLeaf(9, "too early"));
  log.leaves.push_back(KeyLeaf(9));
  log.leaves.push_back(EntryLeaf(9, "in time"));
  log.Publish();
  const VerifyReport report = log.Verify();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.entries_without_key, 1u);
}

TEST(LogVerifier, NamesALeafThatIsNoAuditLeaf) {
  PublishedLog log(10);
  log.leaves[7] = "rubbish";
  log.Publish();
  const VerifyReport report = log.Verify();
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(report.first_bad_index, 7u);
}

TEST(LeafStreams, EndWhereTheCheckpointSaysAndRepeatTheirFirstError) {
  const PublishedLog log(300);
  LeafStreamVerifier stream(log.HeadAt(120));
  EXPECT_EQ(stream.pin(), std::nullopt);
  for (size_t i = 0; i < 299; ++i) ASSERT_THAT(stream.Append(AsBytes(log.leaves[i])), IsOk());
  EXPECT_THAT(stream.Finish(log.CheckpointAt(300)), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(stream.Append(AsBytes(log.leaves[299])), IsOk());
  EXPECT_THAT(stream.Finish(log.CheckpointAt(300)), IsOk());
  EXPECT_THAT(stream.Append(AsBytes("nonsense")), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(stream.Append(AsBytes(log.leaves[1])), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(stream.Finish(log.CheckpointAt(300)), StatusIs(absl::StatusCode::kDataLoss));
}

class PinnedLog : public ::testing::Test {
 protected:
  std::vector<Hash> Proof(uint64_t older, uint64_t newer) const {
    return ConsistencyProof(older, newer,
                            [&](uint32_t level, uint64_t index) -> absl::StatusOr<Hash> {
                              return testing::DefinitionRoot(
                                  std::span(hashes_).subspan(index << level, uint64_t{1} << level));
                            })
        .value();
  }
  std::string Note(uint64_t size) const {
    return SignedCheckpoint({size, testing::DefinitionRoot(std::span(hashes_).first(size))}, key_);
  }
  const testing::TestKey key_ = NamedKey("vault.example/audit");
  const std::vector<Hash> hashes_ = testing::LeafHashes(20);
  LogPin pin_{key_.key};
};

TEST_F(PinnedLog, TrustsTheFirstAndAdvancesWithAProof) {
  EXPECT_EQ(pin_.Advance(Note(5), {}).value(), PinVerdict::kAdvanced);
  EXPECT_EQ(pin_.Advance(Note(5), {}).value(), PinVerdict::kSame);
  EXPECT_EQ(pin_.ProofNeededFrom({"", 9, {}}), 5u);
  EXPECT_EQ(pin_.ProofNeededFrom({"", 5, {}}), 0u);
  EXPECT_THAT(pin_.Advance(Note(9), {}), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(pin_.Advance(Note(9), Proof(5, 9)).value(), PinVerdict::kAdvanced);
  const auto kept = LogPin::Parse(pin_.Text(), key_.key);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->pinned(), pin_.pinned());
}

TEST_F(PinnedLog, AnEmptyLogIsAStartToo) {
  EXPECT_EQ(pin_.Advance(Note(0), {}).value(), PinVerdict::kAdvanced);
  EXPECT_EQ(pin_.ProofNeededFrom({"", 3, {}}), 0u);
  EXPECT_EQ(pin_.Advance(Note(3), {}).value(), PinVerdict::kAdvanced);
}

TEST_F(PinnedLog, RollbackAndForkAreToldAndNotPinned) {
  EXPECT_EQ(pin_.Advance(Note(9), {}).value(), PinVerdict::kAdvanced);
  const std::string text = pin_.Text();
  EXPECT_EQ(pin_.Advance(Note(8), {}).value(), PinVerdict::kRollback);
  EXPECT_EQ(pin_.Advance(SignedCheckpoint({9, hashes_[0]}, key_), {}).value(), PinVerdict::kFork);
  EXPECT_EQ(pin_.Advance(SignedCheckpoint({12, hashes_[0]}, key_), Proof(9, 12)).value(),
            PinVerdict::kFork);
  EXPECT_EQ(pin_.Text(), text);
}

TEST_F(PinnedLog, AnUnsignedCheckpointIsAnErrorNotAVerdict) {
  EXPECT_FALSE(pin_.Advance(SignedCheckpoint({1, {}}, NamedKey("other")), {}).ok());
  EXPECT_FALSE(pin_.Advance("rubbish", {}).ok());
  EXPECT_EQ(pin_.pinned(), std::nullopt);
  EXPECT_FALSE(LogPin::Parse("rubbish", key_.key).ok());
}

}  // namespace
}  // namespace televault::audit
