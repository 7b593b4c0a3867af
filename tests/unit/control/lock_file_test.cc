#include "vault/control/lock_file.h"

#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"

namespace televault::control {
namespace {

using record::v1::LockStateRecord;
using testing::IsOk;
using testing::LossyFileSystem;
using testing::SeededRandom;
using testing::StatusIs;
using testing::TempDirectory;

constexpr VaultId kVault{{3}};

LockStateRecord State(uint64_t epoch, size_t reason_bytes = 700) {
  LockStateRecord state;
  state.set_lock_epoch(epoch);
  state.add_lockdowns()->set_reason(std::string(reason_bytes, static_cast<char>('a' + epoch % 26)));
  return state;
}

class LockFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<LockFile> Create() {
    auto lock = LockFile::Create(fs_, path_, key_, kVault, random_);
    TV_CHECK(lock.ok());
    return *std::move(lock);
  }
  absl::StatusOr<LockStateRecord> ReadAgain() {
    TV_ASSIGN_OR_RETURN(const auto lock, LockFile::Open(fs_, path_, key_, kVault, random_));
    return lock->Read();
  }
  uint64_t EpochAgain() {
    const auto state = ReadAgain();
    return state.ok() ? state->lock_epoch() : 999;
  }

  TempDirectory dir_;
  LossyFileSystem fs_;
  SeededRandom random_{1};
  const SecretBytes key_ = crypto::NewKey(random_);
  const std::string path_ = dir_.Path("lock");
};

TEST_F(LockFileTest, ReadsWhatWasWrittenLast) {
  auto lock = Create();
  EXPECT_EQ(EpochAgain(), 0U);
  for (uint64_t epoch = 1; epoch < 6; ++epoch) {
    ASSERT_THAT(lock->Write(State(epoch)), IsOk());
    fs_.PowerCut();
    EXPECT_EQ(EpochAgain(), epoch);
    auto reopened = LockFile::Open(fs_, path_, key_, kVault, random_);
    ASSERT_THAT(reopened, IsOk());
    lock = *std::move(reopened);
  }
  EXPECT_THAT(LockFile::Create(fs_, path_, key_, kVault, random_),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(LockFileTest, AMissingForeignOrChangedFileIsUnreadable) {
  EXPECT_THAT(ReadAgain(), StatusIs(absl::StatusCode::kNotFound));
  auto lock = Create();
  ASSERT_THAT(lock->Write(State(1)), IsOk());
  VaultId other = kVault;
  other.bytes[0] ^= 1;
  TV_ASSERT_OK_AND_ASSIGN(const auto foreign, LockFile::Open(fs_, path_, key_, other, random_));
  EXPECT_THAT(foreign->Read(), StatusIs(absl::StatusCode::kDataLoss));
  TV_ASSERT_OK_AND_ASSIGN(const std::string whole, fs_.ReadFile(path_, 4 << 20));
  // Any byte of either slot's live part: header and the first kilobyte of the envelope.
  for (const size_t slot : {size_t{0}, whole.size() / 2}) {
    for (size_t i = 0; i < 64; ++i) {
      std::string changed = whole;
      changed[slot + i] = static_cast<char>(changed[slot + i] ^ 1);
      ASSERT_THAT(ReplaceFile(PosixFileSystem(), path_, AsBytes(changed), 0600), IsOk());
      EXPECT_THAT(ReadAgain(), StatusIs(absl::StatusCode::kDataLoss)) << slot + i;
    }
  }
  ASSERT_THAT(ReplaceFile(PosixFileSystem(), path_, AsBytes(whole.substr(1)), 0600), IsOk());
  EXPECT_THAT(ReadAgain(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(LockFileTest, AWriteRepairsADamagedFile) {
  auto lock = Create();
  ASSERT_THAT(lock->Write(State(1)), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto file, fs_.OpenWritable(path_, OpenMode::kReopen, 0600));
  ASSERT_THAT(file->WriteAt(20, AsBytes("damage")), IsOk());
  EXPECT_THAT(ReadAgain(), StatusIs(absl::StatusCode::kDataLoss));
  TV_ASSERT_OK_AND_ASSIGN(const auto opened, LockFile::Open(fs_, path_, key_, kVault, random_));
  ASSERT_THAT(opened->Write(State(2)), IsOk());
  EXPECT_EQ(EpochAgain(), 2U);
}

// Whatever a power cut leaves: the state is the acknowledged one or the one being written, or the
// file is unreadable, which locks. Never an older one.
TEST_F(LockFileTest, AFaultNeverBringsBackAnOlderState) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    for (uint64_t step = 0; step < 4; ++step) {
      const TempDirectory dir;
      LossyFileSystem fs;
      TV_ASSERT_OK_AND_ASSIGN(const auto lock,
                              LockFile::Create(fs, dir.Path("l"), key_, kVault, random_));
      ASSERT_THAT(lock->Write(State(1, 3000)), IsOk());
      ASSERT_THAT(lock->Write(State(2, 3000)), IsOk());
      fs.StopAfter(step);
      const bool acknowledged = lock->Write(State(3, 3000)).ok();
      fs.PowerCut(seed);
      TV_ASSERT_OK_AND_ASSIGN(const auto again,
                              LockFile::Open(fs, dir.Path("l"), key_, kVault, random_));
      const auto state = again->Read();
      if (acknowledged) {
        ASSERT_THAT(state, IsOk());
        EXPECT_EQ(state->lock_epoch(), 3U);
      } else if (state.ok()) {
        EXPECT_GE(state->lock_epoch(), 2U);
      } else {
        EXPECT_THAT(state, StatusIs(absl::StatusCode::kDataLoss));
      }
    }
  }
}

TEST_F(LockFileTest, AFailedWriteMayBeRepeated) {
  auto lock = Create();
  ASSERT_THAT(lock->Write(State(1)), IsOk());
  fs_.FailSync(1, absl::UnavailableError("EIO"));
  EXPECT_FALSE(lock->Write(State(2)).ok());
  ASSERT_THAT(lock->Write(State(2)), IsOk());
  fs_.PowerCut();
  EXPECT_EQ(EpochAgain(), 2U);
}

TEST_F(LockFileTest, NoSyncCanBeLeftOut) {
  auto lock = Create();
  ASSERT_THAT(lock->Write(State(1)), IsOk());
  fs_.SkipSync(1);
  ASSERT_THAT(lock->Write(State(2)), IsOk());
  fs_.PowerCut();
  EXPECT_NE(EpochAgain(), 2U);

  for (uint64_t skipped = 1; skipped <= 3; ++skipped) {
    const TempDirectory dir;
    LossyFileSystem fs;
    fs.SkipSync(skipped);
    ASSERT_THAT(LockFile::Create(fs, dir.Path("l"), key_, kVault, random_), IsOk());
    fs.PowerCut();
    const auto again = LockFile::Open(fs, dir.Path("l"), key_, kVault, random_);
    // The second sync of the contents covers the first one.
    EXPECT_EQ(again.ok() && (*again)->Read().ok(), skipped == 1) << skipped;
  }
}

TEST_F(LockFileTest, NeedsNoSpaceAndNoDescriptorAndSaysWhenAStateIsTooLarge) {
  auto lock = Create();
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t before, fs_.FileSize(path_));
  ASSERT_THAT(lock->Write(State(1, limits::kMaxLockStateBytes - 100)), IsOk());
  ASSERT_THAT(lock->Write(State(2, limits::kMaxLockStateBytes - 100)), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t after, fs_.FileSize(path_));
  EXPECT_EQ(before, after);
  EXPECT_THAT(lock->Write(State(3, limits::kMaxLockStateBytes + 1)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(EpochAgain(), 2U);
}

}  // namespace
}  // namespace televault::control
