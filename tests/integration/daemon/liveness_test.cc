// What hangs, and what is long, holds up nothing that must go on: the vault and its server in this
// process, on a file system of which parts can be stopped.
#include <chrono>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/in_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/trail.h"
#include "vault/daemon/layout.h"

namespace televault::daemon {
namespace {

using televault::testing::Append;
using televault::testing::Apply;
using televault::testing::BulkColumns;
using televault::testing::FakeClock;
using televault::testing::FaultFileSystem;
using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr uint32_t kRowsPerAppend = 65'536;

class LivenessTest : public InProcessTest {
 protected:
  LivenessTest() : InProcessTest(fs_) {}
  void TearDown() override {
    fs_.Release();
    End();
  }

  static absl::StatusOr<v1::EngageLockdownResponse> Engage(client::Vault& responder,
                                                           const std::string& dataset) {
    v1::EngageLockdownRequest request;
    request.set_level(v1::LOCKDOWN_LEVEL_READS);
    request.mutable_scope()->set_kind(v1::SCOPE_KIND_DATASET);
    request.mutable_scope()->set_name(dataset);
    request.set_reason("a drill");
    client::Call call;
    return responder.EngageLockdown(request, call);
  }

  // The sample dataset, with two batches of yesterday that are due for a merge into two blocks.
  PartitionId StoreTwoBatches() {
    EXPECT_THAT(Apply(*As("steward"), televault::testing::SampleManifest("cli_usage")), IsOk());
    const auto collector = As("collector");
    const WallTime noon = clock_.Wall() - microseconds(kMicrosPerDay);
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(Append(*collector, BulkColumns("cli_usage", noon, kRowsPerAppend, 1'000)),
                  IsOk());
    }
    const auto data = vault_->Data();
    EXPECT_EQ((*data)->partitions->All().size(), 1u);
    return (*data)->partitions->All().front().id;
  }

  // Every row that can be read.
  size_t Rows(PartitionId partition) {
    const auto data = vault_->Data();
    EXPECT_THAT(data, IsOk());
    const auto snapshot = (*data)->reader->Pin();
    const auto units = (*snapshot)->Units(partition);
    EXPECT_THAT(units, IsOk());
    size_t rows = 0;
    for (const partition::Unit& unit : *units) {
      const auto batch = (*snapshot)->ReadAll(unit);
      EXPECT_THAT(batch, IsOk());
      if (batch.ok()) rows += batch->rows;
    }
    return rows;
  }

  bool Eventually(const std::function<bool()>& holds, std::chrono::nanoseconds within) {
    const MonoTime start = SystemClock().Mono();
    while (!holds()) {
      if (SystemClock().Mono() - start > within) return false;
      std::this_thread::yield();
    }
    return true;
  }

  FaultFileSystem fs_;
};

// A call for each thread of the pool, and as many again: with each of them waiting for the disk the
// fifth gate was not closed at all.
class HungDeviceTest : public LivenessTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(HungDeviceTest, HoldsUpNoLockdown) {
  std::vector<std::unique_ptr<client::Vault>> responders;
  // One use each: counting it is a write, too.
  for (int i = 0; i < 8; ++i) responders.push_back(As("responder", 1));
  fs_.Hang(GetParam());
  std::vector<std::future<absl::StatusOr<v1::EngageLockdownResponse>>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(std::async(
        std::launch::async, [&, i] { return Engage(*responders[i], absl::StrCat("dataset", i)); }));
  }
  // Time stands still: nobody has been told to give up yet, and all gates close all the same.
  EXPECT_TRUE(Eventually([&] { return vault_->lockdown().Status().lockdowns_size() == 8; },
                         std::chrono::seconds(10)));
  clock_.Advance(std::chrono::seconds(3));
  for (auto& answer : answers) {
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_THAT(answer.get(), IsOk());
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, HungDeviceTest,
                         ::testing::Values("/control/lock", "/control/", ".anchor", "vault"));

TEST_F(LivenessTest, AFullDiskRefusesNoLimitedTokenItsLockdown) {
  const auto responder = As("responder", 1);
  fs_.Fill("/control/control");
  EXPECT_THAT(Engage(*responder, "cli_usage"), IsOk());
  fs_.Fill("");
}

TEST_F(LivenessTest, AUsedUpTokenEngagesNothing) {
  std::string accessor;
  const auto responder = As("responder", 1, &accessor);
  ASSERT_THAT(Engage(*responder, "cli_usage"), IsOk());
  ASSERT_TRUE(Eventually([&] { return vault_->control().FindToken(accessor)->uses_left() == 0; },
                         std::chrono::seconds(10)))
      << "the use is counted after the answer";
  EXPECT_THAT(Engage(*responder, "builds"), StatusIs(absl::StatusCode::kUnauthenticated));
}

// Who can be refused can fill the queue of what is recorded after its answer; each of them then
// wrote to the log, on the threads that lockdowns need. A use beyond the queue was not told.
TEST_F(LivenessTest, AFullQueueOfEntriesHoldsUpNoLockdownAndHidesNoUse) {
  const auto analyst = As("analyst");
  const auto responder = As("responder", 1);
  fs_.Hang("vault");
  ::testing::internal::CaptureStdout();  // where this process logs
  for (int i = 0; i < 1'200; ++i) {
    ASSERT_THAT(Engage(*analyst, "cli_usage"), StatusIs(absl::StatusCode::kPermissionDenied));
  }
  auto answer = std::async(std::launch::async, [&] { return Engage(*responder, "cli_usage"); });
  EXPECT_TRUE(Eventually([&] { return vault_->lockdown().Status().lockdowns_size() == 1; },
                         std::chrono::seconds(10)));
  clock_.Advance(std::chrono::seconds(3));
  EXPECT_THAT(answer.get(), IsOk());
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  fs_.Release();
  EXPECT_TRUE(televault::testing::Await([&] {
    for (const record::v1::AuditEntry& entry : televault::testing::EntriesOf(*vault_)) {
      const auto told = entry.details().find("use_counted");
      if (told != entry.details().end() && told->second == "false") return true;
    }
    return false;
  }));
}

// A merge that went on over seal and unseal referred to blocks that the unseal had swept.
TEST_F(LivenessTest, AMergeFromBeforeTheSealLosesNoRow) {
  const PartitionId partition = StoreTwoBatches();
  fs_.Hang("/store/build", /*passes=*/3);
  auto merge = std::async(std::launch::async, [&] {
    const auto data = *vault_->Data();
    return data->merger->Merge(partition).status();
  });
  fs_.AwaitHanging();
  ASSERT_THAT(vault_->Seal(), IsOk());
  EXPECT_THAT(vault_->UnsealWithKeyfile(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("still ending")));
  EXPECT_TRUE(vault_->lockdown().sealed());
  fs_.Release();
  (void)merge.get();
  ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
  EXPECT_EQ(Rows(partition), 2 * kRowsPerAppend);
}

// One thread did both: whatever merges take, no key outlived its deadline by less.
TEST_F(LivenessTest, AMergeThatHangsPostponesNoDeadline) {
  const PartitionId partition = StoreTwoBatches();
  fs_.Hang("/store/build");
  vault_->StartHousekeeping();
  fs_.AwaitHanging();
  clock_.Advance(std::chrono::hours(24 * 400));
  const auto data = *vault_->Data();
  EXPECT_TRUE(Eventually(
      [&] { return data->partitions->Find(partition)->state == partition::State::kShredded; },
      std::chrono::seconds(30)));
  fs_.Release();
}

// An anchor fails for good at its first failure: no key was destroyed until the restart.
TEST_F(LivenessTest, AnAnchorThatFailedPostponesNoDeadline) {
  (void)StoreTwoBatches();
  const std::string slots = Layout{config_.data_dir}.slot_dir();
  TV_ASSERT_OK_AND_ASSIGN(const auto before, fs_.List(slots));
  ASSERT_FALSE(before.empty());
  fs_.Fill(".anchor");
  clock_.Advance(std::chrono::hours(24 * 500));
  vault_->StartHousekeeping();
  EXPECT_TRUE(Eventually(
      [&] {
        const auto now = fs_.List(slots);
        return now.ok() && !now->empty() &&
               std::none_of(now->begin(), now->end(), [&](const std::string& name) {
                 return std::find(before.begin(), before.end(), name) != before.end();
               });
      },
      std::chrono::seconds(10)))
      << "the secret that the key of the day is under";
  fs_.Fill("");
  End();
  Start();
  EXPECT_EQ(vault_->lockdown().control_mode(), "");
}

// The look of an unseal leaves the calls of its own run alone; the next start must not stop there.
TEST_F(LivenessTest, AnIntentFromBeforeASealIsClosedByTheNextStart) {
  record::v1::AuditEntry intent;
  intent.set_kind(record::v1::ENTRY_KIND_INTENT);
  intent.set_method("/televault.v1.QueryService/Query");
  intent.set_rows_debited(500);
  TV_ASSERT_OK_AND_ASSIGN(const auto recorded, vault_->recorder().Record(intent));
  ASSERT_THAT(vault_->Seal(), IsOk());
  ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
  End();
  Start();
  int closed = 0;
  const uint64_t size = vault_->journal().Head().tree_size;
  TV_ASSERT_OK_AND_ASSIGN(const auto leaves, service::ReadLeafRange(vault_->journal(), 0, size));
  for (uint64_t i = 0; i < size; ++i) {
    TV_ASSERT_OK_AND_ASSIGN(const auto entry, vault_->entries().Open(LeafIndex(i), leaves[i]));
    if (entry.has_value() && entry->has_intent()) {
      EXPECT_EQ(entry->reason(), "UNKNOWN_CRASH");
      EXPECT_EQ(entry->rows_debited(), 0u) << "counted twice by whoever adds up";
      closed += entry->intent_index() == recorded.index.value();
    }
  }
  EXPECT_EQ(closed, 1);
}

// The listeners came after the unattended unseal: until it ended nothing could be locked down.
TEST_F(LivenessTest, AnUnattendedUnsealHoldsUpNoLockdown) {
  const auto responder = As("responder");
  const auto operators = As("operator");
  End();
  TV_ASSERT_OK_AND_ASSIGN(
      vault_, Vault::Open(config_, {.fs = fs_, .clock = clock_, .random = SystemRandom()}));
  fs_.HangReadsToo(Layout{config_.data_dir}.default_keyfile());
  TV_ASSERT_OK_AND_ASSIGN(const auto served, ServedVault::Start(config_, *vault_));
  fs_.AwaitHanging();
  EXPECT_THAT(Engage(*responder, "cli_usage"), IsOk());
  client::Call call;
  TV_ASSERT_OK_AND_ASSIGN(const auto status, operators->GetStatus({}, call));
  EXPECT_EQ(status.seal(), v1::SEAL_STATE_SEALED);
  EXPECT_THAT(operators->Unseal({}, {}, call),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("under way")));
  EXPECT_FALSE(served->ready());
  fs_.Release();
  EXPECT_TRUE(Eventually([&] { return served->ready(); }, std::chrono::seconds(30)));
  EXPECT_FALSE(vault_->lockdown().sealed());
}

// What a lockdown at level seal has to wait for is given up.
TEST_F(LivenessTest, AnUnsealIsGivenUpAtALockdownAtLevelSeal) {
  ASSERT_THAT(vault_->Seal(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const service::UnsealAttempt attempt, vault_->CheckUnseal(""));
  ASSERT_THAT(
      vault_->lockdown().Engage(
          {.level = v1::LOCKDOWN_LEVEL_SEAL, .reason = "suspected leak", .engaged_by = "gina"}),
      IsOk());
  EXPECT_THAT(vault_->Unseal(attempt.root), HasReason(reason::kLockedDown));
  EXPECT_TRUE(vault_->lockdown().sealed());
}

// An unseal purged all that had expired meanwhile before it let anybody in.
TEST_F(LivenessTest, AnUnsealWaitsForNoPurge) {
  const PartitionId partition = StoreTwoBatches();
  ASSERT_THAT(vault_->Seal(), IsOk());
  clock_.Advance(std::chrono::hours(24 * 200));
  fs_.Hang(".sst");
  auto unseal = std::async(std::launch::async, [&] { return vault_->UnsealWithKeyfile(); });
  EXPECT_EQ(unseal.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  fs_.Release();
  EXPECT_THAT(unseal.get(), IsOk());
  vault_->StartHousekeeping();
  EXPECT_TRUE(Eventually(
      [&] {
        return (*vault_->Data())->partitions->Find(partition)->state == partition::State::kPurged;
      },
      std::chrono::seconds(30)));
}

// The keyring followed at the next run of retention, which there is none of while sealed: keys
// stayed for as long as the old TTL said.
TEST_F(LivenessTest, AShorterTtlHoldsForAVaultThatIsSealedNext) {
  StoreTwoBatches();
  TV_ASSERT_OK_AND_ASSIGN(
      const auto applied,
      Apply(*As("steward"),
            televault::testing::SampleManifest(
                "cli_usage", {{"ttl: 90d", "ttl: 30d"}, {"revision: 1", "revision: 2"}})));
  ASSERT_TRUE(applied.applied()) << applied.ShortDebugString();
  ASSERT_THAT(vault_->Seal(), IsOk());
  const std::string slots = Layout{config_.data_dir}.slot_dir();
  TV_ASSERT_OK_AND_ASSIGN(const auto before, fs_.List(slots));
  clock_.Advance(std::chrono::hours(24 * 40));
  vault_->StartHousekeeping();
  EXPECT_TRUE(Eventually([&] { return *fs_.List(slots) != before; }, std::chrono::seconds(10)))
      << "a shred goes on under a new slot secret";
}

// What was only counted, and what was answered before it was recorded, went with the process.
TEST_F(LivenessTest, AStopRecordsWhatWasCountedInItsLastSecond) {
  std::string accessor;
  const auto revoked = As("analyst", 0, &accessor);
  ASSERT_THAT(vault_->control().Revoke(accessor), IsOk());
  client::Call call;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(revoked->GetStatus({}, call), StatusIs(absl::StatusCode::kUnauthenticated));
  }
  server_->Shutdown(microseconds(0));
  int counted = 0;
  for (const auto& entry : televault::testing::EntriesOf(*vault_)) {
    if (entry.method() != "auth.refused") continue;
    ++counted;
    EXPECT_EQ(entry.reason(), "TOKEN_REVOKED");
    EXPECT_EQ(entry.principal().token(), accessor);
    EXPECT_EQ(entry.details().at("calls"), "2");
  }
  EXPECT_EQ(counted, 1);
}

TEST_F(LivenessTest, APurgeThatHangsHoldsUpNoRevocation) {
  const PartitionId partition = StoreTwoBatches();
  std::string accessor;
  const auto revoked = As("analyst", 0, &accessor);
  clock_.Advance(std::chrono::hours(24 * 200));
  const auto operators = As("operator");
  const auto steward = As("steward");
  fs_.Hang(".sst");
  auto run = std::async(std::launch::async, [&] {
    client::Call call;
    return steward->RunRetention({}, call).status();
  });
  fs_.AwaitHanging();
  EXPECT_EQ((*vault_->Data())->partitions->Find(partition)->state, partition::State::kShredded);
  client::Call call;
  call.timeout = client::milliseconds(30'000);
  EXPECT_THAT(steward->RunRetention({}, call),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("under way")));
  v1::RevokeTokenRequest revoke;
  revoke.set_accessor(accessor);
  EXPECT_THAT(operators->RevokeToken(revoke, call), IsOk());
  EXPECT_THAT(operators->GetStatus({}, call), IsOk());
  fs_.Release();
  EXPECT_THAT(run.get(), IsOk());
}

}  // namespace
}  // namespace televault::daemon
