// Telemetry goes in over every door, comes out as each role may see it, and the trail says so.
#include <grpcpp/grpcpp.h>
#include <set>

#include "audit/merkle.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "tests/integration/daemon/scenario.h"
#include "vault/base/bytes.h"
#include "vault/base/clock.h"

namespace televault::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kPerCommand[] =
    "SELECT command, count(*) AS events, count(DISTINCT subject) AS machines FROM cli_usage "
    "GROUP BY command ORDER BY events DESC";
constexpr char kRows[] =
    "SELECT event_time, command, version FROM cli_usage WHERE command = 'clean' "
    "ORDER BY event_time";

std::vector<v1::Event> Events(const std::string& command, int first, int count) {
  std::vector<v1::Event> events;
  for (int i = first; i < first + count; ++i) {
    v1::Event event = Usage(Yesterday(i), "machine-" + std::to_string(i), command);
    (*event.mutable_fields())["version"] = Text("3.1." + std::to_string(i));
    events.push_back(std::move(event));
  }
  return events;
}

namespace logs = opentelemetry::proto::collector::logs::v1;

logs::ExportLogsServiceRequest OtlpOf(const std::vector<v1::Event>& events) {
  logs::ExportLogsServiceRequest request;
  auto& scope = *request.add_resource_logs()->add_scope_logs();
  for (const v1::Event& event : events) {
    auto& record = *scope.add_log_records();
    record.set_time_unix_nano(static_cast<uint64_t>(event.time().seconds()) * 1'000'000'000);
    const auto add = [&record](const std::string& key, const std::string& value) {
      auto& attribute = *record.add_attributes();
      attribute.set_key(key);
      attribute.mutable_value()->set_string_value(value);
    };
    // The token is for one dataset: naming it and not naming it mean the same.
    if (scope.log_records_size() % 2 == 0) add("televault.dataset", "cli_usage");
    add("machine_id", event.subject());
    for (const auto& [name, value] : event.fields()) add(name, value.string_value());
    auto& consent = *record.add_attributes();
    consent.set_key("televault.consent.version");
    consent.mutable_value()->set_int_value(4);
  }
  return request;
}

class MainFlowTest : public VaultTest {
 protected:
  // 30 build as rows, 25 develop as columns, 12 serve over a stream, 4 clean over OTLP.
  void SendEverything() {
    const auto collector = As(cast_.collector);
    TV_ASSERT_OK_AND_ASSIGN(const auto rows, Append(*collector, RowsOf(Events("build", 0, 30))));
    EXPECT_EQ(rows.accepted(), 30u) << rows.DebugString();
    TV_ASSERT_OK_AND_ASSIGN(const auto columns,
                            Append(*collector, ColumnsOf(Events("develop", 100, 25))));
    EXPECT_EQ(columns.accepted(), 25u) << columns.DebugString();
    TV_ASSERT_OK_AND_ASSIGN(const auto channel, collector->OpenAppendStream(call_));
    for (int i = 0; i < 3; ++i) {
      ASSERT_THAT(channel->Send(RowsOf(Events("serve", 200 + 4 * i, 4))), IsOk());
    }
    for (int i = 0; i < 3; ++i) {
      TV_ASSERT_OK_AND_ASSIGN(const auto answer, channel->Receive());
      EXPECT_EQ(answer.append().accepted(), 4u) << answer.DebugString();
    }
    EXPECT_THAT(channel->Finish(), IsOk());
    SendOtlp(OtlpOf(Events("clean", 300, 4)));
  }

  void SendOtlp(const logs::ExportLogsServiceRequest& request) {
    const auto stub = logs::LogsService::NewStub(
        grpc::CreateChannel("unix:" + daemon_.socket(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    context.AddMetadata("authorization", "Bearer " + cast_.collector.text);
    logs::ExportLogsServiceResponse response;
    const grpc::Status status = stub->Export(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_FALSE(response.has_partial_success()) << response.DebugString();
  }
};

TEST_F(MainFlowTest, AnAnalystSeesLargeGroupsAndNeverSmallOnes) {
  SendEverything();
  const Answer answer = Ask(*As(cast_.analyst), kPerCommand, "usage");
  ASSERT_THAT(answer.status, IsOk());
  // clean has 4 machines; serve goes with it, so that the rest of the total hides at least ten.
  EXPECT_THAT(answer.rows,
              ElementsAre(ElementsAre("build", "30", "30"), ElementsAre("develop", "25", "25")));
  EXPECT_TRUE(answer.trailer.suppressed_groups());
  // How many, and what was read for it, is the auditor's to know.
  EXPECT_EQ(answer.trailer.rows_scanned(), 0u);
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  ASSERT_THAT(entries, Not(IsEmpty()));
  EXPECT_EQ(entries.front().entry().rows_scanned(), 71u);
  EXPECT_EQ(entries.front().entry().suppressed(), 2u);
  EXPECT_THAT(VerifyProof(answer.proof, *As(cast_.auditor), daemon_.vkey()), IsOk());

  // The same after a restart.
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_EQ(Ask(*As(cast_.analyst), kPerCommand, "usage").rows, answer.rows);
}

TEST_F(MainFlowTest, AnAnalystSeesTimesByTheDay) {
  SendEverything();
  const auto analyst = As(cast_.analyst);
  const std::string noon = FormatDay(DayOf(Yesterday(0))) + " 12:00";
  const Answer within =
      Ask(*analyst, "SELECT count(*) FROM cli_usage WHERE event_time >= '" + noon + "'", "usage");
  EXPECT_EQ(Refusal(within.status), "PERMISSION_DENIED DENIED");
  EXPECT_THAT(std::string(within.status.message()), HasSubstr("sees event_time by the day"));
  // 71 events at 71 seconds are one group, that of their day.
  const Answer grouped =
      Ask(*analyst, "SELECT event_time, count(*) FROM cli_usage GROUP BY event_time", "usage");
  ASSERT_THAT(grouped.status, IsOk());
  const std::string start = std::to_string(StartOf(DayOf(Yesterday(0))).micros);
  EXPECT_THAT(grouped.rows, ElementsAre(ElementsAre(start, "71")));
}

TEST_F(MainFlowTest, APlanTellsWhoeverMayReadRowsHowManyDaysThereAreAndNobodyElse) {
  SendEverything();
  v1::ExplainRequest request;
  request.set_sql("SELECT count(*) FROM cli_usage");
  request.set_purpose("usage");
  TV_ASSERT_OK_AND_ASSIGN(const auto groups, As(cast_.analyst)->Explain(request, call_));
  EXPECT_EQ(groups.mode(), "aggregate");
  EXPECT_EQ(groups.partitions(), 0u);
  EXPECT_EQ(groups.partitions_pruned(), 0u);
  request.set_sql(kRows);
  request.set_purpose("reliability");
  TV_ASSERT_OK_AND_ASSIGN(const auto rows, As(cast_.investigator)->Explain(request, call_));
  EXPECT_EQ(rows.mode(), "rows");
  EXPECT_EQ(rows.partitions(), 1u);
}

TEST_F(MainFlowTest, EveryDatasetOfTheSamplesIsAppliedAndShown) {
  TV_ASSERT_OK_AND_ASSIGN(const auto applied,
                          Apply(*As(cast_.steward), SampleManifest("package_events")));
  EXPECT_TRUE(applied.applied()) << applied.DebugString();
  TV_ASSERT_OK_AND_ASSIGN(const auto list, As(cast_.steward)->ListDatasets({}, call_));
  ASSERT_EQ(list.datasets_size(), 2);
  v1::GetDatasetRequest get;
  get.set_name("cli_usage");
  TV_ASSERT_OK_AND_ASSIGN(const auto shown, As(cast_.analyst)->GetDataset(get, call_));
  EXPECT_EQ(shown.manifest(), SampleManifest("cli_usage"));
  // The second time there is nothing to change, and a bad one changes nothing.
  TV_ASSERT_OK_AND_ASSIGN(
      const auto bad,
      Apply(*As(cast_.steward), SampleManifest("cli_usage", {{"ttl: 90d", "ttl: never"}})));
  EXPECT_FALSE(bad.applied());
  EXPECT_GT(bad.findings_size(), 0);
}

TEST_F(MainFlowTest, WhoeverMayNotIsRefusedWithAReasonAndTheTrailSaysWhy) {
  SendEverything();
  const auto analyst = As(cast_.analyst);
  struct Case {
    std::string sql;
    std::string purpose;
    std::string refusal;
    std::string reason;  // in the entry
  };
  const std::vector<Case> cases = {
      {kPerCommand, "marketing", "PERMISSION_DENIED DENIED", "PURPOSE_NOT_IN_DATASET"},
      {kPerCommand, "", "PERMISSION_DENIED DENIED", "PURPOSE_MISSING"},
      {"SELECT version, count(*) FROM cli_usage GROUP BY version", "usage",
       "PERMISSION_DENIED DENIED", "PURPOSE_NOT_IN_FIELD"},
      {"SELECT command FROM cli_usage WHERE exit_code = 1", "usage", "PERMISSION_DENIED DENIED",
       "PURPOSE_NOT_IN_FIELD"},
      {"SELECT event_time, command FROM cli_usage", "usage", "PERMISSION_DENIED DENIED",
       "MODE_NOT_ALLOWED"},
      {"SELECT count(*) FROM no_such_dataset", "usage", "PERMISSION_DENIED DENIED",
       "UNKNOWN_DATASET"},
  };
  for (const Case& one : cases) {
    const Answer answer = Ask(*analyst, one.sql, one.purpose);
    EXPECT_EQ(Refusal(answer.status), one.refusal) << one.sql;
    EXPECT_THAT(answer.rows, IsEmpty());
    EXPECT_THAT(VerifyProof(answer.proof, *As(cast_.auditor), daemon_.vkey()), IsOk());
    v1::EntryFilter filter = ByMethod("Query");
    filter.set_principal("anna");
    const auto entries = Entries(*As(cast_.auditor), filter);
    ASSERT_FALSE(entries.empty());
    EXPECT_EQ(entries.front().entry().reason(), one.reason) << one.sql;
    EXPECT_EQ(entries.front().entry().verdict(), record::v1::VERDICT_DENY);
    EXPECT_EQ(entries.front().entry().rows_returned(), 0u);
  }
  // Roles that read no telemetry.
  for (const TokenOf& token :
       {cast_.steward, cast_.auditor, cast_.collector, cast_.responder, daemon_.alice()}) {
    EXPECT_EQ(Refusal(Ask(*As(token), kPerCommand, "usage").status), "PERMISSION_DENIED DENIED");
  }
  EXPECT_EQ(Refusal(As(cast_.analyst)->ListEntries({}, call_)), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(As(cast_.analyst)->EngageLockdown({}, call_)), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(As(cast_.analyst)->CreateToken({}, call_)), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Apply(*As(cast_.analyst), SampleManifest("cli_usage"))),
            "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Append(*As(cast_.analyst), RowsOf(Events("build", 0, 1)))),
            "PERMISSION_DENIED DENIED");
}

TEST_F(MainFlowTest, ATokenForOneDatasetAndPurposeReachesNothingElse) {
  SendEverything();
  ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("package_events")), IsOk());
  v1::CreateTokenRequest request;
  request.set_person("anna");
  request.add_roles("analyst");
  request.add_purposes("usage");
  request.add_datasets("cli_usage");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf token, daemon_.MakeToken(request));
  EXPECT_THAT(Ask(*As(token), kPerCommand, "usage").status, IsOk());
  EXPECT_EQ(Refusal(Ask(*As(token), kPerCommand, "reliability").status),
            "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Ask(*As(token), "SELECT count(*) FROM package_events", "maintenance").status),
            "PERMISSION_DENIED DENIED");
  v1::AppendRequest other = RowsOf(Events("build", 0, 1));
  other.set_dataset("package_events");
  EXPECT_EQ(Refusal(Append(*As(cast_.collector), other)), "PERMISSION_DENIED DENIED");
}

TEST_F(MainFlowTest, ExpiredRevokedMistypedUsedUpAndMissingTokensAllLookTheSame) {
  v1::CreateTokenRequest request;
  request.set_person("anna");
  request.add_roles("analyst");
  request.set_ttl_s(1);
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf expired, daemon_.MakeToken(request));
  request.set_ttl_s(3'600);
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf revoked, daemon_.MakeToken(request));
  request.set_max_uses(1);
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf used_up, daemon_.MakeToken(request));
  EXPECT_THAT(As(used_up)->GetCheckpoint({}, call_), IsOk());
  EXPECT_THAT(As(used_up)->ListRoles({}, call_), IsOk());
  EXPECT_THAT(As(used_up)->GetCheckpoint({}, call_), IsOk()) << "to compare what was just seen";
  EXPECT_THAT(As(revoked)->ListRoles({}, call_), IsOk());
  v1::RevokeTokenRequest revoke;
  revoke.set_accessor(revoked.accessor);
  TV_ASSERT_OK_AND_ASSIGN(const auto gone, As(daemon_.bob())->RevokeToken(revoke, call_));
  EXPECT_THAT(gone.revoked(), ElementsAre(revoked.accessor));
  // Waits until the vault itself calls it expired.
  v1::ListTokensRequest list;
  list.set_person("anna");
  bool over = false;
  while (!over) {
    TV_ASSERT_OK_AND_ASSIGN(const auto tokens, As(daemon_.alice())->ListTokens(list, call_));
    for (const v1::Token& token : tokens.tokens()) {
      over |= token.accessor() == expired.accessor && token.state() == v1::TOKEN_STATE_EXPIRED;
    }
  }
  std::string mistyped = cast_.analyst.text;
  mistyped[mistyped.size() / 2] = mistyped[mistyped.size() / 2] == 'A' ? 'B' : 'A';

  std::set<std::string> messages;
  for (const std::string& text : {expired.text, revoked.text, used_up.text, mistyped,
                                  std::string("nonsense"), std::string()}) {
    const absl::Status status = Ask(*daemon_.As(text), kPerCommand, "usage").status;
    EXPECT_EQ(Refusal(status), "UNAUTHENTICATED UNAUTHENTICATED");
    messages.insert(std::string(status.message()));
  }
  EXPECT_EQ(messages.size(), 1u);
  // Counted per peer and second: at least the first is an entry, none carries a token.
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries.back().entry().verdict(), record::v1::VERDICT_DENY);
  EXPECT_THAT(entries.back().entry().reason(), HasSubstr("TOKEN_"));
}

TEST_F(MainFlowTest, RevokingATokenTakesItsChildrenAlongAndDisablingAPersonAllOfTheirs) {
  v1::CreateTokenRequest request;
  request.set_person("alice");
  request.add_roles("operator");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf second, daemon_.MakeToken(request));
  v1::CreateTokenRequest child;
  child.set_person("anna");
  child.add_roles("analyst");
  TV_ASSERT_OK_AND_ASSIGN(const auto made, As(second)->CreateToken(child, call_));
  const std::string child_text = call_.token;
  EXPECT_THAT(daemon_.As(child_text)->ListRoles({}, call_), IsOk());
  v1::RevokeTokenRequest revoke;
  revoke.set_accessor(second.accessor);
  TV_ASSERT_OK_AND_ASSIGN(const auto gone, As(daemon_.bob())->RevokeToken(revoke, call_));
  EXPECT_THAT(gone.revoked(), ElementsAre(second.accessor, made.token().accessor()));
  EXPECT_THAT(daemon_.As(child_text)->ListRoles({}, call_),
              StatusIs(absl::StatusCode::kUnauthenticated));

  v1::DisablePersonRequest disable;
  disable.set_name("anna");
  EXPECT_THAT(As(daemon_.bob())->DisablePerson(disable, call_), IsOk());
  EXPECT_THAT(As(cast_.analyst)->ListRoles({}, call_),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(MainFlowTest, NobodyEnrolsAPersonOrMakesAGuardedTokenAlone) {
  v1::EnrolPersonRequest propose;
  propose.set_name("mallory");
  EXPECT_THAT(As(daemon_.alice())->EnrolPerson(propose, call_), IsOk());
  v1::ConfirmPersonRequest confirm;
  confirm.set_name("mallory");
  EXPECT_EQ(Refusal(As(daemon_.alice())->ConfirmPerson(confirm, call_)),
            "PERMISSION_DENIED DENIED");
  v1::CreateTokenRequest early;
  early.set_person("mallory");
  early.add_roles("analyst");
  EXPECT_THAT(As(daemon_.alice())->CreateToken(early, call_),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  v1::CreateTokenRequest request;
  request.set_person("stella");
  request.add_roles("responder");
  TV_ASSERT_OK_AND_ASSIGN(const auto made, As(daemon_.alice())->CreateToken(request, call_));
  const std::string text = call_.token;
  EXPECT_EQ(made.token().state(), v1::TOKEN_STATE_PENDING);
  EXPECT_THAT(daemon_.As(text)->ListRoles({}, call_), StatusIs(absl::StatusCode::kUnauthenticated));
  v1::ConfirmTokenRequest confirm_token;
  confirm_token.set_accessor(made.token().accessor());
  EXPECT_EQ(Refusal(As(daemon_.alice())->ConfirmToken(confirm_token, call_)),
            "PERMISSION_DENIED DENIED");
  EXPECT_THAT(As(daemon_.bob())->ConfirmToken(confirm_token, call_), IsOk());
  EXPECT_THAT(daemon_.As(text)->ListRoles({}, call_), IsOk());
  request.add_roles("analyst");
  EXPECT_THAT(As(daemon_.alice())->CreateToken(request, call_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("combined")));
}

class RowAccessTest : public MainFlowTest {
 protected:
  absl::StatusOr<v1::AccessRequest> Request(client::Vault& vault) {
    v1::RequestAccessRequest request;
    request.set_sql(kRows);
    request.set_purpose("reliability");
    request.set_grant_s(600);
    request.set_reason("clean fails on one machine");
    auto answer = vault.RequestAccess(request, call_);
    if (!answer.ok()) return answer.status();
    return answer->request();
  }
  absl::StatusOr<v1::VoteAccessResponse> Vote(const TokenOf& token, const std::string& id,
                                              bool approve = true) {
    v1::VoteAccessRequest vote;
    vote.set_id(id);
    vote.set_approve(approve);
    return As(token)->VoteAccess(vote, call_);
  }
};

TEST_F(RowAccessTest, TwoStewardsOpenExactlyOneQueryForOneTokenAndTheTrailShowsIt) {
  SendEverything();
  const auto investigator = As(cast_.investigator);
  EXPECT_EQ(Refusal(Ask(*investigator, kRows, "reliability").status), "PERMISSION_DENIED DENIED");

  TV_ASSERT_OK_AND_ASSIGN(const v1::AccessRequest request, Request(*investigator));
  EXPECT_EQ(request.state(), v1::ACCESS_STATE_PENDING);
  EXPECT_EQ(request.approvals_needed(), 2u);
  EXPECT_EQ(Refusal(Ask(*investigator, kRows, "reliability", request.id()).status),
            "PERMISSION_DENIED APPROVAL_PENDING");
  // An investigator votes on nothing.
  EXPECT_EQ(Refusal(Vote(cast_.investigator, request.id())), "PERMISSION_DENIED DENIED");

  EXPECT_THAT(Vote(cast_.steward, request.id()), IsOk());
  EXPECT_EQ(Refusal(Vote(cast_.steward, request.id())), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Ask(*investigator, kRows, "reliability", request.id()).status),
            "PERMISSION_DENIED APPROVAL_PENDING");
  TV_ASSERT_OK_AND_ASSIGN(const auto second, Vote(cast_.second_steward, request.id()));
  EXPECT_EQ(second.request().state(), v1::ACCESS_STATE_LIVE);

  const Answer answer = Ask(*investigator, kRows, "reliability", request.id());
  ASSERT_THAT(answer.status, IsOk());
  ASSERT_EQ(answer.rows.size(), 4u);
  // Masked as the manifest says: version=truncate(3).
  EXPECT_EQ(answer.rows[0][1], "clean");
  EXPECT_EQ(answer.rows[0][2], "3.1");
  EXPECT_EQ(answer.rows[0][0], std::to_string(Yesterday(300).micros));
  EXPECT_THAT(VerifyProof(answer.proof, *As(cast_.auditor), daemon_.vkey()), IsOk());

  // Another query, another purpose, another token of the same person.
  EXPECT_EQ(
      Refusal(
          Ask(*investigator, "SELECT command FROM cli_usage", "reliability", request.id()).status),
      "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Ask(*investigator, kRows, "usage", request.id()).status),
            "PERMISSION_DENIED DENIED");
  v1::CreateTokenRequest another;
  another.set_person("ivan");
  another.add_roles("investigator");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf second_token, daemon_.MakeToken(another));
  EXPECT_EQ(Refusal(Ask(*As(second_token), kRows, "reliability", request.id()).status),
            "PERMISSION_DENIED DENIED");

  // Survives a restart, ends with a revocation.
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_EQ(Ask(*As(cast_.investigator), kRows, "reliability", request.id()).rows, answer.rows);
  v1::RevokeAccessRequest revoke;
  revoke.set_id(request.id());
  EXPECT_THAT(As(cast_.third_steward)->RevokeAccess(revoke, call_), IsOk());
  EXPECT_EQ(Refusal(Ask(*As(cast_.investigator), kRows, "reliability", request.id()).status),
            "PERMISSION_DENIED DENIED");

  std::vector<std::string> reasons;
  v1::EntryFilter filter = ByMethod("Query");
  filter.set_principal("ivan");
  uint64_t rows = 0;
  for (const auto& entry : Entries(*As(cast_.auditor), filter)) {
    reasons.insert(reasons.begin(), entry.entry().reason());
    rows += entry.entry().rows_returned();
  }
  EXPECT_THAT(reasons,
              ElementsAre("GRANT_MISSING", "GRANT_PENDING", "GRANT_PENDING", "OK", "GRANT_MISMATCH",
                          "PURPOSE_NOT_IN_ROLE", "GRANT_MISSING", "OK", "GRANT_OVER"));
  EXPECT_EQ(rows, 8u);
}

// The answer's digest as an entry holds it: 16 bytes of salt, then the hash of all batches in
// order.
std::string DigestOf(const std::string& salt, const std::vector<v1::QueryBatch>& batches) {
  std::string digest = salt;
  for (const v1::QueryBatch& batch : batches) {
    const audit::Hash hash =
        audit::LeafHash(televault::AsBytes(digest + batch.SerializeAsString()));
    digest = salt + std::string(hash.begin(), hash.end());
  }
  return digest;
}

TEST_F(RowAccessTest, AnEntrySaysEverythingAboutItsCall) {
  SendEverything();
  TV_ASSERT_OK_AND_ASSIGN(const v1::AccessRequest access, Request(*As(cast_.investigator)));
  ASSERT_THAT(Vote(cast_.steward, access.id()), IsOk());
  ASSERT_THAT(Vote(cast_.second_steward, access.id()), IsOk());
  v1::QueryRequest request;
  request.set_sql(kRows);
  request.set_purpose("reliability");
  request.set_grant(access.id());
  const auto investigator = As(cast_.investigator);
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(request, call_));
  std::vector<v1::QueryBatch> batches;
  uint64_t bytes = 0;
  v1::QueryResponse response;
  for (absl::StatusOr<bool> more = true; (more = stream->Next(response)).ok() && *more;) {
    if (!response.has_batch()) continue;
    batches.push_back(response.batch());
    bytes += response.batch().ByteSizeLong();
  }
  ASSERT_FALSE(batches.empty());

  const WallTime now = SystemClock().Wall();
  const auto auditor = As(cast_.auditor);
  const auto newest = [&](const std::string& method) {
    return Entries(*auditor, ByMethod(method)).at(0).entry();
  };
  const record::v1::AuditEntry rows = newest("Query");
  EXPECT_EQ(rows.id().size(), 16u);
  EXPECT_EQ(rows.kind(), record::v1::ENTRY_KIND_OUTCOME);
  EXPECT_LE(rows.time_us(), now.micros);
  EXPECT_GT(rows.time_us(), now.micros - kMicrosPerDay);
  EXPECT_EQ(rows.principal().person(), "ivan");
  EXPECT_EQ(rows.principal().token(), cast_.investigator.accessor);
  EXPECT_THAT(rows.principal().roles(), ElementsAre("investigator"));
  EXPECT_THAT(rows.peer(), HasSubstr("unix:"));
  EXPECT_EQ(rows.dataset(), "cli_usage");
  EXPECT_EQ(rows.purpose(), "reliability");
  EXPECT_THAT(rows.normalized_query(), HasSubstr("command = $1"));
  EXPECT_THAT(rows.normalized_query(), Not(HasSubstr("clean")));
  EXPECT_FALSE(rows.query_fingerprint().empty());
  EXPECT_EQ(rows.literal_hashes_size(), 1);
  EXPECT_EQ(rows.verdict(), record::v1::VERDICT_ALLOW);
  EXPECT_EQ(rows.reason(), "OK");
  EXPECT_FALSE(rows.rule().empty());
  EXPECT_EQ(rows.grant(), access.id());
  EXPECT_EQ(rows.policy_digest().size(), 32u);
  EXPECT_EQ(rows.lockdown_level(), "none");
  EXPECT_EQ(rows.lock_epoch(), newest("VoteAccess").lock_epoch());
  EXPECT_GE(rows.rows_scanned(), 4u);
  EXPECT_EQ(rows.rows_returned(), 4u);
  EXPECT_EQ(rows.groups_returned(), 0u);
  EXPECT_EQ(rows.cells_returned(), 12u);
  EXPECT_EQ(rows.bytes_returned(), bytes);
  EXPECT_THAT(rows.masks(), ElementsAre("version=truncate(3)"));
  EXPECT_EQ(rows.response_digest(), DigestOf(rows.response_digest().substr(0, 16), batches));
  EXPECT_GT(rows.duration_us(), 0u);
  EXPECT_EQ(rows.status(), 0);

  ASSERT_THAT(Ask(*As(cast_.analyst), kPerCommand, "usage").status, IsOk());
  const record::v1::AuditEntry groups = newest("Query");
  EXPECT_EQ(groups.groups_returned(), 2u);
  EXPECT_EQ(groups.cells_returned(), 6u);
  EXPECT_EQ(groups.rows_returned(), 0u);
  EXPECT_GT(groups.suppressed(), 0u);
  EXPECT_TRUE(groups.grant().empty());
  EXPECT_EQ(groups.response_digest().size(), 48u);

  // Where telemetry came from is told nobody.
  for (const char* method : {"Append", "AppendStream", "Export"}) {
    const record::v1::AuditEntry taken = newest(method);
    EXPECT_EQ(taken.peer(), "") << method;
    EXPECT_EQ(taken.principal().person(), cast_.collector.person) << method;
    EXPECT_GT(taken.events_accepted(), 0u) << method;
  }
  ASSERT_FALSE(Append(*As(cast_.analyst), RowsOf(Events("build", 0, 1))).ok());
  const record::v1::AuditEntry refused = newest("Append");
  EXPECT_EQ(refused.verdict(), record::v1::VERDICT_DENY);
  EXPECT_EQ(refused.peer(), "");
}

TEST_F(RowAccessTest, TheRequesterCannotApproveEvenAsASteward) {
  SendEverything();
  v1::CreateTokenRequest steward;
  steward.set_person("ivan");
  steward.add_roles("steward");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf own_steward, daemon_.MakeToken(steward));
  TV_ASSERT_OK_AND_ASSIGN(const v1::AccessRequest request, Request(*As(cast_.investigator)));
  EXPECT_EQ(Refusal(Vote(own_steward, request.id())), "PERMISSION_DENIED DENIED");
  // Nor does somebody who got the role after the request.
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf late, daemon_.Admit("late", "steward"));
  EXPECT_EQ(Refusal(Vote(late, request.id())), "PERMISSION_DENIED DENIED");
  EXPECT_THAT(Vote(cast_.steward, request.id()), IsOk());
  // One denial ends it.
  EXPECT_THAT(Vote(cast_.second_steward, request.id(), false), IsOk());
  EXPECT_THAT(Vote(cast_.third_steward, request.id()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Refusal(Ask(*As(cast_.investigator), kRows, "reliability", request.id()).status),
            "PERMISSION_DENIED DENIED");
}

TEST_F(MainFlowTest, TheLogOfOneRunExtendsTheLogOfTheRunBefore) {
  SendEverything();
  TV_ASSERT_OK_AND_ASSIGN(const auto before, As(cast_.auditor)->GetCheckpoint({}, call_));
  EXPECT_EQ(before.vkey(), daemon_.vkey());
  const audit::TreeHead older = HeadOf(before.checkpoint(), daemon_.vkey());
  daemon_.Kill();
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(Ask(*As(cast_.analyst), kPerCommand, "usage").status, IsOk());

  v1::GetConsistencyProofRequest request;
  request.set_old_size(older.size);
  TV_ASSERT_OK_AND_ASSIGN(const auto proof, As(cast_.auditor)->GetConsistencyProof(request, call_));
  const audit::TreeHead newer = HeadOf(proof.checkpoint(), daemon_.vkey());
  EXPECT_GT(newer.size, older.size);
  std::vector<audit::Hash> hashes;
  for (const std::string& bytes : proof.hashes()) {
    audit::Hash hash;
    ASSERT_EQ(bytes.size(), hash.size());
    std::copy(bytes.begin(), bytes.end(), hash.begin());
    hashes.push_back(hash);
  }
  EXPECT_THAT(audit::VerifyConsistency(older, newer, hashes), IsOk());
}

}  // namespace
}  // namespace televault::testing
