#include "vault/client/credentials.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "tests/support/status_matchers.h"

namespace televault::client {
namespace {

using testing::StatusIs;

class SecretFileTest : public ::testing::Test {
 protected:
  SecretFileTest() {
    char name[] = "/tmp/televault-secret-XXXXXX";
    const char* const made = mkdtemp(name);
    directory_ = made == nullptr ? "" : made;
  }
  ~SecretFileTest() override { std::filesystem::remove_all(directory_); }
  std::string Write(const std::string& content, mode_t mode) {
    const std::string path = directory_ + "/secret";
    std::ofstream(path) << content;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string directory_;
};

TEST_F(SecretFileTest, TakesTheFirstLine) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretText secret,
                          ReadSecretFile(Write("open sesame\nrest", 0600)));
  EXPECT_EQ(secret.Reveal(), "open sesame");
}

TEST_F(SecretFileTest, RefusesAFileThatOthersMayRead) {
  EXPECT_THAT(ReadSecretFile(Write("open sesame\n", 0640)),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(SecretFileTest, RefusesEmptyAndOverlongSecretsWithoutRepeatingThem) {
  EXPECT_THAT(ReadSecretFile(Write("", 0600)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadSecretFile(Write("\nsecond", 0600)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const auto status = ReadSecretFile(Write(std::string(5000, 's'), 0600)).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(std::string(status.message()).find("sss"), std::string::npos);
}

TEST_F(SecretFileTest, NamesAMissingFile) {
  EXPECT_THAT(ReadSecretFile(directory_ + "/none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace televault::client
