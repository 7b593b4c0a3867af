#include "admin-cli/pin_store.h"

#include <fstream>
#include <sys/stat.h>

#include "tests/unit/admin-cli/cli_harness.h"
#include "tests/unit/admin-cli/log_fixture.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

TEST(PinStoreTest, AnOriginNeverLeavesTheDirectory) {
  EXPECT_EQ(FileNameOf("vault.example.org/televault", ".pin"), "vault.example.org%2Ftelevault.pin");
  EXPECT_EQ(FileNameOf("../../etc/passwd", ".pin"), "%2E.%2F..%2Fetc%2Fpasswd.pin");
  EXPECT_EQ(FileNameOf(".hidden", ".pin"), "%2Ehidden.pin");
  EXPECT_EQ(FileNameOf("a%2Fb", ".pin"), "a%252Fb.pin");
}

// The pin of "a.new" was overwritten by every write of the pin of "a", and that of "a.lock" was
// its lock.
TEST(PinStoreTest, AnOriginThatEndsLikeATemporaryKeepsAPinOfItsOwn) {
  Harness harness;
  const std::vector<std::string> origins = {"a.new", "a.lock", "a.pin", "a.pin.new", "a"};
  const auto checkpoint_of = [](const std::string& origin) {
    FakeLog log(1, origin);
    log.Grow(1);
    return log.Checkpoint(1);
  };
  for (const std::string& origin : origins) {
    TV_ASSERT_OK_AND_ASSIGN(const auto file, PinFile::Open(harness.directory, origin));
    const std::string vkey = FakeLog(1, origin).key().Text();
    ASSERT_THAT(file->Store({vkey, checkpoint_of(origin)}), IsOk());
    ASSERT_THAT(RememberOrigin(harness.directory, origin, origin), IsOk());
  }
  for (const std::string& origin : origins) {
    TV_ASSERT_OK_AND_ASSIGN(const auto file, PinFile::Open(harness.directory, origin));
    ASSERT_TRUE(file->pin().has_value()) << origin;
    EXPECT_EQ(file->pin()->checkpoint, checkpoint_of(origin));
    TV_ASSERT_OK_AND_ASSIGN(const std::string known, OriginAt(harness.directory, origin));
    EXPECT_EQ(known, origin);
  }
}

TEST(PinStoreTest, KeepsWhatWasStoredForItsOwnerOnly) {
  Harness harness;
  FakeLog log(1);
  log.Grow(3);
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto file, PinFile::Open(harness.directory + "/s", "a/b"));
    EXPECT_FALSE(file->pin().has_value());
    ASSERT_THAT(file->Store({log.key().Text(), log.Checkpoint(3)}), IsOk());
    struct stat info {};
    ASSERT_EQ(stat(file->path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto file, PinFile::Open(harness.directory + "/s", "a/b"));
  ASSERT_TRUE(file->pin().has_value());
  EXPECT_EQ(file->pin()->vkey, log.key().Text());
  EXPECT_EQ(file->pin()->checkpoint, log.Checkpoint(3));
}

TEST(PinStoreTest, ADamagedPinIsNeverAFirstUse) {
  Harness harness;
  std::ofstream(harness.directory + "/o.pin") << "garbage";
  EXPECT_THAT(PinFile::Open(harness.directory, "o"), StatusIs(absl::StatusCode::kInvalidArgument));
  std::ofstream(harness.directory + "/p.pin") << "televault-pin/v1\nno-key\n";
  EXPECT_THAT(PinFile::Open(harness.directory, "p"), StatusIs(absl::StatusCode::kInvalidArgument));
}

// access() says no for a path it cannot look at, too.
TEST(PinStoreTest, APinThatCannotBeLookedAtIsNeverAFirstUse) {
  Harness harness;
  std::filesystem::create_symlink("loop.pin", harness.directory + "/loop.pin");
  EXPECT_FALSE(PinFile::Open(harness.directory, "loop").ok());
  std::filesystem::create_symlink("nowhere", harness.directory + "/dangling.pin");
  EXPECT_FALSE(PinFile::Open(harness.directory, "dangling").ok());
}

TEST(PinStoreTest, RemembersWhichLogIsWhere) {
  Harness harness;
  EXPECT_EQ(PlainAddress("Vault.Example.ORG:7777"), "vault.example.org:7777");
  EXPECT_EQ(PlainAddress("unix:/run/../V/s"), "unix:/V/s");
  EXPECT_EQ(PlainAddress("unix:s"), "unix:" + std::filesystem::current_path().string() + "/s");
  TV_ASSERT_OK_AND_ASSIGN(std::string origin, OriginAt(harness.directory, "unix:/s"));
  EXPECT_EQ(origin, "");
  ASSERT_THAT(RememberOrigin(harness.directory, "unix:/s", "a/b"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(origin, OriginAt(harness.directory, "unix:/s"));
  EXPECT_EQ(origin, "a/b");
  std::ofstream(AddressFile(harness.directory, "unix:/s")) << "garbage";
  EXPECT_FALSE(OriginAt(harness.directory, "unix:/s").ok());
}

TEST(PinStoreTest, FollowsTheStateDirectoryOfTheUser) {
  setenv("XDG_STATE_HOME", "/state", 1);
  TV_ASSERT_OK_AND_ASSIGN(std::string directory, PinDirectory());
  EXPECT_EQ(directory, "/state/televault");
  setenv("XDG_STATE_HOME", "relative", 1);
  setenv("HOME", "/home/carol", 1);
  TV_ASSERT_OK_AND_ASSIGN(directory, PinDirectory());
  EXPECT_EQ(directory, "/home/carol/.local/state/televault");
  unsetenv("XDG_STATE_HOME");
  unsetenv("HOME");
  EXPECT_THAT(PinDirectory(), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace televault::cli
