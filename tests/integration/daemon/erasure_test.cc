// Erasure of subjects and legal holds: the vault and its server in this process, its work done when
// the test says so.
#include <set>

#include "absl/strings/str_cat.h"

#include "admin-cli/receipt.h"
#include "audit/note.h"
#include "audit/verifier.h"
#include "tests/integration/daemon/erasure_scene.h"
#include "tests/support/trail.h"
#include "vault/erasure/eraser.h"
#include "vault/retention/retention.h"

namespace televault::daemon {
namespace {

using televault::testing::Answer;
using televault::testing::Apply;
using televault::testing::Ask;
using televault::testing::EntriesOf;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(ErasureTest, RowsGoAtOnceAndNoneComesBack) {
  EXPECT_TRUE(Rows().contains(7));
  EXPECT_TRUE(Rows().contains(1007));
  const v1::Erasure asked = Erase(7);
  EXPECT_EQ(asked.state(), v1::ERASURE_STATE_PENDING);
  EXPECT_EQ(asked.partitions_left(), 2U);
  EXPECT_EQ((asked.deadline().seconds() - asked.requested_at().seconds()) / 3600, 72);
  std::set<int> rows = Rows();
  EXPECT_FALSE(rows.contains(7));
  EXPECT_FALSE(rows.contains(1007));
  EXPECT_THAT(rows, SizeIs(kSubjects - 1 + 15));

  // Under every salt: a day of its own, and one that had none yet.
  for (const int days_ago : {0, 1, 2}) {
    const v1::AppendResponse refused = Append(7, days_ago, 5007);
    EXPECT_EQ(refused.rejected(), 1U);
    ASSERT_EQ(refused.rejects_size(), 1);
    EXPECT_EQ(refused.rejects(0).rule(), "BLOCKED_SUBJECT");
  }
  EXPECT_EQ(Append(8, 2, 5008).rejected(), 0U);

  // Asked once more it is the same one.
  EXPECT_EQ(Erase(7).id(), asked.id());
  RunEraser();
  EXPECT_EQ(Erase(7).id(), asked.id());
  EXPECT_EQ(Erase(7).state(), v1::ERASURE_STATE_SETTLED);
  rows = Rows();
  EXPECT_FALSE(rows.contains(7));
  EXPECT_FALSE(rows.contains(1007));
  EXPECT_THAT(rows, SizeIs(kSubjects - 1 + 15 + 1));
  EXPECT_EQ(Append(7, 0, 5007).rejected(), 1U);
}

TEST_F(ErasureTest, TheKeysOfItsRowsAreDestroyedBeforeTheReceipt) {
  const std::vector<crypto::DataKeyInfo> before = Keys(0);
  ASSERT_THAT(before, SizeIs(1));
  const uint64_t slot = keyring().slot();
  const v1::Erasure asked = Erase(7);
  EXPECT_EQ(asked.signed_note(), "");
  const erasure::EraserReport report = RunEraser();
  EXPECT_EQ(report.settled, 1U);
  EXPECT_THAT(report.pending, IsEmpty());
  const std::vector<crypto::DataKeyInfo> after = Keys(0);
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_NE(after[0].id, before[0].id);
  EXPECT_EQ(after[0].deadline, before[0].deadline);
  EXPECT_GT(keyring().slot(), slot);

  const v1::Erasure settled = Look(asked.id());
  EXPECT_EQ(settled.state(), v1::ERASURE_STATE_SETTLED);
  EXPECT_EQ(settled.partitions_rewritten(), 2U);
  EXPECT_EQ(settled.events_removed(), 2U);
  EXPECT_EQ(settled.partitions_left(), 0U);
  const auto key = audit::VerifierKey::Parse(vault_->vkey());
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(cli::VerifyErasureReceipt(settled, *key), IsOk());
  v1::Erasure changed = settled;
  changed.set_events_removed(1);
  EXPECT_FALSE(cli::VerifyErasureReceipt(changed, *key).ok());

  // The trail names the erasure and the days, and the subject nowhere.
  std::set<std::string> methods;
  for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
    methods.insert(entry.method());
    EXPECT_THAT(entry.ShortDebugString(), Not(HasSubstr("\"s7\"")));
  }
  for (const char* method : {"/televault.v1.RetentionService/EraseSubject", "erasure.begin",
                             "erasure.rewrite", "erasure.settled"}) {
    EXPECT_THAT(methods, Contains(method));
  }
}

// Asked before, between and after: no two answers differ by fewer than k subjects.
TEST_F(ErasureTest, AggregatesIsolateNobody) {
  constexpr int kMin = 10;
  ASSERT_EQ(Count(), absl::StrCat(kSubjects + 16));
  Erase(7);
  EXPECT_EQ(Count(), "nothing ERASURE_PENDING ERASURE_PENDING");
  RunEraser();
  // Of each of the two days the erased one and nine more are missing.
  EXPECT_EQ(Count(), absl::StrCat(kSubjects + 16 - 2 * kMin));
  // The next one is in the first day only: there nine others are left out as well, unless the next
  // one was left out already; then nothing changes in what aggregates see.
  Erase(8);
  EXPECT_EQ(Count(), "nothing ERASURE_PENDING ERASURE_PENDING");
  RunEraser();
  EXPECT_THAT(Count(), ::testing::AnyOf(absl::StrCat(kSubjects + 16 - 3 * kMin),
                                        absl::StrCat(kSubjects + 16 - 2 * kMin)));
  EXPECT_THAT(Rows(), SizeIs(kSubjects - 2 + 15)) << "whoever reads rows gets all that are left";
  // As many at once as a group needs: nobody else has to be left out for them, but for those who
  // were left out before.
  const int before = std::atoi(Count().c_str());
  for (int subject = 10; subject < 10 + kMin; ++subject) Erase(subject);
  RunEraser();
  const std::string count = Count();
  EXPECT_THAT(count, Not(HasSubstr("PENDING")));
  EXPECT_THAT(std::atoi(count.c_str()), ::testing::AnyOf(before, ::testing::Le(before - kMin)));
}

// Came they back, three answers would tell one erased subject from the others.
TEST_F(ErasureTest, WhoIsLeftOutStaysSoAndNothingSaysWhoAfterTheDeadline) {
  const auto data = vault_->Data();
  const auto left_out = [&]() -> std::set<crypto::Hash16> {
    const auto snapshot = (*data)->reader->Pin();
    EXPECT_THAT(snapshot, IsOk());
    for (const auto& info : (*data)->partitions->All()) {
      if (info.id.day != DayOf(clock_.Wall() - microseconds(kMicrosPerDay))) continue;
      if (!info.erased.left_out.empty()) {
        EXPECT_EQ(info.erased.left_out_key, keyring().DataKeys(info.id).front().id);
      }
      const auto list = (*snapshot)->LeftOut(info.id, info.erased);
      EXPECT_THAT(list, IsOk());
      if (list.ok() && *list != nullptr) return {(*list)->all().begin(), (*list)->all().end()};
    }
    return {};
  };
  EXPECT_THAT(left_out(), IsEmpty());
  Erase(7);
  RunEraser();
  const std::set<crypto::Hash16> first = left_out();
  EXPECT_THAT(first, SizeIs(9));
  Erase(8);
  RunEraser();
  const std::set<crypto::Hash16> second = left_out();
  EXPECT_THAT(second, ::testing::AnyOf(SizeIs(18), SizeIs(8)));
  std::vector<crypto::Hash16> back;  // only somebody who was erased herself
  std::set_difference(first.begin(), first.end(), second.begin(), second.end(),
                      std::back_inserter(back));
  EXPECT_EQ(back.size(), second.size() == 8 ? 1U : 0U);

  clock_.Advance(microseconds(95 * kMicrosPerDay));
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  const auto view = (*data)->store.Pin();
  ASSERT_THAT(view, IsOk());
  int days = 0;
  ASSERT_THAT((*data)->meta.Scan<record::v1::PartitionRecord>(
                  **view, store::RecordKind::kPartition, store::RecordId(),
                  [&](const record::v1::PartitionRecord& record) {
                    EXPECT_NE(record.state(), record::v1::PARTITION_STATE_LIVE);
                    EXPECT_EQ(record.left_out_sealed(), "");
                    return ++days > 0;
                  }),
              IsOk());
  EXPECT_EQ(days, 2);
  ASSERT_THAT((*data)->meta.Scan<record::v1::ErasureRecord>(
                  **view, store::RecordKind::kErasure, store::RecordId(),
                  [](const record::v1::ErasureRecord& record) {
                    EXPECT_EQ(record.days_size(), 0) << "they say when the subject was active";
                    EXPECT_GT(record.days_rewritten(), 0U);
                    return true;
                  }),
              IsOk());
}

TEST_F(ErasureTest, WhereTooFewAreLeftAggregatesGetNobody) {
  for (int subject = 20; subject < 34; ++subject) Erase(subject);
  RunEraser();
  // Day 1 had 16 subjects, of whom 14 are gone.
  const Answer answer = Ask(*analyst_, kCount, "usage");
  ASSERT_THAT(answer.status, IsOk());
  Erase(7);
  RunEraser();
  EXPECT_EQ(Rows().count(1034), 1U);
  const auto data = vault_->Data();
  for (const auto& info : (*data)->partitions->All()) {
    if (info.id.day != DayOf(clock_.Wall() - microseconds(2 * kMicrosPerDay))) continue;
    EXPECT_TRUE(info.erased.withheld);
  }
}

TEST_F(ErasureTest, ARunThatWasPutOffIsFinishedByTheNext) {
  const v1::Erasure asked = Erase(7);
  const auto data = vault_->Data();
  int asked_times = 0;
  // Gives up a little later each time.
  for (int patience = 0; Look(asked.id()).state() != v1::ERASURE_STATE_SETTLED; ++patience) {
    ASSERT_LT(patience, 50);
    int left = patience;
    ASSERT_THAT((*data)->eraser->RunOnce([&] { return ++asked_times > 0 && left-- <= 0; }), IsOk());
    EXPECT_FALSE(Rows().contains(7));
    EXPECT_THAT(Count(), ::testing::AnyOf(HasSubstr("PENDING"), "36"));
  }
  EXPECT_EQ(Look(asked.id()).events_removed(), 2U);
  EXPECT_THAT(Keys(0), SizeIs(1));
  EXPECT_THAT(Keys(1), SizeIs(1));
}

// What an interrupted run has put under the new key may hold rows of somebody who is asked for
// before the next one: they were passed over, and the receipt signed.
TEST_F(ErasureTest, AnErasureBetweenTwoRunsOfAnotherLeavesNoRows) {
  const auto data = vault_->Data();
  uint64_t rows_left = kSubjects + 16;
  for (int patience = 0; patience < 7; ++patience) {
    SCOPED_TRACE(patience);
    const v1::Erasure first = Erase(20 + 2 * patience);
    int left = patience;
    ASSERT_THAT((*data)->eraser->RunOnce([&] { return left-- <= 0; }), IsOk());
    // A merge in between takes nothing along, either.
    for (const auto& info : (*data)->partitions->All()) {
      ASSERT_THAT((*data)->merger->Merge(info.id), IsOk());
    }
    const v1::Erasure second = Erase(21 + 2 * patience);
    for (int runs = 0; runs < 3; ++runs) RunEraser();
    rows_left -= 4;
    for (const std::string& id : {first.id(), second.id()}) {
      EXPECT_EQ(Look(id).state(), v1::ERASURE_STATE_SETTLED);
      EXPECT_EQ(Look(id).events_removed(), 2U);
    }
    uint64_t rows = 0;
    for (const auto& info : (*data)->partitions->All()) {
      rows += info.rows();
      EXPECT_THAT(keyring().DataKeys(info.id), SizeIs(1));
    }
    EXPECT_EQ(rows, rows_left);
    EXPECT_THAT(Rows(), SizeIs(rows_left));
  }
}

TEST_F(ErasureTest, AnErasureOutlivesARestart) {
  const v1::Erasure asked = Erase(7);
  ASSERT_NO_FATAL_FAILURE(Restart());
  collector_ = As("collector");
  investigator_ = Connect(investigator_token_);
  steward_ = As("steward");
  analyst_ = As("analyst");
  EXPECT_FALSE(Rows().contains(7));
  EXPECT_EQ(Append(7, 0, 5007).rejected(), 1U);
  EXPECT_EQ(Count(), "nothing ERASURE_PENDING ERASURE_PENDING");
  RunEraser();
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_SETTLED);
  // A day that opens after it is nobody's concern.
  EXPECT_EQ(Append(9, 3, 9).rejected(), 0U);
  EXPECT_THAT(Count(), Not(HasSubstr("PENDING")));
}

// The key of a day that nobody opened after all may open rows in a copy that is put back.
TEST_F(ErasureTest, AKeyWithoutADayGoesWhenTheDeadlineIsNear) {
  const auto data = vault_->Data();
  ASSERT_THAT(data, IsOk());
  const auto dataset = (*data)->catalog->Find("cli_usage");
  ASSERT_THAT(dataset, IsOk());
  const v1::AppendRequest request = televault::testing::RowsOf(
      {televault::testing::Usage(clock_.Wall() - microseconds(3 * kMicrosPerDay), "s3", "build")});
  std::function<absl::StatusOr<partition::Opening>()> open;
  {
    auto prepared = (*data)->ingestor->Prepare(request, *dataset, clock_.Wall());
    ASSERT_THAT(prepared, IsOk());
    ASSERT_THAT(prepared->openings, SizeIs(1));
    open = prepared->openings.front();
    (*data)->ingestor->Abandoned(*prepared);
  }
  ASSERT_THAT(keyring().AllDataKeys(), SizeIs(3));

  const v1::Erasure asked = Erase(7);
  EXPECT_THAT(RunEraser().pending, Contains(HasSubstr("no record of it")));
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_PENDING);
  EXPECT_EQ(Look(asked.id()).partitions_left(), 1U);
  EXPECT_THAT(open(), IsOk());
  EXPECT_THAT(keyring().AllDataKeys(), SizeIs(3));

  clock_.Advance(microseconds(3 * kMicrosPerDay - kMicrosPerDay / 48));  // half an hour is left
  EXPECT_EQ(RunEraser().settled, 1U);
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_SETTLED);
  EXPECT_THAT(keyring().AllDataKeys(), SizeIs(2));
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kUnavailable));
  std::set<std::string> methods;
  for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) methods.insert(entry.method());
  EXPECT_THAT(methods, Contains("erasure.unrecorded_key"));
  EXPECT_EQ(Append(3, 5, 5).rejected(), 0U);  // the same day
  EXPECT_THAT(keyring().AllDataKeys(), SizeIs(3));
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kUnavailable)) << "under another key";
}

// A run that a hold ended has made a further key: what comes after a restart is sealed under that,
// and merged.
TEST_F(ErasureTest, AHeldRewriteKeepsNoDayFromBeingMerged) {
  Erase(7);
  const auto data = vault_->Data();
  for (int steps = 1; Keys(0).size() < 2 && steps < 20; ++steps) {
    int left = steps;
    ASSERT_THAT((*data)->eraser->RunOnce([&] { return left-- <= 0; }), IsOk());
  }
  ASSERT_THAT(Keys(0), SizeIs(2));
  ASSERT_NO_FATAL_FAILURE(Restart());
  collector_ = As("collector");
  for (int batch = 0; batch < 3; ++batch) Append(3, 0, 500 + batch);
  const auto again = vault_->Data();
  for (const auto& info : (*again)->partitions->All()) {
    if (info.id.day != DayOf(clock_.Wall() - microseconds(kMicrosPerDay))) continue;
    EXPECT_EQ(info.key, Keys(0).back().id);
    const uint64_t before = info.hot_batches;
    ASSERT_THAT((*again)->merger->Merge(info.id), IsOk());
    EXPECT_LT((*again)->partitions->Find(info.id)->hot_batches, before);
  }
}

TEST_F(ErasureTest, ALegalHoldKeepsTheBytesAndNotTheAccess) {
  v1::PlaceHoldRequest place;
  place.set_dataset("cli_usage");
  place.set_reason("file 12");
  place.mutable_until()->set_seconds(clock_.Wall().micros / 1'000'000 + 10 * 86'400);
  client::Call call;
  const auto placed = steward_->PlaceHold(place, call);
  ASSERT_THAT(placed, IsOk());
  const v1::Erasure asked = Erase(7);
  const erasure::EraserReport report = RunEraser();
  EXPECT_EQ(report.settled, 0U);
  EXPECT_THAT(report.pending, Contains(HasSubstr("legal hold")));
  EXPECT_EQ(Look(asked.id()).state(), v1::ERASURE_STATE_HELD);
  const auto overdue = [this] {
    const v1::GetStatusResponse status = vault_->Status();
    return std::any_of(status.warnings().begin(), status.warnings().end(), [](const auto& one) {
      return one.find("erasures past their deadline: 1") != std::string::npos;
    });
  };
  EXPECT_FALSE(overdue());
  EXPECT_FALSE(Rows().contains(7));
  EXPECT_THAT(Count(), HasSubstr("ERASURE_PENDING"));
  EXPECT_THAT(Keys(0), SizeIs(1));
  clock_.Advance(microseconds(4 * kMicrosPerDay));  // 72 hours are allowed
  EXPECT_TRUE(overdue());

  v1::ReleaseHoldRequest release;
  release.set_id(placed->hold().id());
  release.set_reason("closed");
  ASSERT_THAT(steward_->ReleaseHold(release, call), IsOk());
  EXPECT_THAT(steward_->ReleaseHold(release, call),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  RunEraser();
  const v1::Erasure settled = Look(asked.id());
  EXPECT_EQ(settled.state(), v1::ERASURE_STATE_SETTLED);
  EXPECT_THAT(settled.holds(), ElementsAre(placed->hold().id()));
  EXPECT_FALSE(overdue());
}

TEST_F(ErasureTest, AHoldSuspendsTheShredAndNotTheRefusal) {
  v1::PlaceHoldRequest place;
  place.set_dataset("cli_usage");
  place.set_reason("file 12");
  client::Call call;
  for (const int64_t seconds : {int64_t{-1}, int64_t{367} * 86'400}) {
    place.mutable_until()->set_seconds(clock_.Wall().micros / 1'000'000 + seconds);
    EXPECT_THAT(steward_->PlaceHold(place, call), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  place.mutable_until()->set_seconds(clock_.Wall().micros / 1'000'000 + 100 * 86'400);
  const auto placed = steward_->PlaceHold(place, call);
  ASSERT_THAT(placed, IsOk());
  clock_.Advance(microseconds(95 * kMicrosPerDay));
  const auto data = vault_->Data();
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  int live = 0;
  for (const auto& info : (*data)->partitions->All()) {
    EXPECT_EQ(info.state, partition::State::kLive);
    EXPECT_THAT(keyring().DataKeys(info.id), SizeIs(1));
    ++live;
  }
  EXPECT_EQ(live, 2);
  EXPECT_EQ(Count(), "nothing EXPIRED EXPIRED");

  // Its time box ends it, whoever forgot it.
  clock_.Advance(microseconds(6 * kMicrosPerDay));
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  const auto receipts = (*data)->retention->Receipts();
  ASSERT_THAT(receipts, IsOk());
  ASSERT_THAT(*receipts, SizeIs(2));
  for (const auto& receipt : *receipts) {
    EXPECT_THAT(receipt.holds(), ElementsAre(placed->hold().id()));
    EXPECT_THAT(receipt.receipt_note(), HasSubstr("holds " + placed->hold().id()));
  }
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  EXPECT_THAT(keyring().Holds(), IsEmpty()) << "nothing is left of what it covered";
  std::set<std::string> methods;
  for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) methods.insert(entry.method());
  EXPECT_THAT(methods, Contains("retention.hold_lapsed"));
}

TEST_F(ErasureTest, SaltsGoWithTheLastDayOfTheirPeriod) {
  const auto data = vault_->Data();
  const DatasetId dataset = (*data)->partitions->All().front().id.dataset;
  ASSERT_THAT(keyring().LiveSaltPeriods(dataset), SizeIs(2));
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  EXPECT_THAT(keyring().LiveSaltPeriods(dataset), SizeIs(2));
  clock_.Advance(microseconds(89 * kMicrosPerDay));  // the older of the two days is past its TTL
  ASSERT_THAT((*data)->retention->RunOnce(), IsOk());
  EXPECT_THAT(keyring().LiveSaltPeriods(dataset), SizeIs(1));
}

TEST_F(ErasureTest, RefusesWhatCannotBeErased) {
  client::Call call;
  v1::EraseSubjectRequest request;
  request.set_dataset("cli_usage");
  EXPECT_THAT(steward_->EraseSubject(request, call), StatusIs(absl::StatusCode::kInvalidArgument));
  request.set_subject(std::string(257, 'x'));
  EXPECT_THAT(steward_->EraseSubject(request, call), StatusIs(absl::StatusCode::kInvalidArgument));
  request.set_subject("s7");
  request.set_dataset("nothing");
  EXPECT_THAT(steward_->EraseSubject(request, call), StatusIs(absl::StatusCode::kNotFound));
  request.set_dataset("cli_usage");
  EXPECT_THAT(analyst_->EraseSubject(request, call), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_TRUE(Rows().contains(7));
}

}  // namespace
}  // namespace televault::daemon
