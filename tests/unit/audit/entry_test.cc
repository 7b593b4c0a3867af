#include "audit/entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace televault::audit {
namespace {

using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

AuditEntry QueryOutcome() {
  AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_time_us(1'763'879'580'123'456);
  entry.mutable_principal()->set_person("carol");
  entry.mutable_principal()->set_token("a1b2");
  entry.mutable_principal()->add_roles("analyst");
  entry.set_peer("unix:uid=1000");
  entry.set_method("/televault.v1.QueryService/Query");
  entry.set_dataset("crashes");
  entry.set_purpose("stability");
  entry.set_normalized_query("SELECT count(*) FROM crashes WHERE version = $1");
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  entry.set_rule("analyst-aggregates");
  entry.set_rows_scanned(1'200);
  entry.set_groups_returned(1);
  entry.set_cells_returned(2);
  entry.set_suppressed(3);
  entry.add_masks("version=truncate(3)");
  entry.set_duration_us(1'500);
  return entry;
}

TEST(EntrySentences, AnAllowedQueryReadsAsASentence) {
  EXPECT_EQ(Sentence(QueryOutcome()),
            "2025-11-23T06:33:00.123456Z carol (token a1b2, as analyst, from unix:uid=1000) called "
            "QueryService/Query on dataset crashes for purpose stability: allowed by rule "
            "analyst-aggregates; answered OK after 1.5ms; returned 1 group, 2 cells; 3 cells "
            "withheld, 1200 rows scanned; masked version=truncate(3); query: SELECT count(*) FROM "
            "crashes WHERE version = $1");
}

TEST(EntrySentences, ARefusalSaysWhy) {
  AuditEntry entry = QueryOutcome();
  entry.set_verdict(record::v1::VERDICT_DENY);
  entry.set_reason("LOCKED_DOWN");
  entry.set_lockdown_level("reads");
  entry.set_status(9);
  EXPECT_THAT(Sentence(entry), HasSubstr("refused (LOCKED_DOWN) by rule analyst-aggregates in "
                                         "lockdown reads; answered FAILED_PRECONDITION"));
}

TEST(EntrySentences, IntentsEventsAndUnknownCallersAreTold) {
  AuditEntry intent = QueryOutcome();
  intent.set_kind(record::v1::ENTRY_KIND_INTENT);
  EXPECT_THAT(Sentence(intent), HasSubstr("is about to call QueryService/Query"));
  EXPECT_THAT(Sentence(intent), Not(HasSubstr("answered")));
  AuditEntry event;
  event.set_kind(record::v1::ENTRY_KIND_EVENT);
  event.set_method("retention.shred");
  (*event.mutable_details())["deadline"] = "2025-11-23";
  (*event.mutable_details())["day"] = "2025-10-24";
  EXPECT_EQ(Sentence(event),
            "1970-01-01T00:00:00.000000Z the vault recorded retention.shred; day=2025-10-24; "
            "deadline=2025-11-23");
  AuditEntry anonymous;
  anonymous.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  anonymous.set_method("/televault.v1.QueryService/Query");
  anonymous.set_verdict(record::v1::VERDICT_DENY);
  anonymous.set_status(16);
  EXPECT_THAT(Sentence(anonymous), HasSubstr("an unauthenticated caller called"));
  EXPECT_THAT(Sentence(anonymous), HasSubstr("answered UNAUTHENTICATED"));
}

TEST(EntrySentences, NothingInAnEntryReachesTheTerminalAsACommand) {
  AuditEntry entry = QueryOutcome();
  entry.set_dataset(
      "a\nb\x1b[2J\x7f\xC2\x9B"
      "1m\xE2\x80\xAE"
      "txt");
  EXPECT_THAT(Sentence(entry), HasSubstr("a\\x0ab\\x1b[2J\\x7f\\xc2\\x9b1m\\xe2\\x80\\xaetxt"));
  entry.set_dataset("größe—日");
  EXPECT_THAT(Sentence(entry), HasSubstr("größe—日"));
}

TEST(EntryBounds, AnOrdinaryEntryIsLeftAlone) {
  const AuditEntry entry = QueryOutcome();
  AuditEntry bounded = entry;
  BoundEntry(bounded);
  EXPECT_EQ(bounded.SerializeAsString(), entry.SerializeAsString());
}

TEST(EntryBounds, TheLargestEntryFitsALeafAndSaysWhatWasCut) {
  const std::string huge(100'000, 'x');
  AuditEntry entry = QueryOutcome();
  for (std::string* text :
       {entry.mutable_principal()->mutable_person(), entry.mutable_principal()->mutable_token(),
        entry.mutable_peer(), entry.mutable_method(), entry.mutable_dataset(),
        entry.mutable_purpose(), entry.mutable_normalized_query(),
        entry.mutable_query_fingerprint(), entry.mutable_reason(), entry.mutable_rule(),
        entry.mutable_grant(), entry.mutable_lockdown_level(), entry.mutable_id(),
        entry.mutable_policy_digest(), entry.mutable_response_digest()}) {
    *text = huge;
  }
  for (int i = 0; i < 1'000; ++i) {
    entry.add_masks(huge);
    entry.mutable_principal()->add_roles("role" + std::to_string(i));
    entry.add_literal_hashes(huge);
    (*entry.mutable_details())["z" + std::to_string(i)] = huge;
  }
  (*entry.mutable_details())["holds"] = huge;
  (*entry.mutable_details())["receipt"] = huge;
  (*entry.mutable_details())[huge] = "x";
  entry.set_time_us(INT64_MAX);
  entry.set_rows_scanned(UINT64_MAX);
  entry.set_bytes_returned(UINT64_MAX);
  entry.set_status(-1);
  BoundEntry(entry);
  EXPECT_LE(entry.ByteSizeLong(), kMaxEntryBytes);
  EXPECT_THAT(entry.normalized_query(), EndsWith(std::string(kTruncatedMarker)));
  EXPECT_LE(entry.normalized_query().size(), kMaxEntryQueryBytes);
  EXPECT_EQ(entry.details().at("truncated"), "masks,roles,literal_hashes,details");
  EXPECT_EQ(entry.details().size(), kMaxEntryDetails + 1);
  AuditEntry again = entry;
  BoundEntry(again);
  EXPECT_EQ(again.DebugString(), entry.DebugString());
}

// A receipt that waited for many holds was cut, and could not be verified out of the trail.
TEST(EntryBounds, ReceiptsAndHoldsAreKeptWhole) {
  AuditEntry entry;
  const std::string long_text(kMaxEntryLongDetailBytes, 'x');
  for (const char* name : {"receipt", "holds", "other"}) {
    (*entry.mutable_details())[name] = long_text;
  }
  BoundEntry(entry);
  EXPECT_EQ(entry.details().at("receipt"), long_text);
  EXPECT_EQ(entry.details().at("holds"), long_text);
  EXPECT_EQ(entry.details().at("other").size(), kMaxEntryTextBytes);
  (*entry.mutable_details())["receipt"] = long_text + "x";
  BoundEntry(entry);
  EXPECT_TRUE(entry.details().at("receipt").ends_with(kTruncatedMarker));
}

TEST(EntryBounds, TextIsCutBetweenCharacters) {
  AuditEntry entry;
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'a');
    while (text.size() < kMaxEntryTextBytes + 100) text += "日";
    entry.set_dataset(text);
    BoundEntry(entry);
    EXPECT_LE(entry.dataset().size(), kMaxEntryTextBytes);
    const size_t kept = entry.dataset().size() - kTruncatedMarker.size();
    EXPECT_EQ((kept - shift) % 3, 0u);
  }
}

TEST(EntryBounds, AnEntryWithTextThatIsNotUtf8CanStillBeReadBack) {
  AuditEntry entry = QueryOutcome();
  entry.set_peer("ipv4:\xFF\xC0\xAF!");
  entry.add_masks("\xED\xA0\x80");
  (*entry.mutable_details())["agent"] = std::string(kMaxEntryTextBytes, '\xFE');
  (*entry.mutable_details())["\xFE"] = "x";
  BoundEntry(entry);
  EXPECT_EQ(entry.peer(), "ipv4:\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD!");
  EXPECT_LE(entry.details().at("agent").size(), kMaxEntryTextBytes);
  AuditEntry read;
  ASSERT_TRUE(read.ParseFromString(entry.SerializeAsString()));
  EXPECT_EQ(read.details_size(), 2);  // the name that is no text was cut, and that is said
  EXPECT_EQ(read.details().at("truncated"), "details");
}

TEST(EntryFilters, EveryMemberMustMatch) {
  const AuditEntry entry = QueryOutcome();
  EXPECT_TRUE(Matches({}, entry));
  v1::EntryFilter filter;
  filter.set_principal("carol");
  filter.set_method("Query");
  filter.set_dataset("crashes");
  filter.set_purpose("stability");
  filter.set_verdict(record::v1::VERDICT_ALLOW);
  filter.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  EXPECT_TRUE(Matches(filter, entry));
  filter.set_method("/televault.v1.QueryService/Query");
  EXPECT_TRUE(Matches(filter, entry));
  const auto without = [&](auto change) {
    v1::EntryFilter other = filter;
    change(other);
    return Matches(other, entry);
  };
  EXPECT_FALSE(without([](auto& f) { f.set_principal("dave"); }));
  EXPECT_FALSE(without([](auto& f) { f.set_method("QueryService"); }));
  EXPECT_FALSE(without([](auto& f) { f.set_dataset("crash"); }));
  EXPECT_FALSE(without([](auto& f) { f.set_purpose("billing"); }));
  EXPECT_FALSE(without([](auto& f) { f.set_verdict(record::v1::VERDICT_DENY); }));
  EXPECT_FALSE(without([](auto& f) { f.set_kind(record::v1::ENTRY_KIND_EVENT); }));
}

TEST(EntryFilters, TimesAreHalfOpen) {
  AuditEntry entry;
  entry.set_time_us(5'000'000);
  v1::EntryFilter filter;
  filter.mutable_since()->set_seconds(5);
  filter.mutable_until()->set_seconds(6);
  EXPECT_THAT(CheckFilter(filter), IsOk());
  EXPECT_TRUE(Matches(filter, entry));
  entry.set_time_us(5'999'999);
  EXPECT_TRUE(Matches(filter, entry));
  entry.set_time_us(6'000'000);
  EXPECT_FALSE(Matches(filter, entry));
  entry.set_time_us(4'999'999);
  EXPECT_FALSE(Matches(filter, entry));
}

TEST(EntryFilters, OnesThatCanMatchNothingAreRefused) {
  v1::EntryFilter filter;
  filter.mutable_since()->set_seconds(6);
  filter.mutable_until()->set_seconds(6);
  EXPECT_THAT(CheckFilter(filter), StatusIs(absl::StatusCode::kInvalidArgument));
  filter.mutable_until()->set_seconds(INT64_MAX);
  EXPECT_THAT(CheckFilter(filter), StatusIs(absl::StatusCode::kInvalidArgument));
  filter.mutable_until()->set_seconds(7);
  filter.mutable_until()->set_nanos(-1);
  EXPECT_THAT(CheckFilter(filter), StatusIs(absl::StatusCode::kInvalidArgument));
}

// A log as its times, in minutes; -1: a leaf that says no time.
class SpanTest : public ::testing::Test {
 protected:
  // Everything that matches lies in it; how many leaves were read is in reads_.
  LeafSpan Span(const std::vector<int>& minutes, int since, int until) {
    v1::EntryFilter filter;
    if (since > 0) filter.mutable_since()->set_seconds(since * 60);
    if (until > 0) filter.mutable_until()->set_seconds(until * 60);
    reads_ = 0;
    const auto entry_at = [&](uint64_t index) -> absl::StatusOr<std::optional<AuditEntry>> {
      ++reads_;
      if (minutes[index] < 0) return std::nullopt;
      AuditEntry entry;
      entry.set_time_us(int64_t{minutes[index]} * 60'000'000);
      return entry;
    };
    const auto span = SpanOf(filter, minutes.size(), entry_at);
    EXPECT_THAT(span, IsOk());
    if (!span.ok()) return {};
    for (uint64_t i = 0; i < minutes.size(); ++i) {
      const auto entry = entry_at(i);
      if (!entry->has_value() || !Matches(filter, **entry)) continue;
      EXPECT_LE(span->begin, i) << since;
      EXPECT_GT(span->end, i) << until;
    }
    reads_ -= minutes.size();
    return *span;
  }
  size_t reads_ = 0;
};

TEST_F(SpanTest, IsFoundWithFewReads) {
  std::vector<int> minutes;
  for (int i = 0; i < 100'000; ++i) minutes.push_back(i);
  LeafSpan span = Span(minutes, 90'000, 90'100);
  EXPECT_EQ(span.begin, 90'000u - 5);
  EXPECT_EQ(span.end, 90'100u + 5);
  EXPECT_LT(reads_, 40u);
  span = Span(minutes, 0, 0);
  EXPECT_EQ(span.begin, 0u);
  EXPECT_EQ(span.end, minutes.size());
  EXPECT_EQ(reads_, 0u);
  EXPECT_EQ(Span(minutes, 200'000, 0).begin, minutes.size());
  EXPECT_EQ(Span(minutes, 0, 1).end, 6u);
  EXPECT_EQ(Span({}, 5, 6).end, 0u);
}

// Stamped in one order, committed in another: none that matches is left out, at whatever place.
TEST_F(SpanTest, HoldsWhatWasOvertakenWithinTheSlack) {
  std::vector<int> minutes;
  for (int i = 0; i < 200; ++i) {
    minutes.push_back(100 + i + (i % 7 == 3 ? -3 : 0) + (i % 11 == 5 ? 2 : 0));
    if (i % 5 == 0) minutes.push_back(-1);
  }
  for (int since = 90; since < 310; ++since) {
    const LeafSpan span = Span(minutes, since, since + 8);
    EXPECT_LE(span.end - span.begin, 50u) << since;
  }
}

TEST_F(SpanTest, KeepsLeavesThatSayNoTimeWhereTheyMayBelong) {
  EXPECT_EQ(Span({10, 20, -1, -1, -1, -1, 60, 70}, 50, 0).begin, 2u);
  EXPECT_EQ(Span({10, 20, -1, -1, -1, 60, 70}, 0, 20).end, 5u);
  const LeafSpan unknown = Span({-1, -1, -1, -1}, 50, 60);
  EXPECT_EQ(unknown.begin, 0u);
  EXPECT_EQ(unknown.end, 4u);
  EXPECT_EQ(Span({-1, -1, -1, 20, 30}, 28, 0).begin, 4u);
}

TEST_F(SpanTest, AnErrorOfReadingIsPassedOn) {
  v1::EntryFilter filter;
  filter.mutable_since()->set_seconds(1);
  EXPECT_THAT(SpanOf(filter, 3,
                     [](uint64_t) -> absl::StatusOr<std::optional<AuditEntry>> {
                       return absl::UnavailableError("sealed");
                     }),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(EntryFilters, WhatEndsBeforeIsOlderByTheSlack) {
  AuditEntry entry;
  entry.set_time_us(1'000 * 1'000'000LL - 1);
  v1::EntryFilter filter;
  EXPECT_FALSE(EndsBefore(filter, entry));
  filter.mutable_since()->set_seconds(1'000 + kTimeSlackSeconds);
  EXPECT_TRUE(EndsBefore(filter, entry));
  entry.set_time_us(1'000 * 1'000'000LL);
  EXPECT_FALSE(EndsBefore(filter, entry));
}

}  // namespace
}  // namespace televault::audit
