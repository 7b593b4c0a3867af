#include "vault/service/late_entries.h"

#include <gtest/gtest.h>

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

uint64_t CallsOf(const std::vector<LateEntries::Late>& entries) {
  uint64_t calls = 0;
  for (const auto& late : entries) calls += late.calls;
  return calls;
}

TEST(LateEntries, EqualCallsAreOneEntryWithTheirNumberAndTheFirstTime) {
  LateEntries late;
  record::v1::AuditEntry slow = EntryOf(record::v1::VERDICT_ALLOW, "ld-1");
  slow.set_duration_us(7);
  late.Add(slow, 1, "2026-01-01T00:00:02Z");
  late.Add(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), 1, "2026-01-01T00:00:01Z");
  late.Add(EntryOf(record::v1::VERDICT_ALLOW, "ld-2"), 1, "2026-01-01T00:00:03Z");
  const auto taken = late.Take();
  ASSERT_EQ(taken.size(), 2u);
  const record::v1::AuditEntry entry = LateEntries::EntryOf(taken[0]);
  EXPECT_EQ(entry.details().at("lockdown"), "ld-1");
  EXPECT_EQ(entry.details().at("calls"), "2");
  EXPECT_EQ(entry.details().at("answered"), "2026-01-01T00:00:01Z");
  EXPECT_EQ(entry.principal().person(), "rita");
  EXPECT_TRUE(late.Take().empty());
}

TEST(LateEntries, WhatTheJournalDoesNotTakeComesAgainWithItsNumber) {
  LateEntries late;
  late.Add(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), 1, "t1");
  late.Add(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), 1, "t2");
  for (const auto& again : late.Take()) late.Add(again.entry, again.calls, again.answered);
  late.Add(EntryOf(record::v1::VERDICT_ALLOW, "ld-1"), 1, "t3");
  const auto taken = late.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].calls, 3u);
  EXPECT_EQ(taken[0].answered, "t1");
}

TEST(LateEntries, AFloodOfRefusedCallsIsCountedAndLeavesRoomForThoseCarriedOut) {
  LateEntries late;
  constexpr uint64_t kFlood = 5'000;
  for (uint64_t i = 0; i < kFlood; ++i) {
    late.Add(EntryOf(record::v1::VERDICT_DENY, std::to_string(i)), 1, "t");
  }
  for (size_t i = 0; i < LateEntries::kMaxCarriedOut; ++i) {
    late.Add(EntryOf(record::v1::VERDICT_ALLOW, std::to_string(i)), 1, "t");
  }
  const auto taken = late.Take();
  EXPECT_EQ(taken.size(), LateEntries::kMaxRefused + 1 + LateEntries::kMaxCarriedOut);
  EXPECT_EQ(CallsOf(taken), kFlood + LateEntries::kMaxCarriedOut);
}

}  // namespace
}  // namespace televault::service
