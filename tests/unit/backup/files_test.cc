#include "vault/backup/files.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/lossy_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/bytes.h"

namespace televault::backup {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

absl::Status Always() { return absl::OkStatus(); }

class BackupFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_.Path("backup/store/db"));
    for (const char* const name : {"manifest", "files", "checkpoint", "store/db/CURRENT"}) {
      std::ofstream(directory_.Path(std::string("backup/") + name)) << name;
    }
    files_ = {{"checkpoint", 10, {}}, {"store/db/CURRENT", 16, {}}};
  }
  absl::Status Check() { return CheckNames(fs_, directory_.Path("backup"), files_); }

  FileSystem& fs_ = PosixFileSystem();
  testing::TempDirectory directory_;
  std::vector<FileEntry> files_;
};

TEST_F(BackupFilesTest, ACopyIsTheSameBytesUnderAnotherInode) {
  std::string bytes;
  for (int i = 0; i < 3'000'000; ++i) bytes.push_back(static_cast<char>(i * 31));
  std::ofstream(directory_.Path("large"), std::ios::binary) << bytes;
  std::filesystem::create_directory(directory_.Path("to"));
  TV_ASSERT_OK_AND_ASSIGN(const FileEntry copied,
                          CopyFile(fs_, directory_.path(), directory_.Path("to"), "large", Always));
  EXPECT_EQ(copied.size, bytes.size());
  EXPECT_EQ(copied.hash, crypto::PlainHash32(AsBytes(bytes)));
  TV_ASSERT_OK_AND_ASSIGN(const FileEntry read,
                          HashFile(fs_, directory_.Path("to"), "large", Always));
  EXPECT_EQ(read, copied);
  EXPECT_EQ(std::filesystem::hard_link_count(directory_.Path("large")), 1u);
  EXPECT_THAT(CopyFile(fs_, directory_.path(), directory_.Path("to"), "large", Always),
              StatusIs(absl::StatusCode::kAlreadyExists))
      << "nothing is written over";
}

TEST_F(BackupFilesTest, ACopyIsWholeAfterAPowerCut) {
  const std::string bytes(3'000'000, 'x');
  std::ofstream(directory_.Path("large"), std::ios::binary) << bytes;
  std::filesystem::create_directory(directory_.Path("to"));
  testing::LossyFileSystem fs;
  ASSERT_THAT(CopyFile(fs, directory_.path(), directory_.Path("to"), "large", Always), IsOk());
  ASSERT_THAT(fs.SyncDirectory(directory_.Path("to")), IsOk());
  fs.PowerCut();
  TV_ASSERT_OK_AND_ASSIGN(const std::string copy,
                          fs.ReadFile(directory_.Path("to/large"), 2 * bytes.size()));
  EXPECT_TRUE(copy == bytes) << copy.size() << " bytes";
}

TEST_F(BackupFilesTest, ACopyEndsWhenItIsTold) {
  std::ofstream(directory_.Path("large"), std::ios::binary) << std::string(5 << 20, 'x');
  std::filesystem::create_directory(directory_.Path("to"));
  int pieces = 0;
  const auto until = [&]() -> absl::Status {
    return ++pieces < 3 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  EXPECT_THAT(CopyFile(fs_, directory_.path(), directory_.Path("to"), "large", until),
              StatusIs(absl::StatusCode::kCancelled));
}

// Whoever can write to a backup must not hold up whoever looks at it, nor show it other files.
TEST_F(BackupFilesTest, APipeOrALinkInThePlaceOfAFileIsNeitherReadNorWaitedFor) {
  std::ofstream(directory_.Path("outside")) << "of somebody else";
  std::filesystem::create_symlink(directory_.Path("outside"), directory_.Path("link"));
  ASSERT_EQ(::mkfifo(directory_.Path("pipe").c_str(), 0600), 0);
  std::filesystem::create_directory(directory_.Path("to"));
  for (const char* const name : {"pipe", "link", "backup"}) {
    EXPECT_THAT(HashFile(fs_, directory_.path(), name, Always),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no plain file")));
    EXPECT_THAT(ReadPlainFile(fs_, directory_.Path(name), 100),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no plain file")));
    EXPECT_THAT(CopyFile(fs_, directory_.path(), directory_.Path("to"), name, Always),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no plain file")));
  }
  EXPECT_THAT(ReadPlainFile(fs_, directory_.Path("nothing"), 100),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is missing")));
  EXPECT_THAT(ReadPlainFile(fs_, directory_.Path("outside"), 3),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(BackupFilesTest, AFileThatGrowsWhileItIsReadHasAnEnd) {
  const std::string path = directory_.Path("large");
  std::ofstream(path, std::ios::binary) << std::string(3 << 20, 'x');
  int pieces = 0;
  const auto grow = [&]() -> absl::Status {
    if (++pieces > 1'000) return absl::CancelledError("no end of it");
    std::ofstream(path, std::ios::binary | std::ios::app) << std::string(2 << 20, 'y');
    return absl::OkStatus();
  };
  EXPECT_THAT(HashFile(fs_, directory_.path(), "large", grow),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("grows")));
}

TEST_F(BackupFilesTest, WhatOthersMayWriteToIsToldFromWhatTheyMayNot) {
  const std::string path = directory_.Path("backup");
  const auto others = std::filesystem::perms::group_write | std::filesystem::perms::others_write;
  std::filesystem::permissions(path, others, std::filesystem::perm_options::remove);
  EXPECT_THAT(CheckNobodyElseWrites(path), IsOk());
  for (const auto bit :
       {std::filesystem::perms::group_write, std::filesystem::perms::others_write}) {
    std::filesystem::permissions(path, bit, std::filesystem::perm_options::add);
    EXPECT_THAT(CheckNobodyElseWrites(path),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")));
    std::filesystem::permissions(path, bit, std::filesystem::perm_options::remove);
  }
  EXPECT_THAT(CheckNobodyElseWrites(directory_.Path("nothing")), IsOk());
  constexpr uid_t kSomebody = 12'345;
  if (::chown(path.c_str(), kSomebody, static_cast<gid_t>(-1)) != 0) {
    GTEST_SKIP() << "only root gives files away";
  }
  EXPECT_THAT(CheckNobodyElseWrites(path),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belongs to the user")));
}

// Of a link only the link was looked at, while what was read lay in the directory of somebody else.
TEST_F(BackupFilesTest, ALinkSaysNothingAboutWhoMayWriteToWhatItLeadsTo) {
  const std::string real = directory_.Path("backup");
  std::filesystem::permissions(real, std::filesystem::perms::owner_all);
  const std::string link = directory_.Path("link");
  std::filesystem::create_directory_symlink(real, link);
  EXPECT_THAT(CheckNobodyElseWrites(link),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is a symbolic link")));
  TV_ASSERT_OK_AND_ASSIGN(const std::string resolved, DirectoryNobodyElseWrites(link));
  EXPECT_EQ(resolved, std::filesystem::canonical(real));
  std::filesystem::permissions(real, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  for (const std::string& path : {link, link + "/", link + "/../link/."}) {
    EXPECT_THAT(DirectoryNobodyElseWrites(path),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")));
  }
  EXPECT_THAT(DirectoryNobodyElseWrites(directory_.Path("nothing")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BackupFilesTest, EveryFileIsThereAndNoOther) {
  ASSERT_THAT(Check(), IsOk());
  std::ofstream(directory_.Path("backup/more")) << "x";
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("more does not belong")));
  std::filesystem::remove(directory_.Path("backup/more"));
  std::filesystem::remove(directory_.Path("backup/store/db/CURRENT"));
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("CURRENT is missing")));
  std::filesystem::create_symlink("/etc/hostname", directory_.Path("backup/store/db/CURRENT"));
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no plain file")));
  std::filesystem::remove(directory_.Path("backup/store/db/CURRENT"));
  std::ofstream(directory_.Path("backup/store/db/CURRENT")) << "longer than it was";
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("instead of 16")));
}

TEST_F(BackupFilesTest, ALinkedDirectoryIsNone) {
  std::filesystem::rename(directory_.Path("backup/store"), directory_.Path("elsewhere"));
  std::filesystem::create_directory_symlink(directory_.Path("elsewhere"),
                                            directory_.Path("backup/store"));
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no directory")));
}

TEST_F(BackupFilesTest, ATreeIsRemovedButNotWhatItLinksTo) {
  std::filesystem::create_directory(directory_.Path("keep"));
  std::ofstream(directory_.Path("keep/file")) << "x";
  std::filesystem::create_directory_symlink(directory_.Path("keep"),
                                            directory_.Path("backup/store/link"));
  ASSERT_THAT(RemoveTree(fs_, directory_.Path("backup")), IsOk());
  EXPECT_FALSE(std::filesystem::exists(directory_.Path("backup")));
  EXPECT_TRUE(std::filesystem::exists(directory_.Path("keep/file")));
  EXPECT_THAT(RemoveTree(fs_, directory_.Path("backup")), IsOk());
}

}  // namespace
}  // namespace televault::backup
