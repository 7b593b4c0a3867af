#include "admin-cli/pinning.h"

#include "admin-cli/exit_code.h"
#include "admin-cli/pin_store.h"
#include "tests/unit/admin-cli/cli_harness.h"
#include "tests/unit/admin-cli/log_fixture.h"

namespace televault::cli {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::StatusIs;

// What an honest vault over `log`, whose newest size is `size`, answers.
LogSource Honest(const FakeLog& log, uint64_t size) {
  return {.consistency = [&log](uint64_t from, uint64_t to)
              -> absl::StatusOr<std::vector<audit::Hash>> { return log.Consistency(from, to); },
          .newest = [&log, size]() -> absl::StatusOr<std::string> { return log.Checkpoint(size); }};
}

class PinningTest : public ::testing::Test {
 protected:
  PinningTest() : log_(1), pin_(log_.key()) { log_.Grow(20); }
  absl::Status Check(const std::string& checkpoint, const LogSource& source) {
    return CheckAgainstPin(pin_, log_.key(), checkpoint, source);
  }
  FakeLog log_;
  audit::LogPin pin_;
};

TEST_F(PinningTest, FirstUseIsPinnedAndGrowthMovesThePin) {
  ASSERT_THAT(Check(log_.Checkpoint(5), Honest(log_, 5)), IsOk());
  EXPECT_EQ(pin_.pinned()->size, 5u);
  ASSERT_THAT(Check(log_.Checkpoint(12), Honest(log_, 12)), IsOk());
  EXPECT_EQ(pin_.pinned()->size, 12u);
  ASSERT_THAT(Check(log_.Checkpoint(12), Honest(log_, 12)), IsOk());
}

TEST_F(PinningTest, AnotherHistoryIsAFork) {
  ASSERT_THAT(Check(log_.Checkpoint(8), Honest(log_, 8)), IsOk());
  FakeLog other(1);
  other.Grow(20, "other");
  EXPECT_THAT(Check(other.Checkpoint(12), Honest(other, 12)), HasReason(kVerificationFailed));
  EXPECT_THAT(Check(other.Checkpoint(8), Honest(other, 8)), HasReason(kVerificationFailed));
  EXPECT_EQ(pin_.pinned()->size, 8u);
}

TEST_F(PinningTest, AShorterLogIsARollback) {
  ASSERT_THAT(Check(log_.Checkpoint(12), Honest(log_, 12)), IsOk());
  const absl::Status status = Check(log_.Checkpoint(9), Honest(log_, 9));
  EXPECT_THAT(status, HasReason(kVerificationFailed));
  EXPECT_NE(std::string(status.message()).find("rolled back"), std::string::npos);
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kVerification);
}

TEST_F(PinningTest, AnOlderCheckpointOfALogThatWentOnIsFine) {
  ASSERT_THAT(Check(log_.Checkpoint(12), Honest(log_, 12)), IsOk());
  EXPECT_THAT(Check(log_.Checkpoint(9), Honest(log_, 15)), IsOk());
  EXPECT_EQ(pin_.pinned()->size, 15u);
}

TEST_F(PinningTest, AnOlderCheckpointOfAnotherHistoryIsAFork) {
  ASSERT_THAT(Check(log_.Checkpoint(12), Honest(log_, 12)), IsOk());
  FakeLog other(1);
  other.Grow(9, "other");
  EXPECT_THAT(Check(other.Checkpoint(9), Honest(log_, 15)), HasReason(kVerificationFailed));
}

TEST_F(PinningTest, AnotherKeyIsRefused) {
  FakeLog impostor(2);
  impostor.Grow(5);
  EXPECT_THAT(Check(impostor.Checkpoint(5), Honest(impostor, 5)), HasReason(kVerificationFailed));
  EXPECT_FALSE(pin_.pinned().has_value());
}

TEST_F(PinningTest, AVaultThatGivesNoProofMovesNothing) {
  ASSERT_THAT(Check(log_.Checkpoint(5), Honest(log_, 5)), IsOk());
  LogSource silent = Honest(log_, 12);
  silent.consistency = [](uint64_t, uint64_t) -> absl::StatusOr<std::vector<audit::Hash>> {
    return absl::UnavailableError("no");
  };
  EXPECT_THAT(Check(log_.Checkpoint(12), silent), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(pin_.pinned()->size, 5u);
}

// A vault with a new name used to count as one never seen, with nothing to compare.
TEST_F(PinningTest, AnotherLogAtAKnownAddressIsNoFirstUse) {
  Harness harness;
  EXPECT_THAT(CheckOrigin(harness.directory, "unix:/s", "a/b", false), IsOk());
  ASSERT_THAT(RememberOrigin(harness.directory, "unix:/s", "a/b"), IsOk());
  EXPECT_THAT(CheckOrigin(harness.directory, "unix:/s", "a/b", false), IsOk());
  EXPECT_THAT(CheckOrigin(harness.directory, "unix:/other", "c/d", false), IsOk());
  const absl::Status status = CheckOrigin(harness.directory, "unix:/s", "c/d", false);
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kVerification);
  for (const char* const part : {"a/b", "c/d", "--log-key", "remove "}) {
    EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << part;
  }
  EXPECT_THAT(CheckOrigin(harness.directory, "unix:/s", "c/d", true), IsOk());
}

TEST_F(PinningTest, TheOriginIsTheFirstLine) {
  EXPECT_EQ(OriginOf(log_.Checkpoint(5)), "vault.example.org/test");
  EXPECT_EQ(OriginOf("no line"), "");
}

}  // namespace
}  // namespace televault::cli
