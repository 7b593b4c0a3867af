// Tokens and passphrases are said once, where they are made, and never again by anything.
#include "absl/strings/match.h"

#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kPassphrase[] = "quartz lantern mosaic velvet harbour thirteen";

class SecretsTest : public VaultTest {
 protected:
  SecretsTest()
      : VaultTest({.passphrase = kPassphrase,
                   .config = "[log]\nlevel = \"debug\"\nformat = \"json\"\n"}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.InitAndStart(), IsOk());
    ASSERT_THAT(As(daemon_.alice())->Unseal({}, client::SecretText(kPassphrase), call_), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
    ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage")), IsOk());
  }

  ProcessResult Run(const TokenOf& token, const std::vector<std::string>& arguments,
                    Environment environment = {}) {
    return RunCli(daemon_, token, arguments, std::move(environment));
  }

  void ExpectSilence(const std::string& text, const std::string& what) {
    EXPECT_FALSE(absl::StrContains(text, kPassphrase)) << what;
    EXPECT_FALSE(absl::StrContains(text, "lantern mosaic")) << what;
    for (const TokenOf& token : {daemon_.alice(), daemon_.bob(), cast_.analyst, cast_.auditor,
                                 cast_.steward, cast_.collector}) {
      // Neither the whole nor the secret middle of it.
      EXPECT_FALSE(absl::StrContains(text, token.text)) << what;
      EXPECT_FALSE(absl::StrContains(text, token.text.substr(4, 16))) << what;
    }
  }
};

TEST_F(SecretsTest, NoCommandNoErrorAndNoLogRepeatsATokenOrThePassphrase) {
  struct Case {
    const TokenOf* token;
    std::vector<std::string> arguments;
    int exit_code;
  };
  const std::vector<Case> cases = {
      {&daemon_.alice(), {"status"}, 0},
      {&daemon_.alice(), {"token", "list"}, 0},
      {&daemon_.alice(), {"-o", "json", "token", "list"}, 0},
      {&daemon_.alice(), {"person", "list"}, 0},
      {&cast_.auditor, {"-o", "json", "audit", "list"}, 0},
      {&cast_.analyst, {"query", "--purpose", "usage", "SELECT count(*) FROM cli_usage"}, 0},
      {&cast_.analyst, {"query", "--purpose", "usage", "SELECT version FROM cli_usage"}, 4},
      {&cast_.analyst, {"audit", "list"}, 4},
      {&cast_.analyst, {"query", "--no-such-flag"}, 1},
  };
  for (const Case& one : cases) {
    const ProcessResult result = Run(*one.token, one.arguments);
    EXPECT_EQ(result.exit_code, one.exit_code) << one.arguments[0] << ": " << result.err;
    ExpectSilence(result.out + result.err, one.arguments[0]);
  }
  ExpectSilence(daemon_.Output(), "the daemon's output");
}

TEST_F(SecretsTest, AMistypedTokenIsNotRepeatedEither) {
  std::string mistyped = cast_.analyst.text;
  mistyped[20] = mistyped[20] == 'A' ? 'B' : 'A';
  const ProcessResult wrong = Run({}, {"status"}, {{"TELEVAULT_TOKEN", mistyped}});
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_FALSE(absl::StrContains(wrong.out + wrong.err, mistyped));
  EXPECT_FALSE(absl::StrContains(wrong.out + wrong.err, mistyped.substr(4, 16)));
  // The variable's value is not in the help.
  const ProcessResult help = Run({}, {"--help"}, {{"TELEVAULT_TOKEN", cast_.analyst.text}});
  EXPECT_EQ(help.exit_code, 0);
  ExpectSilence(help.out + help.err, "help");

  EXPECT_THAT(daemon_.As(mistyped)->ListRoles({}, call_),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_FALSE(absl::StrContains(daemon_.Output(), mistyped.substr(4, 16)));
}

TEST_F(SecretsTest, ANewTokenIsSaidOnceWhereItIsMade) {
  const std::vector<std::string> create = {"token", "create", "--person",
                                           "anna",  "--role", "analyst"};
  const ProcessResult shown = Run(daemon_.alice(), create);
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  ExpectSilence(shown.out + shown.err, "token create");

  const std::string file = daemon_.directory() + "/tokens/anna-again.token";
  std::vector<std::string> to_file = create;
  to_file.insert(to_file.end(), {"--token-out", file});
  const ProcessResult made = Run(daemon_.alice(), to_file);
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const std::string secret = ReadWholeFile(file).substr(4, 30);
  ASSERT_EQ(secret.size(), 30u);
  EXPECT_FALSE(absl::StrContains(shown.out, secret));
  EXPECT_FALSE(absl::StrContains(made.out + made.err, secret));
  const ProcessResult list = Run(daemon_.alice(), {"-o", "json", "token", "list"});
  EXPECT_EQ(list.exit_code, 0);
  EXPECT_TRUE(absl::StrContains(list.out, "anna"));
  EXPECT_FALSE(absl::StrContains(list.out, secret));
  EXPECT_FALSE(absl::StrContains(daemon_.Output(), secret));
}

}  // namespace
}  // namespace televault::testing
