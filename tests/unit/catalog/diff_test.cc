#include "vault/catalog/diff.h"

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/unit/catalog/sample_manifest.h"

namespace televault::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ManifestDiff DiffTo(std::string text) {
  const size_t at = text.find("revision: 1\n");
  if (at != std::string::npos) text.replace(at, 12, "revision: 2\n");
  return Diff(ParseManifest(CliUsage()).value(), ParseManifest(text).value());
}

std::string OnlyCode(const ManifestDiff& diff) {
  return diff.findings.size() == 1 ? diff.findings[0].code
                                   : std::to_string(diff.findings.size()) + " findings";
}

TEST(Diff, OfTheSameContentIsEmpty) {
  const ManifestDiff diff = DiffTo(CliUsage());
  EXPECT_THAT(diff.changes, IsEmpty());
  EXPECT_THAT(diff.findings, IsEmpty());
}

TEST(Diff, SaysThatALongerTtlCountsForNewPartitionsOnly) {
  const ManifestDiff diff = DiffTo(CliUsageWith("ttl: 90d", "ttl: 120d"));
  EXPECT_THAT(diff.changes, ElementsAre("The time to live changes from 90d to 120d."));
  EXPECT_EQ(OnlyCode(diff), "E701");
  EXPECT_EQ(diff.findings[0].severity, Severity::kWarning);
}

TEST(Diff, TakesAShorterTtlWithoutComment) {
  EXPECT_THAT(DiffTo(CliUsageWith("ttl: 90d", "ttl: 30d")).findings, IsEmpty());
}

TEST(Diff, LetsRotationGetShorterByAWholeFractionOnly) {
  for (const char* rotate : {"rotate: 30d", "rotate: 45d"}) {
    EXPECT_THAT(DiffTo(CliUsageWith("rotate: 90d", rotate)).findings, IsEmpty()) << rotate;
  }
  for (const char* rotate : {"rotate: 60d", "rotate: 180d", "rotate: never"}) {
    EXPECT_EQ(OnlyCode(DiffTo(CliUsageWith("rotate: 90d", rotate))), "E703") << rotate;
  }
}

constexpr char kNewField[] =
    "fields:\n    ci: {type: bool, class: technical, for: [usage], why: how often in CI}\n";

TEST(Diff, WantsANewNoticeForANewField) {
  const ManifestDiff diff = DiffTo(CliUsageWith("fields:\n", kNewField));
  EXPECT_THAT(diff.changes, ElementsAre("New field ci (technical): how often in CI."));
  EXPECT_EQ(OnlyCode(diff), "E702");
}

TEST(Diff, IsContentOnceTheNoticeWasBumped) {
  std::string text = CliUsageWith("fields:\n", kNewField);
  const size_t at = text.find("version: 4,");
  text.replace(at, 11, "version: 5,");
  EXPECT_THAT(DiffTo(text).findings, IsEmpty());
}

TEST(Diff, WantsANewNoticeWhenAFieldServesAFurtherPurpose) {
  EXPECT_EQ(OnlyCode(DiffTo(CliUsageWith("for: [reliability]\n      why: failures",
                                         "for: [reliability, usage]\n      why: failures"))),
            "E702");
}

TEST(Diff, NeverChangesAType) {
  EXPECT_EQ(OnlyCode(DiffTo(CliUsageWith("type: double", "type: int"))), "E703");
}

TEST(Diff, WantsTheNextRevision) {
  const Manifest before = ParseManifest(CliUsage()).value();
  const Manifest after = ParseManifest(CliUsageWith("revision: 1\n", "revision: 3\n")).value();
  EXPECT_EQ(OnlyCode(Diff(before, after)), "E704");
  EXPECT_EQ(OnlyCode(Diff(before, before)), "E704");
}

TEST(Diff, NamesEveryRoleThatGainsOrLosesAccess) {
  const ManifestDiff diff = DiffTo(CliUsageWith(
      "    publisher: {mode: dp, purposes: [usage], epsilon: 1/10, cap_per_partition: 1}\n",
      "    support: {mode: aggregate, purposes: [reliability], k_min: 20}\n"));
  EXPECT_THAT(diff.changes,
              ElementsAre("Role support gets access: aggregate for reliability, k 20.",
                          "Role publisher loses access."));
}

}  // namespace
}  // namespace televault::catalog
