// What only the embedded engine promises: faults of the disk, full disks, bytes that are really
// gone.

#include "vault/store/rocks_store.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/support/fault_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/store_harness.h"

namespace televault::store {
namespace {

using testing::HasReason;
using testing::IsOk;
using testing::RocksHarness;
using testing::StatusIs;

constexpr PartitionId kMonday{DatasetId(7), Day(20'000)};
constexpr PartitionId kTuesday{DatasetId(7), Day(20'001)};

class RocksStoreTest : public ::testing::Test {
 protected:
  RocksStoreTest() { Reopen(); }
  void Reopen() {
    store_.reset();
    auto opened = harness_.Open();
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
    auto epoch = store_->AcquireLease();
    ASSERT_THAT(epoch, IsOk());
    epoch_ = *epoch;
  }
  void LosePower(uint64_t seed) {
    harness_.PowerCut(seed);
    Reopen();
  }
  CommitOutcome Put(const std::string& key, const std::string& value,
                    Urgency urgency = Urgency::kOrdinary) {
    return store_->Commit(epoch_, {{{Family::kMeta, key, value}}, urgency});
  }
  bool Has(const std::string& key) {
    auto view = store_->Pin();
    return view.ok() && (*view)->Get(Family::kMeta, key).ok();
  }
  // Whether any file below the data directory holds the bytes.
  bool OnDisk(const std::string& needle) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(harness_.data())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(file)), {});
      if (content.find(needle) != std::string::npos) return true;
    }
    return false;
  }

  RocksHarness harness_;
  std::unique_ptr<Store> store_;
  StoreEpoch epoch_;
};

TEST_F(RocksStoreTest, AFailedSyncIsUnknownAndEndsAllWriting) {
  ASSERT_EQ(Put("before", "x"), CommitOutcome::kOk);
  harness_.disk().FailSync(1, absl::UnavailableError("injected"));
  EXPECT_EQ(Put("doubtful", "x"), CommitOutcome::kUnknown);
  EXPECT_EQ(Put("after", "x"), CommitOutcome::kUnknown);
  EXPECT_THAT(store_->PutBlock({kMonday, 1}, std::vector<BlockChunk>{{0, "x"}}),
              HasReason(reason::kControlMode));
  LosePower(3);
  EXPECT_TRUE(Has("before"));
  EXPECT_FALSE(Has("after"));
  EXPECT_EQ(Put("again", "x"), CommitOutcome::kOk);
}

TEST_F(RocksStoreTest, AFailedWriteIsUnknownAndEndsAllWriting) {
  ASSERT_EQ(Put("before", "x"), CommitOutcome::kOk);
  harness_.disk().FailWrite(1, absl::UnavailableError("injected"));
  EXPECT_EQ(Put("doubtful", "x"), CommitOutcome::kUnknown);
  EXPECT_EQ(Put("after", "x"), CommitOutcome::kUnknown);
  LosePower(4);
  EXPECT_TRUE(Has("before"));
  EXPECT_FALSE(Has("after"));
}

TEST_F(RocksStoreTest, TheDurabilityOfACommitRestsOnItsSync) {
  harness_.disk().SkipSync(1);
  ASSERT_EQ(Put("lied", "x"), CommitOutcome::kOk);
  harness_.disk().PowerCut();
  Reopen();
  EXPECT_FALSE(Has("lied")) << "then the conformance suite proves nothing about durability";
}

TEST_F(RocksStoreTest, TheDurabilityOfABlockRestsOnEverySync) {
  const BlockId id{kMonday, 1};
  const uint64_t before = harness_.disk().syncs();
  ASSERT_THAT(store_->PutBlock(id, std::vector<BlockChunk>{{0, "x"}}), IsOk());
  const uint64_t syncs = harness_.disk().syncs() - before;
  ASSERT_GT(syncs, 1u);
  int lost = 0;
  for (uint64_t skipped = 1; skipped <= syncs; ++skipped) {
    const BlockId next{kMonday, 1 + skipped};
    harness_.disk().SkipSync(skipped);
    ASSERT_THAT(store_->PutBlock(next, std::vector<BlockChunk>{{0, "x"}}), IsOk());
    harness_.disk().PowerCut();
    store_.reset();
    auto opened = harness_.Open();
    // Losing the file but not its manifest entry is noticed as corruption.
    if (!opened.ok()) {
      ++lost;
      break;
    }
    store_ = *std::move(opened);
    if (!store_->ReadBlock(next, std::vector<uint32_t>{0}).ok()) ++lost;
  }
  EXPECT_GT(lost, 0);
}

TEST_F(RocksStoreTest, AFullDiskRefusesOrdinaryWritesAndLeavesRoomForSecurityEvents) {
  testing::SmallDisk& disk = harness_.disk();
  disk.reserve_path = harness_.data() + "/reserve";
  disk.free = uint64_t{6} << 20;  // below what is kept free, and more than half of it
  EXPECT_EQ(Put("ordinary", "x"), CommitOutcome::kFull);
  EXPECT_THAT(store_->PutBlock({kMonday, 1}, std::vector<BlockChunk>{{0, "x"}}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Put("refusal", "x", Urgency::kTrail), CommitOutcome::kOk);
  EXPECT_EQ(Put("lockdown", "x", Urgency::kSecurity), CommitOutcome::kOk);

  disk.free = uint64_t{4} << 20;
  EXPECT_EQ(Put("refusal", "x", Urgency::kTrail), CommitOutcome::kFull);
  EXPECT_EQ(Put("lockdown", "x", Urgency::kSecurity), CommitOutcome::kOk);
  EXPECT_TRUE(disk.Exists(disk.reserve_path));

  disk.free = 0;  // somebody else took the rest
  disk.reserve_gives = uint64_t{2} << 20;
  EXPECT_EQ(Put("vote", "x", Urgency::kSecurity), CommitOutcome::kOk);
  EXPECT_FALSE(disk.Exists(disk.reserve_path)) << "the reserve was given back";
  disk.reserve_gives = 0;
  EXPECT_EQ(Put("lift", "x", Urgency::kSecurity), CommitOutcome::kFull);

  disk.free = uint64_t{1} << 30;
  EXPECT_EQ(Put("ordinary", "x"), CommitOutcome::kOk);
  EXPECT_TRUE(disk.Exists(disk.reserve_path)) << "taken again once there was room";

  disk.free = 0;
  disk.reserve_gives = uint64_t{2} << 20;
  ASSERT_EQ(Put("vote", "x", Urgency::kSecurity), CommitOutcome::kOk);
  disk.free = uint64_t{1} << 30;
  disk.FailWrite(1, absl::UnavailableError("injected"));
  EXPECT_EQ(Put("ordinary", "x"), CommitOutcome::kOk) << "only the reserve could not be written";
  EXPECT_EQ(Put("ordinary", "x"), CommitOutcome::kOk);
  EXPECT_FALSE(disk.Exists(disk.reserve_path)) << "16 MiB written again at every commit";
  ASSERT_THAT(store_->ErasePartition(kMonday), IsOk());
  EXPECT_TRUE(disk.Exists(disk.reserve_path));
}

// A kill while it was written left a few bytes, which every later start took for the reserve.
TEST_F(RocksStoreTest, AReserveThatWasCutShortIsTakenAgain) {
  testing::SmallDisk& disk = harness_.disk();
  const std::string path = harness_.data() + "/reserve";
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t whole, disk.FileSize(path));
  store_.reset();
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto torn, disk.OpenWritable(path, OpenMode::kTruncate, 0600));
    ASSERT_THAT(torn->Append(AsBytes("torn")), IsOk());
  }
  TV_ASSERT_OK_AND_ASSIGN(store_, harness_.Open());
  EXPECT_EQ(disk.FileSize(path).value_or(0), whole);
}

TEST_F(RocksStoreTest, AnErasedPartitionIsGoneFromEveryFile) {
  const std::string hot = "hot-marker-91c7", cold = "cold-marker-5e02", kept = "kept-marker-77";
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), hot},
                                     {Family::kHot, HotKey(kTuesday, 1), kept}}}),
            CommitOutcome::kOk);
  ASSERT_THAT(store_->PutBlock({kMonday, 2}, std::vector<BlockChunk>{{0, cold}}), IsOk());
  ASSERT_TRUE(OnDisk(hot));
  ASSERT_TRUE(OnDisk(cold));
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), std::nullopt}}}),
            CommitOutcome::kOk);
  EXPECT_TRUE(OnDisk(hot)) << "a deletion alone removes nothing";
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport report, store_->ErasePartition(kMonday));
  EXPECT_TRUE(report.complete) << report.remaining;
  EXPECT_FALSE(OnDisk(hot));
  EXPECT_FALSE(OnDisk(cold));
  EXPECT_TRUE(OnDisk(kept));
}

TEST_F(RocksStoreTest, AnErasureSaysWhoStillHoldsTheBytes) {
  const std::string hot = "hot-marker-91c7";
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), hot}}}),
            CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(auto view, store_->Pin());
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), std::nullopt}}}),
            CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport early, store_->ErasePartition(kMonday));
  EXPECT_FALSE(early.complete);
  EXPECT_THAT(early.remaining, ::testing::HasSubstr("view"));
  EXPECT_TRUE(OnDisk(hot));
  view.reset();
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport late, store_->ErasePartition(kMonday));
  EXPECT_TRUE(late.complete) << late.remaining;
  EXPECT_FALSE(OnDisk(hot));
}

// A dropped file that could not be looked at counted as removed: its purge got a receipt.
TEST(RocksStoreFaultTest, AFileThatCannotBeLookedAtIsNotGone) {
  const testing::TempDirectory directory;
  testing::FaultFileSystem fs;
  const auto open = [&] {
    return OpenRocksStore({.directory = directory.Path("data"),
                           .fs = fs,
                           .keep_free_bytes = 0,
                           .reserve_bytes = 0})
        .value();
  };
  auto store = open();
  ASSERT_THAT(store->AcquireLease(), IsOk());
  ASSERT_THAT(store->PutBlock({kMonday, 2}, std::vector<BlockChunk>{{0, "cold"}}), IsOk());
  fs.Lose(".sst");
  TV_ASSERT_OK_AND_ASSIGN(EraseReport report, store->ErasePartition(kMonday));
  EXPECT_FALSE(report.complete);
  EXPECT_THAT(report.remaining, ::testing::HasSubstr("cannot be looked at"));
  fs.Lose("");
  store.reset();
  store = open();
  TV_ASSERT_OK_AND_ASSIGN(report, store->ErasePartition(kMonday));
  EXPECT_TRUE(report.complete) << report.remaining;
}

// A view that is always open somewhere must not postpone a purge, and its receipt, for ever.
TEST_F(RocksStoreTest, AViewFromAfterTheDeletionHoldsNoErasureUp) {
  const std::string hot = "hot-marker-5d2e";
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), hot},
                                     {Family::kHot, HotKey(kTuesday, 1), "tuesday"}}}),
            CommitOutcome::kOk);
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kMonday, 1), std::nullopt}}}),
            CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const auto view, store_->Pin());
  // Deletions of other partitions are nothing to Monday's view.
  ASSERT_EQ(store_->Commit(epoch_, {{{Family::kHot, HotKey(kTuesday, 1), std::nullopt}}}),
            CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport monday, store_->ErasePartition(kMonday));
  EXPECT_TRUE(monday.complete) << monday.remaining;
  EXPECT_FALSE(OnDisk(hot));
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport tuesday, store_->ErasePartition(kTuesday));
  EXPECT_FALSE(tuesday.complete) << "the view is older than this deletion";
  EXPECT_THAT(view->Get(Family::kHot, HotKey(kTuesday, 1)), IsOk());
}

TEST_F(RocksStoreTest, ACheckpointIsAStoreOfItsOwn) {
  ASSERT_EQ(Put("a", "x"), CommitOutcome::kOk);
  ASSERT_THAT(store_->PutBlock({kMonday, 2}, std::vector<BlockChunk>{{0, "block"}}), IsOk());
  const std::string copy = harness_.data() + "/../copy";
  ASSERT_THAT(store_->Checkpoint(copy), IsOk());
  ASSERT_EQ(Put("b", "x"), CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const auto other,
                          OpenRocksStore({.directory = copy, .fs = harness_.disk()}));
  TV_ASSERT_OK_AND_ASSIGN(const auto view, other->Pin());
  EXPECT_THAT(view->Get(Family::kMeta, "a"), IsOk());
  EXPECT_THAT(view->Get(Family::kMeta, "b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(other->ReadBlock({kMonday, 2}, std::vector<uint32_t>{0}), IsOk());
}

TEST_F(RocksStoreTest, ACopyIsLookedAtWithoutBeingChanged) {
  ASSERT_EQ(Put("a", "x"), CommitOutcome::kOk);
  ASSERT_THAT(store_->PutBlock({kMonday, 2}, std::vector<BlockChunk>{{0, "block"}}), IsOk());
  const std::string copy = harness_.data() + "/../copy";
  ASSERT_THAT(store_->Checkpoint(copy), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto before, harness_.disk().List(copy + "/db"));
  for (int i = 0; i < 2; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(const auto other,
                            OpenRocksStoreReadOnly({.directory = copy, .fs = harness_.disk()}));
    TV_ASSERT_OK_AND_ASSIGN(const auto beside,
                            OpenRocksStoreReadOnly({.directory = copy, .fs = harness_.disk()}));
    TV_ASSERT_OK_AND_ASSIGN(const auto view, other->Pin());
    EXPECT_THAT(view->Get(Family::kMeta, "a"), IsOk());
    EXPECT_THAT(other->ReadBlock({kMonday, 2}, std::vector<uint32_t>{0}), IsOk());
    EXPECT_THAT(other->AcquireLease(StoreEpoch(0)),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_NE(other->Commit(StoreEpoch(1), {}), CommitOutcome::kOk);
    EXPECT_FALSE(other->PutBlock({kMonday, 3}, std::vector<BlockChunk>{{0, "more"}}).ok());
    EXPECT_FALSE(other->EraseBlock({kMonday, 2}).ok());
    EXPECT_FALSE(other->ErasePartition(kMonday).ok());
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto after, harness_.disk().List(copy + "/db"));
  EXPECT_EQ(after, before);
  EXPECT_THAT(OpenRocksStoreReadOnly({.directory = copy + "/nothing", .fs = harness_.disk()}),
              ::testing::Not(IsOk()));
}

// What a purge calls gone must not live on in a copy that is being made.
TEST_F(RocksStoreTest, NothingIsErasedWhileACopyHoldsIt) {
  ASSERT_THAT(store_->PutBlock({kMonday, 2}, std::vector<BlockChunk>{{0, "block"}}), IsOk());
  const std::string copy = CopyDirectory(harness_.data());
  ASSERT_THAT(store_->Checkpoint(copy), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport meanwhile, store_->ErasePartition(kMonday));
  EXPECT_FALSE(meanwhile.complete);
  EXPECT_THAT(meanwhile.remaining, ::testing::HasSubstr("backup"));
  ASSERT_THAT(RemoveTree(harness_.disk(), copy), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport then, store_->ErasePartition(kMonday));
  EXPECT_TRUE(then.complete) << then.remaining;
  // What a crash left is removed at the next start.
  ASSERT_THAT(store_->Checkpoint(copy), IsOk());
  store_.reset();
  ASSERT_THAT(harness_.Open(), IsOk());
  EXPECT_FALSE(harness_.disk().Exists(copy));
}

// A daemon that stopped on a full disk did not start again, and then nothing could be locked down.
TEST_F(RocksStoreTest, OpensOnAFullDiskByGivingUpTheReserve) {
  store_.reset();
  const std::string reserve = harness_.data() + "/reserve";
  if (!harness_.disk().Exists(reserve)) {
    TV_ASSERT_OK_AND_ASSIGN(const auto file,
                            harness_.disk().OpenWritable(reserve, OpenMode::kTruncate, 0600));
  }
  harness_.disk().FailWrite(1, absl::ResourceExhaustedError("no space left on device"));
  EXPECT_THAT(harness_.Open(), IsOk());
}

TEST_F(RocksStoreTest, TwoProcessesCannotHaveItOpen) {
  EXPECT_THAT(harness_.Open(), ::testing::Not(IsOk()));
}

TEST_F(RocksStoreTest, ABlockLeftHalfBuiltIsSweptAtOpen) {
  store_.reset();
  const std::string leftover = harness_.data() + "/build/7.sst";
  std::ofstream(leftover) << "half a block";
  Reopen();
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

TEST_F(RocksStoreTest, FlippedBytesAreNoticed) {
  ASSERT_EQ(Put("a", std::string(4096, 'x')), CommitOutcome::kOk);
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport flushed, store_->ErasePartition(kMonday));
  ASSERT_TRUE(flushed.complete);
  store_.reset();
  int flipped = 0;
  for (const auto& entry : std::filesystem::directory_iterator(harness_.data() + "/db")) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(2'000);
    file.put('y');
    ++flipped;
  }
  ASSERT_GT(flipped, 0);
  auto opened = harness_.Open();
  if (!opened.ok()) return;  // noticed already
  TV_ASSERT_OK_AND_ASSIGN(const auto view, (*opened)->Pin());
  EXPECT_THAT(view->Get(Family::kMeta, "a"), StatusIs(absl::StatusCode::kDataLoss));
}

// One such file kept the whole vault sealed.
TEST_F(RocksStoreTest, ABlockWhoseFileDoesNotOpenKeepsNobodyFromTheOthers) {
  constexpr int kDays = 24;
  const auto block_of = [](int day) { return BlockId{{DatasetId(7), Day(20'000 + day)}, 1}; };
  const std::vector<uint32_t> columns = {0};
  const std::vector<BlockChunk> chunks = {{0, "some bytes"}};
  const std::string kept = harness_.data() + "/kept";
  const auto over = std::filesystem::copy_options::overwrite_existing;
  for (int day = 0; day < kDays; ++day) {
    ASSERT_THAT(store_->PutBlock(block_of(day), chunks), IsOk());
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(harness_.data() + "/db")) {
    if (entry.path().extension() == ".sst") files.push_back(entry.path());
  }
  int closed_day = -1;
  for (size_t i = 0; i < files.size() && closed_day < 0; ++i) {
    store_.reset();
    std::filesystem::copy(files[i], kept, over);
    std::filesystem::resize_file(files[i], 0);
    std::filesystem::resize_file(files[i], std::filesystem::file_size(kept));
    auto opened = harness_.Open();
    if (opened.ok()) {
      store_ = *std::move(opened);
      for (int day = 0; day < kDays; ++day) {
        if (!store_->ReadBlock(block_of(day), columns).ok()) closed_day = day;
      }
    }
    // At some of them the engine looks when it opens, and refuses.
    if (closed_day < 0) std::filesystem::copy(kept, files[i], over);
  }
  ASSERT_GE(closed_day, 0);
  TV_ASSERT_OK_AND_ASSIGN(const auto blocks, store_->ListBlocks());
  EXPECT_EQ(blocks.size(), size_t{kDays});
  for (int day = 0; day < kDays; ++day) {
    EXPECT_EQ(store_->ReadBlock(block_of(day), columns).ok(), day != closed_day);
  }
  EXPECT_THAT(store_->PutBlock(block_of(kDays), chunks), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const EraseReport erased,
                          store_->ErasePartition(block_of(closed_day).partition));
  EXPECT_TRUE(erased.complete) << erased.remaining;
  TV_ASSERT_OK_AND_ASSIGN(const auto left, store_->ListBlocks());
  EXPECT_EQ(left.size(), size_t{kDays});
}

TEST_F(RocksStoreTest, AnOlderFileInThePlaceOfANewerIsNoticed) {
  const auto files = [&] {
    std::set<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(harness_.data() + "/db")) {
      if (entry.path().extension() == ".sst") found.insert(entry.path());
    }
    return found;
  };
  const auto flush = [&] {
    TV_ASSERT_OK_AND_ASSIGN(const EraseReport flushed, store_->ErasePartition(kMonday));
    ASSERT_TRUE(flushed.complete);
  };
  ASSERT_EQ(Put("a", std::string(4096, '1')), CommitOutcome::kOk);
  ASSERT_NO_FATAL_FAILURE(flush());
  const std::set<std::filesystem::path> older = files();
  ASSERT_FALSE(older.empty());
  const std::string kept = harness_.data() + "/kept";
  std::filesystem::copy(*older.begin(), kept);
  ASSERT_EQ(Put("a", std::string(4096, '2')), CommitOutcome::kOk);
  ASSERT_NO_FATAL_FAILURE(flush());
  store_.reset();
  int replaced = 0;
  for (const auto& path : files()) {
    if (older.contains(path)) continue;
    std::filesystem::copy(kept, path, std::filesystem::copy_options::overwrite_existing);
    ++replaced;
  }
  ASSERT_GT(replaced, 0);
  auto opened = harness_.Open();
  if (!opened.ok()) return;  // noticed already
  TV_ASSERT_OK_AND_ASSIGN(const auto view, (*opened)->Pin());
  EXPECT_THAT(view->Get(Family::kMeta, "a"), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::store
