#include "vault/store/anchor.h"

#include <gmock/gmock.h>
#include <memory>
#include <string>

#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"

namespace televault::store {
namespace {

using testing::IsOk;
using testing::StatusIs;

AnchorState Sample(uint64_t seq) {
  AnchorState state;
  state.seq = seq;
  state.tree_size = seq * 3;
  state.root.fill(static_cast<uint8_t>(seq));
  state.meta_sum.fill(0xAB);
  state.store_epoch = StoreEpoch(2);
  state.keyring_generation = 5;
  state.control_generation = 6;
  state.lock_epoch = LockEpoch(7);
  return state;
}

class AnchorTest : public ::testing::Test {
 protected:
  AnchorTest() : random_(1), key_(crypto::NewKey(random_)) {}
  absl::StatusOr<std::unique_ptr<Anchor>> Open(AnchorSync sync = AnchorSync::kCommit) {
    return Anchor::Open({.path = path_, .fs = disk_, .key = key_, .sync = sync});
  }
  // An anchor that was established at Sample(1) and closed.
  void Establish() {
    TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
    ASSERT_THAT(anchor->Adopt(Sample(1)), IsOk());
  }
  absl::Status RecordHead(Anchor& anchor, uint64_t seq) {
    const AnchorState state = Sample(seq);
    return anchor.RecordHead(state.seq, state.tree_size, state.root, state.meta_sum);
  }

  testing::TempDirectory directory_;
  testing::LossyFileSystem disk_;
  testing::SeededRandom random_;
  const SecretBytes key_;
  const std::string path_ = directory_.Path("anchor");
};

TEST_F(AnchorTest, IsReadBackAsItWasWritten) {
  Establish();
  TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
  ASSERT_TRUE(anchor->recovered());
  EXPECT_EQ(*anchor->recovered(), Sample(1));
  EXPECT_THAT(anchor->damage(), IsOk());
}

TEST_F(AnchorTest, AStrictAnchorKeepsEveryHeadThroughAPowerCut) {
  Establish();
  for (uint64_t seq = 2; seq < 8; ++seq) {
    TV_ASSERT_OK_AND_ASSIGN(auto anchor, Open());
    EXPECT_EQ(anchor->recovered()->seq, seq - 1);
    ASSERT_THAT(RecordHead(*anchor, seq), IsOk());
    disk_.PowerCut(seq);
  }
}

TEST_F(AnchorTest, ThatRestsOnItsSync) {
  Establish();
  TV_ASSERT_OK_AND_ASSIGN(auto anchor, Open());
  disk_.SkipSync(1);
  ASSERT_THAT(RecordHead(*anchor, 2), IsOk());
  disk_.PowerCut();
  TV_ASSERT_OK_AND_ASSIGN(anchor, Open());
  EXPECT_EQ(anchor->recovered()->seq, 1u);
}

TEST_F(AnchorTest, ALaggingAnchorNeverLosesWhatWasSyncedHoweverThePowerGoes) {
  Establish();
  uint64_t synced = 1;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    // A lag so long that only Sync() syncs.
    TV_ASSERT_OK_AND_ASSIGN(
        auto anchor,
        Anchor::Open({.path = path_, .fs = disk_, .key = key_, .max_lag = std::chrono::hours(1)}));
    ASSERT_TRUE(anchor->recovered()) << "seed " << seed;
    ASSERT_GE(anchor->recovered()->seq, synced) << "seed " << seed;
    uint64_t seq = anchor->recovered()->seq;
    for (int i = 0; i < 3; ++i) ASSERT_THAT(RecordHead(*anchor, ++seq), IsOk());
    ASSERT_THAT(anchor->Sync(), IsOk());
    synced = seq;
    for (int i = 0; i < 5; ++i) ASSERT_THAT(RecordHead(*anchor, ++seq), IsOk());
    disk_.PowerCut(seed);
  }
}

TEST_F(AnchorTest, GenerationsAreDurableAtOnceAlsoWhenHeadsLag) {
  Establish();
  TV_ASSERT_OK_AND_ASSIGN(auto anchor, Open(AnchorSync::kLagging));
  ASSERT_THAT(anchor->RecordKeyring(9), IsOk());
  ASSERT_THAT(anchor->RecordControl(10, LockEpoch(11)), IsOk());
  disk_.PowerCut();
  anchor.reset();
  TV_ASSERT_OK_AND_ASSIGN(anchor, Open());
  EXPECT_EQ(anchor->recovered()->keyring_generation, 9u);
  EXPECT_EQ(anchor->recovered()->control_generation, 10u);
  EXPECT_EQ(anchor->recovered()->lock_epoch, LockEpoch(11));
}

TEST_F(AnchorTest, NothingGoesBackwardsExceptByAdoption) {
  Establish();
  TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
  EXPECT_THAT(RecordHead(*anchor, 0), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(anchor->RecordKeyring(4), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(anchor->RecordControl(6, LockEpoch(6)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(anchor->RecordEpoch(StoreEpoch(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(anchor->state(), Sample(1));
  ASSERT_THAT(anchor->Adopt(Sample(0)), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto reopened, Open());
  EXPECT_EQ(reopened->recovered()->seq, 0u);
}

TEST_F(AnchorTest, AMissingAnchorIsNotReplacedUntilSomebodyAdopts) {
  TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
  EXPECT_FALSE(anchor->recovered());
  ASSERT_THAT(RecordHead(*anchor, 4), IsOk());
  ASSERT_THAT(anchor->RecordKeyring(9), IsOk());
  EXPECT_FALSE(disk_.Exists(path_));
}

TEST_F(AnchorTest, ADamagedAnchorIsToldAndNotReplacedUntilSomebodyAdopts) {
  Establish();
  ASSERT_THAT(ReplaceFile(disk_, path_, AsBytes(std::string(kAnchorFileBytes, 'x')), 0600), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
  EXPECT_FALSE(anchor->recovered());
  EXPECT_THAT(anchor->damage(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(RecordHead(*anchor, 4), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Open());
  EXPECT_THAT(again->damage(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(AnchorTest, OneDamagedSectorIsSurvivedAndAForeignKeyIsNot) {
  const std::string older = EncodeAnchorSector(Sample(1), 1, key_);
  const std::string newer = EncodeAnchorSector(Sample(2), 2, key_);
  std::string file = older + newer;
  TV_ASSERT_OK_AND_ASSIGN(const AnchorSectors both, ParseAnchor(AsBytes(file), key_));
  EXPECT_EQ(both.state, Sample(2));
  EXPECT_EQ(both.sector, 1);
  for (size_t i = 0; i < kAnchorSectorBytes; ++i) {
    std::string torn = file;
    torn[kAnchorSectorBytes + i] ^= 1;
    TV_ASSERT_OK_AND_ASSIGN(const AnchorSectors first, ParseAnchor(AsBytes(torn), key_));
    ASSERT_EQ(first.state, Sample(1)) << "byte " << i;
  }
  const SecretBytes other = crypto::NewKey(random_);
  EXPECT_THAT(ParseAnchor(AsBytes(file), other), StatusIs(absl::StatusCode::kDataLoss));
  for (size_t size = 0; size < kAnchorSectorBytes; ++size) {
    ASSERT_THAT(ParseAnchor(AsBytes(file).first(size), key_),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(AnchorTest, AFailedSyncEndsAllWriting) {
  Establish();
  TV_ASSERT_OK_AND_ASSIGN(const auto anchor, Open());
  disk_.FailSync(1, absl::UnavailableError("injected"));
  EXPECT_THAT(RecordHead(*anchor, 2), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(RecordHead(*anchor, 3), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(anchor->Sync(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace televault::store
