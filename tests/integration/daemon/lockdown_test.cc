// The third promise, on the real daemon: lockdown always works and never lifts itself.
#include <filesystem>
#include <fstream>

#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kAggregate[] = "SELECT command, count(*) FROM cli_usage GROUP BY command";
constexpr char kRows[] =
    "SELECT event_time AS a, event_time AS b, event_time AS c, event_time AS d, event_time AS e, "
    "event_time AS f, command, version FROM cli_usage";
constexpr uint32_t kRowsPerAppend = 65'536;
constexpr char kLocked[] = "UNAVAILABLE LOCKED_DOWN";

class LockdownTest : public VaultTest {
 protected:
  void SetUp() override {
    VaultTest::SetUp();
    for (int i = 0; i < 3; ++i) {
      TV_ASSERT_OK_AND_ASSIGN(const auto stored, Append(*As(cast_.collector),
                                                        BulkColumns("cli_usage", Yesterday(100 * i),
                                                                    kRowsPerAppend, 1'000)));
      ASSERT_EQ(stored.accepted(), kRowsPerAppend);
    }
    ASSERT_NO_FATAL_FAILURE(Grant(cast_.investigator));
  }
  void Grant(const TokenOf& investigator) {
    v1::RequestAccessRequest request;
    request.set_sql(kRows);
    request.set_purpose("reliability");
    request.set_grant_s(3'600);
    request.set_reason("rows to be cut off");
    TV_ASSERT_OK_AND_ASSIGN(const auto asked, As(investigator)->RequestAccess(request, call_));
    v1::VoteAccessRequest vote;
    vote.set_id(asked.request().id());
    vote.set_approve(true);
    ASSERT_THAT(As(cast_.steward)->VoteAccess(vote, call_), IsOk());
    ASSERT_THAT(As(cast_.second_steward)->VoteAccess(vote, call_), IsOk());
  }

  absl::StatusOr<v1::EngageLockdownResponse> Engage(v1::LockdownLevel level,
                                                    v1::ScopeKind kind = v1::SCOPE_KIND_UNSPECIFIED,
                                                    const std::string& name = "") {
    v1::EngageLockdownRequest request;
    request.set_level(level);
    request.set_reason("a drill");
    if (!name.empty()) {
      request.mutable_scope()->set_kind(kind);
      request.mutable_scope()->set_name(name);
    }
    return As(cast_.responder)->EngageLockdown(request, call_);
  }
  absl::StatusOr<v1::ProposeLiftResponse> Propose(const TokenOf& who, const std::string& id) {
    v1::ProposeLiftRequest request;
    request.set_lockdown_id(id);
    request.set_reason("the drill is over");
    return As(who)->ProposeLift(request, call_);
  }
  absl::StatusOr<v1::ApproveLiftResponse> Approve(const TokenOf& who, const std::string& id) {
    v1::ApproveLiftRequest request;
    request.set_lockdown_id(id);
    return As(who)->ApproveLift(request, call_);
  }
  v1::LockdownStatus Status() {
    const auto status = As(cast_.auditor)->GetLockdownStatus({}, call_);
    EXPECT_THAT(status, IsOk());
    return status.ok() ? status->status() : v1::LockdownStatus();
  }
  void LiftByTwoOthers(const std::string& id) {
    EXPECT_THAT(Propose(cast_.second_responder, id), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(const auto lifted, Approve(cast_.third_responder, id));
    EXPECT_TRUE(lifted.lifted());
  }

  // One word per kind of call: ok or what it is refused with.
  std::string Rows() { return Word(Ask(*As(cast_.investigator), kRows, "reliability").status); }
  std::string Aggregates() { return Word(Ask(*As(cast_.analyst), kAggregate, "usage").status); }
  std::string Ingest() {
    return Word(Append(*As(cast_.collector), RowsOf({Usage(Yesterday(7), "m", "build")})).status());
  }
  static std::string Word(const absl::Status& status) {
    return status.ok() ? "ok" : Refusal(status);
  }
};

TEST_F(LockdownTest, EachLevelStopsWhatItSaysAndStaysOverAKill) {
  struct Level {
    v1::LockdownLevel level;
    std::string rows;
    std::string aggregates;
    std::string ingest;
  };
  for (const Level& one : {Level{v1::LOCKDOWN_LEVEL_ROWS, kLocked, "ok", "ok"},
                           {v1::LOCKDOWN_LEVEL_READS, kLocked, kLocked, "ok"},
                           {v1::LOCKDOWN_LEVEL_ALL, kLocked, kLocked, kLocked}}) {
    SCOPED_TRACE(v1::LockdownLevel_Name(one.level));
    EXPECT_EQ(Rows(), "ok");
    TV_ASSERT_OK_AND_ASSIGN(const auto engaged, Engage(one.level));
    EXPECT_TRUE(engaged.durable());
    for (int run = 0; run < 2; ++run) {
      EXPECT_EQ(Status().level(), one.level);
      EXPECT_EQ(Rows(), one.rows);
      EXPECT_EQ(Aggregates(), one.aggregates);
      EXPECT_EQ(Ingest(), one.ingest);
      // What must go on: the trail, the status, the tokens.
      EXPECT_THAT(Entries(*As(cast_.auditor)), Not(IsEmpty()));
      EXPECT_THAT(As(daemon_.alice())->ListTokens({}, call_), IsOk());
      EXPECT_THAT(As(cast_.auditor)->GetStatus({}, call_), IsOk());
      daemon_.Kill();
      ASSERT_THAT(daemon_.Start(), IsOk());
    }
    LiftByTwoOthers(engaged.lockdown().id());
    EXPECT_EQ(Status().level(), v1::LOCKDOWN_LEVEL_NONE);
    EXPECT_EQ(Rows(), "ok");
    EXPECT_EQ(Aggregates(), "ok");
    EXPECT_EQ(Ingest(), "ok");
  }
}

// A responder's job without a home directory ended with exit code 1 although everything was locked.
TEST_F(LockdownTest, ALockdownIsReportedAsDoneWhereTheCommandLineHasNoHome) {
  TV_ASSERT_OK_AND_ASSIGN(const ProcessResult result,
                          RunProcess({TELEVAULT_BINARY, "--addr", "unix:" + daemon_.socket(),
                                      "--token-file", cast_.responder.path, "--quiet", "lockdown",
                                      "engage", "--level", "reads", "--reason", "a drill"},
                                     daemon_.directory(), {{"HOME", ""}, {"XDG_STATE_HOME", ""}}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("warning"), std::string::npos) << result.err;
  EXPECT_THAT(Status().lockdowns(), SizeIs(1));
}

TEST_F(LockdownTest, NobodyLiftsAlone) {
  TV_ASSERT_OK_AND_ASSIGN(const auto engaged, Engage(v1::LOCKDOWN_LEVEL_READS));
  const std::string id = engaged.lockdown().id();
  // Who engaged it may open the vote, which counts for nothing, and never approves.
  TV_ASSERT_OK_AND_ASSIGN(const auto proposed, Propose(cast_.responder, id));
  EXPECT_EQ(proposed.lockdown().lift().approved_by_size(), 0);
  EXPECT_EQ(Refusal(Approve(cast_.responder, id)), "PERMISSION_DENIED DENIED");
  TV_ASSERT_OK_AND_ASSIGN(const auto first, Approve(cast_.second_responder, id));
  EXPECT_FALSE(first.lifted());
  EXPECT_EQ(Refusal(Approve(cast_.second_responder, id)), "PERMISSION_DENIED DENIED");
  // Another token of the same person is the same person.
  v1::CreateTokenRequest again;
  again.set_person("rolf");
  again.add_roles("responder");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf twin, daemon_.MakeToken(again));
  EXPECT_EQ(Refusal(Approve(twin, id)), "PERMISSION_DENIED DENIED");
  // Nobody who came after it was engaged, and no other role.
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf late, daemon_.Admit("late", "responder"));
  EXPECT_EQ(Refusal(Approve(late, id)), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Refusal(Approve(cast_.steward, id)), "PERMISSION_DENIED DENIED");
  EXPECT_EQ(Aggregates(), kLocked);
  // The vote is kept over a kill.
  daemon_.Kill();
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Aggregates(), kLocked);
  TV_ASSERT_OK_AND_ASSIGN(const auto second, Approve(cast_.third_responder, id));
  EXPECT_TRUE(second.lifted());
  EXPECT_EQ(Aggregates(), "ok");
  EXPECT_EQ(Refusal(Approve(cast_.third_responder, id)).substr(0, 9), "NOT_FOUND");
}

TEST_F(LockdownTest, AStreamThatRunsIsCutAndItsOutcomeIsOnRecord) {
  const auto investigator = As(cast_.investigator);
  v1::QueryRequest query;
  query.set_sql(kRows);
  query.set_purpose("reliability");
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(query, stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  const uint64_t intent = response.header().audit_intent_index();
  ASSERT_THAT(stream->Next(response), IsOk());
  uint64_t rows = response.batch().rows();

  TV_ASSERT_OK_AND_ASSIGN(const auto engaged, Engage(v1::LOCKDOWN_LEVEL_ROWS));
  EXPECT_EQ(engaged.streams_cut(), 1u);
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    more = stream->Next(response);
    if (more.ok() && *more) rows += response.batch().rows();
  }
  EXPECT_EQ(Refusal(more), kLocked);
  // No more than what was in the pipe already.
  EXPECT_LT(rows, 3 * kRowsPerAppend / 2);
  bool recorded = false;
  for (const auto& entry : Entries(*As(cast_.auditor), ByMethod("Query"))) {
    if (entry.entry().intent_index() != intent ||
        entry.entry().kind() != record::v1::ENTRY_KIND_OUTCOME) {
      continue;
    }
    recorded = true;
    EXPECT_EQ(entry.entry().reason(), "LOCKED_DOWN");
    EXPECT_GE(entry.entry().rows_returned(), rows);
  }
  EXPECT_TRUE(recorded);
}

// Only the role that had allowed the answer was asked about: it ran on to its end, and under a lock
// state in which the same call was refused.
TEST_F(LockdownTest, ALockdownOfAnyRoleOfTheCallerCutsItsStream) {
  v1::CreateTokenRequest both;
  both.set_person("ivan");
  both.add_roles("investigator");
  both.add_roles("analyst");
  TV_ASSERT_OK_AND_ASSIGN(const TokenOf token, daemon_.MakeToken(both));
  ASSERT_NO_FATAL_FAILURE(Grant(token));
  v1::QueryRequest query;
  query.set_sql(kRows);
  query.set_purpose("reliability");
  client::Call stream_call;
  const auto investigator = As(token);
  TV_ASSERT_OK_AND_ASSIGN(const auto stream, investigator->Query(query, stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto engaged,
                          Engage(v1::LOCKDOWN_LEVEL_ROWS, v1::SCOPE_KIND_ROLE, "analyst"));
  EXPECT_EQ(engaged.streams_cut(), 1u);
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = stream->Next(response);
  EXPECT_EQ(Refusal(more), kLocked);
  EXPECT_EQ(Word(Ask(*investigator, kRows, "reliability").status), kLocked);
  EXPECT_EQ(Rows(), "ok") << "of somebody with the other role alone";
}

TEST_F(LockdownTest, ALockdownOfOneDatasetLeavesTheOthersAlone) {
  ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("package_events")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto engaged,
                          Engage(v1::LOCKDOWN_LEVEL_ALL, v1::SCOPE_KIND_DATASET, "cli_usage"));
  const auto others = [this] {
    return Word(
        Ask(*As(cast_.analyst), "SELECT count(*) FROM package_events", "maintenance").status);
  };
  EXPECT_EQ(Aggregates(), kLocked);
  EXPECT_EQ(Ingest(), kLocked);
  EXPECT_EQ(others(), "ok");
  LiftByTwoOthers(engaged.lockdown().id());
  EXPECT_EQ(Aggregates(), "ok");
}

TEST_F(LockdownTest, AtLevelSealTheKeysLeaveMemoryAndOnlyALiftAndAnUnsealOpenIt) {
  TV_ASSERT_OK_AND_ASSIGN(const auto engaged, Engage(v1::LOCKDOWN_LEVEL_SEAL));
  daemon_.Kill();
  ASSERT_THAT(daemon_.Start(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto status, As(daemon_.alice())->GetStatus({}, call_));
  EXPECT_EQ(status.seal(), v1::SEAL_STATE_SEALED);
  EXPECT_EQ(status.lockdown().level(), v1::LOCKDOWN_LEVEL_SEAL);
  EXPECT_EQ(Aggregates(), kLocked);
  EXPECT_THAT(As(daemon_.alice())->Unseal({}, client::SecretText(), call_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  LiftByTwoOthers(engaged.lockdown().id());
  EXPECT_EQ(Aggregates(), "UNAVAILABLE SEALED");
  EXPECT_THAT(As(daemon_.alice())->Unseal({}, client::SecretText(), call_), IsOk());
  EXPECT_EQ(Aggregates(), "ok");
}

TEST_F(LockdownTest, AnUnreadableLockStateCountsAsLockedUntilTwoPeopleLiftIt) {
  const std::string lock = daemon_.data_dir() + "/control/lock";
  const auto damage = [&lock](int how) {
    if (how == 0) {
      std::fstream file(lock, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(30);
      file.write("damaged!", 8);
    } else if (how == 1) {
      std::filesystem::resize_file(lock, 100);
    } else {
      std::filesystem::remove(lock);
    }
  };
  for (int how = 0; how < 3; ++how) {
    SCOPED_TRACE(how);
    ASSERT_THAT(daemon_.Terminate(), IsOk());
    damage(how);
    for (int run = 0; run < 2; ++run) {
      ASSERT_THAT(daemon_.Start(), IsOk());
      EXPECT_EQ(Status().level(), v1::LOCKDOWN_LEVEL_ALL);
      EXPECT_EQ(Aggregates(), kLocked);
      EXPECT_EQ(Ingest(), kLocked);
      if (run == 0) daemon_.Kill();
    }
    const v1::LockdownStatus status = Status();
    ASSERT_EQ(status.lockdowns_size(), 1) << status.DebugString();
    EXPECT_EQ(status.lockdowns(0).engaged_by(), "");
    if (how == 2) break;  // without a lock file nothing can be lifted durably
    LiftByTwoOthers(status.lockdowns(0).id());
    EXPECT_EQ(Aggregates(), "ok");
    EXPECT_EQ(Ingest(), "ok");
  }
}

TEST_F(LockdownTest, AnOlderLockStatePutBackDoesNotLift) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const std::string lock = daemon_.data_dir() + "/control/lock";
  const std::string before = ReadWholeFile(lock);
  ASSERT_THAT(daemon_.Start(), IsOk());
  ASSERT_THAT(Engage(v1::LOCKDOWN_LEVEL_READS), IsOk());
  EXPECT_EQ(Aggregates(), kLocked);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  std::ofstream(lock, std::ios::binary | std::ios::trunc) << before;
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Status().level(), v1::LOCKDOWN_LEVEL_ALL);
  EXPECT_EQ(Aggregates(), kLocked);
}

}  // namespace
}  // namespace televault::testing
