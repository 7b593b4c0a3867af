#include "vault/catalog/lint.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/unit/catalog/sample_manifest.h"

namespace televault::catalog {
namespace {

using ::testing::IsEmpty;

const Day kToday = DayOf(ParseRfc3339("2026-11-23T12:00:00Z").value());

std::string Lines(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += ToString(finding) + "\n";
  return text;
}

TEST(Lint, FindsNothingInTheSamples) {
  EXPECT_EQ(Lines(LintText(CliUsage(), kToday)), "");
  EXPECT_EQ(Lines(LintText(ReadText("deploy/samples/package_events.yaml"), kToday)), "");
}

// Every file of tests/golden/manifests/bad is linted and compared with its .expected; the first
// line of the file names the code it is about. TELEVAULT_UPDATE_GOLDEN=1 writes the files anew.
TEST(Lint, FindsInBadManifestsExactlyWhatIsExpected) {
  std::set<std::string> codes;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/manifests/bad")) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string code = entry.path().stem().string().substr(0, 4);
    const std::vector<Finding> findings = LintText(ReadText(entry.path().string()), kToday);
    std::filesystem::path expected = entry.path();
    expected.replace_extension(".expected");
    if (std::getenv("TELEVAULT_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(expected, std::ios::binary) << Lines(findings);
    }
    EXPECT_EQ(Lines(findings), ReadText(expected.string())) << entry.path();
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(),
                            [&](const Finding& f) { return f.code == code; }))
        << entry.path() << " does not show " << code;
    codes.insert(code);
  }
  const std::set<std::string> all = {
      "E001", "E002", "E003", "E004", "E005", "E101", "E102", "E103", "E104", "E105", "W106",
      "E107", "E201", "E203", "E204", "E205", "E206", "E207", "E208", "E209", "W210", "E211",
      "W211", "E301", "E302", "E303", "E304", "E305", "E401", "E402", "W402", "E403", "E404",
      "E405", "E406", "E501", "E503", "E504", "E601", "W601", "E603", "E604"};
  EXPECT_EQ(codes, all);
}

TEST(Lint, AnExcuseSilencesItsCodeOnly) {
  const std::string bad = CliUsageWith("k_min: 10", "k_min: 7");
  ASSERT_EQ(LintText(bad, kToday).size(), 1u);
  EXPECT_THAT(LintText(bad + "lint_ok: {W402: the group is small}\n", kToday), IsEmpty());
}

// A far future had no bound: an event dated decades ahead was kept for as long, whatever the TTL.
TEST(Lint, NothingExcusesAFutureOfMoreThanADay) {
  EXPECT_EQ(Lines(LintText(CliUsageWith("future: 10m", "future: 1d"), kToday)), "");
  const std::string bad =
      CliUsageWith("future: 10m", "future: 25h") + "lint_ok: {E604: our clocks are wrong}\n";
  const std::vector<Finding> findings = LintText(bad, kToday);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].code, "E604");
  EXPECT_EQ(findings[1].code, "E005");
}

TEST(Lint, NothingExcusesRowsWithoutTwoApprovals) {
  const std::string bad =
      CliUsageWith("approvals: 2", "approvals: 1") + "lint_ok: {E401: we are few}\n";
  const std::vector<Finding> findings = LintText(bad, kToday);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].code, "E401");
  EXPECT_EQ(findings[1].code, "E005");
}

}  // namespace
}  // namespace televault::catalog
