#include "vault/catalog/manifest.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/unit/catalog/sample_manifest.h"
#include "vault/base/limits.h"
#include "vault/catalog/docs.h"

namespace televault::catalog {
namespace {

using ::televault::testing::HasReason;
using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Manifest, ReadsTheSampleCompletely) {
  TV_ASSERT_OK_AND_ASSIGN(const Manifest manifest, ParseManifest(CliUsage()));
  EXPECT_EQ(manifest.dataset, "cli_usage");
  EXPECT_EQ(manifest.revision, 1u);
  EXPECT_EQ(manifest.why.purposes.size(), 2u);
  EXPECT_EQ(manifest.why.legal_basis, LegalBasis::kConsent);
  ASSERT_TRUE(manifest.what.subject.has_value());
  EXPECT_EQ(manifest.what.subject->id_field, "machine_id");
  EXPECT_EQ(*manifest.what.subject->rotate, std::chrono::hours(24 * 90));
  ASSERT_EQ(manifest.what.fields.size(), 5u);
  EXPECT_EQ(*manifest.FindField("exit_code")->clamp_high, 255);
  EXPECT_EQ(manifest.how.sources[2].map_file, "sources/gatsby.yaml");
  EXPECT_EQ(manifest.who.roles[1].masks[0].second, "truncate(3)");
  EXPECT_EQ(manifest.who.roles[2].epsilon.denominator, 10);
  EXPECT_EQ(manifest.opt.do_not_track, DoNotTrack::kDropRecord);
  EXPECT_EQ(*manifest.when.ttl, std::chrono::hours(24 * 90));
  EXPECT_EQ(manifest.when.early_future, std::chrono::minutes(10));
}

TEST(Manifest, KnowsWhereEverythingStands) {
  TV_ASSERT_OK_AND_ASSIGN(const Manifest manifest, ParseManifest("dataset: abc\n"
                                                                 "revision: 1\n"
                                                                 "owner: {team: t}\n"
                                                                 "why: {purposes: {p: x}, "
                                                                 "legal_basis: consent}\n"
                                                                 "what: {personal_data: none, "
                                                                 "fields: {}}\n"
                                                                 "how: {collection: home_grown, "
                                                                 "sources: []}\n"
                                                                 "who: {roles: {}}\n"
                                                                 "opt: {model: opt_in}\n"
                                                                 "when: {ttl: 1d}\n"));
  EXPECT_EQ(manifest.At("revision"), (Mark{2, 1}));
  EXPECT_EQ(manifest.At("why.purposes.p"), (Mark{4, 18}));
  EXPECT_EQ(manifest.At("when.erasure.within"), (Mark{9, 1}));
}

TEST(Manifest, NamesTheNearestKnownKey) {
  const ParsedManifest parsed = ReadManifest(CliUsageWith("legal_basis:", "legal_bases:"));
  ASSERT_FALSE(parsed.errors.empty());
  EXPECT_EQ(parsed.errors[0].code, "E002");
  EXPECT_EQ(parsed.errors[0].path, "why.legal_bases");
  EXPECT_EQ(parsed.errors[0].fix, "did you mean legal_basis?");
  EXPECT_GT(parsed.errors[0].at.line, 0u);
}

TEST(Manifest, RefusesDuplicateKeysWithTheirPlace) {
  const ParsedManifest parsed = ReadManifest("dataset: abc\nrevision: 1\ndataset: abd\n");
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].code, "E003");
  EXPECT_EQ(parsed.errors[0].at, (Mark{3, 1}));
}

TEST(Manifest, RefusesAliasesSoThatASmallFileCannotUnfold) {
  std::string bomb = "a0: &a0 [x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous + ", " +
            previous + "]\n";
  }
  EXPECT_THAT(ParseManifest(bomb),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("anchors are not allowed")));
}

TEST(Manifest, BoundsSizeAndDepth) {
  EXPECT_THAT(ParseManifest(std::string(limits::kMaxManifestBytes + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("longer than 256 KiB")));
  EXPECT_THAT(ParseManifest("a: " + std::string(100, '[') + std::string(100, ']')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper")));
  EXPECT_FALSE(ParseManifest("a: " + std::string(100'000, '[')).ok());
}

TEST(Manifest, AnswersGarbageWithAReason) {
  for (const std::string text : {"", "---", "[1, 2]", "a: b: c", "{", "\xff\xfe", "a: !!int 3"}) {
    EXPECT_THAT(ParseManifest(text), HasReason(reason::kInvalidManifest)) << text;
  }
}

TEST(Manifest, RefusesAPatternThatIsNoRegularExpression) {
  const ParsedManifest parsed = ReadManifest(CliUsageWith(R"('^\d+\.\d+\.\d+$')", "'^(\\d+$'"));
  ASSERT_EQ(parsed.errors.size(), 1u);
  EXPECT_EQ(parsed.errors[0].path, "what.fields.version.pattern");
  EXPECT_THAT(parsed.errors[0].message, HasSubstr("RE2"));
}

TEST(Manifest, DocsAnswerTheSixQuestions) {
  TV_ASSERT_OK_AND_ASSIGN(const Manifest manifest, ParseManifest(CliUsage()));
  const std::string docs = RenderMarkdown(manifest);
  for (const char* heading :
       {"## Why is it collected?", "## What exactly is collected?", "## How is it collected?",
        "## Who may see it?", "## Did you agree, and how do you stop it?",
        "## When is it deleted?"}) {
    EXPECT_THAT(docs, HasSubstr(heading));
  }
  if (std::getenv("TELEVAULT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream("tests/golden/manifests/cli_usage.md", std::ios::binary) << docs;
  }
  EXPECT_EQ(docs, ReadText("tests/golden/manifests/cli_usage.md"));
}

}  // namespace
}  // namespace televault::catalog
