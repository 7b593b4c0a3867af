// What the command line answers to wrong input: the designed exit code and one paragraph that says
// what, where and what would be right; nothing of the good part is lost.
#include <fstream>
#include <map>
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CliBadInputTest : public VaultTest {
 protected:
  struct Case {
    const TokenOf& token;
    std::vector<std::string> arguments;
    int exit_code;
    std::string says;
  };

  ProcessResult Run(const TokenOf& token, const std::vector<std::string>& arguments) {
    return RunCli(daemon_, token, arguments);
  }
  void Expect(const Case& one) {
    const ProcessResult result = Run(one.token, one.arguments);
    std::string what;
    for (const std::string& argument : one.arguments) absl::StrAppend(&what, " ", argument);
    SCOPED_TRACE(what.substr(0, 200));
    std::cout << "televault" << what.substr(0, 120) << "\n  exit " << result.exit_code << ": "
              << result.err;
    EXPECT_EQ(result.exit_code, one.exit_code) << result.out << result.err;
    EXPECT_THAT(result.out + result.err, HasSubstr(one.says));
    // One paragraph.
    EXPECT_FALSE(result.err.empty());
    EXPECT_FALSE(absl::StrContains(result.err, "\n\n")) << result.err;
    EXPECT_LE(result.err.size(), 1'500u);
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = daemon_.directory() + "/" + name;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(::chmod(path.c_str(), 0600), 0);
    return path;
  }
  static std::string Line(int second, const std::string& members) {
    return absl::StrCat(R"({"event_time":)", Yesterday(second).micros / 1'000, R"(,"subject":"m)",
                        second, "\"", members, "}\n");
  }
  static std::string Good(int second) { return Line(second, R"(,"command":"build")"); }

  ProcessResult Ingest(const std::string& file, std::vector<std::string> more,
                       const TokenOf& token) {
    more.insert(more.begin(), {"-o", "json", "ingest", file});
    return Run(token, more);
  }
  // line → rule of a rejects file.
  static std::multimap<uint64_t, std::string> RulesOf(const std::string& text) {
    std::multimap<uint64_t, std::string> rules;
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(text, '\n', absl::SkipEmpty()))) {
      uint64_t number = 0;
      const size_t at = line.find("\"line\":");
      EXPECT_NE(at, std::string::npos) << line;
      EXPECT_TRUE(
          absl::SimpleAtoi(line.substr(at + 7, line.find_first_of(",}", at) - at - 7), &number))
          << line;
      const size_t rule = line.find("\"rule\":\"") + 8;
      rules.emplace(number, line.substr(rule, line.find('"', rule) - rule));
    }
    return rules;
  }
  std::string Stored() {
    const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
    return answer.rows.empty() ? Refusal(answer.status) : answer.rows[0][0];
  }
};

TEST_F(CliBadInputTest, EveryCommandSaysWhatIsWrongAndExitsAsDesigned) {
  TokenOf mistyped;
  std::string other = cast_.analyst.text;
  other[8] = other[8] == 'a' ? 'b' : 'a';
  mistyped.path = Write("mistyped.token", other + "\n");
  TokenOf cut;
  cut.path = Write("cut.token", cast_.analyst.text.substr(0, 20) + "\n");
  v1::CreateTokenRequest another;
  another.set_person(cast_.analyst.person);
  another.add_roles("analyst");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf revoked, daemon_.MakeToken(another));
  v1::RevokeTokenRequest revoke;
  revoke.set_accessor(revoked.accessor);
  ASSERT_THAT(As(daemon_.alice())->RevokeToken(revoke, call_), IsOk());
  TokenOf missing;
  missing.path = daemon_.directory() + "/none.token";
  const std::string broken = Write("broken.yaml", "dataset: [unclosed\n");
  const std::string huge = Write("huge.yaml", std::string(300'000, 'a'));
  const std::string manifest =
      Write("wrong.yaml", SampleManifest("cli_usage", {{"type: double", "type: doubel"}}));
  const std::string purpose = "--purpose";
  const std::vector<Case> cases = {
      // Who calls.
      {missing, {"status"}, 1, "none.token"},
      {mistyped, {"query", purpose, "usage", "SELECT count(*) FROM cli_usage"}, 1, "mistyped"},
      {cut, {"query", purpose, "usage", "SELECT count(*) FROM cli_usage"}, 1, "53 characters"},
      {revoked, {"query", purpose, "usage", "SELECT count(*) FROM cli_usage"}, 4, "token"},
      {cast_.analyst, {"--addr", "unix:/nowhere", "status"}, 2, "--addr"},
      {cast_.analyst, {"--addr", "nonsense", "status"}, 1, "HOST:PORT"},
      {cast_.analyst, {"no-such-verb"}, 1, "no-such-verb"},
      // Queries.
      {cast_.analyst, {"query", purpose, "usage", "SELECT count(*) FRM cli_usage"}, 1, "1:"},
      {cast_.analyst, {"query", purpose, "usage", "SELECT nofield FROM cli_usage"}, 1, "column 8"},
      {cast_.analyst, {"query", purpose, "usage", "SELECT count(*) FROM nothing"}, 4, "DENIED"},
      {cast_.analyst,
       {"query", purpose, "marketing", "SELECT count(*) FROM cli_usage"},
       4,
       "purpose"},
      {cast_.analyst, {"query", "SELECT count(*) FROM cli_usage"}, 1, "--purpose"},
      {cast_.analyst, {"query", purpose, "usage", "DELETE FROM cli_usage"}, 1, "SELECT"},
      {cast_.analyst,
       {"query", purpose, "usage", "SELECT count(*) FROM cli_usage WHERE command = $1"},
       1,
       "parameter"},
      {cast_.analyst, {"query", "-f", "/nowhere.sql", purpose, "usage"}, 1, "/nowhere.sql"},
      {cast_.collector, {"query", purpose, "usage", "SELECT count(*) FROM cli_usage"}, 4, "role"},
      // Manifests.
      {cast_.steward, {"dataset", "lint", broken}, 1, "broken.yaml"},
      {cast_.steward, {"dataset", "apply", broken, "--yes"}, 1, "broken.yaml"},
      {cast_.steward, {"dataset", "lint", huge}, 1, "huge.yaml"},
      {cast_.steward, {"dataset", "lint", manifest}, 1, "did you mean double"},
      {cast_.analyst, {"dataset", "show", "nothing"}, 1, "UNKNOWN_DATASET"},
      // Persons, tokens, roles.
      {daemon_.alice(), {"token", "create", "--person", "anna", "--role", "emperor"}, 1, "analyst"},
      {daemon_.alice(),
       {"token", "create", "--person", "nobody", "--role", "analyst"},
       1,
       "person list"},
      {daemon_.alice(),
       {"token", "create", "--person", "anna", "--role", "analyst", "--ttl", "soon"},
       1,
       "--ttl"},
      {daemon_.alice(),
       {"token", "create", "--person", "anna", "--role", "analyst", "--ttl", "400d"},
       1,
       "90"},
      {daemon_.alice(), {"token", "revoke", "tva_none", "--yes"}, 1, "token"},
      {daemon_.alice(), {"person", "enrol", "Robert'); DROP"}, 1, "name"},
      // The rest.
      {cast_.auditor, {"audit", "show", "999999999"}, 1, "no such entry"},
      {cast_.auditor, {"audit", "list", "--since", "yesterdayish"}, 1, "--since"},
      {cast_.steward, {"access", "show", "req-none"}, 1, "request"},
      {cast_.steward, {"access", "approve", "req-none", "--yes"}, 1, "request"},
      {cast_.responder, {"lockdown", "engage", "--level", "some", "--reason", "x"}, 1, "--level"},
      {cast_.responder, {"lockdown", "lift", "ld-none", "--reason", "x", "--yes"}, 1, "lockdown"},
      {cast_.analyst, {"lockdown", "engage", "--level", "all", "--reason", "x"}, 4, "role"},
      {cast_.analyst, {"source", "lint", broken}, 1, "broken.yaml"},
      // Ingest.
      {cast_.collector, {"ingest", "--dataset", "cli_usage"}, 1, "file"},
      {cast_.collector, {"ingest", "--dataset", "cli_usage", "/nowhere.ndjson"}, 1, "/nowhere"},
      {cast_.collector, {"ingest", "--dataset", "cli_usage", broken}, 1, "--format"},
      {cast_.collector,
       {"ingest", "--dataset", "cli_usage", "--format", "otlp-json", broken},
       1,
       "broken.yaml"},
      {cast_.collector, {"ingest", "--source", broken, broken}, 1, "broken.yaml"},
  };
  for (const Case& one : cases) Expect(one);
}

TEST_F(CliBadInputTest, OfAnNdjsonFileTheGoodLinesAreStoredAndEveryBadOneIsNamed) {
  const int64_t now_ms = Yesterday(0).micros / 1'000;
  std::string text;
  for (int i = 0; i < 10; ++i) text += Good(i);                           // 1 to 10
  text += "{\"event_time\": 12,\n";                                       // 11
  text += "not json at all\n";                                            // 12
  text += Line(12, R"(,"command":"zqvalue")");                            // 13
  text += Line(13, R"(,"command":"build","exit_code":"many")");           // 14
  text += Line(14, R"(,"command":"build","zqfield":1)");                  // 15
  text += "\n";                                                           // 16, empty
  text += absl::StrCat(R"({"event_time":)", now_ms - 200LL * 86'400'000,  // 17
                       R"(,"subject":"m","command":"build"})", "\n");
  text += absl::StrCat(R"({"event_time":)", now_ms + 30LL * 86'400'000,  // 18
                       R"(,"subject":"m","command":"build"})", "\n");
  text += R"({"event_time":-5000,"subject":"m","command":"build"})"
          "\n";  // 19
  text += R"({"event_time":"zqtime","subject":"m","command":"build"})"
          "\n";  // 20
  text += R"({"subject":"m","command":"build"})"
          "\n";                                     // 21
  text += std::string(70, '[') + "\n";              // 22
  text += "\xff\xfe{}\n";                           // 23
  text += std::string((1 << 20) + 1, 'x') + "\n";   // 24
  for (int i = 30; i < 40; ++i) text += Good(i);    // 25 to 34
  text += R"({"event_time":1, "subject":"cut of)";  // 35, no end
  const std::string file = Write("mixed.ndjson", text);
  const std::string rejects = daemon_.directory() + "/rejects";
  const ProcessResult result =
      Ingest(file, {"--dataset", "cli_usage", "--consent-version", "4", "--rejects", rejects},
             cast_.collector);
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"accepted\": 20"));
  const std::string told = ReadWholeFile(rejects);
  std::cout << told;
  std::map<uint64_t, std::string> rules;
  for (const auto& [line, rule] : RulesOf(told)) rules[line] = rule;
  EXPECT_THAT(rules, ElementsAre(std::pair(11, "UNREADABLE"), std::pair(12, "UNREADABLE"),
                                 std::pair(13, "NOT_IN_ENUM"), std::pair(14, "WRONG_TYPE"),
                                 std::pair(15, "UNDECLARED_FIELD"), std::pair(17, "TOO_OLD"),
                                 std::pair(18, "IN_FUTURE"), std::pair(19, "TOO_OLD"),
                                 std::pair(20, "UNREADABLE"), std::pair(21, "NO_TIME"),
                                 std::pair(22, "UNREADABLE"), std::pair(23, "UNREADABLE"),
                                 std::pair(24, "UNREADABLE"), std::pair(35, "UNREADABLE")));
  EXPECT_FALSE(absl::StrContains(told + result.err, "zqvalue"));
  EXPECT_FALSE(absl::StrContains(told + result.err, "zqtime"));
  EXPECT_EQ(Stored(), "20");
  // Once more: nothing is stored twice, and the refusals are not forgotten.
  const ProcessResult again =
      Ingest(file, {"--dataset", "cli_usage", "--consent-version", "4", "--rejects", rejects},
             cast_.collector);
  EXPECT_EQ(again.exit_code, 7) << again.err;
  EXPECT_THAT(ReadWholeFile(rejects), HasSubstr("REFUSED_BEFORE"));
  EXPECT_EQ(Stored(), "20");
}

TEST_F(CliBadInputTest, OfACsvFileTheGoodRecordsAreStoredAndEveryBadOneIsNamed) {
  std::string text = "event_time,subject,command,exit_code\n";  // 1
  const auto row = [](int second, const std::string& rest) {
    return absl::StrCat(Yesterday(second).micros / 1'000, ",m", second, ",", rest, "\n");
  };
  for (int i = 0; i < 10; ++i) text += row(i, "build,0");   // 2 to 11
  text += row(20, "build");                                 // 12: a cell short
  text += row(21, "build,0,0");                             // 13: one too many
  text += row(22, "bu\"ild,0");                             // 14: a stray quote
  text += row(23, "build,zqmany");                          // 15: not a number
  text += "\"a cell with\na line break\",m,build,0\n";      // 16 and 17
  text += row(24, "zqvalue,0");                             // 18
  for (int i = 30; i < 40; ++i) text += row(i, "serve,1");  // 19 to 28
  text += "\"never closed,m,build,0\n";                     // 29
  const std::string file = Write("mixed.csv", text);
  const std::string rejects = daemon_.directory() + "/rejects";
  const ProcessResult result =
      Ingest(file,
             {"--dataset", "cli_usage", "--consent-version", "4", "--manifest",
              "deploy/samples/cli_usage.yaml", "--rejects", rejects},
             cast_.collector);
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"accepted\": 20"));
  const std::string told = ReadWholeFile(rejects);
  std::cout << told;
  std::map<uint64_t, std::string> rules;
  for (const auto& [line, rule] : RulesOf(told)) rules[line] = rule;
  EXPECT_THAT(rules, ElementsAre(std::pair(12, "UNREADABLE"), std::pair(13, "UNREADABLE"),
                                 std::pair(14, "UNREADABLE"), std::pair(15, "UNREADABLE"),
                                 std::pair(16, "UNREADABLE"), std::pair(18, "NOT_IN_ENUM"),
                                 std::pair(29, "UNREADABLE")));
  EXPECT_FALSE(absl::StrContains(told + result.err, "zq"));
  EXPECT_EQ(Stored(), "20");
}

TEST_F(CliBadInputTest, OfOtlpAndMappedFilesTheGoodRecordsAreStoredToo) {
  const std::string time = absl::StrCat(Yesterday(0).micros, "000");
  const auto record = [&](const std::string& command) {
    return absl::StrCat(R"({"timeUnixNano":")", time,
                        R"(","attributes":[{"key":"command","value":{"stringValue":")", command,
                        R"("}},{"key":"machine_id","value":{"stringValue":"m1"}},)",
                        R"({"key":"televault.consent.version","value":{"intValue":"4"}}]})");
  };
  const auto document = [&](const std::string& records) {
    return absl::StrCat(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[)", records, "]}]}]}\n");
  };
  std::string text = document(record("build"));
  text += "{\"resourceLogs\": oops\n";
  text += document(record("build") + "," + record("zqvalue") + "," + record("serve"));
  const std::string rejects = daemon_.directory() + "/rejects";
  const ProcessResult otlp =
      Ingest(Write("logs.json", text),
             {"--dataset", "cli_usage", "--format", "otlp-json", "--from", "otel", "--manifest",
              "deploy/samples/cli_usage.yaml", "--rejects", rejects},
             cast_.collector);
  EXPECT_EQ(otlp.exit_code, 7) << otlp.err;
  EXPECT_THAT(otlp.out, HasSubstr("\"accepted\": 3")) << ReadWholeFile(rejects);
  std::cout << ReadWholeFile(rejects);
  EXPECT_THAT(RulesOf(ReadWholeFile(rejects)),
              ElementsAre(std::pair(2, "UNREADABLE"), std::pair(3, "NOT_IN_ENUM")));

  const auto event = [](const std::string& when, const std::string& type) {
    return absl::StrCat(R"({"eventType":")", type, R"(","time":")", when,
                        R"(","machineId":"m1","uuid":"u)", when, type, R"("})");
  };
  const std::string good = FormatRfc3339(Yesterday(5));
  const std::string mapped = absl::StrCat(
      "[", event(good, "CLI_COMMAND_BUILD_END"), ",", event("zqtime", "CLI_COMMAND_BUILD_END"), ",",
      event("1969-01-01T00:00:00Z", "CLI_COMMAND_CLEAN_END"), ",", event(good, "SOMETHING_ELSE"),
      ",", event(good, "CLI_COMMAND_SERVE_END"), "]");
  const ProcessResult foreign = Ingest(
      Write("events.json", mapped),
      {"--source", "deploy/samples/sources/gatsby.yaml", "--from", "gatsby", "--rejects", rejects},
      cast_.collector);
  EXPECT_EQ(foreign.exit_code, 7) << foreign.err;
  EXPECT_THAT(foreign.out, HasSubstr("\"accepted\": 2")) << ReadWholeFile(rejects);
  std::cout << ReadWholeFile(rejects);
  EXPECT_THAT(RulesOf(ReadWholeFile(rejects)),
              ElementsAre(std::pair(2, "UNREADABLE"), std::pair(3, "TOO_OLD")));
  // Without the types: nothing is guessed, and the note says what to do.
  const ProcessResult untyped =
      Run(cast_.collector,
          {"ingest", "--dataset", "cli_usage",
           Write("untyped.csv", "event_time,subject,command,exit_code\n1,m,build,0\n")});
  EXPECT_EQ(untyped.exit_code, 7);
  EXPECT_THAT(untyped.err, HasSubstr("--manifest FILE"));
  // Half a file of protobuf.
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
  request.add_resource_logs()->add_scope_logs()->add_log_records()->set_severity_text("a text");
  std::string bytes = request.SerializeAsString();
  bytes.resize(bytes.size() - 3);
  Expect({cast_.collector,
          {"ingest", "--dataset", "cli_usage", "--format", "otlp-pb", Write("cut.pb", bytes)},
          1,
          "cut.pb"});
}

TEST_F(CliBadInputTest, TheRejectsFileNamesEveryRefusedLineHoweverMany) {
  std::string text;
  for (int i = 0; i < 6'000; ++i) text += i % 2 == 0 ? Good(i) : Line(i, R"(,"command":"no")");
  const std::string rejects = daemon_.directory() + "/rejects";
  const std::string file = Write("many.ndjson", text);
  const ProcessResult result =
      Ingest(file, {"--dataset", "cli_usage", "--consent-version", "4", "--rejects", rejects},
             cast_.collector);
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"accepted\": 3000"));
  const auto rules = RulesOf(ReadWholeFile(rejects));
  EXPECT_EQ(rules.size(), 3'000u);
  for (int i = 1; i < 6'000; i += 2) ASSERT_EQ(rules.count(static_cast<uint64_t>(i + 1)), 1u) << i;
}

TEST_F(CliBadInputTest, WhereTheRejectsFileCannotBeWrittenNoRefusalIsLost) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += i % 2 == 0 ? Good(i) : Line(i, R"(,"command":"no")");
  const std::string file = Write("half.ndjson", text);
  const ProcessResult result =
      Ingest(file, {"--dataset", "cli_usage", "--consent-version", "4", "--rejects", "/dev/full"},
             cast_.collector);
  std::cout << result.err.substr(0, 400) << "\n";
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"accepted\": 20"));
  EXPECT_THAT(result.err, HasSubstr("/dev/full"));
  for (int i = 1; i < 40; i += 2) {
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat("\"line\":", i + 1, ",")));
  }
  EXPECT_EQ(Stored(), "20");
  const ProcessResult nowhere =
      Ingest(file, {"--dataset", "cli_usage", "--rejects", "/nowhere/rejects"}, cast_.collector);
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("/nowhere/rejects"));
}

TEST_F(CliBadInputTest, WhereEveryBatchIsRefusedAsAWholeItsReasonIsTheExitCode) {
  const std::string file = Write("good.ndjson", Good(1) + Good(2));
  const std::string rejects = daemon_.directory() + "/rejects";
  Expect({cast_.collector,
          {"ingest", "--dataset", "package_events", file, "--rejects", rejects},
          4,
          "DENIED"});
  EXPECT_EQ(RulesOf(ReadWholeFile(rejects)).size(), 2u);
  Expect({cast_.collector,
          {"ingest", "--dataset", "cli_usage", "--from", "nobody", file, "--rejects", rejects},
          1,
          "how.sources"});
  v1::EngageLockdownRequest lockdown;
  lockdown.set_level(v1::LOCKDOWN_LEVEL_ALL);
  lockdown.set_reason("a drill");
  ASSERT_THAT(As(cast_.responder)->EngageLockdown(lockdown, call_), IsOk());
  Expect({cast_.collector, {"ingest", "--dataset", "cli_usage", file}, 5, "LOCKED_DOWN"});
  Expect({cast_.analyst,
          {"query", "--purpose", "usage", "SELECT count(*) FROM cli_usage"},
          5,
          "lockdown"});
}

}  // namespace
}  // namespace televault::testing
