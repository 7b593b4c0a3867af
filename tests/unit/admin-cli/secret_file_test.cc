#include "admin-cli/secret_file.h"

#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/admin-cli/cli_harness.h"

namespace televault::cli {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

TEST(SecretFileTest, KeepsASecretForItsOwnerOnlyAndNeverReplacesAFile) {
  Harness harness;
  const std::string path = harness.directory + "/token";
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto file, SecretFile::Create(path));
    ASSERT_THAT(file->Write("tv_secret"), IsOk());
  }
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(line, "tv_secret");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(SecretFile::Create(path), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(SecretFileTest, LeavesNoFileWhereNothingWasWritten) {
  Harness harness;
  const std::string path = harness.directory + "/token";
  ASSERT_THAT(SecretFile::Create(path), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path));
}

// The first write takes a part and leaves errno alone: that was reported as success.
TEST(SecretFileTest, AWriteThatTakesAPartOnlyIsAnError) {
  Harness harness;
  TV_ASSERT_OK_AND_ASSIGN(const auto file, SecretFile::Create(harness.directory + "/token"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  errno = 0;
  const absl::Status status = file->Write("tv_0123456789012345678901234567890123456789");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace televault::cli
