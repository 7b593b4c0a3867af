#include "admin-cli/log_export.h"

#include <filesystem>
#include <fstream>
#include <set>

#include "admin-cli/exit_code.h"
#include "audit/verifier.h"
#include "tests/support/lossy_file_system.h"
#include "tests/unit/admin-cli/cli_harness.h"
#include "tests/unit/admin-cli/log_fixture.h"

namespace televault::cli {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

std::set<std::string> NamesIn(const std::string& directory) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      found.insert(std::filesystem::relative(entry.path(), directory).string());
    }
  }
  return found;
}

audit::VerifyReport Verify(const std::string& directory, const FakeLog& log) {
  return audit::VerifyLog([&](const std::string& path) { return ReadLogFile(directory, path); },
                          {.key = log.key(), .pinned = std::nullopt, .check_framing = false});
}

TEST(LogExportTest, AContinuedExportVerifiesAtEverySizeAndLeavesNothingBehind) {
  Harness harness;
  FakeLog log(1);
  log.Grow(1100);
  for (const uint64_t size : {1u, 2u, 255u, 256u, 257u, 511u, 512u, 700u, 1100u}) {
    ASSERT_THAT(ExportTo(harness.directory, log, size), IsOk()) << size;
    const audit::VerifyReport report = Verify(harness.directory, log);
    ASSERT_THAT(report.status, IsOk()) << size;
    EXPECT_EQ(report.entries, size);
  }
  Harness fresh;
  ASSERT_THAT(ExportTo(fresh.directory, log, 1100), IsOk());
  EXPECT_EQ(NamesIn(harness.directory), NamesIn(fresh.directory));
}

// A directory that an export made was not durable, and the checkpoint that needs it was.
TEST(LogExportTest, APowerCutAtAnyStepLeavesAnExportThatHoldsAndGoesOn) {
  constexpr uint64_t kBefore = 2;
  constexpr uint64_t kAfter = 258;
  FakeLog log(1);
  log.Grow(kAfter);
  Harness fresh;
  ASSERT_THAT(ExportTo(fresh.directory, log, kAfter), IsOk());
  std::set<uint64_t> sizes;
  for (uint64_t step = 0;; ++step) {
    Harness harness;
    testing::LossyFileSystem fs;
    const std::string directory = harness.directory + "/new/log";
    if (step % 2 == 0) {
      ASSERT_THAT(ExportTo(directory, log, kBefore, fs), IsOk());
    }
    fs.StopAfter(step);
    const bool whole = ExportTo(directory, log, kAfter, fs).ok() && !fs.stopped();
    fs.PowerCut();
    const auto checkpoint = ReadLogFile(directory, "checkpoint");
    if (checkpoint.ok()) {
      const audit::VerifyReport report = Verify(directory, log);
      ASSERT_THAT(report.status, IsOk()) << step;
      sizes.insert(report.entries);
    } else {
      ASSERT_EQ(step % 2, 1u) << step;
      sizes.insert(0);
    }
    ASSERT_THAT(ExportTo(directory, log, kAfter, fs), IsOk()) << step;
    ASSERT_EQ(NamesIn(directory), NamesIn(fresh.directory)) << step;
    if (whole && step % 2 == 1) break;  // the longer of the two
  }
  EXPECT_EQ(sizes, (std::set<uint64_t>{0, kBefore, kAfter}));
}

// The partial bundle of the one went with the cleaning up of the other.
TEST(LogExportTest, TwoDoNotExportToOneDirectoryAtATime) {
  Harness harness;
  FakeLog log(1);
  log.Grow(300);
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto first,
                            LogExporter::Open(PosixFileSystem(), harness.directory, log.key()));
    ASSERT_THAT(first->Append(AsBytes(log.leaves()[0])), IsOk());
    EXPECT_THAT(ExportTo(harness.directory, log, 300),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another export")));
    EXPECT_THAT(first->Finish(log.Checkpoint(1)), IsOk());
  }
  EXPECT_THAT(ExportTo(harness.directory, log, 300), IsOk());
  EXPECT_TRUE(std::filesystem::exists(harness.directory + "/.lock"));
  EXPECT_THAT(Verify(harness.directory, log).status, IsOk());
}

// A log of ten entries, a directory for it that somebody else prepared, and what that leads to.
struct PreparedDirectory {
  Harness harness;
  const std::string victims = harness.directory + "/victims";
  const std::string log_dir = harness.directory + "/log";
  FakeLog log{1};

  PreparedDirectory() {
    log.Grow(10);
    std::filesystem::create_directories(victims);
  }
};

// Whoever prepares a directory could have files elsewhere removed, or written over.
TEST(LogExportTest, LinksInTheDirectoryLeadNowhere) {
  PreparedDirectory prepared;
  auto& [harness, victims, log_dir, log] = prepared;
  std::filesystem::create_directories(log_dir + "/tile/7");
  for (const char* const name : {"id_ed25519", "7", "checkpoint"}) {
    std::ofstream(victims + "/" + name) << "mine";
  }
  std::filesystem::create_directory_symlink(victims, log_dir + "/tile/7/000.p");
  std::filesystem::create_symlink(victims + "/checkpoint", log_dir + "/checkpoint.new");
  ASSERT_THAT(ExportTo(log_dir, log, 10), IsOk());
  EXPECT_THAT(Verify(log_dir, log).status, IsOk());
  // A name that is none of the format's.
  std::ofstream(log_dir + "/tile/0/000.p/notes") << "mine";
  log.Grow(1);
  ASSERT_THAT(ExportTo(log_dir, log, 11), IsOk());
  for (const std::string& path : {victims + "/id_ed25519", victims + "/7", victims + "/checkpoint",
                                  log_dir + "/tile/0/000.p/notes"}) {
    std::ifstream in(path);
    std::string text;
    in >> text;
    EXPECT_EQ(text, "mine") << path;
  }
}

TEST(LogExportTest, NothingIsWrittenThroughALinkedDirectory) {
  for (const char* const linked : {"tile", "tile/0", "tile/0/000.p"}) {
    const PreparedDirectory prepared;
    const auto& [harness, victims, log_dir, log] = prepared;
    std::ofstream(victims + "/10") << "mine";
    std::filesystem::create_directories(
        std::filesystem::path(log_dir + "/" + linked).parent_path());
    std::filesystem::create_directory_symlink(victims, log_dir + "/" + linked);
    EXPECT_THAT(ExportTo(log_dir, log, 10),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("symbolic link")));
    size_t names = 0;
    for ([[maybe_unused]] const auto& name : std::filesystem::directory_iterator(victims)) ++names;
    EXPECT_EQ(names, 1u) << linked;
    EXPECT_EQ(std::filesystem::file_size(victims + "/10"), 4u) << linked;
  }
}

TEST(LogExportTest, LeavesThatDoNotGiveTheSignedRootAreNotPublished) {
  Harness harness;
  FakeLog log(1);
  log.Grow(10);
  FakeLog other(1);
  other.Grow(10, "other");
  TV_ASSERT_OK_AND_ASSIGN(const auto exporter,
                          LogExporter::Open(PosixFileSystem(), harness.directory, log.key()));
  for (const std::string& leaf : other.leaves()) {
    ASSERT_THAT(exporter->Append(AsBytes(leaf)), IsOk());
  }
  EXPECT_THAT(exporter->Finish(log.Checkpoint(10)), HasReason(kVerificationFailed));
  EXPECT_FALSE(ReadLogFile(harness.directory, "checkpoint").ok());
}

TEST(LogExportTest, ADamagedEarlierExportIsNotContinued) {
  FakeLog log(1);
  log.Grow(600);
  for (const char* const path : {"tile/0/000", "tile/entries/002.p/88", "checkpoint"}) {
    Harness harness;
    ASSERT_THAT(ExportTo(harness.directory, log, 600), IsOk());
    const std::string full = harness.directory + "/" + path;
    std::fstream file(full, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.good()) << full;
    file.seekp(40);
    file.put('\x55');
    file.close();
    EXPECT_THAT(LogExporter::Open(PosixFileSystem(), harness.directory, log.key()).status(),
                HasReason(kVerificationFailed))
        << path;
  }
}

TEST(LogExportTest, AnExportOfAnotherLogIsNotContinued) {
  Harness harness;
  FakeLog log(1);
  log.Grow(5);
  ASSERT_THAT(ExportTo(harness.directory, log, 5), IsOk());
  FakeLog other(2);
  EXPECT_THAT(LogExporter::Open(PosixFileSystem(), harness.directory, other.key()).status(),
              HasReason(kVerificationFailed));
}

}  // namespace
}  // namespace televault::cli
