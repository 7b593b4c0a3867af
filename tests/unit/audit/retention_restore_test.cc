// Trails of vaults in whose place a backup was put back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/audit/retention_trail.h"

namespace televault::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kBack = kMidnight + 5 * kDays;  // when the backup was put back

// Under a shorter time to live, in history that was lost.
TEST(RetentionRestore, ADayThatWasShreddedInLostHistoryIsShreddedNow) {
  const auto trail_with = [](bool lost) {
    Trail trail;
    trail.Open();
    trail.Restore(kBack, 0, lost);
    trail.RestoredShred(kBack + kSecond);
    trail.Followed(kBack + 2 * kSecond);
    trail.Purge(kBack + 3 * kSecond);
    trail.End(kBack + 90 * kDays);
    return trail;
  };
  const LedgerReport report = trail_with(true).Judge();
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.verdict, LedgerVerdict::kHolds);
  EXPECT_THAT(report.lost_history, ElementsAre(2u)) << "nobody may overlook it";
  EXPECT_THAT(trail_with(false).Judge().lost_history, IsEmpty());
  EXPECT_EQ(report.partitions[0].state, DeletionState::kPurged);
  EXPECT_EQ(report.partitions[0].receipt, ReceiptState::kOk);
  EXPECT_THAT(Broken(trail_with(false)), ElementsAre("deadline")) << "nothing was lost";
  // By a vault as it runs, or when the restore was over.
  Trail trail = trail_with(true);
  trail.leaves()[3].entry.set_rule("deadline");
  EXPECT_THAT(Broken(trail), ElementsAre("restore", "deadline", "restore"));
  Trail late;
  late.Open();
  late.Restore(kBack, 0);
  late.Followed(kBack + kSecond);
  late.RestoredShred(kBack + 2 * kSecond);
  late.Purge(kBack + 3 * kSecond);
  EXPECT_THAT(Broken(late), ElementsAre("deadline"));
  // To now, and not to a time of one's own choice.
  Trail chosen;
  chosen.Open();
  chosen.Restore(kBack, 0);
  chosen.deadline_ = kMidnight;
  chosen.RestoredShred(kBack + kSecond);
  chosen.Followed(kBack + 2 * kSecond);
  chosen.Purge(kBack + 3 * kSecond);
  EXPECT_THAT(Broken(chosen), ElementsAre("deadline"));
}

// Killed behind the entry that says so, a vault follows its keyring once more.
TEST(RetentionRestore, FollowingTheKeyringTwiceBeforeAnythingIsServedIsNoFault) {
  Trail trail;
  trail.Open();
  trail.Restore(kBack, 1);
  trail.KeyringHold(kBack, kMidnight + kDays, kDeadline + 10 * kDays);
  trail.Followed(kBack + kSecond);
  trail.KeyringHold(kBack + kHour, kMidnight + kDays, kDeadline + 10 * kDays);
  trail.Followed(kBack + kHour);
  Trail served = trail;
  EXPECT_THAT(Broken(trail), IsEmpty());
  trail.Restore(kBack + 2 * kHour, 1);  // another one
  trail.KeyringHold(kBack + 2 * kHour, kMidnight + kDays, kDeadline + 10 * kDays);
  trail.Followed(kBack + 2 * kHour);
  EXPECT_THAT(Broken(trail), IsEmpty());
  // Not without the hold, and not once it has served.
  Trail without;
  without.Open();
  without.Restore(kBack, 1);
  without.KeyringHold(kBack, kMidnight + kDays, kDeadline + 10 * kDays);
  without.Followed(kBack);
  without.Followed(kBack + kHour);
  EXPECT_THAT(Broken(without), ElementsAre("restore"));
  served.holds_ = kHold;
  served.Shred(kDeadline + 10 * kDays);
  served.Followed(kDeadline + 10 * kDays);
  EXPECT_THAT(Broken(served), ElementsAre("restore"));
}

// A start that went on from an older store is a restore, where it says what was lost.
TEST(RetentionRestore, AnAdoptionIsFollowedLikeARestore) {
  const auto adopted = [](bool says) {
    Trail trail;
    trail.Open();
    trail.Restore(kBack, 0);
    record::v1::AuditEntry& entry = trail.leaves()[2].entry;
    entry.set_method("daemon.adopt");
    if (!says) entry.mutable_details()->clear();
    trail.RestoredShred(kBack + kSecond);
    trail.Followed(kBack + kSecond);
    trail.Purge(kBack + 2 * kSecond);
    return trail;
  };
  EXPECT_THAT(Broken(adopted(true)), IsEmpty());
  EXPECT_THAT(Broken(adopted(false)), ElementsAre("deadline", "restore"));
}

// A store that is lost altogether brings nothing back, and the trail begins with that.
TEST(RetentionRestore, AnEmptyStoreMayBeAdopted) {
  Trail trail;
  trail.Restore(kBack, 0).set_method("daemon.adopt");
  trail.Followed(kBack + kSecond);
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail cut;
  cut.Restore(kBack, 0);
  (*cut.leaves()[1].entry.mutable_details())["new_size"] = "1";
  cut.leaves().erase(cut.leaves().begin());
  EXPECT_THAT(Broken(cut), Not(IsEmpty()));
}

TEST(RetentionRestore, ADayThatWasDueKeepsItsDeadline) {
  Trail trail;
  trail.Open();
  trail.Restore(kDeadline + 5 * kDays, 0, /*lost=*/false);
  trail.RestoredShred(kDeadline + 5 * kDays);
  trail.Followed(kDeadline + 5 * kDays);
  trail.Purge(kDeadline + 5 * kDays);
  EXPECT_THAT(Broken(trail), IsEmpty());
}

// Placed in lost history: the day it kept is still there.
TEST(RetentionRestore, AHoldOfLostHistoryIsTakenOver) {
  const auto held = [](bool lost, int64_t placed) {
    Trail trail;
    trail.Open();
    trail.Restore(kBack, 1, lost);
    trail.KeyringHold(kBack, placed, kDeadline + 10 * kDays);
    trail.Followed(kBack);
    trail.End(kDeadline + 9 * kDays);
    return trail;
  };
  Trail trail = held(true, kMidnight + kDays);
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail overdue = trail;
  overdue.End(kDeadline + 11 * kDays);
  EXPECT_THAT(Broken(overdue), ElementsAre("overdue"));
  EXPECT_THAT(Broken(held(false, kMidnight + kDays)), ElementsAre("hold_unknown"));
  EXPECT_THAT(Broken(held(true, kMidnight - 5 * kHour)), ElementsAre("hold_unknown"))
      << "at a time that is not lost";
  trail.holds_ = kHold;
  trail.Shred(kDeadline + 10 * kDays);
  trail.Purge(kDeadline + 10 * kDays);
  EXPECT_THAT(Broken(trail), IsEmpty());
}

// Placed when the day was gone already: whoever shreds it again was under no hold.
TEST(RetentionRestore, AHoldThatCameAfterTheKeyWentAccusesNobody) {
  Trail trail;
  trail.Open();
  trail.Restore(kBack, 1);
  trail.KeyringHold(kBack, kBack - kDays, kBack + kDays);
  trail.holds_ = kHold;
  trail.RestoredShred(kBack + kSecond);
  trail.Followed(kBack + kSecond);
  trail.End(kBack + kHour);
  EXPECT_THAT(Broken(trail), IsEmpty()) << "it keeps the bytes";
  trail.Purge(kBack + kDays + kSecond);
  EXPECT_THAT(Broken(trail), IsEmpty());
  // One that the backup knew was in force whenever the key went.
  Trail known;
  known.Open();
  known.Place(kMidnight, kBack + kDays);
  known.End(kMidnight + kDays);
  known.Restore(kBack, 1);
  known.KeyringHold(kBack, kMidnight, kBack + kDays);
  known.holds_ = kHold;
  known.RestoredShred(kBack + kSecond);
  EXPECT_THAT(Broken(known), ElementsAre("shredded_under_hold"));
}

// It kept the day until it ended, the day went, and the keyring forgot it; all of that was lost.
TEST(RetentionRestore, AHoldThatTheKeyringForgotIsNamedNoMore) {
  constexpr int64_t kAgain = kDeadline + 20 * kDays;
  const auto forgotten = [](bool lost) {
    Trail trail;
    trail.Open();
    trail.Place(kMidnight, kDeadline + 30 * kDays);
    trail.End(kDeadline + kDays);
    trail.Restore(kAgain, 0, lost);
    trail.RestoredShred(kAgain);
    trail.Followed(kAgain);
    trail.Purge(kAgain);
    return trail;
  };
  EXPECT_THAT(Broken(forgotten(true)), IsEmpty());
  EXPECT_THAT(Broken(forgotten(false)), ElementsAre("holds")) << "its end is not in the trail";
}

TEST(RetentionRestore, AHoldThatWasReleasedInLostHistoryKeepsNothing) {
  Trail trail;
  trail.Open();
  trail.Place(kMidnight, kDeadline + 30 * kDays);
  trail.Restore(kBack, 1);
  AuditEntry& hold = trail.KeyringHold(kBack, kMidnight, kDeadline + 30 * kDays);
  Trail::Set(hold, "ended_at", ReceiptTime(kMidnight + kDays));
  trail.Followed(kBack);
  trail.Shred();
  trail.Purge();
  EXPECT_THAT(Broken(trail), IsEmpty());
  Trail unlost = trail;
  Trail::Set(unlost.leaves()[3].entry, "history_lost", "no");
  EXPECT_THAT(Broken(unlost), ElementsAre("holds"));
  Trail overdue = trail;
  overdue.leaves().resize(6);
  overdue.End(kDeadline + kDays);
  EXPECT_THAT(Broken(overdue), ElementsAre("overdue"));
}

TEST(RetentionRestore, AHoldIsTheOneThatWasPlaced) {
  Trail good;
  good.Open();
  good.Place(kMidnight, kDeadline + 30 * kDays);
  good.Restore(kBack, 1);
  good.KeyringHold(kBack, kMidnight, kDeadline + 30 * kDays);
  good.Followed(kBack);
  ASSERT_THAT(Broken(good), IsEmpty());
  for (const auto& [name, value] : {std::pair("first_day", "2026-01-02"), std::pair("last_day", ""),
                                    std::pair("until", "2026-09-01T00:00:00Z")}) {
    Trail trail = good;
    Trail::Set(trail.leaves()[4].entry, name, value);
    // Nor is it there to be counted.
    EXPECT_THAT(Broken(trail), ElementsAre("holds", "restore")) << name;
  }
  Trail again;
  again.Open();
  again.Place(kMidnight, kDeadline + 30 * kDays);
  again.Release(kMidnight + kHour);
  again.Restore(kBack, 1);
  again.KeyringHold(kBack, kMidnight, kDeadline + 30 * kDays);
  EXPECT_THAT(Broken(again), ElementsAre("holds")) << "one that has ended stays so";
}

// A start that was cut short begins again.
TEST(RetentionRestore, ARestoreThatIsTakenInTwiceSaysItTwice) {
  Trail trail;
  trail.Open();
  trail.Restore(kBack, 1);
  trail.KeyringHold(kBack, kMidnight + kDays, kDeadline + 30 * kDays);
  AuditEntry& again = trail.Restore(kBack + kHour, 1);
  Trail::Set(again, "new_size", "1");
  trail.KeyringHold(kBack + kHour, kMidnight + kDays, kDeadline + 30 * kDays);
  trail.KeyringHold(kBack + kHour, kMidnight + kDays, kDeadline + 30 * kDays);
  trail.Followed(kBack + kHour);
  EXPECT_THAT(Broken(trail), IsEmpty());
  EXPECT_THAT(trail.Judge().lost_history, ElementsAre(2u));
  // Another one, of a backup that was made of the restored store.
  trail.Restore(kBack + kDays, 0);
  trail.Followed(kBack + kDays);
  trail.Shred();
  trail.Purge();
  EXPECT_THAT(Broken(trail), IsEmpty());
}

TEST(RetentionRestore, ADayThatWasRewrittenInLostHistoryHasItsNewKey) {
  const auto rekeyed = [](bool lost) {
    Trail trail;
    trail.Open();
    trail.Restore(kBack, 0, lost);
    trail.RestoredKey(kBack);
    trail.deadline_ -= kDays;
    trail.OfPartition("retention.shorten", kBack).set_rule("restore");
    trail.Followed(kBack);
    trail.Shred(trail.deadline_ + kSecond);
    trail.Purge(trail.deadline_ + kSecond);
    return trail;
  };
  EXPECT_THAT(Broken(rekeyed(true)), IsEmpty());
  EXPECT_EQ(rekeyed(true).Judge().partitions[0].key_id, 18u);
  EXPECT_THAT(Broken(rekeyed(false)), ElementsAre("key"));
  Trail same;
  same.Open();
  same.Restore(kBack, 0);
  Trail::Set(same.RestoredKey(kBack), "key_id", "17");
  EXPECT_THAT(Broken(same), ElementsAre("key"));
  Trail used;
  used.Open();
  used.NextDay();
  used.Open();
  used.Restore(kBack, 0);
  Trail::Set(used.RestoredKey(kBack), "key_id", "17");
  EXPECT_THAT(Broken(used), ElementsAre("key_used_twice"));
  Trail gone;
  gone.Open();
  gone.Shred();
  gone.Restore(kDeadline + kHour, 0);
  gone.RestoredKey(kDeadline + kHour);
  EXPECT_THAT(Broken(gone), ElementsAre("key", "not_purged"));
}

TEST(RetentionRestore, WithoutARestoreThereIsNothingToFollow) {
  Trail trail;
  trail.Open();
  trail.RestoredKey(kBack);
  trail.KeyringHold(kBack, kMidnight, kDeadline);
  trail.Followed(kBack);
  EXPECT_THAT(Broken(trail), ElementsAre("restore", "restore", "restore"));
  // Its entry may be among those that cannot be read.
  trail.End(kBack);
  trail.Open();
  std::swap(trail.leaves()[0], trail.leaves()[4]);
  trail.leaves()[0].readable = false;
  trail.leaves().resize(4);
  EXPECT_EQ(trail.Judge().verdict, LedgerVerdict::kIncomplete);
}

// It was settled, and a hold came; then both the receipt and the rewrite were lost.
TEST(RetentionRestore, AnErasureThatIsCarriedOutAgainWaitsForAHoldOfThen) {
  const auto held = [](bool lost) {
    Trail trail;
    trail.Open();
    trail.Ask();
    trail.Restore(kBack, 1, lost);
    trail.KeyringHold(kBack, kBack - kHour, kBack + 9 * kDays);
    trail.Followed(kBack);
    trail.End(kBack + 8 * kDays);
    return trail;
  };
  EXPECT_THAT(Broken(held(true)), IsEmpty());
  EXPECT_THAT(Broken(held(false)), ElementsAre("hold_unknown", "erasure_overdue"));
  Trail over = held(true);
  over.End(kBack + 10 * kDays);
  EXPECT_THAT(Broken(over), ElementsAre("erasure_overdue"));
}

// Else it would be one for good, and excuse what came when it liked.
TEST(RetentionRestore, NothingIsServedBeforeTheKeyringIsFollowed) {
  Trail trail;
  trail.Open();
  trail.Restore(kBack, 0);
  trail.Ask(kBack);
  trail.RestoredShred(kBack + kDays);
  EXPECT_THAT(Broken(trail), ElementsAre("restore", "deadline"));
  Trail opened;
  opened.End(kMidnight - 3 * kHour);
  opened.Restore(kMidnight - 2 * kHour, 0);
  opened.Open();
  EXPECT_THAT(Broken(opened), ElementsAre("restore"));
  Trail refused;
  refused.Open();
  refused.Restore(kBack, 0);
  refused.Ask(kBack).set_status(14);
  EXPECT_THAT(Broken(refused), IsEmpty());
}

TEST(RetentionRestore, EveryHoldOfTheKeyringIsInTheTrail) {
  Trail trail;
  trail.Open();
  trail.Restore(kBack, 2);
  trail.KeyringHold(kBack, kMidnight + kDays, kDeadline);
  trail.Followed(kBack);
  EXPECT_THAT(Broken(trail), ElementsAre("restore"));
}

TEST(RetentionRestore, EntriesThatDoNotSayWhatTheyMustAreFound) {
  for (const auto& [name, value] :
       {std::pair("holds", ""), std::pair("holds", "-1"), std::pair("new_size", ""),
        std::pair("new_size", "99"), std::pair("history_lost", ""),
        std::pair("history_lost", "perhaps")}) {
    Trail trail;
    trail.Open();
    Trail::Set(trail.Restore(kBack, 0), name, value);
    EXPECT_THAT(Broken(trail), ElementsAre("malformed")) << name << value;
  }
  for (const auto& [name, value] :
       {std::pair("hold", ""), std::pair("first_day", "2026-1-1"), std::pair("last_day", "today"),
        std::pair("placed_at", ""), std::pair("placed_at", "2027-01-01T00:00:00Z"),
        std::pair("until", ""), std::pair("until", "2026-01-01T00:00:00Z"),
        std::pair("ended_at", "soon"), std::pair("ended_at", "2026-01-01T00:00:00Z")}) {
    Trail trail;
    trail.Open();
    trail.Restore(kBack, 1);
    Trail::Set(trail.KeyringHold(kBack, kMidnight + kDays, kDeadline), name, value);
    EXPECT_THAT(Broken(trail), ElementsAre("malformed")) << name << value;
  }
  Trail keyless;
  keyless.Open();
  keyless.Restore(kBack, 0);
  Trail::Set(keyless.RestoredKey(kBack), "key_id", "");
  EXPECT_THAT(Broken(keyless), ElementsAre("malformed"));
  // Nothing tells where what was brought back ends.
  Trail far;
  far.Open();
  for (int i = 0; i < 100; ++i) far.End(kBack);
  Trail::Set(far.Restore(kBack, 0), "new_size", "1");
  EXPECT_THAT(Broken(far), ElementsAre("restore"));
}

}  // namespace
}  // namespace televault::audit
