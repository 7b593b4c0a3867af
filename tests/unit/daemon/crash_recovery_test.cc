// What a start does about the run before it, which ends without a word.

#include "vault/daemon/crash_recovery.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"

#include "audit/leaf.h"
#include "audit/merkle.h"
#include "tests/support/trail.h"
#include "tests/unit/daemon/vault_fixture.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;

class CrashRecoveryTest : public VaultTest {
 protected:
  void SetUp() override { Start(); }
  void Start() {
    vault_.reset();
    vault_ = Open();
    ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
    recovery_.emplace(CrashRecovery::Parts{vault_->journal(), vault_->entries(), vault_->recorder(),
                                           vault_->lockdown()});
    ASSERT_THAT(recovery_->CloseOpenIntents([] { return absl::OkStatus(); }), IsOk());
  }
  uint64_t Record(record::v1::EntryKind kind, std::optional<uint64_t> intent = std::nullopt) {
    record::v1::AuditEntry entry;
    entry.set_kind(kind);
    entry.set_has_intent(intent.has_value());
    entry.set_intent_index(intent.value_or(0));
    return vault_->recorder().Record(std::move(entry))->index.value();
  }
  void RecordEvents(int count) {
    for (int i = 0; i < count; ++i) Record(record::v1::ENTRY_KIND_EVENT);
  }
  // Each after ten minutes, and something to mark.
  void MarkTwice() {
    for (int i = 0; i < 2; ++i) {
      clock_.Advance(std::chrono::minutes(10));
      RecordEvents(1);
      ASSERT_THAT(recovery_->Mark(), IsOk());
    }
  }
  std::vector<uint64_t> UnknownOutcomes() {
    std::vector<uint64_t> intents;
    for (const auto& entry : televault::testing::EntriesOf(*vault_)) {
      if (entry.reason() == "UNKNOWN_CRASH") intents.push_back(entry.intent_index());
    }
    return intents;
  }

  std::unique_ptr<Vault> vault_;
  std::optional<CrashRecovery> recovery_;
};

// A start opened every entry since the start of the run that was unsealed last: after weeks of
// ingest it took longer than systemd waits.
TEST_F(CrashRecoveryTest, TheLookBackEndsAtTheMarks) {
  RecordEvents(1'000);
  const uint64_t done = Record(record::v1::ENTRY_KIND_INTENT);
  MarkTwice();
  Record(record::v1::ENTRY_KIND_OUTCOME, done);
  MarkTwice();
  const uint64_t open = Record(record::v1::ENTRY_KIND_INTENT);
  vault_.reset();
  vault_ = Open();
  ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
  EXPECT_THAT(UnknownOutcomes(), ::testing::ElementsAre(open));
  int looked_at = 0;
  ASSERT_TRUE(absl::SimpleAtoi(
      televault::testing::EntriesOf(*vault_).back().details().at("looked_at"), &looked_at));
  EXPECT_LT(looked_at, 30);
}

TEST_F(CrashRecoveryTest, TheLookBackReachesAnIntentThatWasOpenAtEveryMark) {
  const uint64_t open = Record(record::v1::ENTRY_KIND_INTENT);
  MarkTwice();
  MarkTwice();
  Start();
  EXPECT_THAT(UnknownOutcomes(), ::testing::ElementsAre(open));
  Start();
  EXPECT_THAT(UnknownOutcomes(), ::testing::ElementsAre(open)) << "once";
}

TEST_F(CrashRecoveryTest, ALockdownThatHadNoEntryYetAtTheLastMarkIsAGap) {
  MarkTwice();
  TV_ASSERT_OK_AND_ASSIGN(
      const auto engaged,
      vault_->lockdown().Engage(
          {.level = v1::LOCKDOWN_LEVEL_ROWS, .reason = "suspected leak", .engaged_by = "gina"}));
  RecordEvents(1);
  ASSERT_THAT(recovery_->Mark(), IsOk());
  Start();
  int gaps = 0;
  for (const auto& entry : televault::testing::EntriesOf(*vault_)) {
    gaps +=
        entry.method() == "audit.gap" && entry.details().at("lockdown") == engaged.lockdown.id();
  }
  EXPECT_EQ(gaps, 1);
}

// The look back takes a while, and lockdowns come in meanwhile: each was called one without entry.
TEST_F(CrashRecoveryTest, ALockdownDuringTheLookBackIsNoGapUnlessItsEntryIsMissing) {
  RecordEvents(10);
  recovery_.reset();
  vault_.reset();
  vault_ = Open();
  ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
  const auto gaps = [&] {
    int count = 0;
    for (const auto& entry : televault::testing::EntriesOf(*vault_)) {
      count += entry.method() == "audit.gap" ? 1 : 0;
    }
    return count;
  };
  recovery_.emplace(CrashRecovery::Parts{vault_->journal(), vault_->entries(), vault_->recorder(),
                                         vault_->lockdown()});
  bool engaged = false;
  ASSERT_THAT(recovery_->CloseOpenIntents([&]() -> absl::Status {
    if (std::exchange(engaged, true)) return absl::OkStatus();
    return vault_->lockdown()
        .Engage(
            {.level = v1::LOCKDOWN_LEVEL_ROWS, .reason = "suspected leak", .engaged_by = "gina"})
        .status();
  }),
              IsOk());
  ASSERT_TRUE(engaged);
  EXPECT_EQ(gaps(), 0);
  // Its entry never came: the next start says so.
  Start();
  EXPECT_EQ(gaps(), 1);
}

// The mark of a look said what was before its run, and not where the log ended then.
TEST_F(CrashRecoveryTest, ALockdownOnRecordFromBeforeTheLookBackIsNoGap) {
  recovery_.reset();
  vault_.reset();
  vault_ = Open();  // sealed
  recovery_.emplace(CrashRecovery::Parts{vault_->journal(), vault_->entries(), vault_->recorder(),
                                         vault_->lockdown()});
  clock_.Advance(std::chrono::minutes(1));
  TV_ASSERT_OK_AND_ASSIGN(
      const auto engaged,
      vault_->lockdown().Engage(
          {.level = v1::LOCKDOWN_LEVEL_ROWS, .reason = "suspected leak", .engaged_by = "gina"}));
  record::v1::AuditEntry entry = service::EventEntry("EngageLockdown");
  (*entry.mutable_details())["lockdown"] = engaged.lockdown.id();
  ASSERT_THAT(vault_->recorder().Record(std::move(entry)), IsOk());
  clock_.Advance(std::chrono::minutes(1));
  ASSERT_THAT(vault_->UnsealWithKeyfile(), IsOk());
  ASSERT_THAT(recovery_->CloseOpenIntents([] { return absl::OkStatus(); }), IsOk());
  Start();
  for (const auto& recorded : televault::testing::EntriesOf(*vault_)) {
    EXPECT_NE(recorded.method(), "audit.gap");
  }
}

TEST_F(CrashRecoveryTest, NothingIsMarkedTwiceNorBeforeTheLookBack) {
  MarkTwice();
  const uint64_t size = vault_->journal().Head().tree_size;
  EXPECT_THAT(recovery_->Mark(), IsOk());
  CrashRecovery early(
      {vault_->journal(), vault_->entries(), vault_->recorder(), vault_->lockdown()});
  EXPECT_THAT(early.Mark(), IsOk());
  EXPECT_EQ(vault_->journal().Head().tree_size, size);
}

// After a keyring of before a month was put back and adopted, the vault could never be unsealed.
TEST_F(CrashRecoveryTest, AnEntryThatNobodyCanOpenHoldsUpNothing) {
  const uint64_t open = Record(record::v1::ENTRY_KIND_INTENT);
  store::CommitUnit foreign;
  const std::string leaf = audit::LeafHeader(audit::LeafType::kEntry, {}) + std::string(64, 'x');
  foreign.leaves.push_back({leaf, audit::LeafHash(AsBytes(leaf))});
  ASSERT_THAT(vault_->journal().Commit(foreign), IsOk());
  Start();
  EXPECT_THAT(UnknownOutcomes(), ::testing::ElementsAre(open));
  const auto entries = televault::testing::EntriesOf(*vault_);
  EXPECT_EQ(entries.back().method(), "daemon.recovered");
  const auto unreadable = [](const auto& entry) {
    const auto found = entry.details().find("unreadable");
    return found != entry.details().end() && found->second == "1";
  };
  EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), unreadable));
}

// A lockdown at level seal waited for the end of the look back, and so did revocations.
TEST_F(CrashRecoveryTest, TheLookBackIsGivenUpOnRequest) {
  RecordEvents(600);
  int asked = 0;
  EXPECT_THAT(recovery_->CloseOpenIntents([&] {
    return ++asked == 2 ? absl::AbortedError("a lockdown came in") : absl::OkStatus();
  }),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace televault::daemon
