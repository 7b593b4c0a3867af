// The real daemon on a file system that fills up: what stops first, what goes on, and that lockdown
// works to the last byte and beyond.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "tests/support/loop_disk.h"
#include "vault/base/check.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kDiskBytes = 512 * kMiB;
constexpr char kCount[] = "SELECT count(*) FROM cli_usage";

class SmallDiskTest : public VaultTest {
 protected:
  void SetUp() override {
    const std::string none = disk_.MountAt(daemon_.data_dir(), daemon_.directory(), kDiskBytes);
    if (!none.empty()) GTEST_SKIP() << none;
    std::cout << disk_.kind() << "\n";
    VaultTest::SetUp();
    std::vector<v1::Event> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(Usage(Yesterday(i), absl::StrCat("m", i), "build"));
    }
    few_ = RowsOf(events);
    ASSERT_THAT(Append(*As(cast_.collector), few_), IsOk());
    ASSERT_TRUE(std::filesystem::exists(reserve()));
  }
  std::string reserve() const { return daemon_.data_dir() + "/store/reserve"; }

  std::string Count() {
    const Answer answer = Ask(*As(cast_.analyst), kCount, "usage");
    return answer.rows.empty() ? Refusal(answer.status) : answer.rows[0][0];
  }
  std::string List() { return Refusal(As(cast_.auditor)->ListEntries({}, call_)); }
  // A call that is refused whatever the disk says.
  void AskForAPurposeNobodyGave() {
    EXPECT_FALSE(Ask(*As(cast_.analyst), kCount, "curiosity").status.ok());
  }
  // The exit code; what it printed is in the test's output.
  int Cli(const TokenOf& who, std::vector<std::string> arguments) {
    const ProcessResult result = RunCli(daemon_, who, arguments);
    std::cout << arguments[0] << " " << arguments[1] << ": " << result.exit_code << "\n"
              << result.out << result.err;
    return result.exit_code;
  }
  std::string Engage(v1::LockdownLevel level) {
    v1::EngageLockdownRequest request;
    request.set_level(level);
    request.set_reason("the disk fills up");
    const auto engaged = As(cast_.responder)->EngageLockdown(request, call_);
    EXPECT_THAT(engaged, IsOk());
    if (!engaged.ok()) return "";
    EXPECT_TRUE(engaged->durable());
    return engaged->lockdown().id();
  }
  void LiftByTwoOthers(const std::string& id) {
    EXPECT_EQ(Cli(cast_.second_responder, {"lockdown", "lift", id, "--reason", "over", "--yes"}),
              6);
    EXPECT_EQ(Cli(cast_.third_responder, {"lockdown", "approve", id, "--yes"}), 0);
  }

  // How many queries the entries that came late speak for.
  absl::StatusOr<int> AwaitLateQueries() {
    int calls = 0;
    const bool came = Await([&] {
      for (const auto& indexed : Entries(*As(cast_.auditor), ByMethod("Query"))) {
        const auto& details = indexed.entry().details();
        int own = 0;
        if (details.contains("calls") && absl::SimpleAtoi(details.at("calls"), &own)) calls += own;
      }
      return calls > 0;
    });
    if (!came) return absl::NotFoundError("no entry with a number of calls came");
    return calls;
  }

  LoopDisk disk_;
  v1::AppendRequest few_;
};

TEST_F(SmallDiskTest, TelemetryStopsFirstThenTheTrailAndLockdownNever) {
  // 1. Less than what is kept free: no telemetry in or out, everything else.
  disk_.LeaveFree(100 * kMiB);
  EXPECT_EQ(Refusal(Append(*As(cast_.collector), few_)), "RESOURCE_EXHAUSTED DISK_FULL");
  EXPECT_EQ(Count(), "RESOURCE_EXHAUSTED DISK_FULL");
  EXPECT_EQ(List(), "OK ");
  EXPECT_EQ(Cli(cast_.steward, {"retention", "run", "--yes"}), 0);

  // 2. Less than half of it: what any caller can cause is counted, not written; what ends an
  // incident is written.
  disk_.LeaveFree(40 * kMiB);
  EXPECT_EQ(List(), "RESOURCE_EXHAUSTED DISK_FULL");
  constexpr int kRefused = 50;
  for (int i = 0; i < kRefused; ++i) AskForAPurposeNobodyGave();
  EXPECT_EQ(Cli(cast_.steward, {"retention", "run", "--yes"}), 0);
  const std::string rows = Engage(v1::LOCKDOWN_LEVEL_ROWS);
  LiftByTwoOthers(rows);
  EXPECT_TRUE(std::filesystem::exists(reserve()));

  disk_.LeaveFree(300 * kMiB);
  TV_ASSERT_OK_AND_ASSIGN(const auto refused, AwaitLateQueries());
  EXPECT_EQ(refused, kRefused) << "every refused call is on record, as a number at least";
  EXPECT_EQ(Count(), "20");

  // 3. Not one byte: the reserve goes to the lockdown.
  disk_.LeaveFree(0);
  ASSERT_LT(disk_.Free(), kMiB);
  const std::string all = Engage(v1::LOCKDOWN_LEVEL_ALL);
  ASSERT_TRUE(Await([&] { return !std::filesystem::exists(reserve()); }));

  // 4. A crash, and a start in what the reserve gave: still locked, and lockable.
  daemon_.Kill();
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Cli(cast_.auditor, {"status", "-o", "json"}), 5);
  EXPECT_EQ(Refusal(Ask(*As(cast_.analyst), kCount, "usage").status), "UNAVAILABLE LOCKED_DOWN");
  Engage(v1::LOCKDOWN_LEVEL_READS);

  // Even that taken: a start is refused and says why, and nothing is served.
  daemon_.Kill();
  disk_.LeaveFree(0);
  EXPECT_THAT(daemon_.Start(), StatusIs(absl::StatusCode::kInternal, HasSubstr("free disk space")));

  // 5. Room again: nothing was lost, nothing was lifted.
  disk_.LeaveFree(300 * kMiB);
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_EQ(Cli(cast_.auditor, {"status", "-o", "json"}), 5);
  TV_ASSERT_OK_AND_ASSIGN(const auto status, As(cast_.auditor)->GetLockdownStatus({}, call_));
  EXPECT_EQ(status.status().level(), v1::LOCKDOWN_LEVEL_ALL);
  for (const v1::Lockdown& lockdown : status.status().lockdowns()) LiftByTwoOthers(lockdown.id());
  EXPECT_EQ(Count(), "20");
  EXPECT_THAT(Append(*As(cast_.collector), few_), IsOk());
  EXPECT_TRUE(std::filesystem::exists(reserve()));
  EXPECT_EQ(Cli(cast_.auditor, {"audit", "verify"}), 0);
}

}  // namespace
}  // namespace televault::testing
