#include <algorithm>

#include "absl/strings/str_cat.h"

#include "audit/deletion_receipt.h"
#include "audit/retention_ledger.h"

// What the ledger says at the end of the trail.
namespace televault::audit {

std::string_view DeletionStateName(DeletionState state) {
  switch (state) {
    case DeletionState::kLive:
      return "live";
    case DeletionState::kExpired:
      return "expired";
    case DeletionState::kShredded:
      return "shredded";
    case DeletionState::kPurged:
      return "purged";
  }
  return "";
}

std::string_view ReceiptStateName(ReceiptState state) {
  switch (state) {
    case ReceiptState::kNone:
      return "none";
    case ReceiptState::kOk:
      return "ok";
    case ReceiptState::kMissing:
      return "missing";
    case ReceiptState::kWrong:
      return "wrong";
    case ReceiptState::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view LedgerVerdictName(LedgerVerdict verdict) {
  switch (verdict) {
    case LedgerVerdict::kHolds:
      return "holds";
    case LedgerVerdict::kIncomplete:
      return "incomplete";
    case LedgerVerdict::kBroken:
      return "broken";
  }
  return "";
}

void RetentionLedger::Broken(LedgerFinding finding) {
  report_.verdict = LedgerVerdict::kBroken;
  if (report_.findings.size() < kMaxLedgerFindings) {
    report_.findings.push_back(std::move(finding));
  } else {
    ++report_.left_out;
  }
}

void RetentionLedger::Undecided(LedgerFinding finding) {
  if (report_.undecided.size() < kMaxLedgerFindings) {
    report_.undecided.push_back(std::move(finding));
  } else {
    ++report_.left_out;
  }
}

void RetentionLedger::NotDone(uint64_t since, LedgerFinding finding) {
  const bool may_explain = report_.unreadable > 0 && last_unreadable_ > since;
  may_explain ? Undecided(std::move(finding)) : Broken(std::move(finding));
}

int64_t RetentionLedger::KeptUntil(const Place& place, int64_t from_us) const {
  int64_t until = from_us;
  for (bool longer = true; longer;) {
    longer = false;
    for (const auto& [id, hold] : holds_) {
      if (hold.placed_us > until + kJustNowUs || hold.end_us() <= until) continue;
      if (!hold.Covers(place)) continue;
      until = hold.end_us();
      longer = true;
    }
  }
  return until;
}

bool RetentionLedger::IsKeptSince(const Place& place, int64_t from_us) const {
  const int64_t until = KeptUntil(place, from_us);
  return until > from_us && last_us_ - until <= kJustNowUs;
}

std::vector<const RetentionLedger::Partition*> RetentionLedger::WaitingFor(
    const Erasure& erasure) const {
  std::vector<const Partition*> waiting;
  const std::string& dataset = erasure.fate.dataset;
  for (auto at = partitions_.lower_bound({dataset, ""});
       at != partitions_.end() && at->first.first == dataset; ++at) {
    const Partition& partition = at->second;
    if (partition.shredded() || partition.since > erasure.since) continue;
    if (partition.erased_up_to < erasure.number) waiting.push_back(&partition);
  }
  return waiting;
}

void RetentionLedger::CheckDeadline(const Partition& partition) {
  if (partition.deadline_us <= partition.latest_us) return;
  if (last_us_ - partition.opened_us <= kJustNowUs) return;
  LedgerFinding finding{
      "deadline", partition.since, partition.fate.dataset, partition.fate.day,
      absl::StrCat("by the time to live it was opened under it is due at ",
                   ReceiptTime(partition.latest_us), " at the latest, and not at ",
                   ReceiptTime(partition.deadline_us))};
  // Another time to live may stand in what cannot be read.
  report_.unreadable > 0 ? Undecided(std::move(finding)) : Broken(std::move(finding));
}

void RetentionLedger::JudgePartition(const Place& place, Partition& partition) {
  PartitionFate& fate = partition.fate;
  fate.deadline = ReceiptTime(partition.deadline_us);
  CheckDeadline(partition);
  const int64_t due = KeptUntil(place, partition.due_since_us);
  if (!partition.shredded()) {
    fate.state = last_us_ < partition.deadline_us ? DeletionState::kLive : DeletionState::kExpired;
    for (const auto& [id, hold] : holds_) {
      if (hold.Covers(place) && last_us_ < hold.end_us()) fate.holds.push_back(id);
    }
    if (last_us_ - due <= kJustNowUs) return;
    return NotDone(partition.since, {"overdue", std::nullopt, fate.dataset, fate.day,
                                     absl::StrCat("due since ", ReceiptTime(due),
                                                  " and not shredded by ", ReceiptTime(last_us_))});
  }
  fate.state = fate.purged_at.empty() ? DeletionState::kShredded : DeletionState::kPurged;
  if (fate.state == DeletionState::kPurged) return;
  const int64_t from = std::max(due, partition.shredded_us);
  if (last_us_ - from <= kJustNowUs) return;
  fate.receipt = ReceiptState::kMissing;
  NotDone(*partition.shreds.rbegin(), {"not_purged", std::nullopt, fate.dataset, fate.day,
                                       absl::StrCat("shredded at ", fate.shredded_at,
                                                    " and not purged by ", ReceiptTime(last_us_))});
}

// One that was placed while the day was being rewritten, or later, may keep the key of before.
bool RetentionLedger::KeepsOldKey(const Place& place, const Partition& partition,
                                  const Erasure& erasure) const {
  if (!IsKeptSince(place, erasure.waits_since_us)) return false;
  return std::any_of(holds_.begin(), holds_.end(), [&](const auto& one) {
    const Hold& hold = one.second;
    return hold.Covers(place) && last_us_ - hold.end_us() <= kJustNowUs &&
           hold.placed_us + kJustNowUs >= partition.rewritten_us;
  });
}

bool RetentionLedger::IsKept(const Erasure& erasure) const {
  const std::vector<const Partition*> waiting = WaitingFor(erasure);
  for (const Partition* const partition : waiting) {
    if (!IsKeptSince({partition->fate.dataset, partition->fate.day}, erasure.waits_since_us)) {
      return false;
    }
  }
  if (!waiting.empty()) return true;
  for (const Place& place : held_unrecorded_) {
    if (place.first == erasure.fate.dataset && IsKeptSince(place, erasure.waits_since_us))
      return true;
  }
  for (const auto& [place, partition] : partitions_) {
    if (place.first != erasure.fate.dataset || partition.shredded()) continue;
    if (partition.rewritten > erasure.since && KeepsOldKey(place, partition, erasure)) return true;
  }
  return false;
}

void RetentionLedger::JudgeErasure(Erasure& erasure) {
  ErasureFate& fate = erasure.fate;
  if (!fate.settled_at.empty()) return;
  for (const auto& [id, hold] : holds_) {
    if (hold.dataset == fate.dataset && last_us_ < hold.end_us()) fate.holds.push_back(id);
  }
  if (last_us_ <= erasure.deadline_us || IsKept(erasure)) return;
  fate.receipt = ReceiptState::kMissing;
  NotDone(erasure.since, {"erasure_overdue", std::nullopt, fate.dataset, fate.id,
                          absl::StrCat("to be settled by ", fate.deadline, " and not settled by ",
                                       ReceiptTime(last_us_))});
}

LedgerReport RetentionLedger::Finish() && {
  for (Erasure& erasure : erasures_) {
    JudgeErasure(erasure);
    report_.erasures.push_back(std::move(erasure.fate));
  }
  for (auto& [place, partition] : partitions_) {
    JudgePartition(place, partition);
    report_.partitions.push_back(std::move(partition.fate));
  }
  if (report_.entries > 0 && last_us_ != INT64_MIN) report_.last_time = ReceiptTime(last_us_);
  const bool incomplete = report_.unreadable > 0 || !report_.undecided.empty();
  if (report_.verdict == LedgerVerdict::kHolds && incomplete) {
    report_.verdict = LedgerVerdict::kIncomplete;
  }
  return std::move(report_);
}

}  // namespace televault::audit
