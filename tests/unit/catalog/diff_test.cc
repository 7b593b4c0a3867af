#include "vault/catalog/diff.h"

#include <re2/re2.h>
#include <set>
#include <sstream>
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

// A whole fraction used to pass: five persons seen before and after such a change within one of the
// new periods had ten pseudonyms and passed k_min 10.
TEST(Diff, LetsNobodyChangeTheRotation) {
  for (const char* rotate :
       {"rotate: 30d", "rotate: 45d", "rotate: 60d", "rotate: 180d", "rotate: never"}) {
    EXPECT_EQ(OnlyCode(DiffTo(CliUsageWith("rotate: 90d", rotate))), "E703") << rotate;
  }
  EXPECT_THAT(DiffTo(CliUsageWith("rotate: 90d", "rotate: 2160h")).findings, IsEmpty());
}

TEST(Diff, LetsNobodyStartToRotate) {
  const Manifest before = ParseManifest(CliUsageWith("rotate: 90d", "rotate: never")).value();
  const Manifest after = ParseManifest(CliUsageWith("revision: 1", "revision: 2")).value();
  EXPECT_EQ(OnlyCode(Diff(before, after)), "E703");
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

TEST(Diff, NamesWhatHasNoWordsOfItsOwnByItsPath) {
  EXPECT_THAT(DiffTo(CliUsageWith("do_not_track: true", "do_not_track: strip_subject")).changes,
              ElementsAre("opt.switches.do_not_track changes from true to strip_subject."));
  EXPECT_THAT(DiffTo(CliUsageWith("usage: decide what to maintain", "usage: advertising")).changes,
              ElementsAre("why.purposes.usage changes from decide what to maintain to "
                          "advertising."));
  EXPECT_THAT(DiffTo(CliUsageWith("      quasi_id: true\n", "")).changes,
              ElementsAre("what.fields.os.quasi_id changes from true to nothing."));
}

// One key a line, every key that docs/formats/manifest-v1.md lists.
constexpr char kEveryKey[] = R"(dataset: every_key
revision: 1
owner:
  team: team
  contacts: [one]
why:
  question: what
  benefit_to_subjects: it
  alternatives:
    - option: none
      insufficient_because: so
  purposes:
    usage: maintain
  legal_basis: consent
  assessment: link
  approved:
    by: [other]
    on: 2026-11-20
  review_by: 2027-05-20
what:
  subject:
    unit: install
    id_field: machine_id
    treatment: keyed_hash
    rotate: 90d
  personal_data: pseudonymous
  location: none
  max_record_bytes: 8192
  undeclared_fields: reject_record
  fields:
    tags:
      type: list
      of: enum
      values: [one, two]
      required: true
      class: technical
      quasi_id: true
      for: [usage]
      why: so
    note:
      type: string
      pattern: abc
      max_len: 16
      class: technical
      for: [usage]
      why: so
    took:
      type: int
      clamp: [0, 9]
      out_of_range: reject
      unit: ms
      class: technical
      for: [usage]
      why: so
how:
  collection: home_grown
  sources:
    - name: cli
      protocol: json
      map: cli.yaml
      event_ids: false
  processors: [somebody]
  incident:
    contact: security
    authority_notice_hours: 72
who:
  cap_per_partition: 1
  roles:
    investigator:
      mode: rows
      purposes: [usage]
      approvals: 2
      grant: 1h
      masks:
        note: hash
    analyst:
      mode: aggregate
      purposes: [usage]
      k_min: 10
    publisher:
      mode: dp
      purposes: [usage]
      epsilon: 1/10
      cap_per_partition: 1
  public:
    mode: dp
    every: 7d
    delay: 7d
    epsilon: 1/10
opt:
  model: opt_in
  notice:
    url: link
    version: 4
    min_version: 4
  switches:
    env: [OFF]
    flag: --off
    do_not_track: true
  on_withdrawal:
    stop: at_once
    erase_within: 72h
when:
  ttl: 90d
  erasure:
    by: subject
    within: 72h
  late_arrival:
    past: 7d
    future: 10m
lint_ok:
  W402: reason
)";

TEST(Diff, ShowsAChangeOfEveryKeyThereIs) {
  const Manifest before = ParseManifest(kEveryKey).value();
  std::istringstream lines(kEveryKey);
  std::string head;
  for (std::string line; std::getline(lines, line); head += line + "\n") {
    if (line.ends_with(":") || line.starts_with("revision:")) continue;
    const bool list = line.ends_with("]");
    std::string text = kEveryKey;
    text.replace(head.size() + line.size() - (list ? 1 : 0), 0, "1");
    // Mostly not a sound manifest any more: what is written differently shows all the same.
    EXPECT_FALSE(Diff(before, ReadManifest(text).manifest).changes.empty()) << line;
  }
}

// So that a new key cannot be left out of the test above.
TEST(Diff, IsTriedWithEveryKeyOfTheFormat) {
  const Manifest all = ParseManifest(kEveryKey).value();
  std::set<std::string> tried;
  for (const auto& [path, mark] : all.marks) tried.insert(path.substr(path.rfind('.') + 1));
  std::string table = ReadText("docs/formats/manifest-v1.md");
  table = table.substr(table.find("| section | keys |"),
                       table.find("\n\n`max_record_bytes`") - table.find("| section | keys |"));
  const re2::RE2 word("`([a-z_]+)`");
  re2::StringPiece rest(table);
  int keys = 0;
  for (std::string key; re2::RE2::FindAndConsume(&rest, word, &key); ++keys) {
    EXPECT_TRUE(key == "none" || tried.contains(key)) << key;  // subject: none
  }
  EXPECT_GT(keys, 60);
}

}  // namespace
}  // namespace televault::catalog
