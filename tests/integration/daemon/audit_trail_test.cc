// The trail as auditors use it: search, report, receipts, an export with its keys; and what clients
// notice when it is rolled back.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class AuditTrailTest : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    std::vector<v1::Event> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(Usage(Yesterday(i), absl::StrCat("subject", i), "build"));
    }
    ASSERT_THAT(Append(*As(cast_.collector), RowsOf(events)), IsOk());
    const Answer answer = Ask(
        *As(cast_.analyst), "SELECT count(*) FROM cli_usage WHERE command = 'build-4711'", "usage");
    ASSERT_THAT(answer.status, IsOk());
  }
  Json JsonOf(const TokenOf& token, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const ProcessResult result = RunCli(daemon_, token, arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    Json parsed = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << result.out;
    return parsed;
  }
  std::string Path(const std::string& name) const { return daemon_.directory() + "/" + name; }
};

TEST_F(AuditTrailTest, AValueIsFoundThatIsNowhereKept) {
  const Json found = JsonOf(cast_.auditor, {"audit", "search", "--value", "build-4711"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0]["principal"]["person"], "anna");
  EXPECT_THAT(found[0]["normalized_query"].get<std::string>(), HasSubstr("command = $1"));
  EXPECT_THAT(found.dump(), Not(HasSubstr("build-4711")));
  EXPECT_EQ(JsonOf(cast_.auditor, {"audit", "search", "--value", "build-4712"}).size(), 0u);
  std::ofstream(Path("value")) << "build-4711\n";
  EXPECT_EQ(JsonOf(cast_.auditor, {"audit", "search", "--value-file", Path("value")}).size(), 1u);
  // Not even the entries of the searches hold it.
  EXPECT_THAT(JsonOf(cast_.auditor, {"audit", "list", "--limit", "0"}).dump(),
              Not(HasSubstr("build-47")));
  EXPECT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "search"}).exit_code, 1);
  EXPECT_EQ(RunCli(daemon_, cast_.analyst, {"audit", "search", "--value", "x"}).exit_code, 4);
}

TEST_F(AuditTrailTest, TheReportSaysWhoReadWhatAndWhatWasRefused) {
  const Answer refused =
      Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "no such purpose");
  ASSERT_FALSE(refused.status.ok());
  const Json report = JsonOf(cast_.auditor, {"audit", "report", "--since", "1h"});
  ASSERT_EQ(report["reads"].size(), 1u);
  EXPECT_EQ(report["reads"][0]["person"], "anna");
  EXPECT_EQ(report["reads"][0]["purpose"], "usage");
  EXPECT_EQ(report["reads"][0]["queries"], 1);
  ASSERT_GE(report["refusals"].size(), 1u);
  EXPECT_EQ(report["refusals"][0]["who"], "anna");
  const ProcessResult text =
      RunCli(daemon_, cast_.auditor, {"audit", "report", "--since", "1h", "-o", "table"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("# Audit report"));
  EXPECT_THAT(text.out, HasSubstr("| anna | cli\\_usage | usage |"));
  EXPECT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "report", "-o", "csv"}).exit_code, 1);
}

TEST_F(AuditTrailTest, AReceiptIsCheckedOnlineAndAgainstAnExport) {
  const ProcessResult asked = RunCli(daemon_, cast_.analyst,
                                     {"query", "SELECT count(*) FROM cli_usage", "--purpose",
                                      "usage", "--receipt", Path("receipt")});
  ASSERT_EQ(asked.exit_code, 0) << asked.err;
  const std::vector<std::string> online = {"audit", "verify", "--receipt", Path("receipt")};
  EXPECT_EQ(RunCli(daemon_, cast_.analyst, online).exit_code, 0);
  ASSERT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "export", Path("log")}).exit_code, 0);
  std::vector<std::string> offline = online;
  offline.insert(offline.end(), {"--dir", Path("log"), "--key", daemon_.vkey()});
  const ProcessResult verified = RunCli(daemon_, {}, offline);
  EXPECT_EQ(verified.exit_code, 0) << verified.err;

  // A character of the first hash of the proof.
  std::string receipt = ReadWholeFile(Path("receipt"));
  const size_t hash = receipt.find('\n', receipt.find("index ")) + 1;
  receipt[hash] = receipt[hash] == 'A' ? 'B' : 'A';
  std::ofstream(Path("forged")) << receipt;
  for (std::vector<std::string> arguments : {online, offline}) {
    arguments[3] = Path("forged");
    EXPECT_EQ(RunCli(daemon_, cast_.analyst, arguments).exit_code, 3);
  }
}

TEST_F(AuditTrailTest, AnExportIsReadWithItsKeysAndWithoutAVault) {
  const std::string keys = Path("keys");
  EXPECT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "export", Path("log"), "--key-file", keys})
                .exit_code,
            1)
      << "without a reason";
  const ProcessResult exported =
      RunCli(daemon_, cast_.auditor,
             {"audit", "export", Path("log"), "--key-file", keys, "--reason", "yearly review"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  struct stat found {};
  ASSERT_EQ(::stat(keys.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  const auto taken = Entries(*As(cast_.auditor), ByMethod("ExportAuditKeys"));
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].entry().details().at("why"), "yearly review");
  EXPECT_EQ(taken[0].entry().details().at("epochs"), "1");
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const ProcessResult read = RunCli(daemon_, {},
                                    {"audit", "decrypt", "--dir", Path("log"), "--key-file", keys,
                                     "--method", "Query", "-o", "jsonl"});
  EXPECT_EQ(read.exit_code, 0) << read.err;
  EXPECT_THAT(read.out, HasSubstr("\"anna\""));
  // Nobody else's keys.
  std::string other = ReadWholeFile(keys);
  const size_t vault = other.find("vault ") + 6;
  other[vault] = other[vault] == '0' ? '1' : '0';
  std::ofstream(Path("other")) << other;
  EXPECT_EQ(
      RunCli(daemon_, {}, {"audit", "decrypt", "--dir", Path("log"), "--key-file", Path("other")})
          .exit_code,
      3);
}

TEST_F(AuditTrailTest, AnExportIsVerifiedByHandAsTheDocumentSays) {
  for (int i = 0; i < 260; ++i) {  // more than one bundle
    ASSERT_THAT(As(cast_.auditor)->GetLockdownStatus({}, call_), IsOk());
  }
  ASSERT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "export", Path("log")}).exit_code, 0);
  TV_ASSERT_OK_AND_ASSIGN(const ProcessResult checked,
                          RunProcess({"/bin/bash", "tests/integration/daemon/trail_by_hand.sh",
                                      Path("log"), daemon_.vkey()},
                                     daemon_.directory()));
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_F(AuditTrailTest, AnExportGoesOnWhereItStoppedAndItsFirstWrongEntryIsNamed) {
  const auto exported = [&] { return JsonOf(cast_.auditor, {"audit", "export", Path("log")}); };
  const Json first = exported();
  ASSERT_THAT(As(cast_.auditor)->GetLockdownStatus({}, call_), IsOk());
  const Json second = exported();
  EXPECT_GE(second["new_entries"], 1);
  EXPECT_EQ(second["entries"].get<uint64_t>(),
            first["entries"].get<uint64_t>() + second["new_entries"].get<uint64_t>());
  const std::vector<std::string> verify = {"audit",     "verify", "--dir",
                                           Path("log"), "--key",  daemon_.vkey()};
  EXPECT_EQ(RunCli(daemon_, {}, verify).exit_code, 0);

  // The last byte of the fourth entry: each begins with two bytes of length.
  const std::string bundle =
      Path("log") + "/tile/entries/000.p/" + std::to_string(second["entries"].get<uint64_t>());
  std::string bytes = ReadWholeFile(bundle);
  ASSERT_FALSE(bytes.empty());
  size_t end = 0;
  for (int entry = 0; entry < 4; ++entry) {
    end += 2 + static_cast<uint8_t>(bytes[end]) * 256u + static_cast<uint8_t>(bytes[end + 1]);
  }
  bytes[end - 1] ^= 1;
  std::ofstream(bundle, std::ios::binary) << bytes;
  const ProcessResult wrong = RunCli(daemon_, {}, verify);
  EXPECT_EQ(wrong.exit_code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("entry 3"));
}

TEST_F(AuditTrailTest, EntriesAreFoundByEachFilter) {
  const auto count = [&](std::vector<std::string> filter) {
    std::vector<std::string> arguments = {"audit", "list", "--limit", "1000"};
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    return JsonOf(cast_.auditor, arguments).size();
  };
  EXPECT_EQ(count({"--person", "anna", "--method", "Query"}), 1u);
  EXPECT_EQ(count({"--dataset", "cli_usage", "--purpose", "usage"}), 1u);
  EXPECT_EQ(count({"--method", "Query", "--verdict", "deny"}), 0u);
  EXPECT_EQ(count({"--method", "Query", "--since", "1h"}), 1u);
  EXPECT_EQ(count({"--method", "Query", "--until", "1h"}), 0u);
  EXPECT_EQ(count({"--kind", "event", "--method", "daemon.start"}), 1u);
  EXPECT_EQ(count({"--kind", "outcome", "--method", "daemon.start"}), 0u);
}

// With nothing to show before, what came while the stream was broken was skipped.
TEST_F(AuditTrailTest, TailShowsEveryEntryOnceInOrderAlsoOverARestart) {
  BackgroundProcess tail(
      {TELEVAULT_BINARY, "--addr", "unix:" + daemon_.socket(), "--token-file", cast_.auditor.path,
       "-o", "jsonl", "audit", "tail", "-f", "-n", "0", "--method", "ListRoles"},
      Path("tail.err"), {{"HOME", daemon_.directory()}, {"XDG_STATE_HOME", daemon_.directory()}});
  // It follows from where the log is when it asks for its size.
  ASSERT_TRUE(Await([&] { return !Entries(*As(cast_.auditor), ByMethod("TailEntries")).empty(); }));
  const auto next = [&]() -> uint64_t {
    const auto line = tail.AwaitLine("");
    EXPECT_THAT(line, IsOk());
    const Json entry = Json::parse(line.value_or(""), nullptr, false);
    return entry.is_discarded() ? 0 : entry["index"].get<uint64_t>();
  };
  const auto ask = [&] { EXPECT_THAT(As(cast_.analyst)->ListRoles({}, call_), IsOk()); };
  ask();
  const uint64_t first = next();
  ASSERT_THAT(daemon_.Restart(), IsOk());
  ask();
  ask();
  const uint64_t second = next();
  const uint64_t third = next();
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  const auto entries = Entries(*As(cast_.auditor), ByMethod("ListRoles"));
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(third, entries[0].index());
  EXPECT_EQ(second, entries[1].index());
  EXPECT_EQ(first, entries[2].index());
}

// The first leaf of every log holds a key: it used to be shown as a call of nobody in 1970.
TEST_F(AuditTrailTest, ALeafWithoutAnEntryIsNotShownAsOne) {
  const ProcessResult shown = RunCli(daemon_, cast_.auditor, {"audit", "show", "0", "-o", "table"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.err, HasSubstr("holds a key"));
  EXPECT_THAT(shown.out, Not(HasSubstr("1970")));
}

TEST_F(AuditTrailTest, ARollbackOfTheDataDirectoryIsNoticedByTheAnchor) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon copy;
  ASSERT_THAT(copy.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  ASSERT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "list"}).exit_code, 0);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  // The anchor goes on, the directory does not.
  std::filesystem::copy(Path("vault.anchor"), copy.data_dir() + ".anchor",
                        std::filesystem::copy_options::overwrite_existing);
  ASSERT_THAT(copy.Start(), IsOk());
  const ProcessResult status = RunCli(copy, copy.alice(), {"status"});
  EXPECT_EQ(status.exit_code, 5) << status.out;
  EXPECT_THAT(copy.Output(), HasSubstr("older than the anchor"));
}

TEST_F(AuditTrailTest, ARollbackOfEverythingIsNoticedByTheClientsPin) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon copy;
  ASSERT_THAT(copy.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(RunCli(daemon_, cast_.auditor, {"audit", "list"}).exit_code, 0);
  }
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(copy.Start(), IsOk());
  const ProcessResult noticed =
      RunCli(copy, cast_.auditor, {"status"}, {{"XDG_STATE_HOME", daemon_.directory()}});
  EXPECT_EQ(noticed.exit_code, 3) << noticed.out;
  EXPECT_THAT(noticed.err, HasSubstr("rolled back"));
}

class SealedTrailTest : public VaultTest {
 protected:
  SealedTrailTest() : VaultTest({.passphrase = kPassphrase}) {}
  void SetUp() override { ASSERT_THAT(daemon_.InitAndStart(), IsOk()); }
  static constexpr char kPassphrase[] = "quartz lantern mosaic velvet harbour thirteen";
};

TEST_F(SealedTrailTest, UnsealAttemptsLockdownsAndVotesAreEntriesWhileSealed) {
  const auto unseal = [&](const std::string& passphrase) {
    return As(daemon_.alice())->Unseal({}, client::SecretText(passphrase), call_);
  };
  ASSERT_THAT(unseal(kPassphrase), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
  ASSERT_THAT(daemon_.Restart(), IsOk());

  EXPECT_THAT(unseal("quartz lantern mosaic velvet harbour fourteen"), Not(IsOk()));
  EXPECT_THAT(unseal("short"), Not(IsOk()));
  EXPECT_THAT(As(cast_.analyst)->Unseal({}, client::SecretText(kPassphrase), call_), Not(IsOk()));
  v1::EngageLockdownRequest engage;
  engage.set_level(v1::LOCKDOWN_LEVEL_READS);
  engage.set_reason("while sealed");
  TV_ASSERT_OK_AND_ASSIGN(const auto engaged, As(cast_.responder)->EngageLockdown(engage, call_));
  v1::ProposeLiftRequest lift;
  lift.set_lockdown_id(engaged.lockdown().id());
  lift.set_reason("over");
  EXPECT_THAT(As(cast_.second_responder)->ProposeLift(lift, call_), IsOk());
  v1::ApproveLiftRequest approve;
  approve.set_lockdown_id(engaged.lockdown().id());
  EXPECT_THAT(As(cast_.responder)->ApproveLift(approve, call_), Not(IsOk())) << "who engaged it";
  EXPECT_THAT(As(cast_.third_responder)->ApproveLift(approve, call_), IsOk());
  ASSERT_THAT(unseal(kPassphrase), IsOk());

  const auto said = [&](const std::string& method) {
    std::vector<std::string> lines;
    for (const auto& indexed : Entries(*As(cast_.auditor), ByMethod(method))) {
      const auto& entry = indexed.entry();
      lines.push_back(absl::StrCat(entry.principal().person(), " ",
                                   entry.verdict() == record::v1::VERDICT_ALLOW ? "may" : "may not",
                                   entry.status() == 0 ? "" : ", failed"));
    }
    return lines;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(said("Unseal"), ElementsAre("alice may", "anna may not, failed", "alice may, failed",
                                          "alice may not, failed", "alice may"));
  EXPECT_THAT(said("EngageLockdown"), ElementsAre(cast_.responder.person + " may"));
  EXPECT_THAT(said("ProposeLift"), ElementsAre(cast_.second_responder.person + " may"));
  EXPECT_THAT(said("ApproveLift"), ElementsAre(cast_.third_responder.person + " may",
                                               cast_.responder.person + " may not, failed"));
}

}  // namespace
}  // namespace televault::testing
