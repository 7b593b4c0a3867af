#include "audit/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/encoding.h"

namespace televault::audit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int64_t kNoon = 1'767'268'800'000'000;  // 2026-01-01T12:00:00Z
constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kDay = 24 * kHour;

AuditEntry Entry(const std::string& person, const std::string& method, int64_t time_us = kNoon) {
  AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_time_us(time_us);
  entry.mutable_principal()->set_person(person);
  entry.set_method(method);
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  return entry;
}
AuditEntry Query(const std::string& person, uint64_t cells, int64_t time_us = kNoon) {
  AuditEntry entry = Entry(person, "/televault.v1.QueryService/Query", time_us);
  entry.set_dataset("cli_usage");
  entry.set_purpose("product");
  entry.set_groups_returned(cells / 2);
  entry.set_cells_returned(cells);
  entry.set_suppressed(1);
  entry.set_bytes_returned(10 * cells);
  return entry;
}
AuditEntry Refusal(const std::string& person, const std::string& reason, int64_t time_us = kNoon) {
  AuditEntry entry = Entry(person, "/televault.v1.QueryService/Query", time_us);
  entry.set_verdict(record::v1::VERDICT_DENY);
  entry.set_reason(reason);
  return entry;
}
AuditEntry Event(const std::string& method) {
  AuditEntry entry = Entry("", method);
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  return entry;
}

TrailReport ReportOf(const std::vector<AuditEntry>& entries) {
  ReportBuilder builder;
  for (size_t i = 0; i < entries.size(); ++i) builder.Add(100 + i, entries[i]);
  return std::move(builder).Finish();
}
std::vector<std::string> Kinds(const TrailReport& report) {
  std::vector<std::string> kinds;
  for (const Anomaly& anomaly : report.anomalies) kinds.push_back(anomaly.kind);
  return kinds;
}

TEST(Reports, SumUpWhoReadWhatForWhichPurpose) {
  AuditEntry rows = Query("ann", 30, kNoon + 5);
  rows.set_groups_returned(0);
  rows.set_rows_returned(10);
  AuditEntry other_purpose = Query("ann", 2);
  other_purpose.set_purpose("billing");
  const TrailReport report = ReportOf({Query("ann", 20), rows, other_purpose, Query("bob", 4)});
  EXPECT_EQ(report.entries, 4u);
  ASSERT_THAT(report.reads, SizeIs(3));
  const ReadTotals& ann = report.reads.at({"ann", "cli_usage", "product"});
  EXPECT_EQ(ann.calls, 2u);
  EXPECT_EQ(ann.row_calls, 1u);
  EXPECT_EQ(ann.rows, 10u);
  EXPECT_EQ(ann.groups, 10u);
  EXPECT_EQ(ann.cells, 50u);
  EXPECT_EQ(ann.withheld, 2u);
  EXPECT_EQ(ann.bytes, 500u);
  EXPECT_EQ(ann.first_us, kNoon);
  EXPECT_EQ(ann.last_us, kNoon + 5);
  EXPECT_EQ(report.reads.at({"ann", "cli_usage", "billing"}).calls, 1u);
  EXPECT_EQ(report.reads.at({"bob", "cli_usage", "product"}).cells, 4u);
  EXPECT_THAT(report.anomalies, SizeIs(0));
}

TEST(Reports, AStreamIsOneReadAndACrashLeavesItsUpperBound) {
  AuditEntry intent = Query("ann", 0);
  intent.set_kind(record::v1::ENTRY_KIND_INTENT);
  intent.set_rows_debited(500);
  AuditEntry crash = Query("ann", 0, kNoon + kHour);
  crash.set_reason("UNKNOWN_CRASH");
  crash.set_status(2);
  crash.set_suppressed(0);
  const TrailReport report = ReportOf({intent, intent, crash});
  const ReadTotals& ann = report.reads.at({"ann", "cli_usage", "product"});
  EXPECT_EQ(ann.calls, 1u);
  EXPECT_EQ(ann.unknown_ends, 1u);
  EXPECT_EQ(ann.debited_rows, 1'000u);
  EXPECT_EQ(ann.rows, 0u);
  EXPECT_THAT(Kinds(report), ::testing::ElementsAre("unknown_end"));
  EXPECT_EQ(report.anomalies[0].index, 102u);
}

TEST(Reports, AStreamThatWasCutCountsWhatHadLeft) {
  AuditEntry cut = Query("ann", 8);
  cut.set_status(14);
  cut.set_verdict(record::v1::VERDICT_DENY);
  cut.set_reason("LOCKED_DOWN");
  AuditEntry failed_at_once = Query("ann", 0);
  failed_at_once.set_status(3);
  failed_at_once.set_groups_returned(0);
  const TrailReport report = ReportOf({cut, failed_at_once});
  EXPECT_EQ(report.reads.at({"ann", "cli_usage", "product"}).calls, 1u);
  EXPECT_EQ(report.reads.at({"ann", "cli_usage", "product"}).cells, 8u);
  EXPECT_EQ(report.refusals.at({"ann", "/televault.v1.QueryService/Query", "LOCKED_DOWN"}).calls,
            1u);
}

TEST(Reports, CountRefusalsAndFloodsExactly) {
  AuditEntry flood = Event("auth.refused");
  flood.set_verdict(record::v1::VERDICT_DENY);
  flood.set_reason("TOKEN_UNKNOWN");
  flood.set_peer("ipv4:10.0.0.1:1");
  (*flood.mutable_details())["calls"] = "2500";
  const TrailReport report = ReportOf(
      {Refusal("ann", "PURPOSE"), Refusal("ann", "PURPOSE"), Refusal("ann", "ROLE"), flood, flood});
  const std::string query = "/televault.v1.QueryService/Query";
  EXPECT_EQ(report.refusals.at({"ann", query, "PURPOSE"}).calls, 2u);
  EXPECT_EQ(report.refusals.at({"ann", query, "ROLE"}).calls, 1u);
  EXPECT_EQ(
      report.refusals.at({"unauthenticated ipv4:10.0.0.1", "auth.refused", "TOKEN_UNKNOWN"}).calls,
      5'000u);
  EXPECT_THAT(Kinds(report), ::testing::ElementsAre("many_refusals"));
}

TEST(Reports, ManyRefusalsInAnHourStandOutOncePerHour) {
  std::vector<AuditEntry> entries;
  for (int64_t hour = 0; hour < 2; ++hour) {
    for (uint64_t i = 0; i < 3 * ReportBuilder::kManyRefusals; ++i) {
      entries.push_back(Refusal("ann", "PURPOSE", kNoon + hour * kHour + static_cast<int64_t>(i)));
    }
  }
  for (uint64_t i = 0; i + 1 < ReportBuilder::kManyRefusals; ++i) {
    entries.push_back(Refusal("bob", "PURPOSE"));
  }
  const TrailReport report = ReportOf(entries);
  EXPECT_THAT(Kinds(report), ::testing::ElementsAre("many_refusals", "many_refusals"));
  EXPECT_THAT(report.anomalies[0].text, HasSubstr("ann"));
}

TEST(Reports, ADayUnlikeTheOthersStandsOut) {
  std::vector<AuditEntry> entries;
  for (int64_t day = 0; day < 4; ++day) entries.push_back(Query("ann", 100, kNoon + day * kDay));
  EXPECT_THAT(ReportOf(entries).anomalies, SizeIs(0));
  entries.push_back(Query("ann", 1'000, kNoon + 4 * kDay));
  const TrailReport report = ReportOf(entries);
  EXPECT_THAT(Kinds(report), ::testing::ElementsAre("unusual_volume"));
  EXPECT_EQ(report.anomalies[0].index, 104u);
  EXPECT_THAT(report.anomalies[0].text, HasSubstr("1000 cells on 2026-01-05"));
}

TEST(Reports, LockdownsAndFailedUnsealsAndOddEventsStandOut) {
  AuditEntry unseal = Entry("olga", "/televault.v1.OperatorService/Unseal");
  unseal.set_status(7);
  unseal.set_reason("PERMISSION_DENIED");
  unseal.set_verdict(record::v1::VERDICT_DENY);  // as a wrong passphrase is recorded
  AuditEntry quarantine = Event("partition.quarantine");
  quarantine.set_verdict(record::v1::VERDICT_DENY);  // as the vault records it
  AuditEntry at_start = Event("operator.unseal");
  at_start.set_status(5);
  const TrailReport report =
      ReportOf({Entry("rita", "/televault.v1.IncidentService/EngageLockdown"),
                Entry("rita", "/televault.v1.IncidentService/GetLockdownStatus"), unseal,
                Event("daemon.start"), Event("audit.gap"), quarantine, at_start});
  EXPECT_THAT(Kinds(report), ::testing::ElementsAre("lockdown", "failed_unseal", "audit_gap",
                                                    "partition_quarantine", "failed_unseal"));
  EXPECT_EQ(report.events.at("daemon.start"), 1u);
  EXPECT_EQ(report.calls.at("/televault.v1.IncidentService/GetLockdownStatus"), 1u);
}

TEST(Reports, AnomaliesAreBoundedAndTheRestIsCounted) {
  const TrailReport report =
      ReportOf(std::vector<AuditEntry>(kMaxReportAnomalies + 7, Event("audit.gap")));
  EXPECT_THAT(report.anomalies, SizeIs(kMaxReportAnomalies));
  EXPECT_EQ(report.anomalies_left_out, 7u);
  EXPECT_THAT(ReportMarkdown(report), HasSubstr("and 7 more"));
}

TEST(Reports, AsMarkdownNothingOfACallerIsMarkup) {
  AuditEntry hostile = Refusal("ann", "PURPOSE");
  hostile.set_reason("x|y\n# <b>[link](http://a)`");
  ReportBuilder builder;
  builder.Add(1, Query("ann", 20));
  builder.Add(2, hostile);
  builder.AddUnreadable();
  const std::string text = ReportMarkdown(std::move(builder).Finish());
  EXPECT_THAT(text,
              HasSubstr("| ann | cli\\_usage | product | 1 | 0 | 0 | 0 | 10 | 20 | 1 | 200 |"));
  EXPECT_THAT(text, HasSubstr("x\\|y\\\\x0a\\# \\<b\\>\\[link\\](http://a)\\`"));
  EXPECT_THAT(text, Not(HasSubstr("<b>")));
  EXPECT_THAT(text, HasSubstr("1 more cannot be read any more"));
}

TEST(Reports, OfNothingSaySo) {
  const std::string text = ReportMarkdown(ReportOf({}));
  EXPECT_THAT(text, HasSubstr("No entries."));
  EXPECT_THAT(text, HasSubstr("Nobody."));
}

}  // namespace
}  // namespace televault::audit
