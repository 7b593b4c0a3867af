#include "audit/retention_ledger.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/audit/retention_trail.h"

namespace televault::audit {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(RetentionLedger, AnEmptyTrailHolds) {
  const LedgerReport report = Trail().Judge();
  EXPECT_EQ(report.verdict, LedgerVerdict::kHolds);
  EXPECT_EQ(report.last_time, "");
}

TEST(RetentionLedger, APartitionGoesAsItShould) {
  Trail trail;
  trail.Open();
  EXPECT_EQ(trail.Judge().partitions[0].state, DeletionState::kLive);
  trail.End(kDeadline + kSecond);
  EXPECT_EQ(trail.Judge().partitions[0].state, DeletionState::kExpired);
  trail.Shred();
  EXPECT_EQ(trail.Judge().partitions[0].state, DeletionState::kShredded);
  trail.Purge();
  trail.End(kDeadline + 90 * kDays);
  const LedgerReport report = trail.Judge();
  EXPECT_THAT(Kinds(report.findings), IsEmpty());
  EXPECT_EQ(report.verdict, LedgerVerdict::kHolds);
  ASSERT_THAT(report.partitions, SizeIs(1));
  const PartitionFate& fate = report.partitions[0];
  EXPECT_EQ(fate.dataset, "usage");
  EXPECT_EQ(fate.day, kDay);
  EXPECT_EQ(fate.key_id, 17u);
  EXPECT_EQ(fate.state, DeletionState::kPurged);
  EXPECT_EQ(fate.receipt, ReceiptState::kOk);
  EXPECT_EQ(fate.deadline, "2026-02-01T00:00:00Z");
  EXPECT_EQ(fate.shredded_at, "2026-02-01T00:00:05Z");
}

// The vault was restarted between the shred and the purge.
TEST(RetentionLedger, AShredMayBeRecordedOnceMore) {
  Trail trail;
  trail.Open();
  trail.Shred();
  trail.Shred(kDeadline + kHour);
  trail.Purge(kDeadline + kHour);
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail::Set(trail.leaves()[2].entry, "events", "13");
  EXPECT_THAT(Broken(trail), ElementsAre("shred_twice"));
}

TEST(RetentionLedger, WhatIsOverdueIsFound) {
  constexpr int64_t kMost = 60 * kSecond + 15 * 60 * kSecond;
  for (const int64_t late : {kMost, kMost + 1}) {
    Trail trail;
    trail.Open();
    trail.End(kDeadline + late);
    EXPECT_EQ(Broken(trail).empty(), late == kMost);
  }
  Trail trail;
  trail.Open();
  trail.Shred();
  trail.End(kDeadline + kHour);
  const LedgerReport report = trail.Judge();
  EXPECT_THAT(Kinds(report.findings), ElementsAre("not_purged"));
  EXPECT_EQ(report.partitions[0].receipt, ReceiptState::kMissing);
}

TEST(RetentionLedger, AShorterTimeToLiveCounts) {
  const auto with_ttl = [](const std::string& ttl, const std::string& moved) {
    Trail trail;
    trail.Open();
    Trail::Set(trail.Apply(kMidnight + kHour, ttl, 0), "deadlines_moved", moved);
    return trail;
  };
  Trail trail = with_ttl("10d", "1");
  EXPECT_THAT(Broken(trail), IsEmpty());
  trail.End(kMidnight + 11 * kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("overdue"));
  EXPECT_EQ(trail.Judge().partitions[0].deadline, "2026-01-12T00:00:00Z");
  // A longer one moves nothing.
  trail = with_ttl("90d", "0");
  trail.Shred();
  trail.Purge();
  EXPECT_THAT(Broken(trail), IsEmpty());
  EXPECT_THAT(Broken(with_ttl("10d", "2")), ElementsAre("deadlines_moved"));
  EXPECT_THAT(Broken(with_ttl("10", "1")), ElementsAre("malformed"));
  EXPECT_THAT(Broken(with_ttl("99999999999d", "0")), ElementsAre("malformed"));
  // Shredded by the deadline that was before.
  trail = with_ttl("10d", "1");
  trail.Shred();
  EXPECT_THAT(Broken(trail), ElementsAre("deadline"));
}

TEST(RetentionLedger, ADayIsDueByTheTimeToLiveThatItWasOpenedUnder) {
  const auto opened_under = [](const std::string& ttl, int64_t until) {
    Trail trail;
    trail.Apply(kMidnight - 2 * kHour, ttl, 0);
    trail.Open();
    trail.End(until);
    return trail;
  };
  EXPECT_THAT(Broken(opened_under("30d", kMidnight)), IsEmpty());
  EXPECT_THAT(Broken(opened_under("31d", kMidnight)), IsEmpty()) << "earlier is no harm";
  EXPECT_THAT(Broken(opened_under("", kMidnight)), IsEmpty());
  EXPECT_THAT(Broken(opened_under("29d", kMidnight)), ElementsAre("deadline"));
  EXPECT_THAT(Broken(opened_under("29d", kMidnight - kHour + kSecond)), IsEmpty())
      << "prepared under a longer one";
  Trail followed = opened_under("29d", kMidnight - kHour + kSecond);
  followed.deadline_ -= kDays;
  followed.OfPartition("retention.shorten", kMidnight - kHour + 2 * kSecond);
  followed.End(kMidnight);
  EXPECT_THAT(Broken(followed), IsEmpty());
  Trail longer = opened_under("29d", kMidnight - kHour + kSecond);
  longer.Apply(kMidnight - kHour + 2 * kSecond, "90d", 0);
  longer.End(kMidnight);
  EXPECT_THAT(Broken(longer), IsEmpty());
  Trail unreadable = opened_under("29d", kMidnight);
  unreadable.Event("", 0);
  unreadable.leaves().back().readable = false;
  EXPECT_EQ(unreadable.Judge().verdict, LedgerVerdict::kIncomplete);
  // When it is gone, too.
  Trail gone = opened_under("29d", kMidnight);
  gone.Shred();
  gone.Purge();
  EXPECT_THAT(Broken(gone), ElementsAre("deadline"));
}

TEST(RetentionLedger, ADeadlineOnlyMovesToEarlierTimes) {
  Trail trail;
  trail.Open();
  trail.deadline_ = kDeadline - kDays;
  trail.OfPartition("retention.shorten", kMidnight);
  trail.Shred(trail.deadline_ + kSecond);
  trail.Purge(trail.deadline_ + kSecond);
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail later;
  later.Open();
  later.deadline_ = kDeadline + kDays;
  later.OfPartition("retention.shorten", kMidnight);
  EXPECT_THAT(Broken(later), ElementsAre("deadline_later"));
}

TEST(RetentionLedger, ALivePartitionHasNoReceipt) {
  Trail trail;
  trail.Open();
  trail.Purge();
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_of_live"));
  Trail early;
  early.Open();
  early.Shred(kDeadline - kSecond);
  early.Purge();
  EXPECT_THAT(Broken(early), ElementsAre("shredded_early"));
  Trail unknown;
  unknown.Shred();
  unknown.Purge();
  EXPECT_THAT(Broken(unknown), ElementsAre("not_opened"));
}

TEST(RetentionLedger, AReceiptIsWhatTheTrailSays) {
  Trail good;
  good.Open();
  good.Shred();
  good.Purge();
  ASSERT_THAT(Broken(good), IsEmpty());
  const std::vector<std::function<void(DeletionReceipt&)>> changes = {
      [](auto& receipt) { receipt.dataset = "4567"; },
      [](auto& receipt) { receipt.day = "2026-01-03"; },
      [](auto& receipt) { receipt.key_id = 18; },
      [](auto& receipt) { receipt.events = 13; },
      [](auto& receipt) { receipt.deadline = "2026-02-02T00:00:00Z"; },
      [](auto& receipt) { receipt.shredded_at = receipt.purged_at; },
      [](auto& receipt) { receipt.purged_at = receipt.shredded_at; },
      [](auto& receipt) { receipt.shredded_leaf = 0; },
      [](auto& receipt) { receipt.destruction = "hardware"; },
      [](auto& receipt) { receipt.holds = kHold; }};
  for (const auto& change : changes) {
    Trail trail = good;
    DeletionReceipt receipt = trail.Receipt(kDeadline + 9 * kSecond);
    change(receipt);
    Trail::Set(trail.leaves()[2].entry, "receipt", trail.Sign(DeletionReceiptText(receipt)));
    const LedgerReport report = trail.Judge();
    EXPECT_THAT(Kinds(report.findings), ElementsAre("receipt_mismatch"));
    EXPECT_EQ(report.partitions[0].receipt, ReceiptState::kWrong);
    EXPECT_THAT(report.findings[0].text, HasSubstr("is signed, the trail says"));
  }
}

TEST(RetentionLedger, AReceiptIsSignedByTheLogsKey) {
  Trail trail;
  trail.Open();
  trail.Shred();
  std::string& note = (*trail.Purge().mutable_details())["receipt"];
  const std::string good = note;
  note[note.find("events 12") + 8] = '3';
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_signature"));
  (*trail.leaves()[2].entry.mutable_details())["receipt"] = good.substr(0, good.find("\n\n") + 1);
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_signature"));
  (*trail.leaves()[2].entry.mutable_details())["receipt"] = "";
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_missing"));
  (*trail.leaves()[2].entry.mutable_details())["receipt"] = good;
  Trail::Set(trail.leaves()[2].entry, "shredded_leaf", "0");
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_mismatch", "receipt_mismatch"));
}

TEST(RetentionLedger, APartitionHasOneReceiptAndAKeyOnePartition) {
  Trail trail;
  trail.Open();
  trail.Shred();
  trail.Purge();
  trail.Purge();
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_twice"));
  Trail again;
  again.Open();
  again.Shred();
  again.Purge();
  again.Open(kDeadline + kHour);
  EXPECT_THAT(Broken(again), ElementsAre("opened_twice"));
  Trail shared;
  shared.Open();
  shared.NextDay();
  Trail::Set(shared.Open(), "key_id", "17");
  EXPECT_THAT(Broken(shared), ElementsAre("key_used_twice"));
}

TEST(RetentionLedger, ADatasetHasOnePseudonym) {
  Trail trail;
  trail.Open();
  trail.NextDay();
  Trail::Set(trail.Open(), "pseudonym", "4567");
  EXPECT_THAT(Broken(trail), ElementsAre("pseudonym"));
  Trail other;
  other.Open();
  other.NextDay();
  other.Open().set_dataset("other");
  EXPECT_THAT(Broken(other), ElementsAre("pseudonym"));
}

TEST(RetentionLedger, ALegalHoldPutsOffTheShred) {
  Trail trail;
  trail.Open();
  trail.Place(kMidnight, kDeadline + 10 * kDays);
  trail.End(kDeadline + 9 * kDays);
  LedgerReport report = trail.Judge();
  EXPECT_THAT(Kinds(report.findings), IsEmpty());
  EXPECT_THAT(report.partitions[0].holds, ElementsAre(kHold));
  Trail forgotten = trail;
  forgotten.End(kDeadline + 11 * kDays);
  EXPECT_THAT(Broken(forgotten), ElementsAre("overdue"));
  Trail released = trail;
  released.Release(kDeadline + 9 * kDays);
  released.End(kDeadline + 10 * kDays);
  EXPECT_THAT(Broken(released), ElementsAre("overdue"));

  trail.holds_ = kHold;
  Trail::Set(trail.Event("retention.hold_lapsed", kDeadline + 10 * kDays), "hold", kHold);
  Trail::Set(trail.leaves().back().entry, "until", ReceiptTime(kDeadline + 10 * kDays));
  trail.Shred(kDeadline + 10 * kDays);
  trail.Purge(kDeadline + 10 * kDays);
  report = trail.Judge();
  EXPECT_THAT(Kinds(report.findings), IsEmpty());
  EXPECT_THAT(report.partitions[0].holds, ElementsAre(kHold));
}

TEST(RetentionLedger, HoldsAreHeldAgainstTheReceipt) {
  Trail unnamed;
  unnamed.Open();
  unnamed.Place(kMidnight, kDeadline + kDays);
  unnamed.Shred(kDeadline + kDays);
  unnamed.Purge(kDeadline + kDays);
  EXPECT_THAT(Broken(unnamed), ElementsAre("holds"));
  Trail made_up;
  made_up.Open();
  made_up.holds_ = kHold;
  made_up.Shred();
  made_up.Purge();
  EXPECT_THAT(Broken(made_up), ElementsAre("holds"));
  // Over before the day was due: it may not be named.
  Trail before;
  before.Open();
  before.Place(kMidnight, kMidnight + kDays);
  before.Shred();
  before.Purge();
  EXPECT_THAT(Broken(before), IsEmpty());
  Trail under;
  under.Open();
  under.Place(kMidnight, kDeadline + kDays);
  under.holds_ = kHold;
  under.Shred();
  under.Purge();
  EXPECT_THAT(Broken(under), ElementsAre("shredded_under_hold", "purged_under_hold"));
}

// A receipt that says it was done in time, made a month later.
TEST(RetentionLedger, AShredSaysWhenItWas) {
  const auto shredded_at = [](int64_t stated, int64_t recorded) {
    Trail trail;
    trail.Open();
    trail.Shred(stated).set_time_us(recorded);
    trail.Purge(recorded);
    return Broken(trail);
  };
  EXPECT_THAT(shredded_at(kDeadline + kSecond, kDeadline + kHour), IsEmpty());
  EXPECT_THAT(shredded_at(kDeadline + kSecond, kDeadline + 30 * kDays), ElementsAre("time"));
  EXPECT_THAT(shredded_at(kDeadline + 2 * kSecond, kDeadline + kSecond), Contains("time"));
}

TEST(RetentionLedger, BytesStayUnderAHold) {
  const auto purged_at = [](int64_t at) {
    Trail trail;
    trail.Open();
    trail.Shred();
    trail.Place(kDeadline + 6 * kSecond, kDeadline + kDays);
    trail.Purge(at);
    return Broken(trail);
  };
  EXPECT_THAT(purged_at(kDeadline + 7 * kSecond), IsEmpty()) << "it was being purged";
  EXPECT_THAT(purged_at(kDeadline + kHour), ElementsAre("purged_under_hold"));
  EXPECT_THAT(purged_at(kDeadline + kDays + kSecond), IsEmpty());
}

TEST(RetentionLedger, AHoldLapsesWhenItWasToEnd) {
  const auto lapsed = [](int64_t until, int64_t at) {
    Trail trail;
    trail.Open();
    trail.Place(kMidnight, kMidnight + 9 * kDays);
    AuditEntry& entry = trail.Event("retention.hold_lapsed", at);
    Trail::Set(entry, "hold", kHold);
    Trail::Set(entry, "until", ReceiptTime(until));
    return Broken(trail);
  };
  EXPECT_THAT(lapsed(kMidnight + 9 * kDays, kMidnight + 9 * kDays), IsEmpty());
  EXPECT_THAT(lapsed(kMidnight + 9 * kDays, kMidnight + 8 * kDays), ElementsAre("holds"));
  EXPECT_THAT(lapsed(kMidnight + 8 * kDays, kMidnight + 9 * kDays), ElementsAre("holds"));
}

// Nobody makes up for a day that was left by placing a hold on it.
TEST(RetentionLedger, AHoldThatCameTooLateExcusesNothing) {
  Trail trail;
  trail.Open();
  trail.Place(kDeadline + kDays, kDeadline + 10 * kDays);
  trail.End(kDeadline + 2 * kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("overdue"));
  // One after the other does.
  Trail chain;
  chain.Open();
  chain.Place(kMidnight, kDeadline + kDays);
  Trail::Set(chain.Place(kDeadline + kDays + kSecond, kDeadline + 3 * kDays), "hold",
             std::string(32, '1'));
  chain.End(kDeadline + 2 * kDays);
  EXPECT_THAT(Broken(chain), IsEmpty());
  chain.End(kDeadline + 4 * kDays);
  EXPECT_THAT(Broken(chain), ElementsAre("overdue"));
}

// A leaf that nobody can read may be the release.
TEST(RetentionLedger, AHoldThatMayHaveEndedAccusesNobody) {
  Trail trail;
  trail.Open();
  trail.Place(kMidnight, kDeadline + 30 * kDays);
  trail.Release(kMidnight + kDays);
  trail.Shred();
  trail.Purge();
  ASSERT_THAT(Broken(trail), IsEmpty());
  trail.leaves()[2].readable = false;
  EXPECT_THAT(Broken(trail), IsEmpty());
  EXPECT_EQ(trail.Judge().verdict, LedgerVerdict::kIncomplete);
  trail.holds_ = kHold;
  Trail under = trail;
  under.leaves()[2] = under.leaves()[0];
  under.leaves()[2].entry = AuditEntry();
  EXPECT_THAT(Broken(under), ElementsAre("shredded_under_hold", "holds", "purged_under_hold"));
}

// The day is due from when the deadline was moved to before that: nobody can do it earlier.
TEST(RetentionLedger, ADeadlineThatIsMovedToBeforeNowIsDueNow) {
  Trail trail;
  trail.Open();
  trail.End(kMidnight + 5 * kDays);
  trail.deadline_ = kMidnight + kDays;
  trail.OfPartition("retention.shorten", kMidnight + 5 * kDays);
  trail.End(kMidnight + 5 * kDays + kSecond);
  EXPECT_THAT(Broken(trail), IsEmpty());
  trail.End(kMidnight + 5 * kDays + kHour);
  EXPECT_THAT(Broken(trail), ElementsAre("overdue"));
}

TEST(RetentionLedger, AHoldThatWasNotCarriedOutHoldsNothing) {
  Trail trail;
  trail.Open();
  trail.Place(kMidnight, kDeadline + 10 * kDays);
  AuditEntry& failed = trail.Place(kMidnight, kDeadline + 10 * kDays);
  failed.set_status(14);
  failed.set_reason("NOT_CARRIED_OUT");
  trail.End(kDeadline + kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("overdue"));
  // Long after it was placed nobody finds out any more that it was not.
  Trail late;
  late.Open();
  late.Place(kMidnight, kDeadline + 10 * kDays);
  AuditEntry& undone = late.Place(kMidnight + kDays, kDeadline + 10 * kDays);
  undone.set_status(14);
  undone.set_reason("NOT_CARRIED_OUT");
  EXPECT_THAT(Broken(late), ElementsAre("time"));
  Trail refused;
  refused.Open();
  refused.Place(kMidnight, kDeadline + 10 * kDays).set_status(7);
  refused.End(kDeadline + kDays);
  EXPECT_THAT(Broken(refused), ElementsAre("overdue"));
  Trail kept;
  kept.Open();
  kept.Place(kMidnight, kDeadline + 10 * kDays);
  kept.Release(kMidnight + kHour);
  AuditEntry& release = kept.Release(kMidnight + kHour);
  release.set_status(14);
  release.set_reason("NOT_CARRIED_OUT");
  kept.End(kDeadline + kDays);
  EXPECT_THAT(Broken(kept), IsEmpty());
  Trail unknown;
  unknown.Release(kMidnight);
  EXPECT_THAT(Broken(unknown), ElementsAre("hold_unknown"));
}

// Never a silent pass, and no accusation that entries which nobody can read may answer.
TEST(RetentionLedger, WhatCannotBeReadLeavesItIncomplete) {
  Trail whole;
  whole.Open();
  whole.Ask();
  whole.Begin(kMidnight + kHour);
  whole.Rewrite(kMidnight + kHour);
  whole.Settle(kMidnight + 2 * kHour);
  whole.Shred();
  whole.Purge();
  whole.End(kDeadline + 90 * kDays);
  ASSERT_EQ(whole.Judge().verdict, LedgerVerdict::kHolds);
  for (size_t i = 0; i < whole.leaves().size(); ++i) {
    Trail trail = whole;
    trail.leaves()[i].readable = false;
    const LedgerReport report = trail.Judge();
    EXPECT_EQ(report.verdict, LedgerVerdict::kIncomplete) << i;
    EXPECT_EQ(report.unreadable, 1u);
    EXPECT_THAT(Kinds(report.findings), IsEmpty()) << i;
  }
  // The opening is unknown, and the receipt is checked all the same.
  Trail trail = whole;
  trail.leaves()[0].readable = false;
  EXPECT_THAT(Kinds(trail.Judge().undecided), Contains("not_opened"));
  EXPECT_EQ(trail.Judge().partitions[0].receipt, ReceiptState::kOk);
  std::string& note = (*trail.leaves()[6].entry.mutable_details())["receipt"];
  note[note.find("events") + 7] = '9';
  EXPECT_THAT(Broken(trail), ElementsAre("receipt_signature"));
  // What came before the opening explains nothing that should follow it.
  Trail before;
  before.End(kMidnight);
  before.leaves()[0].readable = false;
  before.Open();
  before.End(kDeadline + kDays);
  EXPECT_THAT(Broken(before), ElementsAre("overdue"));
}

TEST(RetentionLedger, EntriesThatDoNotSayWhatTheyMustAreFound) {
  const auto open_with = [](const char* name, const std::string& value) {
    Trail trail;
    Trail::Set(trail.Open(), name, value);
    return Broken(trail);
  };
  for (const char* day : {"", "2026-1-1", "2026-02-30", "day", "2026-01-011"}) {
    EXPECT_THAT(open_with("day", day), ElementsAre("malformed")) << day;
  }
  for (const char* deadline : {"", "2026-02-01", "infinite-future", "2026-02-01T00:00:00+01:00",
                               "99999-02-01T00:00:00Z", "2026-13-01T00:00:00Z"}) {
    EXPECT_THAT(open_with("deadline", deadline), ElementsAre("malformed")) << deadline;
  }
  for (const char* key : {"", "-1", "+1", "1 ", "18446744073709551616"}) {
    EXPECT_THAT(open_with("key_id", key), ElementsAre("malformed")) << key;
  }
  Trail timeless;
  timeless.Open(INT64_MAX);
  EXPECT_THAT(Broken(timeless), ElementsAre("malformed"));
}

TEST(RetentionLedger, FindingsAreBounded) {
  Trail trail;
  trail.Open();
  for (size_t i = 0; i < kMaxLedgerFindings + 5; ++i) trail.Open();
  const LedgerReport report = trail.Judge();
  EXPECT_THAT(report.findings, SizeIs(kMaxLedgerFindings));
  EXPECT_EQ(report.left_out, 5u);
}

}  // namespace
}  // namespace televault::audit
