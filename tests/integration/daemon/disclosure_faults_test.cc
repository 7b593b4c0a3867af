// No row without its record, whatever the disk does and whenever a lockdown comes: the vault and
// its server in this process.
#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/disclosures.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/trail.h"

namespace televault::daemon {
namespace {

using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::BulkColumns;
using televault::testing::Disclosures;
using televault::testing::EntriesOf;
using televault::testing::IsOk;
using televault::testing::LossyFileSystem;
using televault::testing::Refusal;
using ::testing::HasSubstr;

constexpr uint32_t kRowsPerAppend = 65'536;
// About 60 bytes a row: several windows.
constexpr char kManyRows[] =
    "SELECT event_time AS a, event_time AS b, event_time AS c, event_time AS d, event_time AS e, "
    "event_time AS f, command, version FROM cli_usage";
// The first window, and what is sent behind the outcome.
constexpr char kTwoWindows[] =
    "SELECT event_time AS a, event_time AS b, event_time AS c, event_time AS d, event_time AS e, "
    "event_time AS f, command, version FROM cli_usage LIMIT 40000";
constexpr char kGroups[] = "SELECT command, count(*) FROM cli_usage GROUP BY command";

// What a client got before the answer ended, in whatever way.
struct Got {
  absl::Status status;
  uint64_t intent = 0;
  uint64_t rows = 0;
};

Got ReadAll(client::Vault& vault, const v1::QueryRequest& request) {
  client::Call call;
  const auto stream = vault.Query(request, call);
  if (!stream.ok()) return {stream.status()};
  Got got;
  v1::QueryResponse response;
  absl::StatusOr<bool> more = true;
  while ((more = (*stream)->Next(response)).ok() && *more) {
    if (response.has_header()) got.intent = response.header().audit_intent_index();
    if (response.has_batch()) got.rows += response.batch().rows();
  }
  got.status = more.status();
  return got;
}

class DisclosureTest : public InProcessTest {
 protected:
  explicit DisclosureTest(FileSystem& fs) : InProcessTest(fs) {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(InProcessTest::SetUp());
    EXPECT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    const auto collector = As("collector");
    const WallTime noon = clock_.Wall() - microseconds(kMicrosPerDay);
    EXPECT_THAT(Append(*collector, BulkColumns("cli_usage", noon, kRowsPerAppend, 1'000)), IsOk());
    EXPECT_THAT(Append(*collector, BulkColumns("cli_usage", noon, kRowsPerAppend, 1'000)), IsOk());
  }
  v1::QueryRequest Groups() const {
    v1::QueryRequest request;
    request.set_sql(kGroups);
    request.set_purpose("usage");
    return request;
  }
  // A query for rows that `investigator` may ask.
  v1::QueryRequest Rows(client::Vault& investigator, const std::string& sql = kManyRows) {
    // Whoever votes was there before.
    const auto one = As("steward");
    const auto other = As("steward");
    clock_.Advance(std::chrono::seconds(1));
    client::Call call;
    v1::RequestAccessRequest access;
    access.set_sql(sql);
    access.set_purpose("reliability");
    access.set_grant_s(3'600);
    access.set_reason("a large answer");
    const auto asked = investigator.RequestAccess(access, call);
    EXPECT_THAT(asked, IsOk());
    v1::VoteAccessRequest vote;
    vote.set_id(asked->request().id());
    vote.set_approve(true);
    EXPECT_THAT(one->VoteAccess(vote, call), IsOk());
    EXPECT_THAT(other->VoteAccess(vote, call), IsOk());
    v1::QueryRequest request;
    request.set_sql(sql);
    request.set_purpose("reliability");
    request.set_grant(asked->request().id());
    return request;
  }
};

// The n-th write, or sync, from now fails.
struct Fault {
  const char* name;
  void (*arm)(LossyFileSystem& fs, uint64_t n);
};
const Fault kFaults[] = {
    {"WriteFails",
     [](LossyFileSystem& fs, uint64_t n) { fs.FailWrite(n, absl::UnavailableError("I/O error")); }},
    {"NoRoom",
     [](LossyFileSystem& fs, uint64_t n) {
       fs.FailWrite(n, absl::ResourceExhaustedError("no space left on device"));
     }},
    {"SyncFails",
     [](LossyFileSystem& fs, uint64_t n) { fs.FailSync(n, absl::UnavailableError("I/O error")); }},
};

class FailingDiskTest : public DisclosureTest {
 protected:
  FailingDiskTest() : DisclosureTest(fs_) {}

  Disclosures CallsOnRecord() {
    Disclosures calls;
    for (const auto& [index, entry] : EntriesWithIndex()) Note(index, entry, calls);
    return calls;
  }
  std::map<uint64_t, record::v1::AuditEntry> EntriesWithIndex() {
    std::map<uint64_t, record::v1::AuditEntry> entries;
    const uint64_t size = vault_->journal().Head().tree_size;
    const auto leaves = service::ReadLeafRange(vault_->journal(), 0, size);
    EXPECT_THAT(leaves, IsOk());
    for (uint64_t i = 0; leaves.ok() && i < size; ++i) {
      const auto entry = vault_->entries().Open(LeafIndex(i), leaves->at(i));
      if (entry.ok() && entry->has_value()) entries[i] = **entry;
    }
    return entries;
  }
  // Everything that was not synced is gone, as after a cut of the power.
  void StartAfterPowerCut() {
    End();
    fs_.PowerCut();
    Start();
  }

  // Calls `read` with the first write of the disk failing, then with the second, and so on, until
  // one worked without meeting its fault. `check` sees what each got, after the power was cut.
  // RocksDB writes tables behind the journal's back: whichever call worked although its fault was
  // met lost nothing, and is done again.
  void FailEachInTurn(const Fault& fault, const std::function<Got()>& read,
                      const std::function<void(const Got&)>& check) {
    bool done = false;
    for (uint64_t n = 1, calls = 0; !done; ++calls) {
      SCOPED_TRACE(n);
      ASSERT_LT(calls, 100u);
      fault.arm(fs_, n);
      const Got got = read();
      done = got.status.ok() && fs_.fault_ahead();
      ASSERT_NO_FATAL_FAILURE(StartAfterPowerCut());
      check(got);
      n += got.status.ok() ? 0 : 1;
    }
  }

  LossyFileSystem fs_;
};

class EveryWriteInTurnTest : public FailingDiskTest, public ::testing::WithParamInterface<Fault> {};

TEST_P(EveryWriteInTurnTest, NoRowArrivedThatIsNotOnRecord) {
  const std::string token = TokenFor("investigator");
  const v1::QueryRequest request = Rows(*Connect(token));
  uint64_t failed = 0;
  uint64_t in_part = 0;
  FailEachInTurn(
      GetParam(), [&] { return ReadAll(*Connect(token), request); },
      [&](const Got& got) {
        if (got.rows > 0) {
          EXPECT_GE(CallsOnRecord()[got.intent].Rows(), got.rows);
        }
        if (got.status.ok()) {
          EXPECT_EQ(got.rows, 2 * kRowsPerAppend);
          return;
        }
        ++failed;
        in_part += got.rows > 0 ? 1 : 0;
      });
  EXPECT_GE(failed, 3u);
  EXPECT_GE(in_part, 1u);
}

TEST_P(EveryWriteInTurnTest, NoGroupArrivedThatIsNotOnRecord) {
  const std::string token = TokenFor("analyst");
  uint64_t groups_before = 0;
  uint64_t failed = 0;
  FailEachInTurn(
      GetParam(), [&] { return ReadAll(*Connect(token), Groups()); },
      [&](const Got& got) {
        uint64_t on_record = 0;
        for (const auto& [index, entry] : EntriesWithIndex()) on_record += entry.groups_returned();
        EXPECT_GE(on_record - std::exchange(groups_before, on_record), got.rows);
        if (got.status.ok()) return;
        EXPECT_EQ(got.rows, 0u);
        ++failed;
      });
  EXPECT_GE(failed, 1u);
}

INSTANTIATE_TEST_SUITE_P(Disk, EveryWriteInTurnTest, ::testing::ValuesIn(kFaults),
                         [](const auto& fault) { return std::string(fault.param.name); });

// A reading of the trail, which tells as much as an answer does.
struct Reading {
  const char* method;
  Got (*read)(client::Vault& auditor);  // rows: entries, or keys
};
const Reading kReadings[] = {
    {"ListEntries",
     [](client::Vault& auditor) {
       client::Call call;
       const auto page = auditor.ListEntries({}, call);
       return Got{.status = page.status(),
                  .rows = page.ok() ? static_cast<uint64_t>(page->entries_size()) : 0};
     }},
    {"GetEntry",
     [](client::Vault& auditor) {
       client::Call call;
       v1::GetEntryRequest request;
       request.set_index(1);
       const auto entry = auditor.GetEntry(request, call);
       return Got{.status = entry.status(), .rows = entry.ok() ? 1u : 0u};
     }},
    {"TailEntries",
     [](client::Vault& auditor) {
       client::Call call;
       v1::TailEntriesRequest request;
       request.set_stop_at_head(true);
       const auto stream = auditor.TailEntries(request, call);
       if (!stream.ok()) return Got{stream.status()};
       Got got;
       v1::TailEntriesResponse response;
       absl::StatusOr<bool> more = true;
       while ((more = (*stream)->Next(response)).ok() && *more) ++got.rows;
       got.status = more.status();
       return got;
     }},
    {"ExportAuditKeys",
     [](client::Vault& auditor) {
       client::Call call;
       v1::ExportAuditKeysRequest request;
       // A point of the curve: the base point.
       request.set_recipient_public_key("\x09" + std::string(31, '\0'));
       request.set_reason("yearly review");
       const auto keys = auditor.ExportAuditKeys(request, call);
       return Got{.status = keys.status(),
                  .rows = keys.ok() ? static_cast<uint64_t>(keys->keys_size()) : 0};
     }},
};

class EveryReadingTest : public FailingDiskTest,
                         public ::testing::WithParamInterface<std::tuple<Fault, Reading>> {
 protected:
  // The trail is there without any data.
  void SetUp() override { InProcessTest::SetUp(); }

  // Answers that are on record.
  uint64_t ReadingsOnRecord(const char* method) {
    uint64_t readings = 0;
    for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
      const bool answered = entry.verdict() == record::v1::VERDICT_ALLOW && entry.status() == 0;
      readings += answered && entry.method().ends_with(absl::StrCat("/", method)) ? 1 : 0;
    }
    return readings;
  }
};

TEST_P(EveryReadingTest, NothingOfTheTrailArrivedThatIsNotOnRecord) {
  const Fault& fault = std::get<0>(GetParam());
  const Reading& reading = std::get<1>(GetParam());
  const std::string token = TokenFor("auditor");
  uint64_t failed = 0;
  uint64_t before = 0;
  FailEachInTurn(
      fault, [&] { return reading.read(*Connect(token)); },
      [&](const Got& got) {
        const uint64_t on_record = ReadingsOnRecord(reading.method);
        EXPECT_GE(on_record - std::exchange(before, on_record), got.rows > 0 ? 1u : 0u);
        if (got.status.ok()) {
          EXPECT_GE(got.rows, 1u);
          return;
        }
        ++failed;
      });
  EXPECT_GE(failed, 1u);
}

INSTANTIATE_TEST_SUITE_P(Trail, EveryReadingTest,
                         ::testing::Combine(::testing::ValuesIn(kFaults),
                                            ::testing::ValuesIn(kReadings)),
                         [](const auto& both) {
                           return absl::StrCat(std::get<1>(both.param).method,
                                               std::get<0>(both.param).name);
                         });

// The disk fails when an outcome is to be recorded.
class UnrecordedOutcomeTest : public FailingDiskTest, public ::testing::WithParamInterface<Fault> {
 protected:
  // The anchor of a commit is synced with it, and no later sync is anything but the next commit's.
  UnrecordedOutcomeTest() { config_.anchor_strict = true; }

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(FailingDiskTest::SetUp());
    analyst_ = TokenFor("analyst");
    auditor_ = TokenFor("auditor");
    for (std::string& token : responders_) token = TokenFor("responder");
    clock_.Advance(std::chrono::seconds(1));
  }
  // Refused until the restart, whoever asks, and told why.
  void ExpectGateClosed() {
    const Got groups = ReadAll(*Connect(analyst_), Groups());
    EXPECT_EQ(Refusal(groups.status), "UNAVAILABLE CONTROL_MODE");
    EXPECT_THAT(std::string(groups.status.message()), HasSubstr("restart to recover"));
    EXPECT_EQ(groups.rows, 0u);
    client::Call call;
    EXPECT_EQ(Refusal(Connect(auditor_)->ListEntries({}, call)), "UNAVAILABLE CONTROL_MODE");
    const auto status = Connect(auditor_)->GetStatus({}, call);
    ASSERT_THAT(status, IsOk());
    EXPECT_THAT(status->control_mode(), HasSubstr("restart to recover"));
  }
  std::string Engage() {
    v1::EngageLockdownRequest request;
    request.set_level(v1::LOCKDOWN_LEVEL_READS);
    request.set_reason("the disk fails");
    client::Call call;
    const auto engaged = Connect(responders_[0])->EngageLockdown(request, call);
    EXPECT_THAT(engaged, IsOk());
    if (!engaged.ok()) return "";
    EXPECT_TRUE(engaged->durable());
    EXPECT_FALSE(engaged->has_receipt());
    return engaged->lockdown().id();
  }
  void Lift(const std::string& lockdown) {
    client::Call call;
    v1::ProposeLiftRequest propose;
    propose.set_lockdown_id(lockdown);
    propose.set_reason("the disk was replaced");
    EXPECT_THAT(Connect(responders_[1])->ProposeLift(propose, call), IsOk());
    v1::ApproveLiftRequest approve;
    approve.set_lockdown_id(lockdown);
    EXPECT_THAT(Connect(responders_[2])->ApproveLift(approve, call), IsOk());
  }
  // A lockdown works while the gate is closed, and outlives the restart that opens the rest.
  void ExpectLockdownWorks() {
    const std::string lockdown = Engage();
    ASSERT_NO_FATAL_FAILURE(StartAfterPowerCut());
    EXPECT_EQ(Refusal(ReadAll(*Connect(analyst_), Groups()).status), "UNAVAILABLE LOCKED_DOWN");
    int gaps = 0;
    for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
      gaps += entry.method() == "audit.gap" && entry.details().at("lockdown") == lockdown ? 1 : 0;
    }
    EXPECT_EQ(gaps, 1) << "what could not be recorded then";
    Lift(lockdown);
    EXPECT_THAT(ReadAll(*Connect(analyst_), Groups()).status, IsOk());
  }

  std::string analyst_;
  std::string auditor_;
  std::string responders_[3];
};

TEST_P(UnrecordedOutcomeTest, WithholdsTheRestOfAStreamAndClosesTheGate) {
  const std::string token = TokenFor("investigator");
  const v1::QueryRequest request = Rows(*Connect(token), kTwoWindows);
  const auto investigator = Connect(token);
  // The intent is let through, the outcome is not.
  fs_.CountFaultsOnce([this, before = vault_->journal().Head().tree_size] {
    return vault_->journal().Head().tree_size > before;
  });
  GetParam().arm(fs_, 1);
  const Got got = ReadAll(*investigator, request);
  EXPECT_EQ(Refusal(got.status), "UNAVAILABLE OUTCOME_UNKNOWN");
  EXPECT_EQ(got.rows, CallsOnRecord()[got.intent].debited)
      << "the first window and nothing behind it";
  EXPECT_GT(got.rows, 0u);
  EXPECT_LT(got.rows, 40'000u);
  ExpectGateClosed();
  EXPECT_EQ(Refusal(ReadAll(*Connect(token), request).status), "UNAVAILABLE CONTROL_MODE");
  ASSERT_NO_FATAL_FAILURE(ExpectLockdownWorks());
  Disclosures calls = CallsOnRecord();
  for (const auto& [index, one] : calls) EXPECT_EQ(Wrong(one), "") << "entry " << index;
  EXPECT_TRUE(calls[got.intent].unknown);
  EXPECT_EQ(calls[got.intent].Rows(), got.rows);
}

TEST_P(UnrecordedOutcomeTest, WithholdsAShortAnswerAndClosesTheGate) {
  GetParam().arm(fs_, 1);
  const Got got = ReadAll(*Connect(analyst_), Groups());
  EXPECT_EQ(Refusal(got.status), "UNAVAILABLE OUTCOME_UNKNOWN");
  EXPECT_EQ(got.rows, 0u);
  ExpectGateClosed();
  ASSERT_NO_FATAL_FAILURE(ExpectLockdownWorks());
}

INSTANTIATE_TEST_SUITE_P(Disk, UnrecordedOutcomeTest, ::testing::ValuesIn(kFaults),
                         [](const auto& fault) { return std::string(fault.param.name); });

// Ten thousand lockdowns against running queries.
class LockdownRaceTest : public DisclosureTest {
 protected:
  static constexpr int kLockdowns = 10'000;
  static constexpr int kAskers = 3;

  LockdownRaceTest() : DisclosureTest(PosixFileSystem()) {}

  auth::Principal Responder(const std::string& person) const {
    const int64_t before = clock_.Wall().micros - 1'000;
    return {.person = person,
            .accessor = "tva_" + person,
            .roles = {"responder"},
            .enrolled_at_us = before,
            .token_active_since_us = before};
  }
  // The log's own order: what is behind a mark was accepted after it.
  void Mark(const char* method) {
    EXPECT_THAT(vault_->recorder().Record(service::EventEntry(method)), IsOk());
  }
  // `locked`: takes the epochs under which the lockdown was still in force.
  void Lift(const std::string& id, std::set<uint64_t>& locked) {
    incident::LockdownManager& manager = vault_->lockdown();
    const auto proposal = manager.PlanProposal(id, "over", Responder("rob"), {});
    ASSERT_THAT(proposal, IsOk());
    ASSERT_THAT(manager.Apply(*proposal), IsOk());
    locked.insert(manager.View()->epoch);
    const auto approval = manager.PlanApproval(id, Responder("ron"), {});
    ASSERT_THAT(approval, IsOk());
    ASSERT_THAT(manager.Apply(*approval), IsOk());
  }
};

TEST_F(LockdownRaceTest, NoAnswerIsGivenUnderALockdownAndNoEntryOfOneIsAccepted) {
  // Odd while a lockdown is in force for certain.
  std::atomic<uint64_t> phase{0};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> answered_under_lockdown{0};
  std::vector<std::jthread> askers;
  for (int i = 0; i < kAskers; ++i) {
    askers.emplace_back([&, vault = As("analyst")] {
      while (!over && !HasFatalFailure()) {
        const uint64_t before = phase;
        const Got got = ReadAll(*vault, Groups());
        const bool locked = before % 2 == 1 && before == phase;
        if (got.status.ok()) ++(locked ? answered_under_lockdown : answered);
        if (!got.status.ok()) ++refused;
      }
    });
  }
  std::set<uint64_t> locked_epochs;
  for (int i = 0; i < kLockdowns; ++i) {
    const auto engaged = vault_->lockdown().Engage(
        {.level = v1::LOCKDOWN_LEVEL_READS, .reason = "a drill", .engaged_by = "rita"});
    ASSERT_THAT(engaged, IsOk());
    locked_epochs.insert(vault_->lockdown().View()->epoch);
    const bool marked = i % 10 == 0;  // each mark is a commit of its own
    if (marked) Mark("test.locked");
    ++phase;
    // Now and then for as long as every asker needs for a whole call.
    const uint64_t seen = refused;
    while (i % 100 == 0 && refused <= seen + kAskers) std::this_thread::yield();
    ++phase;
    if (marked) Mark("test.lifting");
    ASSERT_NO_FATAL_FAILURE(Lift(engaged->lockdown.id(), locked_epochs));
  }
  // So that some calls were certainly asked in between.
  while (answered < 100) std::this_thread::yield();
  over = true;
  askers.clear();
  EXPECT_EQ(answered_under_lockdown, 0u);
  EXPECT_GT(refused, 100u);
  uint64_t recorded = 0;
  uint64_t disclosed = 0;
  bool locked = false;
  for (const record::v1::AuditEntry& entry : EntriesOf(*vault_)) {
    if (entry.method().starts_with("test.")) locked = entry.method() == "test.locked";
    if (!entry.method().ends_with("/Query")) continue;
    ++recorded;
    if (entry.status() != 0) {
      EXPECT_EQ(entry.groups_returned() + entry.bytes_returned(), 0u);
      EXPECT_EQ(entry.response_digest(), "");
      continue;
    }
    EXPECT_EQ(entry.verdict(), record::v1::VERDICT_ALLOW);
    ++disclosed;
    EXPECT_FALSE(locked) << "accepted after the lockdown, whatever its epoch";
    EXPECT_FALSE(locked_epochs.contains(entry.lock_epoch())) << entry.lock_epoch();
  }
  EXPECT_GE(disclosed, 100u);
  // Answers that a lockdown overtook while their entry was on its way had none at all.
  EXPECT_EQ(recorded, answered + refused);
}

}  // namespace
}  // namespace televault::daemon
