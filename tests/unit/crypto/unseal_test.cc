#include "vault/crypto/unseal.h"

#include <sys/stat.h>

#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/signing.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::LossyFileSystem;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SecretBytes Secret(std::string text) {
  return TakeSecret({reinterpret_cast<uint8_t*>(text.data()), text.size()});
}

TEST(KeyFile, IsPrivateNeverOverwrittenAndKnowsItsKind) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  SeededRandom random(1);
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes root, CreateRootKeyFile(fs, dir.Path("root"), random));
  struct stat info {};
  ASSERT_EQ(::stat(dir.Path("root").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes again, ReadRootKeyFile(fs, dir.Path("root")));
  EXPECT_TRUE(EqualSecrets(root, again));
  EXPECT_THAT(CreateRootKeyFile(fs, dir.Path("root"), random),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(ReadKeyFile(fs, dir.Path("root"), KeyFileKind::kSlot),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ReadRootKeyFile(fs, dir.Path("none")), StatusIs(absl::StatusCode::kNotFound));
}

// A second name shows what became of the blocks.
TEST(KeyFile, WhatACrashLeftOfAnotherAttemptIsOverwrittenFirst) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  SeededRandom random(1);
  ASSERT_THAT(CreateRootKeyFile(fs, dir.Path("root.new"), random), IsOk());
  ASSERT_THAT(fs.Link(dir.Path("root.new"), dir.Path("blocks")), IsOk());
  ASSERT_THAT(CreateRootKeyFile(fs, dir.Path("root"), random), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const std::string blocks, fs.ReadFile(dir.Path("blocks"), 1000));
  EXPECT_EQ(blocks, std::string(kKeyFileBytes, '\0'));
  EXPECT_FALSE(fs.Exists(dir.Path("root.new")));
  EXPECT_THAT(ReadRootKeyFile(fs, dir.Path("root")), IsOk());
}

// Whoever else can read the root key opens every copy of the keyring that they come by.
TEST(KeyFile, ARootKeyThatOthersMayReadIsRefusedAndACredentialIsNot) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  SeededRandom random(1);
  ASSERT_THAT(CreateRootKeyFile(fs, dir.Path("root"), random), IsOk());
  ASSERT_EQ(::chmod(dir.Path("root").c_str(), 0640), 0);
  EXPECT_THAT(ReadRootKeyFile(fs, dir.Path("root")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod 600")));
  EXPECT_THAT(ReadRootCredential(fs, dir.Path("root")), IsOk());
}

TEST(KeyFile, NoticesEveryChangedByteAndEveryTruncation) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  SeededRandom random(1);
  ASSERT_THAT(CreateRootKeyFile(fs, dir.Path("root"), random), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const std::string whole, fs.ReadFile(dir.Path("root"), 1000));
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    for (const std::string& content : {changed, whole.substr(0, i), whole + "x"}) {
      TV_ASSERT_OK_AND_ASSIGN(const auto file,
                              fs.OpenWritable(dir.Path("bad"), OpenMode::kTruncate, 0600));
      ASSERT_THAT(file->Append(AsBytes(content)), IsOk());
      EXPECT_THAT(ReadRootKeyFile(fs, dir.Path("bad")), StatusIs(absl::StatusCode::kDataLoss));
    }
  }
}

TEST(Passphrase, GivesTheSameRootForTheSameSaltOnly) {
  SeededRandom random(1);
  const RootDescription description = NewPassphraseRoot(random, 1, 8 << 20);
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes a,
                          RootFromPassphrase(Secret("correct horse"), description));
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes b,
                          RootFromPassphrase(Secret("correct horse"), description));
  TV_ASSERT_OK_AND_ASSIGN(
      const SecretBytes c,
      RootFromPassphrase(Secret("correct horse"), NewPassphraseRoot(random, 1, 8 << 20)));
  EXPECT_TRUE(EqualSecrets(a, b));
  EXPECT_FALSE(EqualSecrets(a, c));
}

TEST(Passphrase, RefusesShortOnesAndHostileCosts) {
  SeededRandom random(1);
  const RootDescription good = NewPassphraseRoot(random, 1, 8 << 20);
  EXPECT_THAT(RootFromPassphrase(Secret("too short"), good),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(RootFromPassphrase(Secret(std::string(1025, 'x')), good),
              StatusIs(absl::StatusCode::kInvalidArgument));
  RootDescription hostile = good;
  hostile.passphrase.memory_bytes = 1ULL << 50;
  EXPECT_THAT(RootFromPassphrase(Secret("correct horse"), hostile),
              StatusIs(absl::StatusCode::kInvalidArgument));
  hostile = good;
  hostile.passphrase.passes = 1'000'000;
  EXPECT_THAT(RootFromPassphrase(Secret("correct horse"), hostile),
              StatusIs(absl::StatusCode::kInvalidArgument));
  hostile = good;
  hostile.source = RootSource::kShares;
  EXPECT_THAT(RootFromPassphrase(Secret("correct horse"), hostile),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(FileKeySlots, SurviveTheLossOfAReplicaUntilDestroyed) {
  const TempDirectory a;
  const TempDirectory b;
  FileSystem& fs = PosixFileSystem();
  SeededRandom random(1);
  FileKeySlots slots(fs, {a.path(), b.path()});
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots.Create(7, random));
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, slots.List());
  EXPECT_THAT(listed, ElementsAre(7));
  ASSERT_THAT(fs.Remove(a.Path("slot.7")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes loaded, slots.Load(7));
  EXPECT_TRUE(EqualSecrets(secret, loaded));
  ASSERT_THAT(slots.Repair(7, loaded), IsOk());
  EXPECT_TRUE(fs.Exists(a.Path("slot.7")));
  ASSERT_THAT(slots.Destroy(7), IsOk());
  EXPECT_THAT(slots.Destroy(7), IsOk());
  EXPECT_THAT(slots.Load(7), StatusIs(absl::StatusCode::kNotFound));
  TV_ASSERT_OK_AND_ASSIGN(const auto left, fs.List(b.path()));
  EXPECT_THAT(left, IsEmpty());
}

TEST(FileKeySlots, AreDurableWhenCreated) {
  for (uint64_t skipped = 1;; ++skipped) {
    const TempDirectory dir;
    LossyFileSystem fs;
    SeededRandom random(1);
    FileKeySlots slots(fs, {dir.path()});
    fs.SkipSync(skipped);
    ASSERT_THAT(slots.Create(1, random), IsOk());
    const bool all_done = fs.syncs() < skipped;
    fs.PowerCut();
    EXPECT_EQ(slots.Load(1).ok(), all_done) << "sync " << skipped << " is not needed?";
    if (all_done) break;
  }
}

TEST(Signing, VerifiesItsOwnAndNothingElse) {
  SeededRandom random(1);
  const SigningKey key(NewKey(random));
  Signature signature = key.Sign(AsBytes("message"));
  EXPECT_TRUE(Verify(key.public_key(), AsBytes("message"), signature));
  EXPECT_FALSE(Verify(key.public_key(), AsBytes("messagE"), signature));
  signature[0] ^= 1;
  EXPECT_FALSE(Verify(key.public_key(), AsBytes("message"), signature));
}

}  // namespace
}  // namespace televault::crypto
