#include "admin-cli/app.h"

#include <algorithm>

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include "tests/unit/admin-cli/cli_harness.h"
#include "vault/client/error.h"

namespace televault::cli {
namespace {

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome RunCli(std::vector<const char*> words) {
  Harness harness;
  words.insert(words.begin(), "televault");
  const int code = RunApp(static_cast<int>(words.size()), words.data(), harness.terminal());
  return {code, harness.out.str(), harness.err.str()};
}

const CLI::App* Find(const CLI::App& parent, const std::string& name) {
  const auto found =
      parent.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

TEST(AppTest, HasEveryPublishedVerb) {
  GlobalOptions options;
  Choice choice;
  const auto app = BuildApp(options, choice);
  const std::vector<std::pair<std::string, std::vector<std::string>>> published = {
      {"status", {}},
      {"dataset", {"lint", "apply", "list", "show", "docs", "diff", "remove"}},
      {"ingest", {"rejects"}},
      {"source", {"lint", "apply", "list", "try"}},
      {"query", {}},
      {"access", {"request", "list", "show", "approve", "deny", "revoke"}},
      {"person", {"enrol", "confirm", "list", "disable"}},
      {"token", {"create", "confirm", "list", "show", "revoke", "renew"}},
      {"role", {"list", "show", "apply"}},
      {"audit",
       {"list", "show", "search", "tail", "report", "verify", "export", "proof", "decrypt",
        "witness"}},
      {"lockdown", {"engage", "status", "lift", "approve", "ticket"}},
      {"incident", {"report", "note", "list", "close"}},
      {"retention", {"status", "run", "receipts", "hold"}},
      {"erase", {}},
      {"keys", {"status", "rotate", "reshare"}},
      {"operator", {"unseal", "seal", "status"}},
      {"backup", {"create", "verify", "restore"}},
      {"completion", {}},
      {"version", {}}};
  for (const auto& [noun, verbs] : published) {
    const CLI::App* const command = Find(*app, noun);
    ASSERT_NE(command, nullptr) << noun;
    for (const std::string& verb : verbs) {
      EXPECT_NE(Find(*command, verb), nullptr) << noun << ' ' << verb;
    }
  }
}

TEST(AppTest, AVerbOfALaterVersionSaysSoWhateverItsArguments) {
  const Outcome outcome = RunCli({"lockdown", "ticket", "/tmp/x", "--whatever"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("not available in this version"), std::string::npos);
  EXPECT_EQ(RunCli({"erase", "--dataset", "x"}).code, 1);
}

TEST(AppTest, UsageErrorsAreOneParagraphOnStderrAndExitOne) {
  for (const std::vector<const char*>& words :
       std::vector<std::vector<const char*>>{{},
                                             {"nonsense"},
                                             {"audit"},
                                             {"query", "SELECT 1"},
                                             {"token", "create"},
                                             {"status", "--output", "xml"},
                                             {"status", "--timeout", "soon"}}) {
    const Outcome outcome = RunCli(words);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(AppTest, HelpAndVersionSucceed) {
  EXPECT_EQ(RunCli({"--help"}).code, 0);
  EXPECT_EQ(RunCli({"audit", "list", "--help"}).code, 0);
  const Outcome version = RunCli({"version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("televault ", 0), 0u);
}

TEST(AppTest, GlobalFlagsAreUnderstoodBehindTheVerb) {
  const Outcome outcome = RunCli(
      {"status", "--addr", "unix:/nonexistent/televault.sock", "-o", "json", "--timeout", "2s"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("Not reached"), std::string::npos) << outcome.err;
}

TEST(AppTest, AVerbOfAVerbIsTheOneThatRuns) {
  const Outcome outcome = RunCli({"ingest", "rejects", "--addr", "unix:/nonexistent/s"});
  EXPECT_EQ(outcome.code, 2) << outcome.err;
}

TEST(AppTest, ADestructiveVerbIsRefusedWithoutATerminalAndWithoutYes) {
  const Outcome outcome = RunCli({"token", "revoke", "tva_12345678901"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("--yes"), std::string::npos);
}

TEST(AppTest, AnApprovalDisclosesAndIsAskedForLikeADestructiveVerb) {
  const Outcome outcome = RunCli({"access", "approve", "req-1", "--addr", "unix:/nonexistent/s"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("--yes"), std::string::npos);
  // With --yes it goes straight to the vault, which is not there.
  EXPECT_EQ(RunCli({"access", "approve", "req-1", "--yes", "--addr", "unix:/nonexistent/s"}).code,
            2);
}

TEST(AppTest, CompletionKnowsTheCommandTree) {
  for (const char* const shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = RunCli({"completion", shell});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.out.find("audit verify"), std::string::npos) << shell;
    EXPECT_NE(outcome.out.find("--purpose"), std::string::npos) << shell;
  }
  EXPECT_EQ(RunCli({"completion", "tcsh"}).code, 1);
}

TEST(AppTest, ARefusedCommandShowsAHistoryToo) {
  Harness harness;
  const auto context = harness.Make("json");
  const auto wire = [](int code, const std::string& reason) {
    google::rpc::ErrorInfo info;
    info.set_domain("televault");
    info.set_reason(reason);
    google::rpc::Status details;
    details.set_code(code);
    details.add_details()->PackFrom(info);
    return client::FromWire(code, "no", details.SerializeAsString());
  };
  EXPECT_TRUE(ShowsHistory(*context, absl::OkStatus()));
  EXPECT_TRUE(ShowsHistory(*context, wire(7, "DENIED")));
  EXPECT_TRUE(ShowsHistory(*context, wire(9, "LOCKED_DOWN")));
  EXPECT_FALSE(ShowsHistory(*context, wire(16, "UNAUTHENTICATED")));
  EXPECT_FALSE(ShowsHistory(*context, client::FromWire(14, "no route", "")));
  EXPECT_FALSE(ShowsHistory(*context, absl::InvalidArgumentError("a local error")));
  // What was asked for is not in the answer: it may have been, before a rollback.
  (void)context->NewCall();
  EXPECT_TRUE(ShowsHistory(*context, absl::NotFoundError("no such token")));
  EXPECT_FALSE(ShowsHistory(*context, wire(16, "UNAUTHENTICATED")));
  EXPECT_FALSE(ShowsHistory(*context, client::FromWire(14, "no route", "")));
}

TEST(AppTest, AResultThatStandsIsNoFailureWhereOnlyThePinCannotBeKept) {
  const absl::Status no_place = absl::NotFoundError("no place to pin");
  const auto conclude = [&](bool stands, const absl::StatusOr<ExitCode>& done,
                            const absl::Status& pins, std::string* err = nullptr) {
    Harness harness;
    const auto context = harness.Make("json");
    if (stands) context->ResultStands();
    Terminal terminal = harness.terminal();
    const int code = Conclude(*context, terminal, done, pins);
    if (err != nullptr) *err = harness.err.str();
    return code;
  };
  std::string err;
  EXPECT_EQ(conclude(true, ExitCode::kOk, no_place, &err), 0);
  EXPECT_NE(err.find("warning"), std::string::npos) << err;
  EXPECT_EQ(conclude(false, ExitCode::kOk, no_place), 1);
  EXPECT_EQ(conclude(true, ExitCode::kOk, VerificationFailed("forked")), 3);
  EXPECT_EQ(conclude(false, absl::InternalError("x"), VerificationFailed("forked")), 3);
  EXPECT_EQ(conclude(false, absl::InvalidArgumentError("x"), no_place), 1);
}

TEST(ContextTest, ConfirmTakesOnlyAnExplicitYes) {
  for (const auto& [typed, ok] : std::vector<std::pair<std::string, bool>>{
           {"y\n", true}, {"YES\n", true}, {"\n", false}, {"n\n", false}, {"", false}}) {
    Harness harness;
    harness.in.str(typed);
    Terminal terminal = harness.terminal();
    terminal.in_is_terminal = true;
    const auto context = Context::Create({}, terminal);
    ASSERT_TRUE(context.ok());
    EXPECT_EQ((*context)->Confirm("Sure?").ok(), ok) << typed;
  }
}

TEST(ContextTest, APipeGetsJsonAndATerminalATable) {
  Harness harness;
  EXPECT_EQ(harness.Make("")->format(), OutputFormat::kJson);
  Terminal terminal = harness.terminal();
  terminal.out_is_terminal = true;
  const auto context = Context::Create({}, terminal);
  ASSERT_TRUE(context.ok());
  EXPECT_EQ((*context)->format(), OutputFormat::kTable);
}

}  // namespace
}  // namespace televault::cli
