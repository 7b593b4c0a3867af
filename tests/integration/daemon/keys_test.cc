// Unseal by shares, and keys that are changed, with the real daemon and the real command line.
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include <nlohmann/json.hpp>

#include "tests/crash/crash_points.h"
#include "tests/integration/daemon/scenario.h"
#include "tests/support/forensics.h"
#include "tests/support/opened_keyring.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/secret_pass.h"
#include "vault/crypto/unseal.h"

namespace televault::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kCount[] = "SELECT count(*) FROM cli_usage";

std::string TextOf(const SecretBytes& secret) {
  return std::string(AsText(secret.Read(crypto::MintSecretPass())));
}

class KeysTest : public VaultTest {
 protected:
  explicit KeysTest(DaemonOptions options = {}) : VaultTest(std::move(options)) {}

  std::string PrivateFile(const std::string& name, const std::string& text) {
    const std::string path = daemon_.directory() + "/" + name;
    std::filesystem::remove(path);
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    return path;
  }
  ProcessResult Alice(const std::vector<std::string>& arguments) {
    return RunCli(daemon_, daemon_.alice(), arguments);
  }
  json Keys() {
    const ProcessResult keys = Alice({"keys", "status", "-o", "json"});
    EXPECT_EQ(keys.exit_code, 0) << keys.err;
    return json::parse(keys.out, nullptr, false);
  }
  void StoreSome() {
    std::vector<v1::Event> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
    }
    ASSERT_THAT(Append(*As(cast_.collector), RowsOf(events)), IsOk());
    ExpectReadable();
  }
  void ExpectReadable() {
    const Answer answer = Ask(*As(cast_.analyst), kCount, "usage");
    ASSERT_THAT(answer.status, IsOk());
    ASSERT_THAT(answer.rows, SizeIs(1));
    EXPECT_EQ(answer.rows[0][0], "20");
  }
};

class SharesTest : public KeysTest {
 protected:
  // Shares are made by a change of the root key, as init makes them.
  void SetUp() override {
    KeysTest::SetUp();
    if (HasFatalFailure()) return;
    ASSERT_NO_FATAL_FAILURE(StoreSome());
    // Out of the daemon's keyfile it takes two operators.
    const ProcessResult started = Alice({"keys", "reshare", "--yes", "--shares", "5"});
    ASSERT_EQ(started.exit_code, 6) << started.err;
    EXPECT_EQ(Alice({"keys", "reshare", "--yes", "--continue"}).exit_code, 4);
    const ProcessResult done = RunCli(
        daemon_, daemon_.bob(),
        {"keys", "reshare", "--yes", "--continue", "--shares-out", daemon_.directory() + "/first"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    shares_ =
        absl::StrSplit(ReadWholeFile(daemon_.directory() + "/first"), '\n', absl::SkipEmpty());
    ASSERT_THAT(shares_, SizeIs(5));
  }
  std::vector<std::string> Reshare(const std::vector<std::string>& arguments,
                                   const std::string& name) {
    std::vector<std::string> all = {"keys", "reshare", "--yes", "--shares-out",
                                    daemon_.directory() + "/" + name};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult done = Alice(all);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return absl::StrSplit(ReadWholeFile(daemon_.directory() + "/" + name), '\n', absl::SkipEmpty());
  }
  ProcessResult Give(const std::vector<std::string>& shares) {
    const std::string file = PrivateFile("given", absl::StrJoin(shares, "\n"));
    return Alice({"operator", "unseal", "--share-file", file});
  }
  std::vector<std::string> shares_;
};

TEST_F(SharesTest, ThreeOfFiveUnsealWhoeverGivesThem) {
  EXPECT_FALSE(std::filesystem::exists(daemon_.data_dir() + ".keyfile"))
      << "it opens nothing any more";
  ASSERT_THAT(daemon_.Restart(), IsOk());
  ProcessResult sealed = Alice({"operator", "status"});
  EXPECT_EQ(sealed.exit_code, 5);
  EXPECT_EQ(Give({shares_[4]}).exit_code, 6);
  // Another operator, another connection.
  const std::string file = PrivateFile("bob", shares_[1]);
  const ProcessResult second =
      RunCli(daemon_, daemon_.bob(), {"operator", "unseal", "--share-file", file});
  EXPECT_EQ(second.exit_code, 6) << second.err;
  EXPECT_EQ(json::parse(second.out)["shares_given"], 2);
  const ProcessResult third = Give({shares_[2]});
  EXPECT_EQ(third.exit_code, 0) << third.err;
  ExpectReadable();
}

TEST_F(SharesTest, WrongSharesGetAClearErrorAndRevealNothing) {
  ASSERT_THAT(daemon_.Restart(), IsOk());
  ASSERT_EQ(Give({shares_[0]}).exit_code, 6);
  const ProcessResult twice = Give({shares_[0]});
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_THAT(twice.err, HasSubstr("given already"));
  std::string mistyped = shares_[1];
  // Not the last letter, of which not every one can be right.
  char& letter = mistyped[mistyped.size() - 3];
  letter = letter == 'A' ? 'B' : 'A';
  const ProcessResult wrong = Give({mistyped});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("mistyped"));
  const ProcessResult nonsense = Give({"correct horse battery staple"});
  EXPECT_EQ(nonsense.exit_code, 1);
  for (const ProcessResult& result : {twice, wrong, nonsense}) {
    EXPECT_THAT(result.err, Not(HasSubstr(shares_[0].substr(5, 7))));
    EXPECT_THAT(result.err, Not(HasSubstr("correct horse")));
  }
  // Shares of a set of before do not mix with those of now.
  EXPECT_EQ(Give({shares_[1], shares_[2]}).exit_code, 0);
  const std::string present = PrivateFile("present", absl::StrJoin(shares_, "\n"));
  const std::vector<std::string> fresh =
      Reshare({"--shares", "3", "--threshold", "2", "--share-file", present}, "second");
  ASSERT_THAT(fresh, SizeIs(3));
  ASSERT_THAT(daemon_.Restart(), IsOk());
  const ProcessResult mixed = Give({shares_[0]});
  EXPECT_EQ(mixed.exit_code, 1);
  EXPECT_THAT(mixed.err, HasSubstr("set"));
  // Forgotten, they have to be given again.
  EXPECT_EQ(Give({fresh[0]}).exit_code, 6);
  EXPECT_EQ(Alice({"operator", "unseal", "--forget-shares", "--share-file",
                   PrivateFile("given", fresh[1])})
                .exit_code,
            6);
  EXPECT_EQ(Give({fresh[2]}).exit_code, 0);
  ExpectReadable();
  // Every attempt is in the trail, failed ones too.
  v1::EntryFilter filter = ByMethod("/televault.v1.OperatorService/Unseal");
  EXPECT_GE(Entries(*As(cast_.auditor), filter).size(), 8U);
  EXPECT_THAT(daemon_.Output(), Not(HasSubstr(shares_[0].substr(5, 7))));
}

TEST_F(SharesTest, AChangeTakesEffectOnlyWithWhatUnsealsNow) {
  // One share where three are asked for: it waits, and can be forgotten.
  const ProcessResult one = Alice({"keys", "rotate", "root", "--to", "keyfile", "--yes",
                                   "--share-file", PrivateFile("one", shares_[0])});
  EXPECT_EQ(one.exit_code, 6) << one.err;
  EXPECT_EQ(Keys()["root_change"]["phase"], "authorize");
  EXPECT_EQ(Keys()["root"]["source"], "shares");
  EXPECT_EQ(Alice({"keys", "rotate", "root", "--to", "keyfile", "--yes"}).exit_code, 1);
  EXPECT_EQ(Alice({"keys", "rotate", "root", "--cancel"}).exit_code, 0);
  EXPECT_EQ(Keys()["root_change"]["phase"], "none");
  // Of new shares nobody gave back: nothing changes.
  const auto alice = As(daemon_.alice());
  v1::ChangeRootRequest start;
  start.set_step(v1::ROOT_CHANGE_STEP_START);
  start.set_target(v1::ROOT_SOURCE_SHARES);
  start.set_shares(3);
  start.set_threshold(2);
  client::Call call;
  ASSERT_THAT(alice->ChangeRoot(start, {}, {}, call), IsOk());
  v1::ChangeRootRequest give;
  give.set_step(v1::ROOT_CHANGE_STEP_GIVE);
  // For another target than the one under way nothing is taken.
  EXPECT_THAT(alice->ChangeRoot(give, client::SecretText(shares_[0]), {}, call),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  give.set_target(v1::ROOT_SOURCE_SHARES);
  give.set_shares(3);
  give.set_threshold(2);
  for (int i = 0; i < 3; ++i) {
    const auto given = alice->ChangeRoot(give, client::SecretText(shares_[i]), {}, call);
    ASSERT_THAT(given, IsOk());
    EXPECT_EQ(call.shares.size(), i < 2 ? 0U : 3U);
  }
  EXPECT_EQ(Keys()["root_change"]["phase"], "confirm");
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_EQ(Give({shares_[0], shares_[1], shares_[2]}).exit_code, 0);
  EXPECT_EQ(Keys()["root_change"]["phase"], "none");
  ExpectReadable();
}

TEST_F(KeysTest, ASealLeavesNoKeyInMemory) {
  ASSERT_NO_FATAL_FAILURE(StoreSome());
  TV_ASSERT_OK_AND_ASSIGN(
      const auto identity,
      daemon::ReadIdentity(PosixFileSystem(), daemon::Layout{daemon_.data_dir()}));
  TV_ASSERT_OK_AND_ASSIGN(
      const SecretBytes root,
      crypto::ReadRootKeyFile(PosixFileSystem(), daemon_.data_dir() + ".keyfile"));
  OpenedKeyring keyring;
  ASSERT_THAT(keyring.Open(daemon_.data_dir(), identity.vault), IsOk());
  ASSERT_THAT(keyring->Unseal(root), IsOk());
  std::vector<Needle> keys = {{"root key", TextOf(root)},
                              {"KEK", TextOf(crypto::DeriveKey(root, "televault.kek.v1"))}};
  TV_ASSERT_OK_AND_ASSIGN(const auto meta, keyring->MetaKey());
  keys.emplace_back("meta key", TextOf(*meta));
  TV_ASSERT_OK_AND_ASSIGN(const auto name, keyring->NameKey());
  keys.emplace_back("name key", TextOf(*name));
  const auto infos = keyring->AllDataKeys();
  ASSERT_THAT(infos, SizeIs(1));
  TV_ASSERT_OK_AND_ASSIGN(const auto data, keyring->DataKeyFor(infos[0].partition, infos[0].id));
  keys.emplace_back("data key", TextOf(data->key));
  for (const int64_t period : keyring->LiveSaltPeriods(infos[0].partition.dataset)) {
    TV_ASSERT_OK_AND_ASSIGN(const auto salt,
                            keyring->SubjectSalt(infos[0].partition.dataset, period));
    keys.emplace_back("salt", TextOf(*salt));
  }
  // The positive control; the root key itself is gone once the KEK is made of it.
  TV_ASSERT_OK_AND_ASSIGN(const auto open, FindInMemory(daemon_.pid(), keys));
  EXPECT_THAT(open, IsSupersetOf({"KEK", "data key", "meta key", "salt"}));
  EXPECT_THAT(open, Not(::testing::Contains("root key")));
  ASSERT_EQ(Alice({"operator", "seal", "--yes"}).exit_code, 0);
  TV_ASSERT_OK_AND_ASSIGN(const auto sealed, FindInMemory(daemon_.pid(), keys));
  EXPECT_THAT(sealed, IsEmpty());
  // None of it can be had by a core file, a debugger of the same user, or swap.
  std::ifstream limits(absl::StrCat("/proc/", daemon_.pid(), "/limits"));
  for (std::string line; std::getline(limits, line);) {
    if (line.starts_with("Max core file size")) {
      EXPECT_THAT(line, ::testing::ContainsRegex("size +0 +0 "));
    }
  }
}

TEST_F(KeysTest, RecordsAreSealedAgainAndTheOldMetaKeyIsDestroyed) {
  ASSERT_NO_FATAL_FAILURE(StoreSome());
  ASSERT_EQ(Keys()["meta_keys"].size(), 1U);
  for (const uint32_t number : {2U, 3U}) {
    const ProcessResult rotated = Alice({"keys", "rotate", "meta", "--yes", "-o", "json"});
    ASSERT_EQ(rotated.exit_code, 0) << rotated.err;
    EXPECT_EQ(json::parse(rotated.out)["number"], number);
    ASSERT_TRUE(Await([&] { return Keys()["meta_keys"].size() == 1; }));
    EXPECT_EQ(Keys()["meta_keys"][0]["number"], number);
  }
  ExpectReadable();
  const json before = Keys();
  ASSERT_EQ(Alice({"keys", "rotate", "slot"}).exit_code, 0);
  EXPECT_GT(Keys()["slot"], before["slot"]);
  ASSERT_EQ(Alice({"keys", "rotate", "audit-epoch"}).exit_code, 0);
  EXPECT_EQ(Keys()["audit_epochs"].size(), 2U);
  ASSERT_THAT(daemon_.Restart(), IsOk());
  ExpectReadable();
  EXPECT_THAT(AwaitEntry(*As(cast_.auditor), "keys.meta_destroyed", 2), IsOk());
  const json keys = Keys();
  EXPECT_EQ(keys["datasets"][0]["data_keys"], 1);
  EXPECT_EQ(keys["datasets"][0]["events"], 20);
}

// Killed at each step of a change of keys, the next start opens with what there is.
TEST_F(KeysTest, AKillAtAnyStepLeavesAVaultThatOpens) {
  ASSERT_NO_FATAL_FAILURE(StoreSome());
  for (const std::string point : crash::kKeyChangeCrashPoints) {
    SCOPED_TRACE(point);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}), IsOk());
    const bool root = point.starts_with("root.");
    const ProcessResult changed =
        root ? Alice({"keys", "rotate", "root", "--to", "keyfile", "--yes"})
             : Alice({"keys", "rotate", "meta", "--yes"});
    EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL) << changed.err;
    ASSERT_THAT(daemon_.Start(), IsOk());
    ExpectReadable();
    EXPECT_TRUE(Await([&] { return Keys()["meta_keys"].size() == 1; }));
    EXPECT_FALSE(std::filesystem::exists(daemon_.data_dir() + ".keyfile.next"));
  }
}

// The file that held the root key is neither lost before the change nor left after it.
TEST_F(KeysTest, AKillOnTheWayToSharesLeavesTheFileOrTheShares) {
  ASSERT_NO_FATAL_FAILURE(StoreSome());
  const std::string keyfile = daemon_.data_dir() + ".keyfile";
  const std::string out = daemon_.directory() + "/shares";
  for (const std::string point : {"root.new_keyfile", "root.changed"}) {
    SCOPED_TRACE(point);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}), IsOk());
    ASSERT_EQ(Alice({"keys", "reshare", "--yes", "--shares", "5"}).exit_code, 6);
    std::filesystem::remove(out);
    (void)RunCli(daemon_, daemon_.bob(),
                 {"keys", "reshare", "--yes", "--continue", "--shares-out", out});
    ASSERT_EQ(daemon_.WaitForEnd(), SIGKILL);
    EXPECT_TRUE(std::filesystem::exists(keyfile + ".next"));
    ASSERT_THAT(daemon_.Start(), IsOk());
    const bool done = point == "root.changed";
    if (done) {
      const std::string file = PrivateFile("given", ReadWholeFile(out));
      ASSERT_EQ(Alice({"operator", "unseal", "--share-file", file}).exit_code, 0);
    }
    ExpectReadable();
    EXPECT_EQ(std::filesystem::exists(keyfile), !done);
    EXPECT_FALSE(std::filesystem::exists(keyfile + ".next"));
  }
}

// What a change left half done is put in order before another one: the file of the root key in
// force was shredded as a leftover.
TEST_F(KeysTest, AChangeAfterOneThatEndedHalfWayKeepsTheKeyInForce) {
  ASSERT_NO_FATAL_FAILURE(StoreSome());
  const std::vector<std::string> rotate = {"keys", "rotate", "root", "--to", "keyfile", "--yes"};
  for (const char* point : {"root.new_keyfile", "root.changed", "root.old_keyfile_gone"}) {
    SCOPED_TRACE(point);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    ASSERT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", "root.changed"}}), IsOk());
    (void)Alice(rotate);
    ASSERT_EQ(daemon_.WaitForEnd(), SIGKILL);
    // A start puts the file in its place: one of the steps is taken there.
    if (daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}).ok()) {
      ExpectReadable();
      (void)Alice(rotate);
      ASSERT_EQ(daemon_.WaitForEnd(), SIGKILL);
    }
    ASSERT_THAT(daemon_.Start(), IsOk());
    ExpectReadable();
  }
}

}  // namespace
}  // namespace televault::testing
