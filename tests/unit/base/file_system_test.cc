#include "vault/base/file_system.h"

#include <array>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/lossy_file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace televault {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::LossyFileSystem;
using testing::StatusIs;
using testing::TempDirectory;

std::string ContentOf(FileSystem& fs, const std::string& path) {
  const auto content = fs.ReadFile(path, 1 << 20);
  return content.ok() ? *content : "status: " + content.status().ToString();
}

absl::Status WriteUnsynced(FileSystem& fs, const std::string& path, std::string_view content) {
  TV_ASSIGN_OR_RETURN(const auto file, fs.OpenWritable(path, OpenMode::kTruncate, 0600));
  return file->Append(AsBytes(content));
}

TEST(PosixFileSystem, AppendsAfterReopeningAndWritesInPlace) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("f"), "abcdef"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto file, fs.OpenWritable(dir.Path("f"), OpenMode::kReopen, 0600));
  ASSERT_THAT(file->Append(AsBytes("gh")), IsOk());
  ASSERT_THAT(file->WriteAt(1, AsBytes("BC")), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "aBCdefgh");
  ASSERT_THAT(file->Truncate(3), IsOk());
  ASSERT_THAT(file->Append(AsBytes("!")), IsOk());
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "aBC!");
}

TEST(PosixFileSystem, SaysWhichErrorItWas) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  EXPECT_THAT(fs.ReadFile(dir.Path("none"), 10),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir.Path("none"))));
  EXPECT_THAT(fs.Remove(dir.Path("none")), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("f"), "abcdef"), IsOk());
  EXPECT_THAT(fs.ReadFile(dir.Path("f"), 5), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(fs.Link(dir.Path("f"), dir.Path("f")), StatusIs(absl::StatusCode::kAlreadyExists));
  // The kernel's own full disk.
  TV_ASSERT_OK_AND_ASSIGN(const auto full, fs.OpenWritable("/dev/full", OpenMode::kReopen, 0600));
  EXPECT_THAT(full->Append(AsBytes("x")),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/dev/full")));
}

TEST(PosixFileSystem, GivesNewFilesTheAskedPermissionsAndClosesThemOnExec) {
  const TempDirectory dir;
  TV_ASSERT_OK_AND_ASSIGN(const auto file,
                          PosixFileSystem().OpenWritable(dir.Path("k"), OpenMode::kTruncate, 0600));
  struct stat info {};
  ASSERT_EQ(::stat(dir.Path("k").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  int checked = 0;
  for (int fd = 3; fd < 256; ++fd) {
    struct stat open_file {};
    if (::fstat(fd, &open_file) != 0 || open_file.st_ino != info.st_ino) continue;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ++checked;
  }
  EXPECT_EQ(checked, 1);
}

TEST(PosixFileSystem, ShredOverwritesTheBlocksBeforeItRemovesTheName) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  const std::string secret(5000, 'S');
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("secret"), secret), IsOk());
  // A second name shows what became of the blocks.
  ASSERT_THAT(fs.Link(dir.Path("secret"), dir.Path("witness")), IsOk());
  ASSERT_THAT(fs.Shred(dir.Path("secret")), IsOk());
  EXPECT_FALSE(fs.Exists(dir.Path("secret")));
  EXPECT_EQ(ContentOf(fs, dir.Path("witness")), std::string(5000, '\0'));
  EXPECT_THAT(fs.Shred(dir.Path("secret")), StatusIs(absl::StatusCode::kNotFound));
}

// A pipe that nobody reads held up whoever was to destroy it.
TEST(PosixFileSystem, ShredRefusesWhatIsNoPlainFile) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_EQ(::mkfifo(dir.Path("pipe").c_str(), 0600), 0);
  ASSERT_THAT(fs.CreateDirectory(dir.Path("directory"), 0700), IsOk());
  ASSERT_EQ(::symlink(dir.Path("nothing").c_str(), dir.Path("link").c_str()), 0);
  for (const char* const name : {"pipe", "directory", "link"}) {
    EXPECT_THAT(fs.Shred(dir.Path(name)),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no plain file")));
    struct stat info {};
    EXPECT_EQ(::lstat(dir.Path(name).c_str(), &info), 0) << name;
  }
}

TEST(PosixFileSystem, ReadsAsPrivateOnlyWhatNobodyElseMayRead) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  std::array<uint8_t, 16> out{};
  const std::string path = dir.Path("secret");
  EXPECT_THAT(fs.ReadPrivate(path, out), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(WriteUnsynced(fs, path, "secret"), IsOk());
  for (const mode_t mode : {0640, 0604, 0620, 0610, 0601}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_THAT(fs.ReadPrivate(path, out),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod 600")));
  }
  EXPECT_EQ(out, (std::array<uint8_t, 16>{}));
  for (const mode_t mode : {0600, 0400}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    TV_ASSERT_OK_AND_ASSIGN(const size_t count, fs.ReadPrivate(path, out));
    EXPECT_EQ(AsText(Bytes(out).first(count)), "secret");
  }
  ASSERT_EQ(::symlink(path.c_str(), dir.Path("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(dir.Path("pipe").c_str(), 0600), 0);
  ASSERT_THAT(fs.CreateDirectory(dir.Path("directory"), 0700), IsOk());
  for (const char* const name : {"link", "pipe", "directory"}) {
    EXPECT_THAT(fs.ReadPrivate(dir.Path(name), out),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no plain file")))
        << name;
  }
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(::chown(path.c_str(), 12345, 0), 0);
  EXPECT_THAT(fs.ReadPrivate(path, out),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("belongs to uid 12345")));
}

TEST(PosixFileSystem, ShredDoesNotFollowALink) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("target"), "keep"), IsOk());
  ASSERT_EQ(::symlink(dir.Path("target").c_str(), dir.Path("link").c_str()), 0);
  EXPECT_FALSE(fs.Shred(dir.Path("link")).ok());
  EXPECT_EQ(ContentOf(fs, dir.Path("target")), "keep");
}

TEST(PosixFileSystem, ListsSortedAndHandlesDirectories) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_THAT(fs.CreateDirectory(dir.Path("d"), 0700), IsOk());
  EXPECT_THAT(fs.CreateDirectory(dir.Path("d"), 0700), IsOk());
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("a"), ""), IsOk());
  EXPECT_THAT(fs.CreateDirectory(dir.Path("a"), 0700), StatusIs(absl::StatusCode::kAlreadyExists));
  TV_ASSERT_OK_AND_ASSIGN(const auto names, fs.List(dir.path()));
  EXPECT_THAT(names, ElementsAre("a", "d"));
  ASSERT_THAT(fs.RemoveDirectory(dir.Path("d")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const uint64_t free, fs.FreeBytes(dir.path()));
  EXPECT_GT(free, 0U);
}

TEST(PosixFileSystem, ANewDirectoryIsNobodyElses) {
  const TempDirectory dir;
  LossyFileSystem lossy;
  for (FileSystem* const fs : {&PosixFileSystem(), static_cast<FileSystem*>(&lossy)}) {
    const std::string path = dir.Path(fs == &lossy ? "lossy" : "posix");
    ASSERT_THAT(fs->CreateNewDirectory(path, 0700), IsOk());
    EXPECT_THAT(fs->CreateNewDirectory(path, 0700), StatusIs(absl::StatusCode::kAlreadyExists));
    ASSERT_EQ(::symlink(path.c_str(), (path + ".link").c_str()), 0);
    EXPECT_THAT(fs->CreateNewDirectory(path + ".link", 0700),
                StatusIs(absl::StatusCode::kAlreadyExists));
    EXPECT_TRUE(fs->Exists(path));
  }
}

TEST(PosixFileSystem, OpensAsAPlainFileNothingElseAndWaitsForNobody) {
  const TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("file"), "content"), IsOk());
  ASSERT_EQ(::symlink(dir.Path("file").c_str(), dir.Path("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(dir.Path("pipe").c_str(), 0600), 0);
  for (const std::string& path :
       {dir.Path("link"), dir.Path("pipe"), dir.path(), std::string("/dev/null")}) {
    EXPECT_THAT(fs.OpenPlain(path).status(), StatusIs(absl::StatusCode::kFailedPrecondition))
        << path;
  }
  EXPECT_THAT(fs.OpenPlain(dir.Path("none")).status(), StatusIs(absl::StatusCode::kNotFound));

  TV_ASSERT_OK_AND_ASSIGN(const auto file, fs.OpenPlain(dir.Path("file")));
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("other"), "exchanged"), IsOk());
  ASSERT_THAT(fs.Rename(dir.Path("other"), dir.Path("file")), IsOk());
  std::array<uint8_t, 16> out{};
  TV_ASSERT_OK_AND_ASSIGN(const size_t count, file->ReadAt(3, out));
  EXPECT_EQ(AsText(Bytes(out).first(count)), "tent") << "the file that was opened";
  EXPECT_EQ(file->SizeWhenOpened(), 7U);
}

// --- the lossy file system must lose, or nothing tested on it means anything ---------------------

TEST(LossyFileSystem, LosesContentThatWasNotSynced) {
  const TempDirectory dir;
  LossyFileSystem fs;
  TV_ASSERT_OK_AND_ASSIGN(const auto file,
                          fs.OpenWritable(dir.Path("f"), OpenMode::kTruncate, 0600));
  ASSERT_THAT(file->Append(AsBytes("synced")), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  ASSERT_THAT(fs.SyncDirectory(dir.path()), IsOk());
  ASSERT_THAT(file->Append(AsBytes(" lost")), IsOk());
  ASSERT_THAT(file->WriteAt(0, AsBytes("S")), IsOk());
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "Synced lost");
  fs.PowerCut();
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "synced");
  EXPECT_THAT(file->Append(AsBytes("x")), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(LossyFileSystem, LosesNamesThatWereNotSynced) {
  const TempDirectory dir;
  LossyFileSystem fs;
  TV_ASSERT_OK_AND_ASSIGN(const auto file,
                          fs.OpenWritable(dir.Path("f"), OpenMode::kTruncate, 0600));
  ASSERT_THAT(file->Append(AsBytes("synced")), IsOk());
  ASSERT_THAT(file->Sync(), IsOk());
  fs.PowerCut();
  EXPECT_FALSE(fs.Exists(dir.Path("f")));

  ASSERT_THAT(ReplaceFile(fs, dir.Path("g"), AsBytes("kept"), 0600), IsOk());
  ASSERT_THAT(fs.Remove(dir.Path("g")), IsOk());
  fs.PowerCut();
  EXPECT_EQ(ContentOf(fs, dir.Path("g")), "kept");
  ASSERT_THAT(fs.CreateDirectory(dir.Path("d"), 0700), IsOk());
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("d/x"), "x"), IsOk());
  ASSERT_THAT(fs.SyncDirectory(dir.Path("d")), IsOk());
  fs.PowerCut();
  EXPECT_FALSE(fs.Exists(dir.Path("d")));
}

TEST(LossyFileSystem, AFailedSyncLosesTheDataForGood) {
  const TempDirectory dir;
  LossyFileSystem fs;
  TV_ASSERT_OK_AND_ASSIGN(const auto file,
                          fs.OpenWritable(dir.Path("f"), OpenMode::kTruncate, 0600));
  ASSERT_THAT(fs.SyncDirectory(dir.path()), IsOk());
  ASSERT_THAT(file->Append(AsBytes("data")), IsOk());
  fs.FailSync(1, absl::UnavailableError("EIO"));
  EXPECT_THAT(file->Sync(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(file->Sync(), IsOk());
  fs.PowerCut();
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "");
}

TEST(LossyFileSystem, WhatWasThereBeforeIsDurable) {
  const TempDirectory dir;
  ASSERT_THAT(WriteUnsynced(PosixFileSystem(), dir.Path("f"), "before"), IsOk());
  LossyFileSystem fs;
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("f"), "after"), IsOk());
  fs.PowerCut();
  EXPECT_EQ(ContentOf(fs, dir.Path("f")), "before");
}

TEST(LossyFileSystem, GivesADirectoryItsOldNameAgain) {
  const TempDirectory dir;
  LossyFileSystem fs;
  ASSERT_THAT(fs.CreateDirectory(dir.Path("old"), 0700), IsOk());
  ASSERT_THAT(ReplaceFile(fs, dir.Path("old/f"), AsBytes("synced"), 0600), IsOk());
  ASSERT_THAT(WriteUnsynced(fs, dir.Path("old/g"), "lost"), IsOk());
  ASSERT_THAT(fs.SyncDirectory(dir.path()), IsOk());
  ASSERT_THAT(fs.Rename(dir.Path("old"), dir.Path("new")), IsOk());
  EXPECT_EQ(ContentOf(fs, dir.Path("new/g")), "lost");
  fs.PowerCut();
  EXPECT_FALSE(fs.Exists(dir.Path("new")));
  EXPECT_EQ(ContentOf(fs, dir.Path("old/f")), "synced");
  EXPECT_FALSE(fs.Exists(dir.Path("old/g")));

  ASSERT_THAT(WriteUnsynced(fs, dir.Path("old/g"), "lost"), IsOk());
  ASSERT_THAT(fs.Rename(dir.Path("old"), dir.Path("new")), IsOk());
  ASSERT_THAT(fs.SyncDirectory(dir.path()), IsOk());
  fs.PowerCut();
  EXPECT_FALSE(fs.Exists(dir.Path("old")));
  EXPECT_EQ(ContentOf(fs, dir.Path("new/f")), "synced");
  EXPECT_FALSE(fs.Exists(dir.Path("new/g")));
}

TEST(LossyFileSystem, UndoesAnExchangeOfDirectories) {
  const TempDirectory dir;
  LossyFileSystem fs;
  for (const char* const name : {"a", "b"}) {
    ASSERT_THAT(fs.CreateDirectory(dir.Path(name), 0700), IsOk());
    ASSERT_THAT(ReplaceFile(fs, dir.Path(std::string(name) + "/f"), AsBytes(name), 0600), IsOk());
  }
  ASSERT_THAT(fs.SyncDirectory(dir.path()), IsOk());
  ASSERT_THAT(fs.Exchange(dir.Path("a"), dir.Path("b")), IsOk());
  ASSERT_THAT(fs.Rename(dir.Path("b"), dir.Path("c")), IsOk());
  EXPECT_EQ(ContentOf(fs, dir.Path("c/f")), "a");
  fs.PowerCut();
  EXPECT_EQ(ContentOf(fs, dir.Path("a/f")), "a");
  EXPECT_EQ(ContentOf(fs, dir.Path("b/f")), "b");
  EXPECT_FALSE(fs.Exists(dir.Path("c")));
}

TEST(ReplaceFile, HoldsTheOldOrTheNewContentAfterAPowerCutAtEveryStep) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (uint64_t step = 0;; ++step) {
      const TempDirectory dir;
      LossyFileSystem fs;
      ASSERT_THAT(ReplaceFile(fs, dir.Path("f"), AsBytes(std::string(3000, 'o')), 0600), IsOk());
      fs.StopAfter(step);
      const bool done = ReplaceFile(fs, dir.Path("f"), AsBytes(std::string(2000, 'n')), 0600).ok();
      fs.PowerCut(seed);
      const std::string content = ContentOf(fs, dir.Path("f"));
      if (done) {
        EXPECT_EQ(content, std::string(2000, 'n'));
        break;
      }
      EXPECT_TRUE(content == std::string(3000, 'o') || content == std::string(2000, 'n'))
          << "step " << step << " seed " << seed << ": " << content.size() << " bytes";
    }
  }
}

TEST(ReplaceFile, WritesThroughNoLinkAtItsTemporaryName) {
  TempDirectory dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_THAT(ReplaceFile(fs, dir.Path("victim"), AsBytes("kept"), 0600), IsOk());
  ASSERT_EQ(symlink(dir.Path("victim").c_str(), dir.Path("f.new").c_str()), 0);
  ASSERT_THAT(ReplaceFile(fs, dir.Path("f"), AsBytes("new"), 0600), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const std::string victim, fs.ReadFile(dir.Path("victim"), 100));
  EXPECT_EQ(victim, "kept");
  TV_ASSERT_OK_AND_ASSIGN(const std::string file, fs.ReadFile(dir.Path("f"), 100));
  EXPECT_EQ(file, "new");
  EXPECT_THAT(fs.OpenWritable(dir.Path("f"), OpenMode::kNew, 0600).status(),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

// Leaving out either sync of ReplaceFile must be noticed.
TEST(ReplaceFile, NeedsBothOfItsSyncs) {
  for (const uint64_t skipped : {1, 2}) {
    const TempDirectory dir;
    LossyFileSystem fs;
    ASSERT_THAT(ReplaceFile(fs, dir.Path("f"), AsBytes("old"), 0600), IsOk());
    fs.SkipSync(skipped);
    ASSERT_THAT(ReplaceFile(fs, dir.Path("f"), AsBytes("new"), 0600), IsOk());
    fs.PowerCut();
    EXPECT_NE(ContentOf(fs, dir.Path("f")), "new") << "sync " << skipped;
  }
}

TEST(ParentOf, IsTheDirectoryThatHoldsTheName) {
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a/b/"), "/a");
  EXPECT_EQ(ParentOf("a/b"), "a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("/"), "/");
  EXPECT_EQ(ParentOf("a"), ".");
}

}  // namespace
}  // namespace televault
