// Whatever is asked of a vault that was rolled back or forked, the command line notices: exit code
// 3, and nothing on standard output that could be taken for an answer.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include "admin-cli/app.h"
#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Every command that this version has, as it is typed.
void AddCommands(const CLI::App& parent, const std::string& words, std::set<std::string>& all) {
  for (const CLI::App* const command :
       parent.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = absl::StrCat(words, words.empty() ? "" : " ", command->get_name());
    const bool is_noun = command->get_require_subcommand_min() > 0;
    const bool later = absl::StrContains(command->get_description(), "not available");
    if (!is_noun && !later) all.insert(name);
    AddCommands(*command, name, all);
  }
}

std::set<std::string> AllCommands() {
  cli::GlobalOptions options;
  cli::Choice choice;
  std::set<std::string> all;
  AddCommands(*cli::BuildApp(options, choice), "", all);
  return all;
}

struct Row {
  std::string command;
  TokenOf token;
  std::vector<std::string> arguments;
  int exit_code = 0;  // of a vault whose history holds
  // Printed before the end: rows as they arrive, a lockdown that is in force whatever else is
  // wrong.
  bool shows = false;
};

// Commands that ask no vault.
const std::map<std::string, std::pair<std::vector<std::string>, int>>& Offline() {
  static const std::map<std::string, std::pair<std::vector<std::string>, int>> rows = {
      {"version", {{}, 0}},
      {"completion", {{"bash"}, 0}},
      {"dataset lint", {{"deploy/samples/cli_usage.yaml"}, 0}},
      {"source lint", {{"deploy/samples/sources/gatsby.yaml"}, 0}},
      {"source try", {{"deploy/samples/sources/gatsby.yaml", "@DIR@/gatsby.json"}, 0}},
      {"audit decrypt", {{"--dir", "@DIR@/export", "--key-file", "@DIR@/keys"}, 0}},
      // Runs the daemon's binary; its own tests are elsewhere.
      {"backup restore", {{"/nowhere", "--data-dir", "/nowhere", "--yes"}, 1}},
      // It serves; its own tests are elsewhere.
      {"audit witness", {{"--state", "@DIR@/w", "--log", "@VKEY@", "--listen", "nowhere"}, 1}},
  };
  return rows;
}

class CliPinTest : public VaultTest {
 protected:
  CliPinTest() : VaultTest({.config = "[retention]\ntick = \"60s\"\n"}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(VaultTest::SetUp());
    Prepare();
    const std::string line = absl::StrCat(R"({"event_time":)", Yesterday(0).micros / 1'000,
                                          R"(,"subject":"m","command":"build"})", "\n");
    std::ofstream(Path("events.ndjson")) << line;
    std::ofstream(Path("gatsby.json")) << "[]";
    std::ofstream(Path("subject")) << "m\n";
    std::filesystem::permissions(Path("subject"), std::filesystem::perms::owner_read);
    std::ofstream(Path("query.sql")) << kRowQuery;
  }
  std::string Path(const std::string& name) const { return daemon_.directory() + "/" + name; }

  // What the commands below are about.
  void Prepare() {
    ASSERT_THAT(daemon_.Enrol("dora"), IsOk());
    v1::EnrolPersonRequest carl;
    carl.set_name("carl");
    ASSERT_THAT(As(daemon_.alice())->EnrolPerson(carl, call_), IsOk());
    v1::CreateTokenRequest guarded;
    guarded.set_person("dora");
    guarded.add_roles("steward");
    TV_ASSERT_OK_AND_ASSIGN(const auto pending, As(daemon_.alice())->CreateToken(guarded, call_));
    pending_token_ = pending.token().accessor();
    TV_ASSERT_OK_AND_ASSIGN(revocable_, MakeAnalystToken());
    for (std::string& id : requests_) {
      v1::RequestAccessRequest request;
      request.set_sql(kRowQuery);
      request.set_purpose("reliability");
      request.set_grant_s(600);
      request.set_reason("a failure");
      TV_ASSERT_OK_AND_ASSIGN(const auto made,
                              As(cast_.investigator)->RequestAccess(request, call_));
      id = made.request().id();
    }
    for (std::string& id : lockdowns_) {
      v1::EngageLockdownRequest lockdown;
      lockdown.set_level(v1::LOCKDOWN_LEVEL_READS);
      lockdown.mutable_scope()->set_kind(v1::SCOPE_KIND_DATASET);
      lockdown.mutable_scope()->set_name(&id == &lockdowns_[0] ? "elsewhere" : "nowhere");
      lockdown.set_reason("a drill");
      TV_ASSERT_OK_AND_ASSIGN(const auto engaged,
                              As(cast_.responder)->EngageLockdown(lockdown, call_));
      id = engaged.lockdown().id();
    }
    v1::ProposeLiftRequest lift;
    lift.set_lockdown_id(lockdowns_[1]);
    lift.set_reason("over");
    ASSERT_THAT(As(cast_.second_responder)->ProposeLift(lift, call_), IsOk());
  }
  absl::StatusOr<std::string> MakeAnalystToken() {
    v1::CreateTokenRequest request;
    request.set_person("dora");
    request.add_roles("analyst");
    TV_ASSIGN_OR_RETURN(const TokenOf made, daemon_.MakeToken(request));
    return made.accessor;
  }

  // In an order in which each of them does what it is for. `newer_token` was made after the copy.
  std::vector<Row> Online(const std::string& newer_token) const {
    const Cast& c = cast_;
    const TokenOf& alice = daemon_.alice();
    const TokenOf& bob = daemon_.bob();
    const std::string sample = "deploy/samples/cli_usage.yaml";
    const std::string count = "SELECT count(*) FROM cli_usage";
    return {
        {"status", alice, {}, 5},
        {"keys status", alice, {}},
        {"keys rotate", alice, {"slot"}},
        {"keys reshare", alice, {"--cancel"}, 1},
        {"backup verify", alice, {"/nowhere"}, 1},
        {"backup create", alice, {"nowhere"}, 1},
        {"operator status", alice, {}},
        {"dataset apply", c.steward, {sample, "--yes"}},
        {"dataset list", c.steward, {}},
        {"dataset show", c.steward, {"cli_usage"}},
        {"dataset docs", c.steward, {"--online", "cli_usage"}},
        {"dataset diff", c.steward, {sample}, 1},  // applied already
        {"ingest",
         c.collector,
         {"@DIR@/events.ndjson", "--dataset", "cli_usage", "--consent-version", "4"}},
        {"ingest rejects", c.steward, {}},
        {"query", c.analyst, {count, "--purpose", "usage"}, 0, true},
        {"query", c.analyst, {count, "--purpose", "usage", "--explain"}},
        {"query", c.analyst, {"SELECT count(*) FROM nothing", "--purpose", "usage"}, 4},
        {"access request",
         c.investigator,
         {"--dataset", "cli_usage", "--purpose", "reliability", "--query", "@DIR@/query.sql",
          "--for", "10m", "--reason", "a failure"},
         6},
        {"access list", c.steward, {}},
        {"access show", c.steward, {requests_[0]}, 6},
        {"access approve", c.steward, {requests_[0], "--yes"}, 6},
        {"access deny", c.steward, {requests_[1], "--yes"}},
        {"access revoke", c.investigator, {requests_[2], "--yes"}},
        {"person enrol", alice, {"erna"}, 6},
        {"person confirm", bob, {"carl"}},
        {"person list", alice, {}},
        {"token create", alice, {"--person", "anna", "--role", "analyst"}, 0, true},
        {"token confirm", bob, {pending_token_}},
        {"token list", alice, {}},
        {"token show", alice, {newer_token}},
        {"token show", alice, {"tva_none"}, 1},
        {"token renew", c.analyst, {}},
        {"token revoke", alice, {revocable_, "--yes"}},
        {"person disable", alice, {"dora", "--yes"}},
        {"role list", alice, {}},
        {"role show", alice, {"analyst"}},
        {"role show", alice, {"emperor"}, 1},
        {"audit list", c.auditor, {}},
        {"audit search", c.auditor, {"--value", "x"}},
        {"audit show", c.auditor, {"1"}},
        {"audit tail", c.auditor, {}},
        {"audit report", c.auditor, {}},
        {"audit verify", c.auditor, {}},
        {"audit proof", c.auditor, {"1"}},
        {"audit export",
         c.auditor,
         {"@DIR@/export", "--key-file", "@DIR@/keys", "--reason", "reading"}},
        {"lockdown status", c.responder, {}, 5},
        {"lockdown engage",
         c.responder,
         {"--level", "reads", "--scope", "dataset=elsewhere", "--reason", "a drill"},
         0,
         true},
        {"lockdown lift", c.second_responder, {lockdowns_[0], "--reason", "over", "--yes"}, 6},
        {"lockdown approve", c.third_responder, {lockdowns_[1], "--yes"}},
        {"retention status", c.steward, {}},
        {"retention run", c.steward, {"--yes"}},
        {"retention receipts", c.steward, {}},
        {"retention receipts", c.steward, {"--verify"}},
        {"retention hold list", c.steward, {}},
        {"retention hold place",
         c.steward,
         {"--dataset", "cli_usage", "--until", "1d", "--reason", "file 12", "--yes"}},
        {"retention hold release", c.steward, {"none", "--reason", "closed", "--yes"}, 1},
        {"retention erasures", c.steward, {}},
        {"erase",
         c.steward,
         {"--dataset", "cli_usage", "--subject-file", "@DIR@/subject", "--yes"}},
        {"operator seal", alice, {"--yes"}},
        {"operator unseal", alice, {"--keyfile"}},
    };
  }

  // The command line of a user whose pins are kept beside `daemon_`.
  ProcessResult Run(const Daemon& daemon, const TokenOf& token, const std::string& command,
                    const std::vector<std::string>& arguments, const std::string& address = "") {
    std::vector<std::string> words = absl::StrSplit(command, ' ');
    for (const std::string& argument : arguments) {
      words.push_back(absl::StrReplaceAll(
          argument, {{"@DIR@", daemon.directory()}, {"@VKEY@", daemon.vkey()}}));
    }
    if (!address.empty()) words.insert(words.end(), {"--addr", address});
    return RunCli(daemon, token, words, {{"XDG_STATE_HOME", daemon_.directory()}});
  }
  static uint64_t SizeOf(const Daemon& daemon) {
    client::Call call;
    const auto status = daemon.As(daemon.alice())->GetStatus({}, call);
    TV_CHECK(status.ok());
    return status->audit_size();
  }
  static void GrowTo(const Daemon& daemon, uint64_t size) {
    while (SizeOf(daemon) < size) {
    }
  }
  void ExpectDisputed(const Daemon& daemon, const std::vector<Row>& rows, const std::string& how) {
    for (const Row& row : rows) {
      SCOPED_TRACE(absl::StrCat(row.command, " ", row.arguments.empty() ? "" : row.arguments[0]));
      const ProcessResult result = Run(daemon, row.token, row.command, row.arguments);
      EXPECT_EQ(result.exit_code, 3) << result.err;
      EXPECT_THAT(result.err, HasSubstr("Verification failed: "));
      EXPECT_THAT(result.err, HasSubstr(how));
      if (!row.shows) {
        EXPECT_THAT(result.out, IsEmpty());
      }
    }
  }

  static constexpr char kRowQuery[] = "SELECT version FROM cli_usage";
  std::string pending_token_;
  std::string revocable_;
  std::array<std::string, 3> requests_;
  std::array<std::string, 2> lockdowns_;
};

TEST_F(CliPinTest, EveryCommandNoticesARollbackAndAFork) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon rolled_back;
  Daemon forked;
  ASSERT_THAT(rolled_back.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(forked.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const std::string newer_token, MakeAnalystToken());

  const std::vector<Row> rows = Online(newer_token);
  std::set<std::string> known;
  for (const auto& [command, row] : Offline()) known.insert(command);
  for (const Row& row : rows) EXPECT_FALSE(Offline().contains(row.command));
  for (const Row& row : rows) known.insert(row.command);
  EXPECT_EQ(known, AllCommands()) << "every command stands in one of the two tables";

  // Each does what it is for where nothing is wrong.
  for (const Row& row : rows) {
    const ProcessResult result = Run(daemon_, row.token, row.command, row.arguments);
    EXPECT_EQ(result.exit_code, row.exit_code) << row.command << "\n" << result.err << result.out;
  }
  for (const auto& [command, row] : Offline()) {
    const ProcessResult result = Run(daemon_, {}, command, row.first, "unix:/nonexistent/socket");
    EXPECT_EQ(result.exit_code, row.second) << command << "\n" << result.err;
  }

  // So far ahead that the copy does not catch up.
  GrowTo(daemon_, SizeOf(daemon_) + 500);
  ASSERT_EQ(RunCli(daemon_, daemon_.alice(), {"status"}).exit_code, 5);
  const uint64_t pinned = SizeOf(daemon_);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(rolled_back.Start(), IsOk());
  ExpectDisputed(rolled_back, rows, "was rolled back");
  EXPECT_LT(SizeOf(rolled_back), pinned);
  ASSERT_THAT(forked.Start(), IsOk());
  GrowTo(forked, pinned + 1);
  ExpectDisputed(forked, rows, "was forked");
}

// Who follows the trail is told of a rollback where the vault comes back as an older one; there is
// no end of the command to wait for.
TEST_F(CliPinTest, AFollowedTrailEndsWhereTheVaultComesBackOlder) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon older;
  ASSERT_THAT(older.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  GrowTo(daemon_, SizeOf(daemon_) + 100);
  BackgroundProcess tail({TELEVAULT_BINARY, "--addr", "unix:" + daemon_.socket(), "--token-file",
                          cast_.auditor.path, "audit", "tail", "-f", "-n", "1"},
                         Path("tail.err"), {{"XDG_STATE_HOME", daemon_.directory()}});
  ASSERT_THAT(tail.AwaitLine("{"), IsOk());
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  for (const char* const part : {"vault", "vault.anchor", "vault.keyfile"}) {
    std::filesystem::remove_all(Path(part));
    std::filesystem::copy(older.directory() + "/" + part, Path(part),
                          std::filesystem::copy_options::recursive);
  }
  ASSERT_THAT(daemon_.Start(), IsOk());
  while (tail.AwaitLine("{").ok()) {
  }
  EXPECT_EQ(tail.Terminate(), 3);
  EXPECT_THAT(ReadWholeFile(Path("tail.err")), HasSubstr("was rolled back"));
}

// And where it begins.
TEST_F(CliPinTest, AnOlderTrailIsNotFollowed) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  Daemon older;
  ASSERT_THAT(older.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  GrowTo(daemon_, SizeOf(daemon_) + 100);
  ASSERT_EQ(RunCli(daemon_, daemon_.alice(), {"keys", "status"}).exit_code, 0);
  ASSERT_THAT(older.Start(), IsOk());
  const ProcessResult tail = Run(older, cast_.auditor, "audit tail", {"-f"});
  EXPECT_EQ(tail.exit_code, 3);
  EXPECT_THAT(tail.out, IsEmpty());
}

}  // namespace
}  // namespace televault::testing
