#include "vault/ingest/ingestor.h"

#include <cmath>
#include <string>

#include "tests/unit/ingest/door.h"
#include "vault/base/limits.h"

namespace televault::ingest {
namespace {

using ::televault::testing::HasReason;
using ::televault::testing::IsOk;
using ::televault::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kSecondsPerDay = 86'400;

TEST_F(DoorTest, KeepsGoodRowsAsColumns) {
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(Good(5)));
  EXPECT_EQ(response.accepted(), 5u);
  EXPECT_EQ(response.rejected(), 0u);
  EXPECT_EQ(response.batch_id().size(), 16u);
  ASSERT_EQ(sink_.days.size(), 1u);
  const block::ColumnBatch& batch = sink_.days.begin()->second.at(0);
  EXPECT_EQ(batch.rows, 5u);
  EXPECT_EQ(batch.numbers, (std::vector<uint16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.columns[0].ints[4], now_.micros);
  EXPECT_EQ(batch.columns[2].dictionary.at(batch.columns[2].codes[1]), "serve");
  EXPECT_EQ(batch.columns[3].doubles[4], 4.5);
  EXPECT_EQ(sink_.deadlines.begin()->second, EndOf(DayOf(now_)) + std::chrono::hours(24 * 90));
  EXPECT_EQ(sink_.committed, 1);
}

TEST_F(DoorTest, StoresPseudonymsAndNeverTheRawId) {
  ASSERT_THAT(Append(Good(3)), IsOk());
  const block::Column& subject = sink_.days.begin()->second.at(0).columns[1];
  ASSERT_EQ(subject.dictionary.size(), 3u);
  const SubjectKeys::Ref salt =
      keys_.Salt(DatasetId(7), catalog::SaltPeriod(DayOf(now_), std::chrono::hours(24 * 90)))
          .value();
  EXPECT_EQ(subject.dictionary.at(subject.codes[0]), AsText(catalog::Pseudonym(*salt, "m-0")));
  const std::string bytes(subject.dictionary.bytes.begin(), subject.dictionary.bytes.end());
  EXPECT_THAT(bytes, Not(HasSubstr("m-0")));
}

TEST_F(DoorTest, GivesTheSameSubjectAnotherPseudonymInAnotherPeriod) {
  const DatasetPtr daily = Dataset({{"rotate: 90d", "rotate: 1d"}});
  v1::AppendRequest request = Good(2);
  for (int i = 0; i < 2; ++i) request.mutable_rows()->mutable_events(i)->set_subject("same");
  request.mutable_rows()->mutable_events(0)->mutable_time()->set_seconds(now_.micros / 1'000'000 -
                                                                         kSecondsPerDay);
  ASSERT_THAT(Append(request, daily), IsOk());
  ASSERT_EQ(sink_.days.size(), 2u);
  const auto& first = sink_.days.begin()->second.at(0).columns[1].dictionary;
  const auto& second = sink_.days.rbegin()->second.at(0).columns[1].dictionary;
  EXPECT_NE(first.at(0), second.at(0));
}

TEST_F(DoorTest, RefusesEventByEventAndSaysWhatWouldBeRight) {
  v1::AppendRequest request = Good(4);
  FieldOf(request, 1, "version").set_string_value("my-secret-branch");
  FieldOf(request, 2, "colour").set_string_value("hunter2");
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.accepted(), 2u);
  ASSERT_EQ(response.rejects_size(), 2);
  EXPECT_EQ(response.rejects(0).index(), 1u);
  EXPECT_EQ(response.rejects(0).field(), "version");
  EXPECT_EQ(response.rejects(0).rule(), "PATTERN");
  EXPECT_EQ(response.rejects(0).message(), R"(has to match ^\d+\.\d+\.\d+$)");
  EXPECT_EQ(response.rejects(1).index(), 2u);
  EXPECT_EQ(response.rejects(1).field(), "colour");
  EXPECT_EQ(response.rejects(1).rule(), "UNDECLARED_FIELD");
  EXPECT_THAT(response.DebugString(), Not(HasSubstr("secret")));
  EXPECT_THAT(response.DebugString(), Not(HasSubstr("hunter2")));
  EXPECT_EQ(ledger_.Count("PATTERN", "version"), 1u);
  EXPECT_EQ(ledger_.Count("UNDECLARED_FIELD", ""), 1u);
  const block::ColumnBatch& batch = sink_.days.begin()->second.at(0);
  const auto& bytes = batch.Find(5)->dictionary.bytes;
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "4.13.1");
}

TEST_F(DoorTest, ChecksEveryFieldRule) {
  v1::AppendRequest request = Good(1);
  FieldOf(request, 0, "command").set_string_value("deploy");
  EXPECT_EQ(RuleFor(request), "NOT_IN_ENUM");
  request = Good(1);
  FieldOf(request, 0, "command").set_int_value(3);
  EXPECT_EQ(RuleFor(request), "WRONG_TYPE");
  request = Good(1);
  FieldOf(request, 0, "version").set_string_value("1.2." + std::string(20, '3'));
  EXPECT_EQ(RuleFor(request), "TOO_LONG");
  request = Good(1);
  FieldOf(request, 0, "duration_ms").set_double_value(std::nan(""));
  EXPECT_EQ(RuleFor(request), "NOT_FINITE");
  request = Good(1);
  FieldOf(request, 0, "exit_code").set_int_value(300);
  EXPECT_EQ(RuleFor(request, Dataset({{"clamp: [0, 255]",
                                       "clamp: [0, 255]\n      out_of_range: "
                                       "reject"}})),
            "OUT_OF_RANGE");
  request = Good(1);
  request.mutable_rows()->mutable_events(0)->mutable_fields()->erase("exit_code");
  EXPECT_EQ(RuleFor(request, Dataset({{"type: int\n", "type: int\n      required: true\n"}})),
            "MISSING_FIELD");
  request = Good(1);
  FieldOf(request, 0, "version").set_string_value(std::string(9'000, '1'));
  EXPECT_EQ(RuleFor(request), "TOO_LARGE");
}

TEST_F(DoorTest, ClampsNumbersUnlessToldToReject) {
  v1::AppendRequest request = Good(2);
  FieldOf(request, 0, "exit_code").set_int_value(INT64_MIN);
  FieldOf(request, 1, "exit_code").set_int_value(INT64_MAX);
  FieldOf(request, 0, "duration_ms").set_double_value(-INFINITY);
  FieldOf(request, 1, "duration_ms").set_double_value(INFINITY);
  EXPECT_EQ(RuleFor(request), "");
  const block::ColumnBatch& batch = sink_.days.begin()->second.at(0);
  EXPECT_EQ(batch.Find(4)->ints[0], 0);
  EXPECT_EQ(batch.Find(4)->ints[1], 255);
  EXPECT_EQ(batch.Find(3)->doubles[0], 0);
  EXPECT_EQ(batch.Find(3)->doubles[1], 600'000);
}

TEST_F(DoorTest, DropsAnUndeclaredFieldWhereTheManifestSaysSoAndCountsIt) {
  v1::AppendRequest request = Good(1);
  FieldOf(request, 0, "colour").set_string_value("red");
  EXPECT_EQ(RuleFor(request, Dataset({{"reject_record", "drop_field"}})), "");
  EXPECT_EQ(ledger_.Count("FIELD_DROPPED", ""), 1u);
}

// Half a character in a reject made the answer unreadable, although the batch was stored.
TEST_F(DoorTest, ReportsALongUndeclaredNameUpToAWholeCharacter) {
  v1::AppendRequest request = Good(2);
  FieldOf(request, 1, std::string(63, 'x') + "ß").set_string_value("red");
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.accepted(), 1u);
  EXPECT_EQ(response.rejects(0).field(), std::string(63, 'x'));
  EXPECT_TRUE(v1::AppendResponse().ParseFromString(response.SerializeAsString()));
}

TEST_F(DoorTest, WantsConsentToAKnownNotice) {
  v1::AppendRequest request = Good(1);
  request.clear_consent();
  EXPECT_EQ(RuleFor(request), "NO_CONSENT");
  request.mutable_consent()->set_given(true);
  request.mutable_consent()->set_notice_version(3);
  EXPECT_EQ(RuleFor(request), "OLD_CONSENT");
  request.mutable_rows()->mutable_events(0)->mutable_consent()->set_given(true);
  request.mutable_rows()->mutable_events(0)->mutable_consent()->set_notice_version(4);
  EXPECT_EQ(RuleFor(request), "");
  EXPECT_EQ(ledger_.Count("NO_CONSENT", ""), 1u);
}

TEST_F(DoorTest, HonoursDoNotTrackAsTheManifestSays) {
  v1::AppendRequest request = Good(1);
  request.mutable_consent()->set_do_not_track(true);
  EXPECT_EQ(RuleFor(request), "DO_NOT_TRACK");
  EXPECT_EQ(RuleFor(request, Dataset({{"do_not_track: true", "do_not_track: strip_subject"},
                                      {"revision: 1\n", "revision: 2\n"}})),
            "");
  EXPECT_TRUE(sink_.days.begin()->second.at(0).columns[1].IsNull(0));
  EXPECT_EQ(RuleFor(request, Dataset({{"do_not_track: true", "do_not_track: false"}})), "");
}

// The sender's --do-not-track was lost where records carry their own consent.
TEST_F(DoorTest, HonoursTheBatchsDoNotTrackWhereEventsCarryTheirOwnConsent) {
  v1::AppendRequest request = Good(1);
  *request.mutable_rows()->mutable_events(0)->mutable_consent() = request.consent();
  request.mutable_consent()->Clear();
  EXPECT_EQ(RuleFor(request), "");
  request.mutable_consent()->set_do_not_track(true);
  EXPECT_EQ(RuleFor(request), "DO_NOT_TRACK");
}

TEST_F(DoorTest, AnOptOutCountsInAnOptOutDataset) {
  const DatasetPtr dataset = Dataset({{"model: opt_in", "model: opt_out"}});
  v1::AppendRequest request = Good(1);
  request.clear_consent();
  EXPECT_EQ(RuleFor(request, dataset), "");
  request.mutable_consent()->set_given(false);
  EXPECT_EQ(RuleFor(request, dataset), "NO_CONSENT");
}

TEST_F(DoorTest, KeepsTheTimeWindow) {
  const auto rule_at = [&](WallTime time, DatasetPtr dataset = nullptr) {
    v1::AppendRequest request = Good(1);
    request.mutable_rows()->mutable_events(0)->mutable_time()->set_seconds(time.micros / 1'000'000);
    return RuleFor(request, dataset);
  };
  EXPECT_EQ(rule_at(now_ + std::chrono::minutes(10)), "");
  EXPECT_EQ(rule_at(now_ + std::chrono::minutes(11)), "IN_FUTURE");
  EXPECT_EQ(rule_at(now_ - std::chrono::hours(24 * 7)), "");
  EXPECT_EQ(rule_at(now_ - std::chrono::hours(24 * 7 + 1)), "TOO_OLD");
  EXPECT_EQ(rule_at({-1'000'000}), "TOO_OLD");
  const DatasetPtr brief = Dataset({{"ttl: 90d", "ttl: 1d"}});
  EXPECT_EQ(rule_at(now_ - std::chrono::hours(24), brief), "");
  EXPECT_EQ(rule_at(now_ - std::chrono::hours(48), brief), "EXPIRED");
  sink_.closed.insert(DayOf(now_));
  EXPECT_EQ(rule_at(now_), "EXPIRED");
  v1::AppendRequest request = Good(1);
  request.mutable_rows()->mutable_events(0)->clear_time();
  EXPECT_EQ(RuleFor(request), "NO_TIME");
}

TEST_F(DoorTest, RefusesEverythingWhileItsClockIsBefore1970) {
  EXPECT_THAT(door_.Prepare(Good(1), dataset_, {-5}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("clock")));
}

TEST_F(DoorTest, TakesNothingPastTheReviewDate) {
  EXPECT_THAT(door_.Prepare(Good(1), dataset_, ParseRfc3339("2027-05-21T00:00:00Z").value()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("review")));
}

TEST_F(DoorTest, ChecksSubjectsAndTheBlockList) {
  v1::AppendRequest request = Good(1);
  request.mutable_rows()->mutable_events(0)->set_subject("");
  EXPECT_EQ(RuleFor(request), "NO_SUBJECT");
  request.mutable_rows()->mutable_events(0)->set_subject(std::string(257, 'x'));
  EXPECT_EQ(RuleFor(request), "BAD_SUBJECT");
  blocks_.hashes.insert(catalog::BlockedHash(*keys_.BlockedKey(DatasetId(7)).value(), "m-1"));
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(Good(6)));
  EXPECT_EQ(response.accepted(), 4u);
  EXPECT_EQ(response.rejects(0).rule(), "BLOCKED_SUBJECT");
  EXPECT_EQ(response.rejects(0).index(), 1u);
}

TEST_F(DoorTest, AnswersAReSendWithTheFirstAnswer) {
  v1::AppendRequest request = Good(3);
  request.set_batch_id("0123456789abcdef");
  FieldOf(request, 0, "version").set_string_value("x");
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse first, Append(request));
  EXPECT_FALSE(first.duplicate());
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend again, door_.Prepare(request, dataset_, now_));
  EXPECT_TRUE(again.duplicate);
  EXPECT_TRUE(again.mutations.empty());
  EXPECT_EQ(again.response.accepted(), 2u);
  EXPECT_EQ(again.response.rejected(), 1u);
  door_.Committed(again);
  EXPECT_EQ(sink_.days.begin()->second.size(), 1u);
  FieldOf(request, 0, "version").set_string_value("y");
  EXPECT_THAT(door_.Prepare(request, dataset_, now_), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(DoorTest, ABatchIdInFlightIsSentAgainLater) {
  v1::AppendRequest request = Good(1);
  request.set_batch_id("0123456789abcdef");
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend first, door_.Prepare(request, dataset_, now_));
  EXPECT_THAT(door_.Prepare(request, dataset_, now_), HasReason(reason::kOverloaded));
  ledger_.Drop();
  door_.Abandoned(first);  // the commit failed
  EXPECT_EQ(sink_.committed, 0);
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_FALSE(response.duplicate());
}

TEST_F(DoorTest, ABatchIdLivesSevenDays) {
  v1::AppendRequest request = Good(1);
  request.set_batch_id("0123456789abcdef");
  ASSERT_THAT(Append(request), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend later,
                          door_.Prepare(request, dataset_, now_ + kBatchIdLife));
  EXPECT_FALSE(later.duplicate);
}

TEST_F(DoorTest, CountsRefusalsExactlyWhateverOrderBatchesCommitIn) {
  v1::AppendRequest bad = Good(2);
  FieldOf(bad, 0, "version").set_string_value("x");
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend one, door_.Prepare(bad, dataset_, now_));
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend two, door_.Prepare(bad, dataset_, now_));
  ledger_.Commit();
  door_.Committed(two);
  door_.Committed(one);
  ASSERT_THAT(Append(bad), IsOk());
  EXPECT_EQ(ledger_.Count("PATTERN", "version"), 3u);
  TV_ASSERT_OK_AND_ASSIGN(PreparedAppend lost, door_.Prepare(bad, dataset_, now_));
  ledger_.Drop();
  door_.Abandoned(lost);
  ASSERT_THAT(Append(bad), IsOk());
  EXPECT_EQ(ledger_.Count("PATTERN", "version"), 4u);
}

TEST_F(DoorTest, RefusesMalformedBatchesWhole) {
  v1::AppendRequest request;
  EXPECT_THAT(Append(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request.mutable_rows();
  EXPECT_THAT(Append(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to")));
  request = Good(1);
  request.mutable_columns();
  EXPECT_THAT(Append(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("either")));
  request = Good(1);
  request.set_batch_id("short");
  EXPECT_THAT(Append(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request = Good(1);
  request.set_source("nobody");
  EXPECT_THAT(Append(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("source")));
}

TEST_F(DoorTest, ReportsAtMostTenThousandRefusalsLowestFirst) {
  constexpr int kEvents = limits::kMaxRejectsReported + 1;
  v1::AppendRequest request = Good(kEvents);
  for (int i = 0; i < kEvents; ++i) FieldOf(request, i, "version").set_string_value("x");
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.rejected(), static_cast<uint32_t>(kEvents));
  ASSERT_EQ(response.rejects_size(), kEvents - 1);
  EXPECT_EQ(response.rejects(kEvents - 2).index(), static_cast<uint32_t>(kEvents - 2));
  EXPECT_TRUE(sink_.days.empty());
}

TEST_F(DoorTest, TakesAnEventIdOnceInABatch) {
  v1::AppendRequest request = Good(2);
  for (int i = 0; i < 2; ++i) request.mutable_rows()->mutable_events(i)->set_event_id("e");
  EXPECT_EQ(RuleFor(request), "DUPLICATE_EVENT");
}

class ColumnsTest : public DoorTest {
 protected:
  v1::AppendRequest Columns(uint32_t rows) const {
    v1::AppendRequest request;
    request.mutable_consent()->set_given(true);
    request.mutable_consent()->set_notice_version(4);
    v1::Columns& columns = *request.mutable_columns();
    columns.set_rows(rows);
    v1::ColumnData& command = *columns.add_columns();
    command.set_name("command");
    command.add_dictionary("build");
    command.add_dictionary("deploy");
    v1::ColumnData& took = *columns.add_columns();
    took.set_name("duration_ms");
    columns.add_subjects("m-0");
    columns.add_subjects("m-1");
    for (uint32_t i = 0; i < rows; ++i) {
      columns.add_time_us(now_.micros - i);
      columns.add_subject_codes(i % 2);
      command.add_codes(0);
      took.add_doubles(i * 1e6);
    }
    return request;
  }
};

TEST_F(ColumnsTest, KeepTheBoundOfARecord) {
  v1::AppendRequest request = Columns(3);
  v1::ColumnData& version = *request.mutable_columns()->add_columns();
  version.set_name("version");
  version.add_dictionary("1.2.3");
  version.add_dictionary("1.2." + std::string(200, '3'));
  for (const uint32_t code : {0, 1, 0}) version.add_codes(code);
  const DatasetPtr dataset = Dataset(
      {{"max_record_bytes: 8192", "max_record_bytes: 128"}, {"max_len: 16", "max_len: 400"}});
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request, dataset));
  EXPECT_EQ(response.accepted(), 2u);
  ASSERT_EQ(response.rejects_size(), 1);
  EXPECT_EQ(response.rejects(0).index(), 1u);
  EXPECT_EQ(response.rejects(0).rule(), "TOO_LARGE");
}

TEST_F(ColumnsTest, AreKeptLikeRows) {
  v1::AppendRequest request = Columns(1'000);
  request.mutable_columns()->mutable_columns(0)->set_codes(17, 1);
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.accepted(), 999u);
  ASSERT_EQ(response.rejects_size(), 1);
  EXPECT_EQ(response.rejects(0).index(), 17u);
  EXPECT_EQ(response.rejects(0).rule(), "NOT_IN_ENUM");
  const block::ColumnBatch& batch = sink_.days.begin()->second.at(0);
  EXPECT_EQ(batch.rows, 999u);
  EXPECT_EQ(batch.columns[1].dictionary.size(), 2u);
  EXPECT_EQ(batch.Find(2)->dictionary.size(), 1u);  // the refused word is not stored
  EXPECT_EQ(batch.Find(3)->doubles[998], 600'000);
}

TEST_F(ColumnsTest, ThatAreMalformedAreRefusedWhole) {
  const auto broken = [&](auto edit) {
    v1::AppendRequest request = Columns(4);
    edit(*request.mutable_columns());
    return Append(request).status();
  };
  EXPECT_THAT(broken([](v1::Columns& c) { c.add_time_us(1); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("time_us")));
  EXPECT_THAT(broken([](v1::Columns& c) { c.mutable_columns(0)->set_codes(2, 9); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dictionary")));
  EXPECT_THAT(broken([](v1::Columns& c) { c.mutable_columns(1)->add_ints(1); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("duration_ms")));
  EXPECT_THAT(broken([](v1::Columns& c) { c.mutable_columns(1)->set_name("command"); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(broken([](v1::Columns& c) { c.set_subject_codes(0, 2); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("subject")));
  EXPECT_THAT(broken([](v1::Columns& c) { c.mutable_columns(0)->set_nulls("x"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nulls")));
  EXPECT_TRUE(sink_.days.empty());
}

TEST_F(ColumnsTest, MayHoldNullsAndUndeclaredNames) {
  v1::AppendRequest request = Columns(3);
  request.mutable_columns()->mutable_columns(1)->set_nulls(std::string("\0\1\0", 3));
  v1::ColumnData& extra = *request.mutable_columns()->add_columns();
  extra.set_name("colour");
  extra.set_nulls(std::string("\1\1\0", 3));
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.accepted(), 2u);
  EXPECT_EQ(response.rejects(0).rule(), "UNDECLARED_FIELD");
  EXPECT_TRUE(sink_.days.begin()->second.at(0).Find(3)->IsNull(1));
}

TEST_F(ColumnsTest, WithALongUndeclaredNameReportItUpToAWholeCharacter) {
  v1::AppendRequest request = Columns(2);
  v1::ColumnData& extra = *request.mutable_columns()->add_columns();
  extra.set_name(std::string(62, 'x') + "€");
  extra.set_nulls(std::string("\1\0", 2));
  TV_ASSERT_OK_AND_ASSIGN(const v1::AppendResponse response, Append(request));
  EXPECT_EQ(response.rejects(0).field(), std::string(62, 'x'));
  EXPECT_TRUE(v1::AppendResponse().ParseFromString(response.SerializeAsString()));
}

}  // namespace
}  // namespace televault::ingest
