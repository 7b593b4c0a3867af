#include "vault/catalog/dataset.h"

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/unit/catalog/sample_manifest.h"

namespace televault::catalog {
namespace {

using ::televault::testing::StatusIs;

record::v1::DatasetRecord RecordOf(const std::string& text) {
  record::v1::DatasetRecord record;
  const Manifest manifest = ParseManifest(text).value();
  record.set_dataset_id(7);
  record.set_name(manifest.dataset);
  record.set_revision(manifest.revision);
  record.set_manifest(text);
  record.set_digest(ManifestDigest(text));
  const auto columns = AssignColumns(manifest, {}, nullptr).value();
  record.mutable_columns()->insert(columns.begin(), columns.end());
  return record;
}

TEST(Dataset, HasASchemaWithEventTimeAndSubjectFirst) {
  TV_ASSERT_OK_AND_ASSIGN(const auto dataset, BuildDataset(RecordOf(CliUsage())));
  const std::vector<Field>& fields = dataset->schema.fields;
  ASSERT_EQ(fields.size(), 7u);
  EXPECT_EQ(fields[0].name, "event_time");
  EXPECT_FALSE(fields[0].nullable);
  EXPECT_EQ(fields[1].type, FieldType::kSubject);
  EXPECT_EQ(fields[2].name, "command");
  EXPECT_EQ(fields[2].column, block::kFirstFieldColumn);
  EXPECT_EQ(dataset->schema.Find("version")->max_len, 16u);
}

TEST(Dataset, HasAPolicyThatSaysWhatTheManifestSays) {
  TV_ASSERT_OK_AND_ASSIGN(const auto dataset, BuildDataset(RecordOf(CliUsage())));
  const auth::DatasetPolicy& policy = dataset->policy;
  EXPECT_EQ(policy.version, auth::kDatasetPolicyVersion);
  EXPECT_EQ(policy.roles.at("analyst").k_min, 10u);
  for (const auto& [name, role] : policy.roles) {
    const bool rows = role.mode == auth::AccessMode::kRows;
    EXPECT_EQ(role.time_granularity_us, rows ? 0 : kMicrosPerDay) << name;
  }
  EXPECT_EQ(policy.roles.at("investigator").approvals, 2u);
  EXPECT_EQ(policy.roles.at("investigator").max_grant_us, 3'600'000'000);
  EXPECT_EQ(policy.roles.at("investigator").masks.at("version"),
            (auth::Mask{auth::Mask::Kind::kTruncate, 3}));
  EXPECT_EQ(policy.fields.at("command").field_class, auth::FieldClass::kInteraction);
  EXPECT_EQ(policy.fields.at("subject").field_class, auth::FieldClass::kIdentifier);
  EXPECT_TRUE(dataset->ReviewedAt(ParseRfc3339("2027-05-20T23:59:59Z").value()));
  EXPECT_FALSE(dataset->ReviewedAt(ParseRfc3339("2027-05-21T00:00:00Z").value()));
}

TEST(Dataset, KeepsColumnNumbersAndNeverGivesOneTwice) {
  const Manifest first = ParseManifest(CliUsage()).value();
  const auto one = AssignColumns(first, {}, nullptr).value();
  const std::string os =
      "    os:\n      type: enum\n      values: [linux, darwin, windows, other]\n      class: "
      "technical\n      quasi_id: true\n      for: [reliability, usage]\n      why: OS-specific "
      "faults\n";
  const Manifest without = ParseManifest(CliUsageWith(os, "")).value();
  const auto two = AssignColumns(without, one, &first).value();
  EXPECT_EQ(two, one);  // the dropped field keeps its number
  const auto three = AssignColumns(first, two, &without).value();
  EXPECT_NE(three.at("os"), one.at("os"));
  EXPECT_EQ(three.at("os#" + std::to_string(one.at("os"))), one.at("os"));
  EXPECT_EQ(three.at("command"), one.at("command"));
}

TEST(Dataset, RefusesARecordThatContradictsItself) {
  record::v1::DatasetRecord record = RecordOf(CliUsage());
  record.mutable_columns()->erase("os");
  EXPECT_THAT(BuildDataset(record), StatusIs(absl::StatusCode::kDataLoss));
  record = RecordOf(CliUsage());
  record.set_digest("other");
  EXPECT_THAT(BuildDataset(record), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace televault::catalog
