#include "vault/service/late_entries.h"

#include <gtest/gtest.h>
#include <utility>

#include "audit/entry.h"

namespace televault::service {
namespace {

record::v1::AuditEntry EntryOf(record::v1::Verdict verdict, const std::string& lockdown) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  entry.set_method("/televault.v1.IncidentService/EngageLockdown");
  entry.set_verdict(verdict);
  entry.mutable_principal()->set_person("rita");
  if (!lockdown.empty()) (*entry.mutable_details())["lockdown"] = lockdown;
  return entry;
}

LateEntries::Late LateOf(record::v1::AuditEntry entry, const std::string& answered,
                         store::Urgency urgency = store::Urgency::kSecurity) {
  return {.entry = std::move(entry), .urgency = urgency, .calls = 1, .answered = answered};
}

uint64_t CallsOf(const std::vector<LateEntries::Late>& entries) {
  uint64_t calls = 0;
  for (const auto& late : entries) calls += late.calls;
  return calls;
}

TEST(LateEntries, EqualCallsAreOneEntryWithTheirNumberAndTheFirstTime) {
  LateEntries late;
  record::v1::AuditEntry slow = EntryOf(record::v1::VERDICT_ALLOW, "ld-1");
  slow.set_duration_us(7);
  late.Add(LateOf(slow, "2026-01-01T00:00:02Z"));
  late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), "2026-01-01T00:00:01Z"));
  late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, "ld-2"), "2026-01-01T00:00:03Z"));
  auto taken = late.Take();
  ASSERT_EQ(taken.size(), 2u);
  if (taken[0].calls == 1) std::swap(taken[0], taken[1]);
  const record::v1::AuditEntry entry = LateEntries::EntryOf(taken[0]);
  EXPECT_EQ(entry.details().at("lockdown"), "ld-1");
  EXPECT_EQ(entry.details().at("calls"), "2");
  EXPECT_EQ(entry.details().at("answered"), "2026-01-01T00:00:01Z");
  EXPECT_EQ(entry.principal().person(), "rita");
  EXPECT_TRUE(late.Take().empty());
}

TEST(LateEntries, WhatTheJournalDoesNotTakeComesAgainWithItsNumber) {
  LateEntries late;
  late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), "t1"));
  late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), "t2"));
  for (const auto& again : late.Take()) late.Add(again);
  late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), "t3"));
  const auto taken = late.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].calls, 3u);
  EXPECT_EQ(taken[0].answered, "t1");
}

TEST(LateEntries, AFloodOfRefusedCallsIsCountedAndLeavesRoomForThoseCarriedOut) {
  LateEntries late;
  constexpr uint64_t kFlood = 5'000;
  for (uint64_t i = 0; i < kFlood; ++i) {
    late.Add(
        LateOf(EntryOf(record::v1::VERDICT_DENY, std::to_string(i)), "t", store::Urgency::kTrail));
  }
  for (size_t i = 0; i < LateEntries::kMaxSecurity; ++i) {
    late.Add(LateOf(EntryOf(record::v1::VERDICT_ALLOW, std::to_string(i)), "t"));
  }
  const auto taken = late.Take();
  EXPECT_EQ(taken.size(), LateEntries::kMaxOthers + 1 + LateEntries::kMaxSecurity);
  EXPECT_EQ(CallsOf(taken), kFlood + LateEntries::kMaxSecurity);
}

TEST(LateEntries, WhoHasNoTokenCrowdsOutNobodyWhoHas) {
  LateEntries late;
  for (size_t i = 0; i < 2 * LateEntries::kMaxOthers; ++i) {
    record::v1::AuditEntry stranger = EntryOf(record::v1::VERDICT_DENY, std::to_string(i));
    stranger.clear_principal();
    late.Add(LateOf(stranger, "t", store::Urgency::kTrail));
  }
  record::v1::AuditEntry known = EntryOf(record::v1::VERDICT_DENY, "one");
  known.mutable_principal()->set_token("tva_1");
  late.Add(LateOf(known, "t", store::Urgency::kTrail));
  int whole = 0;
  for (const auto& one : late.Take()) {
    whole += one.entry.principal().token() == "tva_1" && one.entry.details().contains("lockdown");
  }
  EXPECT_EQ(whole, 1);
}

// Requests name things of any length; the table kept them as they came.
TEST(LateEntries, AnEntryIsNoLargerThanInTheLog) {
  LateEntries late;
  record::v1::AuditEntry entry = EntryOf(record::v1::VERDICT_DENY, "");
  entry.set_purpose(std::string(1'000'000, 'p'));
  late.Add(LateOf(entry, "t", store::Urgency::kTrail));
  EXPECT_LE(late.Take().at(0).entry.ByteSizeLong(), audit::kMaxEntryBytes);
}

}  // namespace
}  // namespace televault::service
