#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/deletion_receipt.h"
#include "audit/retention_facts.h"
#include "audit/retention_ledger.h"

// What a trail says where a backup was put back. It has what the backup had, and then what the
// restored store was told by the keyring, which knows every key and every legal hold there is.
namespace televault::audit {
namespace {

constexpr char kRestoreRule[] = "restore";

bool IsBound(const std::string& day) { return day.empty() || EndOfLedgerDay(day).has_value(); }

}  // namespace

void RetentionLedger::BeginRestore(const Facts& facts) {
  const auto holds = facts.Number("holds");
  const auto size = facts.Number("new_size");
  const std::string lost = facts.Text("history_lost");
  if (!holds.has_value()) return Malformed(facts, "holds");
  if (!size.has_value() || *size > facts.index) return Malformed(facts, "new_size");
  if (lost != "yes" && lost != "no") return Malformed(facts, "history_lost");
  // A start that was cut short says it once more.
  if (!restore_.has_value() || restore_->followed) {
    const auto head = std::find_if(newest_.rbegin(), newest_.rend(),
                                   [&](const auto& entry) { return entry.first < *size; });
    if (*size > 0 && head == newest_.rend()) {
      Missing(facts, "restore", facts.entry.method(),
              "the first start after it is not where what it brought back ends");
    }
    restore_ = Restore{.head_us = head == newest_.rend() ? kMinLedgerUs : head->second};
  }
  if (lost == "yes" && !std::exchange(restore_->lost, true)) {
    if (report_.lost_history.size() < kMaxLedgerFindings) {
      report_.lost_history.push_back(facts.index);
    }
  }
  restore_->holds = *holds;
  restore_->named.clear();
  if (*holds == 0) ForgetOthers(facts);
}

void RetentionLedger::CheckFollowed(const Facts& facts) {
  const AuditEntry& entry = facts.entry;
  const auto is_of = [&](std::string_view prefix) { return entry.method().starts_with(prefix); };
  const bool is_event =
      entry.kind() == record::v1::ENTRY_KIND_EVENT && entry.rule() != kRestoreRule;
  const bool is_call = entry.kind() == record::v1::ENTRY_KIND_OUTCOME && entry.status() == 0;
  const bool served =
      (is_event && (is_of("partition.open") || is_of("retention.") || is_of("erasure."))) ||
      (is_call && is_of("/televault.v1.RetentionService/"));
  if (!served) return;
  if (!restore_->followed) {
    Missing(facts, "restore", entry.method(),
            "the restored store did not follow the keyring before");
  }
  restore_.reset();
}

bool RetentionLedger::InRestore(const Facts& facts) {
  if (restore_.has_value()) return true;
  Missing(facts, "restore", facts.entry.method(),
          "the trail does not say that a backup was put back");
  return false;
}

bool RetentionLedger::IsLostShred(const Facts& facts) const {
  return restore_.has_value() && restore_->lost && !restore_->followed &&
         facts.entry.rule() == kRestoreRule;
}

void RetentionLedger::TakeHold(const Facts& facts) {
  if (!InRestore(facts)) return;
  const std::string id = facts.Text("hold");
  const auto placed = facts.Time("placed_at");
  const auto until = facts.Time("until");
  const auto ended = facts.Time("ended_at");
  if (id.empty()) return Malformed(facts, "hold");
  if (!IsBound(facts.Text("first_day"))) return Malformed(facts, "first_day");
  if (!IsBound(facts.Text("last_day"))) return Malformed(facts, "last_day");
  if (!placed.has_value() || *placed > facts.entry.time_us()) return Malformed(facts, "placed_at");
  if (!until.has_value() || *until < *placed) return Malformed(facts, "until");
  if (!ended.has_value() && !facts.Text("ended_at").empty()) return Malformed(facts, "ended_at");
  if (ended.has_value() && *ended < *placed) return Malformed(facts, "ended_at");
  const Hold said{.dataset = facts.entry.dataset(),
                  .first_day = facts.Text("first_day"),
                  .last_day = facts.Text("last_day"),
                  .placed_us = *placed,
                  .until_us = *until};
  const auto [at, unknown] = holds_.try_emplace(id, said);
  Hold& hold = at->second;
  if (unknown && (!restore_->lost || *placed + kJustNowUs < restore_->head_us)) {
    Missing(facts, "hold_unknown", id,
            "the keyring has a legal hold that was never placed, and the placing was not lost");
  }
  if (hold.dataset != said.dataset || hold.first_day != said.first_day ||
      hold.last_day != said.last_day || hold.until_us != said.until_us) {
    return Broken({"holds", facts.index, said.dataset, id,
                   "the keyring's legal hold is not the one that was placed"});
  }
  if (!ended.has_value() && hold.ended_us.has_value()) {
    Missing(facts, "holds", id, "the legal hold had ended, and is in force again");
  }
  if (ended.has_value()) {
    if (!unknown && !hold.ended_us.has_value() && !restore_->lost) {
      Missing(facts, "holds", id, "the legal hold has ended, and the trail does not say so");
    }
    hold.ended_us = std::min(*ended, hold.until_us);
  }
  restore_->named.insert(id);
  if (restore_->named.size() == restore_->holds) ForgetOthers(facts);
}

// The keyring forgets a legal hold when nothing is left of the days that it kept.
void RetentionLedger::ForgetOthers(const Facts& facts) {
  for (auto& [id, hold] : holds_) {
    if (restore_->named.contains(id)) continue;
    if (!restore_->lost) {
      if (hold.ended_us.has_value()) continue;
      Missing(facts, "holds", id, "the keyring has it no more, and the trail does not say its end");
    }
    hold.forgotten = true;
    hold.ended_us = std::min(hold.end_us(), std::max(restore_->head_us, hold.placed_us));
  }
}

// Rewritten in history that was lost: what the backup has of it does not open any more.
void RetentionLedger::TakeRestoredKey(const Facts& facts) {
  const auto key = facts.Number("key_id");
  if (!key.has_value()) return Malformed(facts, "key_id");
  if (!InRestore(facts)) return;
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  const std::string& day = partition->fate.day;
  if (!restore_->lost || restore_->followed) {
    Missing(facts, "key", day, "it has another data key, and nothing was lost since");
  }
  if (partition->shredded()) {
    return Missing(facts, "key", day, "it was shredded, and has a data key again");
  }
  if (*key == partition->fate.key_id) {
    return Missing(facts, "key", day, "its data key was replaced by the same one");
  }
  TakeKey(facts, *key);
  partition->fate.key_id = *key;
  partition->begun = false;
}

void RetentionLedger::EndRestore(const Facts& facts) {
  if (!InRestore(facts)) return;
  if (restore_->named.size() != restore_->holds) {
    Missing(facts, "restore", facts.entry.method(),
            absl::StrCat("the keyring has ", restore_->holds, " legal holds, and ",
                         restore_->named.size(), " are in the trail"));
  }
  // It may have been settled in lost history, and a legal hold have come since.
  for (Erasure& erasure : erasures_) {
    if (!restore_->lost || !erasure.fate.settled_at.empty()) continue;
    erasure.waits_since_us = std::max(erasure.waits_since_us, facts.entry.time_us());
  }
  // Killed behind this entry, the vault follows the keyring once more before it serves anything.
  restore_->followed = true;
  restore_->named.clear();
}

}  // namespace televault::audit
