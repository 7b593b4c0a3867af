// Input that is wrong gets the designed answer, says what would be right, and loses nothing good.
#include <functional>
#include <grpcpp/grpcpp.h>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "televault/v1/query_service.grpc.pb.h"
#include "tests/integration/daemon/scenario.h"
#include "vault/base/limits.h"

namespace televault::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BadInputTest : public VaultTest {
 protected:
  // 20 good events around the bad one; the good ones must be kept.
  v1::AppendResponse SendWith(const v1::Event& bad) {
    std::vector<v1::Event> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
      if (i == 9) events.push_back(bad);
    }
    const auto answer = Append(*As(cast_.collector), RowsOf(events));
    EXPECT_THAT(answer, IsOk());
    return answer.ok() ? *answer : v1::AppendResponse();
  }
  std::string Count() {
    const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
    return answer.rows.empty() ? Refusal(answer.status) : answer.rows[0][0];
  }
  absl::Status AskUsage(const std::string& sql, const std::string& purpose = "usage") {
    return Ask(*As(cast_.analyst), sql, purpose).status;
  }
};

TEST_F(BadInputTest, OneBadEventIsRefusedByItsRuleAndTheOthersAreKept) {
  struct Case {
    std::string rule;
    std::string field;
    std::function<void(v1::Event&)> spoil;
  };
  const auto field = [](const std::string& name, v1::Value value) {
    return [name, value](v1::Event& event) { (*event.mutable_fields())[name] = value; };
  };
  const auto at = [](int64_t seconds) {
    return [seconds](v1::Event& event) { event.mutable_time()->set_seconds(seconds); };
  };
  const int64_t now = Yesterday(0).micros / 1'000'000;
  v1::Value flag;
  flag.set_bool_value(true);
  const std::vector<Case> cases = {
      {"UNDECLARED_FIELD", "zqunknown", field("zqunknown", Text("x"))},
      {"NOT_IN_ENUM", "command", field("command", Text("zqvalue"))},
      {"PATTERN", "version", field("version", Text("zqvalue"))},
      {"WRONG_TYPE", "duration_ms", field("duration_ms", Text("zqvalue"))},
      {"WRONG_TYPE", "command", field("command", flag)},
      {"NOT_FINITE", "duration_ms",
       field("duration_ms", Real(std::numeric_limits<double>::quiet_NaN()))},
      {"TOO_OLD", "event_time", at(now - 30 * 86'400)},
      {"TOO_OLD", "event_time", at(-5)},
      {"IN_FUTURE", "event_time", at(now + 30 * 86'400)},
      {"NO_TIME", "event_time", [](v1::Event& event) { event.clear_time(); }},
      {"NO_SUBJECT", "subject", [](v1::Event& event) { event.clear_subject(); }},
      {"BAD_SUBJECT", "subject",
       [](v1::Event& event) { event.set_subject(std::string(257, 's')); }},
      {"NO_CONSENT", "", [](v1::Event& event) { event.mutable_consent()->set_given(false); }},
      {"OLD_CONSENT", "",
       [](v1::Event& event) {
         event.mutable_consent()->set_given(true);
         event.mutable_consent()->set_notice_version(3);
       }},
  };
  int stored = 0;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.rule + " " + one.field);
    v1::Event bad = Usage(Yesterday(500), "bad", "build");
    one.spoil(bad);
    const v1::AppendResponse answer = SendWith(bad);
    EXPECT_EQ(answer.accepted(), 20u);
    ASSERT_THAT(answer.rejects(), SizeIs(1));
    EXPECT_EQ(answer.rejects(0).index(), 10u);
    EXPECT_EQ(answer.rejects(0).rule(), one.rule);
    EXPECT_EQ(answer.rejects(0).field(), one.field);
    EXPECT_FALSE(answer.rejects(0).message().empty());
    EXPECT_FALSE(absl::StrContains(answer.rejects(0).message(), "zqvalue"));
    stored += 20;
  }
  EXPECT_EQ(Count(), std::to_string(stored));
  // Nothing is lost silently: every refusal is counted.
  uint64_t counted = 0;
  v1::ListRejectsRequest request;
  TV_ASSERT_OK_AND_ASSIGN(const auto counts, As(cast_.analyst)->ListRejects(request, call_));
  for (const v1::RejectCount& count : counts.counts()) {
    counted += count.events();
    // Who may not read single events does not learn when one was refused.
    EXPECT_EQ(count.last_at().seconds() % 86'400, 0);
    EXPECT_EQ(count.last_at().nanos(), 0);
  }
  EXPECT_EQ(counted, cases.size());
  TV_ASSERT_OK_AND_ASSIGN(const auto exact, As(cast_.steward)->ListRejects(request, call_));
  for (const v1::RejectCount& count : exact.counts()) {
    EXPECT_TRUE(count.last_at().seconds() % 86'400 != 0 || count.last_at().nanos() != 0);
  }
  // Nor how many there are: an exact count before and after an event gives it away.
  v1::GetDatasetRequest get;
  get.set_name("cli_usage");
  TV_ASSERT_OK_AND_ASSIGN(const auto coarse, As(cast_.analyst)->GetDataset(get, call_));
  EXPECT_FALSE(coarse.summary().has_events());
  EXPECT_FALSE(coarse.summary().has_partitions());
  TV_ASSERT_OK_AND_ASSIGN(const auto whole, As(cast_.steward)->GetDataset(get, call_));
  EXPECT_EQ(std::to_string(whole.summary().events()), std::to_string(stored));
}

TEST_F(BadInputTest, ABatchThatIsWrongAsAWholeStoresNothingAndSaysWhy) {
  const auto collector = As(cast_.collector);
  const auto send = [&](const std::function<void(v1::AppendRequest&)>& spoil) {
    v1::AppendRequest request = ColumnsOf({Usage(Yesterday(1), "m", "build")});
    spoil(request);
    return Append(*collector, request).status();
  };
  EXPECT_THAT(send([](auto& r) { r.clear_columns(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rows or columns")));
  EXPECT_THAT(send([](auto& r) { r.mutable_rows(); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(send([](auto& r) { r.mutable_columns()->set_rows(70'000); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536")));
  EXPECT_THAT(send([](auto& r) { r.mutable_columns()->set_rows(2); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(send([](auto& r) { r.mutable_columns()->mutable_columns(0)->set_codes(0, 9); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(send([](auto& r) { r.set_batch_id("short"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16 bytes")));
  EXPECT_THAT(send([](auto& r) { r.set_source("nobody"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("how.sources")));
  EXPECT_EQ(Refusal(send([](auto& r) { r.set_dataset("no_such_dataset"); })),
            "PERMISSION_DENIED DENIED");
  // One row more than a batch may have, and more than a message may have.
  EXPECT_THAT(send([](auto& r) { r = BulkColumns("cli_usage", Yesterday(0), 65'537, 10); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(send([](auto& r) {
                r.mutable_columns()->add_subjects(std::string(limits::kMaxMessageBytes, 's'));
              }),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(
      Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage").trailer.rows_scanned(),
      0u);
  EXPECT_THAT(Append(*collector, RowsOf({Usage(Yesterday(1), "m", "build")})), IsOk());
}

TEST_F(BadInputTest, AStreamGoesOnAfterABatchThatIsRefused) {
  const auto collector = As(cast_.collector);
  TV_ASSERT_OK_AND_ASSIGN(const auto channel, collector->OpenAppendStream(call_));
  v1::AppendRequest bad = RowsOf({Usage(Yesterday(1), "m", "build")});
  bad.set_source("nobody");
  ASSERT_THAT(channel->Send(bad), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto refused, channel->Receive());
  EXPECT_EQ(refused.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(channel->Send(RowsOf({Usage(Yesterday(1), "m", "build")})), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto kept, channel->Receive());
  EXPECT_EQ(kept.append().accepted(), 1u);
  EXPECT_THAT(channel->Finish(), IsOk());
}

TEST_F(BadInputTest, ABatchIdIsGoodForOneBatch) {
  const auto collector = As(cast_.collector);
  std::vector<v1::Event> events;
  for (int i = 0; i < 15; ++i) {
    events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
  }
  v1::AppendRequest batch = RowsOf(events);
  batch.set_batch_id(std::string(16, 'b'));
  TV_ASSERT_OK_AND_ASSIGN(const auto first, Append(*collector, batch));
  EXPECT_FALSE(first.duplicate());
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Append(*collector, batch));
  EXPECT_TRUE(again.duplicate());
  EXPECT_EQ(again.accepted(), 15u);
  daemon_.Kill();
  ASSERT_THAT(daemon_.Start(), IsOk());
  const auto reconnected = As(cast_.collector);
  auto later = Append(*reconnected, batch);
  // The process may still hold the connection to the killed daemon; the batch id makes it safe to
  // send again.
  for (int i = 0; i < 5 && absl::IsUnavailable(later.status()); ++i) {
    later = Append(*reconnected, batch);
  }
  ASSERT_THAT(later, IsOk());
  EXPECT_TRUE(later->duplicate());
  EXPECT_EQ(Count(), "15");
  batch.mutable_rows()->mutable_events(0)->set_subject("somebody else");
  EXPECT_THAT(Append(*reconnected, batch), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Count(), "15");
}

TEST_F(BadInputTest, BadSqlIsRefusedWithItsPlace) {
  EXPECT_THAT(AskUsage("SELECT count(*) FRM cli_usage"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1:")));
  for (const std::string& sql :
       {std::string("SELECT count(*) FRM cli_usage"), std::string(""),
        std::string("DELETE FROM cli_usage"), std::string("SELECT 1; SELECT 2"),
        std::string("SELECT nonexistent FROM cli_usage"),
        std::string("SELECT count(*) FROM cli_usage WHERE command > 5"),
        std::string("SELECT count(*) FROM cli_usage a JOIN cli_usage b ON true"),
        std::string("SELECT pg_read_file('/etc/passwd')"),
        "SELECT count(*) FROM cli_usage WHERE " + std::string(5'000, '('),
        std::string(limits::kMaxSqlBytes + 1, ' ') + "SELECT 1"}) {
    SCOPED_TRACE(sql.substr(0, 60));
    const absl::Status status = AskUsage(sql);
    EXPECT_TRUE(absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status) ||
                absl::IsPermissionDenied(status))
        << status;
    EXPECT_FALSE(status.message().empty());
    EXPECT_LE(status.message().size(), limits::kMaxErrorTextBytes);
  }
  EXPECT_EQ(Refusal(AskUsage("SELECT count(*) FROM cli_usage LIMIT 1")).substr(0, 2), "OK");
}

TEST_F(BadInputTest, AParameterThatIsMissingOrOfTheWrongTypeIsRefused) {
  v1::QueryRequest request;
  request.set_sql("SELECT count(*) FROM cli_usage WHERE command = $1");
  request.set_purpose("usage");
  EXPECT_THAT(Ask(*As(cast_.analyst), request).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  *request.add_parameters() = Number(7);
  EXPECT_THAT(Ask(*As(cast_.analyst), request).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  request.clear_parameters();
  *request.add_parameters() = Text("build");
  EXPECT_THAT(Ask(*As(cast_.analyst), request).status, IsOk());
}

TEST_F(BadInputTest, BadNamesPagesIdsAndRolesAreRefusedOneByOne) {
  const auto alice = As(daemon_.alice());
  v1::EnrolPersonRequest person;
  for (const char* name : {"", "A", "Robert'); DROP", "x\n", "anna"}) {
    person.set_name(name);
    EXPECT_FALSE(alice->EnrolPerson(person, call_).ok()) << name;
  }
  v1::CreateTokenRequest token;
  token.set_person("anna");
  EXPECT_THAT(alice->CreateToken(token, call_), StatusIs(absl::StatusCode::kInvalidArgument));
  token.add_roles("emperor");
  EXPECT_THAT(alice->CreateToken(token, call_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("analyst")));
  token.set_roles(0, "collector");
  EXPECT_THAT(alice->CreateToken(token, call_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dataset")));
  token.set_roles(0, "analyst");
  token.set_ttl_s(91 * 86'400);
  EXPECT_THAT(alice->CreateToken(token, call_), StatusIs(absl::StatusCode::kInvalidArgument));
  token.set_ttl_s(std::numeric_limits<uint64_t>::max());
  EXPECT_THAT(alice->CreateToken(token, call_), StatusIs(absl::StatusCode::kInvalidArgument));

  v1::GetDatasetRequest dataset;
  dataset.set_name("no_such_dataset");
  EXPECT_EQ(Refusal(As(cast_.analyst)->GetDataset(dataset, call_)), "NOT_FOUND UNKNOWN_DATASET");
  v1::ListEntriesRequest list;
  list.set_page_token("not a cursor");
  EXPECT_THAT(As(cast_.auditor)->ListEntries(list, call_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  list.set_page_token("");
  list.set_page_size(1'000'000);
  EXPECT_THAT(As(cast_.auditor)->ListEntries(list, call_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::GetEntryRequest entry;
  entry.set_index(std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(As(cast_.auditor)->GetEntry(entry, call_).ok());
  v1::GetConsistencyProofRequest proof;
  EXPECT_THAT(As(cast_.auditor)->GetConsistencyProof(proof, call_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::VoteAccessRequest vote;
  vote.set_id("req-none");
  EXPECT_THAT(As(cast_.steward)->VoteAccess(vote, call_), StatusIs(absl::StatusCode::kNotFound));
  v1::EngageLockdownRequest lockdown;
  EXPECT_THAT(As(cast_.responder)->EngageLockdown(lockdown, call_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  for (const std::string& manifest :
       {std::string("dataset: [unclosed"), std::string(300'000, 'a'), std::string("\x01")}) {
    TV_ASSERT_OK_AND_ASSIGN(const auto refused, Apply(*As(cast_.steward), manifest));
    EXPECT_FALSE(refused.applied());
    EXPECT_GT(refused.findings_size(), 0);
  }
  EXPECT_THAT(As(cast_.auditor)->GetStatus({}, call_), IsOk());
}

// What no client of ours sends.
TEST_F(BadInputTest, CallsWithoutDeadlineTokenOrSenseAreRefused) {
  const auto channel =
      grpc::CreateChannel("unix:" + daemon_.socket(), grpc::InsecureChannelCredentials());
  const auto stub = v1::QueryService::NewStub(channel);
  const auto explain = [&](const std::string& authorization, bool deadline) {
    grpc::ClientContext context;
    if (deadline) context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    v1::ExplainRequest request;
    request.set_sql("SELECT count(*) FROM cli_usage");
    request.set_purpose("usage");
    v1::ExplainResponse response;
    return stub->Explain(&context, request, &response);
  };
  const std::string good = "Bearer " + cast_.analyst.text;
  EXPECT_TRUE(explain(good, true).ok());
  const grpc::Status endless = explain(good, false);
  EXPECT_EQ(endless.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(endless.error_message(), HasSubstr("deadline"));
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Basic YTpi"), cast_.analyst.text,
        "bearer " + cast_.analyst.text, good + "x", std::string(4'000, 'a')}) {
    EXPECT_EQ(explain(header, true).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
  EXPECT_TRUE(explain(good, true).ok());
}

}  // namespace
}  // namespace televault::testing
