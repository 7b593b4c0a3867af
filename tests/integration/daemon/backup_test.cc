// Backups of the real daemon: made and verified while it serves.
#include <atomic>
#include <fstream>
#include <map>
#include <set>
#include <sys/stat.h>
#include <thread>

#include "absl/strings/match.h"

#include "tests/integration/daemon/backup_scene.h"
#include "tests/integration/daemon/data_files.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BackupTest : public BackupScene {
 protected:
  std::string Refused(const std::string& directory) {
    v1::CreateBackupRequest request;
    request.set_directory(directory);
    const auto made = As(daemon_.alice())->CreateBackup(request, call_);
    EXPECT_FALSE(std::filesystem::exists(directory + ".partial"));
    return made.ok() ? "made" : Refusal(made.status());
  }
  // "one", with commits in the write-ahead log of the copy: some that came between its flush and
  // its end. Tries until there are.
  void CreateWithALog() {
    std::atomic<bool> stop{false};
    std::vector<std::jthread> collectors;
    for (int i = 0; i < 4; ++i) {
      collectors.emplace_back([&] {
        const auto vault = As(cast_.collector);
        while (!stop) {
          EXPECT_THAT(Append(*vault, BulkColumns("cli_usage", NoonBefore(2), 10, 10)), IsOk());
        }
      });
    }
    const auto has_log = [&] {
      const std::vector<std::string> files = FilesBelow(backup("one"));
      return std::any_of(files.begin(), files.end(), [](const std::string& file) {
        return absl::EndsWith(file, ".log") && std::filesystem::file_size(file) > 0;
      });
    };
    constexpr int kTries = 50;
    bool found = false;
    for (int i = 0; i < kTries && !found; ++i) {
      std::filesystem::remove_all(backup("one"));
      EXPECT_THAT(Create("one").problems(), IsEmpty());
      found = has_log();
    }
    stop = true;
    collectors.clear();
    ASSERT_TRUE(found) << "no commit came in between";
  }
  static void Flip(const std::string& path) {
    std::string bytes = ReadWholeFile(path);
    ASSERT_FALSE(bytes.empty()) << path;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_F(BackupTest, IsMadeAndVerifiedWhileTheVaultServes) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> appended{0};
  std::thread collector([&] {
    const auto vault = As(cast_.collector);
    while (!stop) {
      EXPECT_THAT(Append(*vault, BulkColumns("cli_usage", NoonBefore(2), 1'000, 100)), IsOk());
      ++appended;
    }
  });
  std::thread analyst([&] {
    while (!stop) EXPECT_EQ(Count(kNewDay), AllOf());
  });
  EXPECT_TRUE(Await([&] { return appended > 3; }));
  const v1::BackupSummary made = Create("one");
  const v1::BackupSummary again = Create("two");
  stop = true;
  collector.join();
  analyst.join();
  EXPECT_THAT(made.problems(), IsEmpty());
  EXPECT_GE(made.events(), 2 * kRows);
  EXPECT_GT(made.micro_batches() + made.blocks(), 0u);
  EXPECT_GT(made.audit_size(), 20u);
  EXPECT_EQ(made.shredded_partitions(), 0u);
  EXPECT_GE(again.audit_size(), made.audit_size());
  EXPECT_FALSE(std::filesystem::exists(store() + "/copy"));

  TV_ASSERT_OK_AND_ASSIGN(const auto verified, Verify("one"));
  EXPECT_THAT(verified.summary().problems(), IsEmpty());
  EXPECT_EQ(verified.summary().events(), made.events());
  EXPECT_EQ(verified.summary().chunks(), made.chunks());
  EXPECT_EQ(verified.summary().audit_root(), made.audit_root());

  const auto entries = Entries(*As(cast_.auditor), ByMethod("CreateBackup"));
  ASSERT_EQ(entries.size(), 4u) << "an intent and an outcome each";
  const auto& details = entries.back().entry().details();
  EXPECT_EQ(details.at("directory"), backup("one"));
  const auto& outcome = entries.at(2).entry().details();
  EXPECT_EQ(outcome.at("audit_size"), absl::StrCat(made.audit_size()));
  EXPECT_EQ(outcome.at("files"), absl::StrCat(made.files()));
  EXPECT_EQ(outcome.at("bytes"), absl::StrCat(made.bytes()));
}

TEST_F(BackupTest, HasNoKeyInItAndNoFileOfTheStore) {
  Create("one");
  std::vector<std::string> secrets;
  for (const std::string& root : {daemon_.data_dir(), replica(), daemon_.directory() + "/tokens"}) {
    for (const std::string& file : FilesBelow(root)) {
      if (absl::StartsWith(file, store())) continue;
      const std::string bytes = ReadWholeFile(file);
      // Any 24 bytes of the middle and of the end: a key is longer.
      for (const size_t at : {bytes.size() / 2, bytes.size() > 32 ? bytes.size() - 32 : 0}) {
        if (bytes.size() >= at + 24) secrets.push_back(bytes.substr(at, 24));
      }
    }
  }
  secrets.push_back(ReadWholeFile(daemon_.data_dir() + ".keyfile").substr(8, 24));
  secrets.push_back(ReadWholeFile(daemon_.data_dir() + ".anchor").substr(480, 32));
  EXPECT_GT(secrets.size(), 15u);
  // Bytes that say nothing: zeroes of sparse files, and the public name of the vault.
  std::erase_if(secrets, [](const std::string& one) {
    return std::set<char>(one.begin(), one.end()).size() < 8 ||
           absl::StrContains(one, "vault.test");
  });
  EXPECT_GT(secrets.size(), 10u);
  EXPECT_THAT(FindInFiles(backup("one"), secrets), IsEmpty());

  std::set<std::pair<dev_t, ino_t>> live;
  struct stat info {};
  for (const std::string& file : FilesBelow(daemon_.data_dir())) {
    if (::stat(file.c_str(), &info) == 0) live.emplace(info.st_dev, info.st_ino);
  }
  for (const std::string& file : FilesBelow(backup("one"))) {
    ASSERT_EQ(::stat(file.c_str(), &info), 0);
    EXPECT_FALSE(live.contains({info.st_dev, info.st_ino})) << file;
    EXPECT_EQ(info.st_nlink, 1u) << file;
    EXPECT_EQ(info.st_mode & 077, 0u) << file;
  }
  ASSERT_EQ(::stat(backup("one").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

TEST_F(BackupTest, IsRefusedWhereItDoesNotBelong) {
  EXPECT_EQ(Refused("relative/path"), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(""), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(backup("missing") + "/one"), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(daemon_.data_dir() + "/one"), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(daemon_.data_dir() + "/store/db/one"), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(replica() + "/one"), "INVALID_ARGUMENT ");
  std::filesystem::create_directory_symlink(daemon_.data_dir(), backup("link"));
  EXPECT_EQ(Refused(backup("link") + "/one"), "INVALID_ARGUMENT ");
  EXPECT_EQ(Refused(backup("link") + "/../one"), "INVALID_ARGUMENT ");
  std::filesystem::create_directory(backup("there"));
  EXPECT_EQ(Refused(backup("there")), "ALREADY_EXISTS ");
  std::filesystem::create_symlink("nowhere", backup("dangling"));
  EXPECT_EQ(Refused(backup("dangling")), "ALREADY_EXISTS ");
  v1::CreateBackupRequest request;
  request.set_directory(backup("one"));
  EXPECT_EQ(Refusal(As(cast_.steward)->CreateBackup(request, call_)), "PERMISSION_DENIED DENIED");
  std::filesystem::create_directory(backup("one.partial"));
  EXPECT_EQ(Refusal(As(daemon_.alice())->CreateBackup(request, call_)), "ALREADY_EXISTS ");
  EXPECT_EQ(Refusal(Verify("missing")), "NOT_FOUND ");
}

TEST_F(BackupTest, AChangedFileOfAnyKindIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(CreateWithALog());
  ASSERT_THAT(Verify("one"), IsOk());
  std::map<std::string, std::string> kinds;  // by kind, one file of it
  for (const std::string& file : FilesBelow(backup("one"))) {
    const std::string name = file.substr(file.rfind('/') + 1);
    if (std::filesystem::file_size(file) == 0) continue;
    if (absl::EndsWith(name, ".sst")) kinds["sst"] = file;
    if (absl::EndsWith(name, ".log")) kinds["log"] = file;
    if (absl::StartsWith(name, "MANIFEST")) kinds["engine manifest"] = file;
    for (const char* const own : {"CURRENT", "manifest", "files", "checkpoint"}) {
      if (name == own) kinds[own] = file;
    }
  }
  EXPECT_EQ(kinds.size(), 7u);
  for (const auto& [kind, file] : kinds) {
    const std::string before = ReadWholeFile(file);
    Flip(file);
    EXPECT_EQ(Refusal(Verify("one")), "DATA_LOSS ") << kind;
    const ProcessResult result = Cli({"backup", "verify", backup("one")});
    EXPECT_EQ(result.exit_code, 3) << kind << result.err;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << before;
  }
  ASSERT_THAT(Verify("one"), IsOk());
  std::ofstream(backup("one") + "/store/db/000999.sst") << "one more";
  EXPECT_EQ(Refusal(Verify("one")), "DATA_LOSS ");
  std::filesystem::remove(backup("one") + "/store/db/000999.sst");
  std::filesystem::rename(kinds["sst"], backup("elsewhere"));
  EXPECT_EQ(Refusal(Verify("one")), "DATA_LOSS ");
  std::filesystem::create_symlink(backup("elsewhere"), kinds["sst"]);
  EXPECT_EQ(Refusal(Verify("one")), "DATA_LOSS ") << "a link in the place of a file";
}

// It is hashed, and then opened by the engine: what is checked must be what is opened.
TEST_F(BackupTest, WhatSomebodyElseMayChangeMeanwhileIsNotVerified) {
  Create("one");
  for (const std::string& path :
       {backup("one"), backup("one") + "/store/db", backup("one") + "/store/db/CURRENT"}) {
    std::filesystem::permissions(path, std::filesystem::perms::group_write,
                                 std::filesystem::perm_options::add);
    const auto refused = Verify("one");
    EXPECT_EQ(Refusal(refused), "FAILED_PRECONDITION ") << path;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("chmod go-w"));
    std::filesystem::permissions(path, std::filesystem::perms::group_write,
                                 std::filesystem::perm_options::remove);
  }
  ASSERT_THAT(Verify("one"), IsOk());
  std::filesystem::remove(backup("one") + "/checkpoint");
  ASSERT_EQ(::mkfifo((backup("one") + "/checkpoint").c_str(), 0600), 0);
  EXPECT_EQ(Refusal(Verify("one")), "DATA_LOSS ") << "a pipe that nobody writes to";
}

TEST_F(BackupTest, TheCommandLineShowsWhatItIs) {
  const ProcessResult table = Cli({"-o", "table", "backup", "create", backup("one")});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("audit entries"));
  EXPECT_THAT(table.out, HasSubstr("problems"));
  const ProcessResult json = Cli({"-o", "json", "backup", "verify", backup("one")});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"shredded_partitions\": 0"));
  EXPECT_EQ(Cli({"backup", "create", backup("one")}).exit_code, 1);
  EXPECT_EQ(Cli({"backup", "verify", backup("nothing")}).exit_code, 1);
  EXPECT_EQ(RunCli(daemon_, cast_.analyst, {"backup", "verify", backup("one")}).exit_code, 4);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  EXPECT_EQ(Cli({"backup", "verify", backup("one")}).exit_code, 2);
  const ProcessResult asked =
      Cli({"backup", "restore", backup("one"), "--data-dir", daemon_.data_dir()});
  EXPECT_EQ(asked.exit_code, 1) << "it asks, and nobody is there to answer";
  const ProcessResult older =
      Cli({"--yes", "backup", "restore", backup("one"), "--data-dir", daemon_.data_dir()});
  EXPECT_EQ(older.exit_code, 3) << older.err;
  EXPECT_THAT(older.err, HasSubstr("older than the anchor"));
  const ProcessResult restored = Cli({"--yes", "backup", "restore", backup("one"), "--data-dir",
                                      daemon_.data_dir(), "--accept-lost-history", "a drill"});
  EXPECT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_THAT(restored.out, HasSubstr("store.before-restore"));
}

TEST_F(BackupTest, WhatIsShreddedSinceIsCountedAndIsNoProblem) {
  Create("one");
  ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage", {{"revision: 1", "revision: 2"},
                                                                     {"ttl: 90d", "ttl: 2d"}})),
              IsOk());
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto verified, Verify("one"));
  EXPECT_THAT(verified.summary().problems(), IsEmpty());
  EXPECT_EQ(verified.summary().shredded_partitions(), 1u);
  EXPECT_EQ(verified.summary().events(), kRows);
  // The bytes are still there, as documented; the key is not.
  EXPECT_EQ(Create("two").shredded_partitions(), 1u);
}

TEST_F(BackupTest, ACrashLeavesAWholeOneOrOneThatIsObviouslyNone) {
  for (const char* const point : {"backup.copied", "backup.listed", "backup.complete"}) {
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}), IsOk());
    v1::CreateBackupRequest request;
    request.set_directory(backup(point));
    EXPECT_FALSE(As(daemon_.alice())->CreateBackup(request, call_).ok());
    EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL) << point;
    EXPECT_FALSE(std::filesystem::exists(backup(point))) << point;
    EXPECT_TRUE(std::filesystem::exists(backup(point) + ".partial")) << point;
    ASSERT_THAT(daemon_.Start(), IsOk());
    EXPECT_FALSE(std::filesystem::exists(store() + "/copy")) << point;
  }
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", "backup.named"}}), IsOk());
  v1::CreateBackupRequest request;
  request.set_directory(backup("named"));
  EXPECT_FALSE(As(daemon_.alice())->CreateBackup(request, call_).ok());
  EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL);
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(Verify("named"), IsOk());
}

}  // namespace
}  // namespace televault::testing
