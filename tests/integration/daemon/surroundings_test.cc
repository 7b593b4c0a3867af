// A daemon whose surroundings are wrong: a full disk, a clock set elsewhere, more calls than it may
// run at one time.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "vault/base/clock.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<v1::Event> Twenty(int first) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 20; ++i) {
    events.push_back(Usage(Yesterday(first + i), absl::StrCat("m", first + i), "build"));
  }
  return events;
}

class FullDiskTest : public VaultTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(daemon_.Init(), IsOk());
    flag_ = daemon_.directory() + "/full";
    ASSERT_THAT(daemon_.Start({{"LD_PRELOAD", FULL_DISK}, {"TELEVAULT_TEST_FULL_DISK", flag_}}),
                IsOk());
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
    ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage")), IsOk());
  }
  std::string Stored() {
    const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
    return answer.rows.empty() ? Refusal(answer.status) : answer.rows[0][0];
  }
  std::string flag_;
};

TEST_F(FullDiskTest, IngestIsRefusedToComeBackLaterAndNothingOfTheRecordsIsLost) {
  const auto collector = As(cast_.collector);
  ASSERT_THAT(Append(*collector, RowsOf(Twenty(0))), IsOk());
  std::ofstream(flag_) << "full";
  const absl::Status refused = Append(*collector, RowsOf(Twenty(100))).status();
  std::cout << refused << "\n";
  EXPECT_EQ(Refusal(refused), "RESOURCE_EXHAUSTED DISK_FULL");
  // Collectors drop what is refused for good; this is not.
  EXPECT_EQ(client::ErrorOf(refused).retry_after, client::milliseconds(30'000));
  // The refusal itself is on record, and the trail can be read. Queries are refused, on record too.
  EXPECT_EQ(Stored(), "RESOURCE_EXHAUSTED DISK_FULL");
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].entry().reason(), "DISK_FULL");
  TV_ASSERT_OK_AND_ASSIGN(const auto counted, AwaitEntry(*As(cast_.auditor), "calls.refused"));
  EXPECT_EQ(counted.entry().reason(), "DISK_FULL");

  // The command line stops at once, counts nothing as refused and says how to go on.
  std::string text;
  for (int i = 200; i < 220; ++i) {
    absl::StrAppend(&text, R"({"event_time":)", Yesterday(i).micros / 1'000, R"(,"subject":"m)", i,
                    R"(","command":"build"})", "\n");
  }
  const std::string file = daemon_.directory() + "/good.ndjson";
  std::ofstream(file) << text;
  const std::string rejects = daemon_.directory() + "/rejects";
  const std::vector<std::string> ingest = {
      "-o", "json",      "ingest", file, "--dataset", "cli_usage", "--consent-version",
      "4",  "--rejects", rejects};
  const ProcessResult stopped = RunCli(daemon_, cast_.collector, ingest);
  std::cout << stopped.err;
  EXPECT_EQ(stopped.exit_code, 2);
  EXPECT_THAT(stopped.err, HasSubstr("DISK_FULL"));
  EXPECT_THAT(stopped.err, HasSubstr("Run the same command again"));
  EXPECT_THAT(stopped.out, HasSubstr("\"rejected\": 0"));
  EXPECT_EQ(ReadWholeFile(rejects), "");
  // A lockdown works, and so does taking it back.
  v1::EngageLockdownRequest lockdown;
  lockdown.set_level(v1::LOCKDOWN_LEVEL_ROWS);
  lockdown.set_reason("the disk is full");
  EXPECT_THAT(As(cast_.responder)->EngageLockdown(lockdown, call_), IsOk());

  ASSERT_EQ(::unlink(flag_.c_str()), 0);
  const ProcessResult done = RunCli(daemon_, cast_.collector, ingest);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("\"accepted\": 20"));
  EXPECT_EQ(Stored(), "40");
}

class ClockTest : public VaultTest {
 protected:
  absl::Status StartAt(WallTime wall) {
    const int64_t shift = wall.micros - SystemClock().Wall().micros;
    return daemon_.Start(
        {{"LD_PRELOAD", SHIFTED_CLOCK}, {"TELEVAULT_TEST_CLOCK_SHIFT_US", absl::StrCat(shift)}});
  }
};

TEST_F(ClockTest, AClockBeforeTheEpochOrBehindTheVaultsRevivesNothingAndTakesNothingUndated) {
  ASSERT_THAT(Append(*As(cast_.collector), RowsOf(Twenty(0))), IsOk());
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  for (const WallTime wall :
       {WallTime{-86'400'000'000}, WallTime{SystemClock().Wall().micros - 400 * kMicrosPerDay}}) {
    SCOPED_TRACE(wall.micros);
    ASSERT_THAT(StartAt(wall), IsOk());
    // The vault goes by the last time it knows: tokens are good, rows are there, new ones fit.
    const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
    EXPECT_THAT(answer.status, IsOk());
    const ProcessResult status = RunCli(daemon_, daemon_.alice(), {"-o", "json", "status"});
    std::cout << wall.micros << ": exit " << status.exit_code << " " << status.out << status.err;
    const auto stored = Append(*As(cast_.collector), RowsOf(Twenty(100)));
    std::cout << stored.status() << "\n";
    ASSERT_THAT(daemon_.Terminate(), IsOk());
  }
  ASSERT_THAT(daemon_.Start(), IsOk());
  const Answer answer = Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage");
  EXPECT_THAT(answer.status, IsOk());
  EXPECT_THAT(answer.rows, SizeIs(1));
}

// The first start of all, with a clock that nobody set.
TEST(UnsetClockTest, NoVaultIsMadeByAClockThatNobodySet) {
  const int64_t shift = -86'400'000'000 - SystemClock().Wall().micros;
  Daemon daemon({.environment = {{"LD_PRELOAD", SHIFTED_CLOCK},
                                 {"TELEVAULT_TEST_CLOCK_SHIFT_US", absl::StrCat(shift)}}});
  const absl::Status made = daemon.Init();
  std::cout << made << "\n";
  EXPECT_THAT(made, StatusIs(absl::StatusCode::kInternal, HasSubstr("before 1970: set it")));
}

class OverloadTest : public VaultTest {
 protected:
  OverloadTest() : VaultTest({.config = "[limits]\nqueries_in_flight = 1\n"}) {}
};

TEST_F(OverloadTest, AQueryTooManyIsToldWhenToComeBack) {
  const auto collector = As(cast_.collector);
  for (uint32_t i = 0; i < 4; ++i) {
    ASSERT_THAT(Append(*collector, BulkColumns("cli_usage", Yesterday(100 * i), 65'536, 1'000)),
                IsOk());
  }
  v1::RequestAccessRequest ask;
  ask.set_sql(
      "SELECT event_time AS a, event_time AS b, event_time AS c, event_time AS d, command, version "
      "FROM cli_usage");
  ask.set_purpose("reliability");
  ask.set_grant_s(3'600);
  ask.set_reason("a large answer");
  const auto investigator = As(cast_.investigator);
  TV_ASSERT_OK_AND_ASSIGN(const auto asked, investigator->RequestAccess(ask, call_));
  v1::VoteAccessRequest vote;
  vote.set_id(asked.request().id());
  vote.set_approve(true);
  ASSERT_THAT(As(cast_.steward)->VoteAccess(vote, call_), IsOk());
  ASSERT_THAT(As(cast_.second_steward)->VoteAccess(vote, call_), IsOk());
  // A stream that nobody reads on takes the one place there is.
  v1::QueryRequest query;
  query.set_sql(ask.sql());
  query.set_purpose(ask.purpose());
  query.set_grant(asked.request().id());
  client::Call stream_call;
  TV_ASSERT_OK_AND_ASSIGN(auto stream, investigator->Query(query, stream_call));
  v1::QueryResponse response;
  ASSERT_THAT(stream->Next(response), IsOk());

  const absl::Status refused =
      Ask(*As(cast_.analyst), "SELECT count(*) FROM cli_usage", "usage").status;
  std::cout << refused << "\n";
  EXPECT_EQ(Refusal(refused), "RESOURCE_EXHAUSTED OVERLOADED");
  EXPECT_EQ(client::ErrorOf(refused).retry_after, client::milliseconds(250));
  const auto entries = Entries(*As(cast_.auditor), ByMethod("Query"));
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].entry().reason(), "OVERLOADED");
  // The command line comes back a few times and then says so.
  const std::vector<std::string> count = {"query", "--purpose", "usage",
                                          "SELECT count(*) FROM cli_usage"};
  const ProcessResult busy = RunCli(daemon_, cast_.analyst, count);
  std::cout << busy.err;
  EXPECT_EQ(busy.exit_code, 2);
  EXPECT_THAT(busy.err, HasSubstr("OVERLOADED"));
  // Once the stream is over there is room; each try waits as it was told.
  stream.reset();
  ProcessResult room;
  for (int i = 0; i < 20 && room.exit_code != 0; ++i) room = RunCli(daemon_, cast_.analyst, count);
  EXPECT_EQ(room.exit_code, 0) << room.err;
}

// Keys in two places, as docs/operations.md describes it.
class KeyReplicaTest : public VaultTest {
 protected:
  KeyReplicaTest() : VaultTest({.config = "[keys]\nreplicas = [\"@DIRECTORY@/copy\"]\n"}) {}
  void SetUp() override {}

  ProcessResult Add(const std::string& directory) {
    const auto added = RunProcess(
        {daemon_.binary(), "key-replica", "add", "--data-dir", daemon_.data_dir(), directory},
        daemon_.directory());
    EXPECT_THAT(added, IsOk());
    return *added;
  }
  v1::GetStatusResponse Status() {
    const auto status = As(daemon_.alice())->GetStatus({}, call_);
    EXPECT_THAT(status, IsOk());
    return *status;
  }
  // "" where the vault warns of nothing that has to do with keys.
  std::string KeyWarnings() {
    std::string warnings;
    const v1::GetStatusResponse status = Status();
    for (const std::string& warning : status.warnings()) {
      if (absl::StrContains(warning, "replica")) absl::StrAppend(&warnings, warning, "\n");
    }
    return warnings;
  }

  const std::string copy_ = daemon_.directory() + "/copy";
};

TEST_F(KeyReplicaTest, IsFilledOnceItIsMarkedMissedWhenItIsGoneAndDroppedByName) {
  ASSERT_THAT(daemon_.InitAndStart(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
  ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage")), IsOk());
  EXPECT_EQ(Status().slot_replicas(), 1u) << "a directory without a mark is not used";
  EXPECT_THAT(KeyWarnings(), HasSubstr("key-replica add"));
  ASSERT_THAT(daemon_.Terminate(), IsOk());

  ASSERT_EQ(Add(copy_).exit_code, 0);
  const ProcessResult twice = Add(copy_);
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_THAT(twice.err, HasSubstr(copy_));
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Status().slot_replicas(), 2u);
  EXPECT_EQ(KeyWarnings(), "");
  TV_ASSERT_OK_AND_ASSIGN(const auto added, AwaitEntry(*As(cast_.auditor), "keys.replica_add"));
  const std::string id = added.entry().reason();
  ASSERT_THAT(Append(*As(cast_.collector), RowsOf(Twenty(0))), IsOk());
  ASSERT_THAT(daemon_.Terminate(), IsOk());

  // The device is not mounted: what is there is read, no new day is opened.
  std::filesystem::rename(copy_, copy_ + ".away");
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(KeyWarnings(), HasSubstr(copy_));
  const std::string count = "SELECT count(*) FROM cli_usage";
  EXPECT_EQ(Ask(*As(cast_.analyst), count, "usage").rows[0][0], "20");
  std::vector<v1::Event> other_day = {
      Usage(Yesterday(0) - microseconds(kMicrosPerDay), "m1", "build")};
  EXPECT_EQ(Refusal(Append(*As(cast_.collector), RowsOf(other_day))), "FAILED_PRECONDITION ");
  EXPECT_THAT(Append(*As(cast_.collector), RowsOf(Twenty(100))), IsOk());
  ASSERT_THAT(daemon_.Terminate(), IsOk());

  // It is lost for good.
  ASSERT_THAT(daemon_.Start({}, {"--drop-key-replica", id}), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto dropped, AwaitEntry(*As(cast_.auditor), "keys.replica_drop"));
  EXPECT_EQ(dropped.entry().reason(), id);
  EXPECT_THAT(Append(*As(cast_.collector), RowsOf(other_day)), IsOk());
  EXPECT_EQ(Ask(*As(cast_.analyst), count, "usage").rows[0][0], "41");
}

}  // namespace
}  // namespace televault::testing
