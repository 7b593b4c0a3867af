// The first two promises, on the real daemon: no row before its record, nothing after its deadline.
#include <algorithm>
#include <array>
#include <poll.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "audit/note.h"
#include "tests/integration/daemon/data_files.h"
#include "tests/integration/daemon/scenario.h"
#include "tests/support/disclosures.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/store/rocks_store.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint32_t kBatchRows = 65'536;
constexpr uint32_t kBatches = 4;
// About 60 bytes a row: several windows of 4 MiB.
constexpr char kManyRows[] =
    "SELECT event_time AS a, event_time AS b, event_time AS c, event_time AS d, event_time AS e, "
    "event_time AS f, command, version FROM cli_usage";

class RowStreamTest : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    const auto collector = As(cast_.collector);
    for (uint32_t i = 0; i < kBatches; ++i) {
      TV_ASSERT_OK_AND_ASSIGN(
          const auto stored,
          Append(*collector, BulkColumns("cli_usage", Yesterday(100 * i), kBatchRows, 1'000)));
      ASSERT_EQ(stored.accepted(), kBatchRows) << stored.DebugString();
    }
    ASSERT_NO_FATAL_FAILURE(Grant(kManyRows));
  }

  void Grant(const std::string& sql) {
    v1::RequestAccessRequest request;
    request.set_sql(sql);
    request.set_purpose("reliability");
    request.set_grant_s(3'600);
    request.set_reason("a large answer");
    TV_ASSERT_OK_AND_ASSIGN(const auto asked,
                            As(cast_.investigator)->RequestAccess(request, call_));
    grant_ = asked.request().id();
    v1::VoteAccessRequest vote;
    vote.set_id(grant_);
    vote.set_approve(true);
    ASSERT_THAT(As(cast_.steward)->VoteAccess(vote, call_), IsOk());
    ASSERT_THAT(As(cast_.second_steward)->VoteAccess(vote, call_), IsOk());
  }

  v1::QueryRequest Query(const std::string& sql = kManyRows) const {
    v1::QueryRequest request;
    request.set_sql(sql);
    request.set_purpose("reliability");
    request.set_grant(grant_);
    return request;
  }

  struct Got {
    uint64_t rows = 0;  // or groups
    uint64_t intent = 0;
    bool whole = false;
  };
  Got ReadAll(const TokenOf& who, const v1::QueryRequest& request) {
    Got got;
    const auto vault = As(who);
    const auto stream = vault->Query(request, call_);
    EXPECT_THAT(stream, IsOk());
    if (!stream.ok()) return got;
    v1::QueryResponse response;
    absl::StatusOr<bool> more = true;
    while ((more = (*stream)->Next(response)).ok() && *more) {
      if (response.has_header()) got.intent = response.header().audit_intent_index();
      got.rows += response.batch().rows();
    }
    got.whole = more.ok();
    return got;
  }
  // What came of runs that the daemon died in.
  struct Deaths {
    int runs = 0;
    int in_part = 0;  // runs whose client had got something
  };
  // Kills the daemon at one of its commits after the other, until a run of the query comes whole.
  Deaths DieAtEveryCommitOf(const TokenOf& who, const v1::QueryRequest& request,
                            const char* point) {
    constexpr int kMostCommits = 60;
    Deaths died;
    for (int pass = 1; pass < kMostCommits; ++pass) {
      const std::string armed = absl::StrCat(point, ":", pass);
      SCOPED_TRACE(armed);
      EXPECT_THAT(daemon_.Terminate(), IsOk());
      Got got;
      if (daemon_.Start({{"TELEVAULT_CRASH_POINT", armed}}).ok()) {
        got = ReadAll(who, request);
        if (got.whole) {
          daemon_.Kill();  // the point may wait in the commits of an ordinary stop
        } else {
          EXPECT_EQ(daemon_.WaitForEnd(), SIGKILL);
          ++died.runs;
          died.in_part += got.rows > 0 ? 1 : 0;
        }
      }
      EXPECT_THAT(daemon_.Start(), IsOk());
      ExpectOnRecord(got, !request.grant().empty());
      if (got.whole || HasFailure()) return died;
    }
    ADD_FAILURE() << "no run came whole";
    return died;
  }
  // Nothing is under way.
  void ExpectOnRecord(const Got& got, bool rows_mode) {
    const Disclosures calls = QueriesOnRecord();
    for (const auto& [index, call] : calls) EXPECT_EQ(Wrong(call), "") << "entry " << index;
    if (got.rows == 0) return;
    const auto call = calls.find(got.intent);
    ASSERT_TRUE(call != calls.end()) << "no entry " << got.intent;
    EXPECT_GE(rows_mode ? call->second.Rows() : call->second.Groups(), got.rows);
  }
  Disclosures QueriesOnRecord() {
    Disclosures calls;
    for (const auto& entry : Entries(*As(cast_.auditor), ByMethod("Query"))) {
      Note(entry.index(), entry.entry(), calls);
    }
    return calls;
  }
  // Rows that the trail says were to be disclosed by the run with that first intent.
  uint64_t RowsOnRecord(uint64_t intent_index) { return QueriesOnRecord()[intent_index].Rows(); }

  std::string grant_;
};

TEST_F(RowStreamTest, EveryBatchThatArrivesIsOnRecordAlready) {
  const auto investigator = As(cast_.investigator);
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(Query(), call_));
  v1::QueryResponse response;
  TV_ASSERT_OK_AND_ASSIGN(bool more, stream->Next(response));
  ASSERT_TRUE(more && response.has_header());
  const uint64_t intent = response.header().audit_intent_index();
  uint64_t rows = 0;
  int batches = 0;
  while (true) {
    TV_ASSERT_OK_AND_ASSIGN(more, stream->Next(response));
    if (!more || response.has_trailer()) break;
    rows += response.batch().rows();
    ++batches;
    ASSERT_GE(RowsOnRecord(intent), rows) << "after batch " << batches;
  }
  EXPECT_EQ(rows, kBatches * kBatchRows);
  EXPECT_GT(batches, 10);
  ASSERT_TRUE(response.has_trailer());
  EXPECT_EQ(response.trailer().rows(), rows);
  EXPECT_EQ(RowsOnRecord(intent), rows);
}

TEST_F(RowStreamTest, AStreamEndsWhenItsGrantIsRevoked) {
  const auto investigator = As(cast_.investigator);
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(Query(), stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  v1::RevokeAccessRequest revoke;
  revoke.set_id(grant_);
  ASSERT_THAT(As(cast_.steward)->RevokeAccess(revoke, call_), IsOk());
  absl::StatusOr<bool> more = true;
  uint64_t rows = 0;
  while (more.ok() && *more) {
    more = stream->Next(response);
    if (more.ok() && response.has_batch()) rows += response.batch().rows();
  }
  EXPECT_EQ(Refusal(more.status()), "PERMISSION_DENIED DENIED");
  EXPECT_LT(rows, kBatches * kBatchRows);
  EXPECT_EQ(Refusal(Ask(*As(cast_.investigator), Query()).status), "PERMISSION_DENIED DENIED");
}

TEST_F(RowStreamTest, AStreamEndsWhenItsTokenIsRevoked) {
  const auto investigator = As(cast_.investigator);
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(Query(), stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  v1::RevokeTokenRequest revoke;
  revoke.set_accessor(cast_.investigator.accessor);
  ASSERT_THAT(As(daemon_.alice())->RevokeToken(revoke, call_), IsOk());
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = stream->Next(response);
  EXPECT_EQ(Refusal(more.status()), "UNAUTHENTICATED UNAUTHENTICATED");
}

// Sorted rows are all in memory before the first one leaves: a shorter TTL used to stop none of
// them.
TEST_F(RowStreamTest, AStreamEndsWhenAShorterTtlReachesItsDay) {
  const std::string sorted = absl::StrCat(kManyRows, " ORDER BY event_time");
  ASSERT_NO_FATAL_FAILURE(Grant(sorted));
  const auto investigator = As(cast_.investigator);
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(Query(sorted), stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(
      const auto applied,
      Apply(*As(cast_.steward), SampleManifest("cli_usage", {{"revision: 1", "revision: 2"},
                                                             {"ttl: 90d", "ttl: 1s"}})));
  ASSERT_TRUE(applied.applied()) << applied.DebugString();
  absl::StatusOr<bool> more = true;
  uint64_t rows = 0;
  while (more.ok() && *more) {
    more = stream->Next(response);
    if (more.ok() && response.has_batch()) rows += response.batch().rows();
  }
  EXPECT_EQ(Refusal(more.status()), "FAILED_PRECONDITION EXPIRED");
  EXPECT_LT(rows, kBatches * kBatchRows);
}

TEST_F(RowStreamTest, AKillInTheMiddleLeavesAnOutcomeOfUnknownAndNeverTooFewRowsOnRecord) {
  const auto investigator = As(cast_.investigator);
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(Query(), call_));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  const uint64_t intent = response.header().audit_intent_index();
  uint64_t rows = 0;
  ASSERT_THAT(stream->Next(response), IsOk());
  rows += response.batch().rows();
  daemon_.Kill();
  // What was under way still arrives.
  for (absl::StatusOr<bool> more = true; more.ok() && *more;) {
    more = stream->Next(response);
    if (more.ok() && *more) rows += response.batch().rows();
  }
  ASSERT_LT(rows, kBatches * kBatchRows);

  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_GE(RowsOnRecord(intent), rows);
  int unknown = 0;
  for (const auto& entry : Entries(*As(cast_.auditor), ByMethod("Query"))) {
    if (entry.entry().reason() != "UNKNOWN_CRASH") continue;
    ++unknown;
    EXPECT_EQ(entry.entry().kind(), record::v1::ENTRY_KIND_OUTCOME);
    EXPECT_EQ(entry.entry().intent_index(), intent);
    EXPECT_EQ(entry.entry().principal().person(), "ivan");
  }
  EXPECT_EQ(unknown, 1);
  // Said once, not at every start.
  ASSERT_THAT(daemon_.Restart(), IsOk());
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  EXPECT_EQ(
      std::count_if(entries.begin(), entries.end(),
                    [](const auto& entry) { return entry.entry().reason() == "UNKNOWN_CRASH"; }),
      1);
}

// Dies at one commit after the other, right before and right after it.
TEST_F(RowStreamTest, WhereverItDiesNoMoreRowsArrivedThanAreOnRecord) {
  // Intent, further windows, outcome: each right before and right after it is durable.
  for (const char* point : {"store.before_commit", "store.after_commit"}) {
    const Deaths died = DieAtEveryCommitOf(cast_.investigator, Query(), point);
    EXPECT_GE(died.runs, 3) << point;
    EXPECT_GE(died.in_part, 1) << point;
  }
}

TEST_F(RowStreamTest, WhereverItDiesNoGroupArrivedThatIsNotOnRecord) {
  v1::QueryRequest request;
  request.set_sql("SELECT command, count(*) FROM cli_usage GROUP BY command");
  request.set_purpose("usage");
  // One entry, durable before anything leaves.
  for (const char* point : {"store.before_commit", "store.after_commit"}) {
    const Deaths died = DieAtEveryCommitOf(cast_.analyst, request, point);
    EXPECT_GE(died.runs, 1) << point;
    EXPECT_EQ(died.in_part, 0) << point;
  }
}

TEST_F(RowStreamTest, WhereverItDiesNoGroupOfALargeAnswerArrivedThatIsNotOnRecord) {
  // Every version with subjects enough, and each group on a thousand bytes.
  ASSERT_THAT(
      Append(*As(cast_.collector), BulkColumns("cli_usage", Yesterday(0), kBatchRows, 1'001)),
      IsOk());
  std::string sql = "SELECT version, count(*)";
  for (int i = 0; i < 120; ++i) {
    absl::StrAppend(&sql, ", date_trunc('day', event_time) AS day", i);
  }
  v1::QueryRequest request;
  request.set_sql(sql + " FROM cli_usage GROUP BY version, date_trunc('day', event_time)");
  request.set_purpose("reliability");
  for (const char* point : {"store.before_commit", "store.after_commit"}) {
    const Deaths died = DieAtEveryCommitOf(cast_.analyst, request, point);
    EXPECT_GE(died.runs, 2) << "intent and outcome; " << point;
    EXPECT_GE(died.in_part, 1) << point;
  }
}

TEST_F(RowStreamTest, AnAggregateIsOnRecordBeforeItArrives) {
  const auto analyst = As(cast_.analyst);
  v1::QueryRequest request;
  request.set_sql("SELECT command, count(*) FROM cli_usage GROUP BY command");
  request.set_purpose("usage");
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, analyst->Query(request, call_));
  v1::QueryResponse response;
  while (!response.has_batch()) ASSERT_THAT(stream->Next(response), IsOk());
  v1::EntryFilter filter = ByMethod("Query");
  filter.set_principal("anna");
  const auto entries = Entries(*As(cast_.auditor), filter);
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].entry().groups_returned(), 2u);
}

// Everything sealed of hot micro-batches and blocks, as it lies in the stopped daemon's store.
std::vector<std::string> SamplesOfStore(const std::string& data_dir) {
  std::vector<std::string> samples;
  const auto add = [&samples](std::string_view value) {
    if (value.size() < 128) return;
    samples.emplace_back(value.substr(value.size() / 2, 24));
  };
  auto store = store::OpenRocksStore({.directory = data_dir + "/store", .fs = PosixFileSystem()});
  EXPECT_THAT(store, IsOk());
  if (!store.ok()) return samples;
  const auto view = (*store)->Pin();
  EXPECT_THAT(view, IsOk());
  EXPECT_THAT((*view)->Scan(store::Family::kHot, "", "",
                            [&](std::string_view, std::string_view value) {
                              add(value);
                              return true;
                            }),
              IsOk());
  EXPECT_THAT(samples, ::testing::Not(IsEmpty())) << "no hot micro-batch";
  const size_t hot = samples.size();
  const auto blocks = (*store)->ListBlocks();
  EXPECT_THAT(blocks, IsOk());
  for (const BlockId& block : *blocks) {
    for (const uint32_t number : {uint32_t{0}, uint32_t{1}, store::kFooterChunk}) {
      const auto chunk = (*store)->ReadBlock(block, std::array{number});
      EXPECT_THAT(chunk, IsOk());
      if (chunk.ok()) add(chunk->front());
    }
  }
  EXPECT_GT(samples.size(), hot) << "no block";
  return samples;
}

class RetentionTest : public VaultTest {
 protected:
  RetentionTest()
      : VaultTest({.config = "[retention]\ntick = \"60s\"\n[merge]\ntick = \"1s\"\n"}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.InitAndStart(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
  }
};

TEST_F(RetentionTest, AtItsDeadlineADayIsUnreadableAndAfterTheRunItsBytesAreGone) {
  constexpr int64_t kTtlSeconds = 20;
  // Yesterday's deadline comes a few seconds from now.
  const WallTime noon = Yesterday(0);
  const WallTime end_of_day = EndOf(DayOf(noon));
  const auto since = (SystemClock().Wall() - end_of_day).count() / 1'000'000;
  TV_ASSERT_OK_AND_ASSIGN(
      const auto applied,
      Apply(*As(cast_.steward),
            SampleManifest("cli_usage",
                           {{"ttl: 90d", absl::StrCat("ttl: ", since + kTtlSeconds, "s")}})));
  ASSERT_TRUE(applied.applied()) << applied.DebugString();
  const std::string sql = "SELECT command, count(*) FROM cli_usage GROUP BY command";
  TV_ASSERT_OK_AND_ASSIGN(const auto bulk, Append(*As(cast_.collector),
                                                  BulkColumns("cli_usage", noon, kBatchRows, 50)));
  ASSERT_EQ(bulk.accepted(), kBatchRows);
  ASSERT_THAT(AwaitEntry(*As(cast_.auditor), "partition.merge"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto hot,
                          Append(*As(cast_.collector), BulkColumns("cli_usage", noon, 2'000, 50)));
  ASSERT_EQ(hot.accepted(), 2'000u);
  EXPECT_THAT(Ask(*As(cast_.analyst), sql, "usage").rows, SizeIs(2));

  // The scan finds what is there.
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const std::vector<std::string> samples = SamplesOfStore(daemon_.data_dir());
  EXPECT_GE(FindInFiles(daemon_.directory(), samples).size(), samples.size());
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(Ask(*As(cast_.analyst), sql, "usage").rows, SizeIs(2));
  TV_ASSERT_OK_AND_ASSIGN(const auto live,
                          Append(*As(cast_.collector),
                                 BulkColumns("cli_usage", {SystemClock().Wall().micros}, 40, 40)));
  EXPECT_EQ(live.accepted(), 40u);

  // No job runs; the deadline alone ends it.
  const WallTime deadline = end_of_day + microseconds((since + kTtlSeconds) * 1'000'000);
  Answer answer;
  do {
    answer = Ask(*As(cast_.analyst), sql, "usage");
  } while (SystemClock().Wall() <= deadline);
  answer = Ask(*As(cast_.analyst), sql, "usage");
  ASSERT_THAT(answer.status, IsOk());
  ASSERT_EQ(answer.trailer.refusals_size(), 1) << answer.trailer.DebugString();
  EXPECT_EQ(answer.trailer.refusals(0).day(), FormatDay(DayOf(noon)));
  EXPECT_EQ(answer.trailer.refusals(0).reason(), "EXPIRED");
  EXPECT_THAT(answer.rows, ElementsAre(ElementsAre("build", "20"), ElementsAre("serve", "20")));
  TV_ASSERT_OK_AND_ASSIGN(const auto late,
                          Append(*As(cast_.collector), BulkColumns("cli_usage", noon, 5, 5)));
  EXPECT_EQ(late.accepted(), 0u);
  EXPECT_EQ(late.rejects(0).rule(), "EXPIRED");

  TV_ASSERT_OK_AND_ASSIGN(const auto run, As(cast_.steward)->RunRetention({}, call_));
  EXPECT_EQ(run.shredded(), 1u) << run.DebugString();
  EXPECT_EQ(run.purged(), 1u) << run.DebugString();
  EXPECT_EQ(run.pending_size(), 0) << run.DebugString();
  EXPECT_THAT(FindInFiles(daemon_.directory(), samples), IsEmpty());
  v1::ListPartitionsRequest partitions;
  partitions.set_dataset("cli_usage");
  TV_ASSERT_OK_AND_ASSIGN(const auto list, As(cast_.steward)->ListPartitions(partitions, call_));
  ASSERT_EQ(list.partitions_size(), 2);
  EXPECT_EQ(list.partitions(0).state(), v1::PARTITION_STATE_PURGED);
  EXPECT_EQ(list.partitions(1).state(), v1::PARTITION_STATE_LIVE);

  TV_ASSERT_OK_AND_ASSIGN(const auto receipts, As(cast_.steward)->ListReceipts({}, call_));
  ASSERT_EQ(receipts.receipts_size(), 1);
  const v1::DeletionReceipt& receipt = receipts.receipts(0);
  EXPECT_EQ(receipt.events(), kBatchRows + 2'000u);
  TV_ASSERT_OK_AND_ASSIGN(const auto key, audit::VerifierKey::Parse(daemon_.vkey()));
  TV_ASSERT_OK_AND_ASSIGN(const auto note, audit::ParseNote(receipt.signed_note()));
  EXPECT_THAT(audit::VerifyNote(note, std::array{key}), IsOk());
  EXPECT_TRUE(absl::StrContains(note.text, FormatDay(DayOf(noon)))) << note.text;
  TV_ASSERT_OK_AND_ASSIGN(const auto shredded, AwaitEntry(*As(cast_.auditor), "retention.shred"));
  EXPECT_EQ(receipt.shredded_leaf(), shredded.index());
  EXPECT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());

  // The day stays gone, the other one stays.
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_EQ(Ask(*As(cast_.analyst), sql, "usage").rows, answer.rows);
  EXPECT_THAT(FindInFiles(daemon_.directory(), samples), IsEmpty());
}

// A vault that sleeps over a deadline wakes up without the day.
TEST_F(RetentionTest, ADeadlineThatPassesWhileTheVaultIsDownIsKeptBeforeAnybodyCanAsk) {
  const WallTime noon = Yesterday(0);
  const auto since = (SystemClock().Wall() - EndOf(DayOf(noon))).count() / 1'000'000;
  ASSERT_THAT(
      Apply(*As(cast_.steward),
            SampleManifest("cli_usage", {{"ttl: 90d", absl::StrCat("ttl: ", since + 4, "s")}})),
      IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto stored,
                          Append(*As(cast_.collector), BulkColumns("cli_usage", noon, 100, 50)));
  ASSERT_EQ(stored.accepted(), 100u) << stored.DebugString();
  daemon_.Kill();
  const WallTime deadline = EndOf(DayOf(noon)) + microseconds((since + 4) * 1'000'000);
  // Nothing but time makes it pass.
  while (SystemClock().Wall() <= deadline) ::poll(nullptr, 0, 50);
  ASSERT_THAT(daemon_.Start(), IsOk());
  const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
  ASSERT_THAT(answer.status, IsOk());
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries.front().entry().rows_scanned(), 0u);
  // The key went before the start had ended; the bytes follow.
  EXPECT_THAT(AwaitEntry(*As(cast_.auditor), "retention.purge"), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto receipts, As(cast_.steward)->ListReceipts({}, call_));
  ASSERT_EQ(receipts.receipts_size(), 1);
  EXPECT_TRUE(receipts.receipts(0).has_purged_at());
}

}  // namespace
}  // namespace televault::testing
