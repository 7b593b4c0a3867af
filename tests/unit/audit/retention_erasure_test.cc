// Trails of vaults that were asked to erase.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/audit/retention_trail.h"

namespace televault::audit {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(RetentionErasure, AnErasureGoesAsItShould) {
  Trail trail;
  trail.Open();
  trail.Ask();
  trail.Begin(kMidnight + kHour);
  trail.Rewrite(kMidnight + kHour);
  trail.Settle(kMidnight + 2 * kHour);
  trail.End(kMidnight + 20 * kDays);
  const LedgerReport report = trail.Judge();
  EXPECT_THAT(Kinds(report.findings), IsEmpty());
  ASSERT_THAT(report.erasures, SizeIs(1));
  EXPECT_EQ(report.erasures[0].receipt, ReceiptState::kOk);
  EXPECT_EQ(report.erasures[0].id, kErasure);
  // From now on the day has the new key.
  EXPECT_EQ(report.partitions[0].key_id, 18u);
  trail.Shred();
  trail.Purge();
  EXPECT_THAT(Broken(trail), IsEmpty());
  trail.Settle(kDeadline + kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_twice"));
}

TEST(RetentionErasure, AnErasureIsSettledByItsDeadline) {
  Trail trail;
  trail.Open();
  trail.Ask();
  trail.End(kMidnight + 3 * kDays);
  EXPECT_THAT(Broken(trail), IsEmpty());
  trail.End(kMidnight + 3 * kDays + 1);
  EXPECT_THAT(Broken(trail), ElementsAre("erasure_overdue"));
  // A hold on a day that is still to be rewritten puts it off; one on another day does not.
  Trail held;
  held.Open();
  held.Place(kMidnight, kMidnight + 5 * kDays);
  held.Ask();
  held.End(kMidnight + 4 * kDays);
  EXPECT_THAT(Broken(held), IsEmpty());
  Trail released = held;
  released.End(kMidnight + 6 * kDays);
  EXPECT_THAT(Broken(released), ElementsAre("erasure_overdue"));
  Trail elsewhere = held;
  Trail::Set(elsewhere.leaves()[1].entry, "last_day", "2025-12-31");
  EXPECT_THAT(Broken(elsewhere), ElementsAre("erasure_overdue"));
  // Placed when the day was being rewritten it keeps the key of before.
  Trail late;
  late.Open();
  late.Ask();
  late.Place(kMidnight + kHour, kMidnight + 5 * kDays);
  late.Rewrite(kMidnight + kHour + kSecond);
  late.End(kMidnight + 4 * kDays);
  EXPECT_THAT(Broken(late), IsEmpty());
  late.End(kMidnight + 6 * kDays);
  EXPECT_THAT(Broken(late), ElementsAre("erasure_overdue"));
  Trail rewritten = held;
  rewritten.Rewrite(kMidnight + 4 * kDays);
  EXPECT_THAT(Broken(rewritten), ElementsAre("erasure_overdue"));
}

TEST(RetentionErasure, AnErasureReceiptIsWhatTheTrailSays) {
  Trail good;
  good.Open();
  good.Ask();
  good.Begin(kMidnight + kHour);
  good.Rewrite(kMidnight + kHour);
  good.Settle(kMidnight + 2 * kHour);
  ASSERT_THAT(Broken(good), IsEmpty());
  for (const auto& [name, value] :
       {std::pair("partitions", "2"), std::pair("events", "4"), std::pair("destruction", "none"),
        std::pair("settled_at", "2026-01-02T02:00:01Z")}) {
    Trail trail = good;
    Trail::Set(trail.leaves()[4].entry, name, value);
    EXPECT_THAT(Broken(trail), Contains("receipt_mismatch")) << name;
  }
  for (const auto& [name, value] :
       {std::pair("deadline", "2026-01-09T00:00:00Z"), std::pair("pseudonym", "ffff"),
        std::pair("requested_at", "2026-01-01T00:00:00Z")}) {
    Trail trail = good;
    Trail::Set(trail.leaves()[1].entry, name, value);
    EXPECT_THAT(Broken(trail), ::testing::Not(IsEmpty())) << name;
  }
  Trail without = good;
  without.leaves()[4].entry.mutable_details()->erase("receipt");
  EXPECT_THAT(Broken(without), ElementsAre("receipt_missing"));
  Trail unasked;
  unasked.Settle(kMidnight);
  EXPECT_THAT(Broken(unasked), ElementsAre("erasure_without_request"));
  Trail early;
  early.Open();
  early.Ask();
  early.Begin(kMidnight + kHour);
  early.Rewrite(kMidnight + kHour, 6);
  early.Settle(kMidnight + 2 * kHour);
  EXPECT_THAT(Broken(early), ElementsAre("settled_early"));
}

// The totals of a receipt are bounded by what was found since it was asked for.
TEST(RetentionErasure, TotalsAreWhatWasFound) {
  const auto settled = [](const std::vector<uint64_t>& found, bool another) {
    Trail trail;
    trail.Open();
    trail.NextDay();
    trail.Open();
    if (another) Trail::Set(trail.Ask(kMidnight, 6), "erasure", "another");
    trail.Ask();
    for (const uint64_t events : found) trail.Begin(kMidnight + kHour, events);
    trail.Rewrite(kMidnight + kHour);
    Trail::Set(trail.OfPartition("erasure.rewrite", kMidnight + kHour), "day", kDay);
    Trail::Set(trail.leaves().back().entry, "key_id", "17");
    Trail::Set(trail.leaves().back().entry, "rewritten", "no");
    Trail::Set(trail.leaves().back().entry, "erased_up_to", "7");
    trail.Settle(kMidnight + 2 * kHour);
    return Broken(trail);
  };
  EXPECT_THAT(settled({3}, false), IsEmpty());
  EXPECT_THAT(settled({1, 2}, false), IsEmpty()) << "of an interrupted run";
  for (const std::vector<uint64_t>& found :
       {std::vector<uint64_t>{}, {2}, {4}, {3, 1}, {UINT64_MAX, UINT64_MAX}}) {
    EXPECT_THAT(settled(found, false), ElementsAre("erasure_totals"));
  }
  // Among others it is no more than all.
  EXPECT_THAT(settled({4}, true), IsEmpty());
  EXPECT_THAT(settled({2}, true), ElementsAre("erasure_totals"));
  // Found before it was asked for: for somebody else.
  Trail before;
  before.Open();
  Trail::Set(before.Ask(kMidnight, 6), "erasure", "another");
  before.Begin(kMidnight, 3);
  before.Ask();
  before.Rewrite(kMidnight + kHour);
  before.Settle(kMidnight + 2 * kHour);
  EXPECT_THAT(Broken(before), ElementsAre("erasure_totals"));
  Trail other;
  other.Open();
  other.Ask();
  other.Begin(kMidnight + kHour);
  other.Rewrite(kMidnight + kHour);
  other.Settle(kMidnight + 2 * kHour).set_dataset("other");
  EXPECT_THAT(Broken(other), ElementsAre("malformed"));
}

// Its deadline came before the rewrite was through, and the key went: its rows count.
TEST(RetentionErasure, ADayThatWentMeanwhileCounts) {
  Trail trail;
  trail.Open();
  trail.Ask(kDeadline - kHour);
  trail.Begin(kDeadline - kSecond);
  trail.Shred();
  trail.Settle(kDeadline + 6 * kSecond);
  trail.Purge();
  EXPECT_THAT(Broken(trail), IsEmpty());
}

TEST(RetentionErasure, ARewriteHasANewKeyAndIsDoneWhereRowsWereFound) {
  const auto rewrite_with = [](bool begun, const char* name, const std::string& value) {
    Trail trail;
    trail.Open();
    trail.Ask();
    if (begun) trail.Begin(kMidnight + kHour);
    Trail::Set(trail.Rewrite(kMidnight + kHour), name, value);
    return Broken(trail);
  };
  EXPECT_THAT(rewrite_with(true, "rewritten", "yes"), IsEmpty());
  EXPECT_THAT(rewrite_with(true, "key_id", "17"), ElementsAre("key"));
  EXPECT_THAT(rewrite_with(true, "rewritten", "no"), ElementsAre("key", "not_rewritten"));
  EXPECT_THAT(rewrite_with(false, "rewritten", "no"), ElementsAre("key"));
  EXPECT_THAT(rewrite_with(true, "rewritten", ""), ElementsAre("malformed"));
  Trail none;
  none.Open();
  Trail::Set(none.Begin(kMidnight), "events", "0");
  EXPECT_THAT(Broken(none), ElementsAre("malformed"));
  none.Begin(kMidnight);
  EXPECT_THAT(Broken(none), ElementsAre("malformed", "erasure_without_request"));
}

TEST(RetentionErasure, ADayIsLookedThroughForWhatWasAskedFor) {
  Trail trail;
  trail.Open();
  trail.Ask(kMidnight, 7);
  trail.Rewrite(kMidnight + kHour, 7);
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail before = trail;
  before.Rewrite(kMidnight + 2 * kHour, 6);
  EXPECT_THAT(Broken(before), ElementsAre("erased_up_to"));
  trail.Rewrite(kMidnight + 2 * kHour, 8);
  EXPECT_THAT(Broken(trail), ElementsAre("erased_up_to"));
}

// A day that is due and held has its key, and will not be rewritten: nothing is settled.
TEST(RetentionErasure, ADueDayUnderAHoldIsWaitedFor) {
  const auto settled = [](int64_t until) {
    Trail trail;
    trail.Open();
    trail.Place(kMidnight, until);
    trail.Ask(kDeadline - kHour);
    trail.Settle(kDeadline + kHour);
    Trail::Set(trail.leaves().back().entry, "partitions", "0");
    return Broken(trail);
  };
  EXPECT_THAT(settled(kDeadline + kDays), Contains("settled_early"));
  EXPECT_THAT(settled(kDeadline + kSecond), Not(Contains("settled_early")));
}

TEST(RetentionErasure, AHoldThatCameTooLateExcusesNothing) {
  Trail trail;
  trail.Open();
  trail.Ask();
  trail.Place(kMidnight + 4 * kDays, kMidnight + 9 * kDays);
  trail.End(kMidnight + 5 * kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("erasure_overdue"));
}

// Of an opening that was given up, or of a day that a restored store does not know.
class UnrecordedKey : public ::testing::Test {
 protected:
  static constexpr int64_t kDue = kMidnight + 3 * kDays - kHour;
  UnrecordedKey() {
    trail_.Open();
    trail_.Ask();
    trail_.Rewrite(kMidnight + kHour);
  }
  AuditEntry& Destroy(int64_t at, const char* day = "2026-01-02", const char* key = "99") {
    AuditEntry& entry = trail_.Event("erasure.unrecorded_key", at);
    Trail::Set(entry, "day", day);
    Trail::Set(entry, "key_id", key);
    return entry;
  }
  Trail trail_;
};

TEST_F(UnrecordedKey, GoesWhenAnErasureIsNearItsDeadline) {
  Destroy(kDue);
  EXPECT_THAT(Broken(trail_), IsEmpty());
  Destroy(kDue - 1);
  EXPECT_THAT(Broken(trail_), ElementsAre("unrecorded_key"));
}

TEST_F(UnrecordedKey, IsNoneOfADayThatTheTrailKnows) {
  Destroy(kDue, kDay);
  Destroy(kDue, "2026-01-02", "18");
  EXPECT_THAT(Broken(trail_), ElementsAre("unrecorded_key", "unrecorded_key"));
  Trail::Set(Destroy(kDue), "day", "");
  Trail::Set(Destroy(kDue), "key_id", "");
  EXPECT_THAT(Broken(trail_),
              ElementsAre("unrecorded_key", "unrecorded_key", "malformed", "malformed"));
}

TEST_F(UnrecordedKey, StaysUnderAHoldAndTheErasureWaits) {
  Trail::Set(trail_.Place(kMidnight, kMidnight + 9 * kDays), "last_day", "");
  Trail::Set(trail_.Event("erasure.held", kDue), "day", "2026-01-02");
  trail_.End(kMidnight + 8 * kDays);
  EXPECT_THAT(Broken(trail_), IsEmpty());
  Trail gone = trail_;
  trail_.End(kMidnight + 10 * kDays);
  EXPECT_THAT(Broken(trail_), ElementsAre("erasure_overdue"));
  trail_ = gone;
  Destroy(kMidnight + 8 * kDays);
  EXPECT_THAT(Broken(trail_), ElementsAre("shredded_under_hold", "erasure_overdue"));
  Trail::Set(trail_.Event("erasure.held", kDue), "day", "");
  EXPECT_THAT(Broken(trail_), ElementsAre("shredded_under_hold", "malformed", "erasure_overdue"));
}

}  // namespace
}  // namespace televault::audit
