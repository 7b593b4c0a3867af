#include "audit/retention_ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "audit/deletion_receipt.h"
#include "audit/encoding.h"
#include "audit/retention_facts.h"

namespace televault::audit {
namespace {

constexpr char kService[] = "/televault.v1.RetentionService/";
constexpr char kApplyMethod[] = "/televault.v1.CatalogService/ApplyDataset";
// A start writes a few entries of its own before it says that a backup was put back.
constexpr size_t kNewestEntries = 64;

// Where two texts of lines begin to differ.
std::string Difference(const std::string& is, const std::string& should) {
  const std::vector<std::string> a = absl::StrSplit(is, '\n');
  const std::vector<std::string> b = absl::StrSplit(should, '\n');
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i])
      return absl::StrCat("\"", a[i], "\" is signed, the trail says \"", b[i], "\"");
  }
  return "what is signed has another length than the trail says";
}

}  // namespace

bool RetentionLedger::UnreadableBefore(const Facts& facts) const {
  return first_unreadable_.has_value() && *first_unreadable_ < facts.index;
}

void RetentionLedger::Missing(const Facts& facts, std::string kind, std::string what,
                              std::string text) {
  LedgerFinding finding{std::move(kind), facts.index, facts.entry.dataset(), std::move(what),
                        std::move(text)};
  if (UnreadableBefore(facts)) return Undecided(std::move(finding));
  Broken(std::move(finding));
}

void RetentionLedger::Malformed(const Facts& facts, std::string_view detail) {
  Broken({"malformed", facts.index, facts.entry.dataset(), facts.entry.method(),
          absl::StrCat("the entry does not say, or says wrongly: ", AsAbsl(detail))});
}

bool RetentionLedger::Hold::Covers(const Place& place) const {
  return place.first == dataset && (first_day.empty() || first_day <= place.second) &&
         (last_day.empty() || place.second <= last_day);
}

bool RetentionLedger::Hold::Keeps(const Place& place, int64_t since_us, int64_t at_us) const {
  return placed_us + kJustNowUs < since_us && at_us < end_us() && Covers(place);
}

RetentionLedger::RetentionLedger(VerifierKey key) : key_(std::move(key)) {}

void RetentionLedger::AddUnreadable(uint64_t index) {
  ++report_.unreadable;
  if (!first_unreadable_.has_value()) first_unreadable_ = index;
  last_unreadable_ = index;
}

void RetentionLedger::Add(uint64_t index, const AuditEntry& entry) {
  ++report_.entries;
  const Facts facts{index, entry};
  if (entry.time_us() < kMinLedgerUs || entry.time_us() >= kMaxLedgerUs) {
    Malformed(facts, "time");
    return;
  }
  last_us_ = std::max(last_us_, entry.time_us());
  if (restore_.has_value()) CheckFollowed(facts);
  if (entry.kind() == record::v1::ENTRY_KIND_EVENT) Event(facts);
  if (entry.kind() == record::v1::ENTRY_KIND_OUTCOME) Outcome(facts);
  newest_.emplace_back(index, last_us_);
  if (newest_.size() > kNewestEntries) newest_.pop_front();
}

void RetentionLedger::Event(const Facts& facts) {
  const std::string& method = facts.entry.method();
  if (method == "partition.open") return Open(facts);
  if (method == "retention.shorten") return Shorten(facts);
  if (method == "retention.shred") return Shred(facts);
  if (method == "retention.purge") return Purge(facts);
  if (method == "retention.hold_lapsed") return LapseHold(facts);
  if (method == "erasure.begin") return Begin(facts);
  if (method == "erasure.rewrite") return Rewritten(facts);
  if (method == "erasure.held") return NoteHeld(facts);
  if (method == "erasure.unrecorded_key") return CheckUnrecorded(facts);
  if (method == "erasure.settled") return Settled(facts);
  if (method == "backup.restore") return BeginRestore(facts);
  // Says so where the store is going to follow the keyring, as after a restore.
  if (method == "daemon.adopt" && !facts.Text("history_lost").empty()) return BeginRestore(facts);
  if (method == "backup.restore.hold") return TakeHold(facts);
  if (method == "backup.restore.key") return TakeRestoredKey(facts);
  if (method == "backup.restore.ledger") return EndRestore(facts);
}

void RetentionLedger::Outcome(const Facts& facts) {
  const std::string& method = facts.entry.method();
  const bool done = facts.entry.status() == 0;
  // It stands behind the entry of a call that was recorded first and then failed.
  const bool undone = facts.entry.reason() == "NOT_CARRIED_OUT";
  if (method == absl::StrCat(kService, "PlaceHold")) {
    if (done) PlaceHold(facts);
    if (undone) UndoHold(facts, /*placed=*/true);
  } else if (method == absl::StrCat(kService, "ReleaseHold")) {
    if (done) EndHold(facts, facts.Time("ended_at"));
    if (undone) UndoHold(facts, /*placed=*/false);
  } else if (method == absl::StrCat(kService, "EraseSubject")) {
    if (done && facts.Text("known") == "no") Ask(facts);
  } else if (method == kApplyMethod) {
    if (done && facts.Text("applied") == "true") Apply(facts);
  }
}

// --- partitions ---

void RetentionLedger::Open(const Facts& facts) {
  const std::string& dataset = facts.entry.dataset();
  const std::string day = facts.Text("day");
  const auto end_of_day = EndOfLedgerDay(day);
  const auto deadline = facts.Time("deadline");
  const auto key = facts.Number("key_id");
  if (!end_of_day.has_value()) return Malformed(facts, "day");
  if (!deadline.has_value()) return Malformed(facts, "deadline");
  if (!key.has_value()) return Malformed(facts, "key_id");
  CheckNames(facts);
  const auto [at, fresh] = partitions_.try_emplace({dataset, day});
  if (!fresh) {
    return Broken({"opened_twice", facts.index, dataset, day,
                   "a partition is opened once and never again after its end"});
  }
  TakeKey(facts, *key);
  held_unrecorded_.erase({dataset, day});
  Partition& partition = at->second;
  partition.fate = {.dataset = dataset, .day = day, .key_id = *key};
  partition.end_of_day_us = *end_of_day;
  partition.deadline_us = partition.due_since_us = *deadline;
  partition.since = facts.index;
  partition.opened_us = facts.entry.time_us();
  if (const auto ttl = ttl_.find(dataset); ttl != ttl_.end()) {
    partition.latest_us = *end_of_day + ttl->second;
  }
}

RetentionLedger::Partition* RetentionLedger::Find(const Facts& facts) {
  const std::string day = facts.Text("day");
  const auto end_of_day = EndOfLedgerDay(day);
  if (!end_of_day.has_value()) {
    Malformed(facts, "day");
    return nullptr;
  }
  CheckNames(facts);
  const auto [at, fresh] = partitions_.try_emplace({facts.entry.dataset(), day});
  if (fresh) {
    Missing(facts, "not_opened", day, "the trail does not say when this partition was opened");
    Partition& partition = at->second;
    partition.fate = {.dataset = facts.entry.dataset(), .day = day};
    partition.fate.key_id = facts.Number("key_id").value_or(0);
    partition.end_of_day_us = *end_of_day;
    partition.deadline_us = facts.Time("deadline").value_or(kMaxLedgerUs);
    partition.due_since_us = partition.deadline_us;
    partition.since = facts.index;
  }
  return &at->second;
}

// The name of a dataset stands in entries, its pseudonym in receipts.
void RetentionLedger::CheckNames(const Facts& facts) {
  const std::string pseudonym = facts.Text("pseudonym");
  const std::string& dataset = facts.entry.dataset();
  if (pseudonym.empty()) return;
  const std::string& known = pseudonyms_.try_emplace(dataset, pseudonym).first->second;
  const std::string& of = datasets_.try_emplace(pseudonym, dataset).first->second;
  if (known == pseudonym && of == dataset) return;
  Broken({"pseudonym", facts.index, dataset, pseudonym,
          "a dataset has one pseudonym, and no other dataset has it"});
}

void RetentionLedger::TakeKey(const Facts& facts, uint64_t key) {
  if (keys_.insert(key).second) return;
  Broken({"key_used_twice", facts.index, facts.entry.dataset(), facts.Text("day"),
          absl::StrCat("data key ", key, " was one of another partition, or an earlier one here")});
}

void RetentionLedger::MoveDeadline(Partition& partition, int64_t deadline_us, int64_t moved_us) {
  partition.deadline_us = deadline_us;
  partition.due_since_us = std::max(deadline_us, moved_us);
}

void RetentionLedger::Shorten(const Facts& facts) {
  const auto deadline = facts.Time("deadline");
  if (!deadline.has_value()) return Malformed(facts, "deadline");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  if (*deadline > partition->deadline_us) {
    return Broken({"deadline_later", facts.index, partition->fate.dataset, partition->fate.day,
                   "a deadline is moved to a later time"});
  }
  MoveDeadline(*partition, *deadline, facts.entry.time_us());
}

void RetentionLedger::Apply(const Facts& facts) {
  const std::string& dataset = facts.entry.dataset();
  ttl_.erase(dataset);
  if (facts.Text("ttl").empty()) return;  // for ever
  const auto ttl = ParseTtl(facts.Text("ttl"));
  const auto moved = facts.Number("deadlines_moved");
  if (!ttl.has_value()) return Malformed(facts, "ttl");
  if (!moved.has_value()) return Malformed(facts, "deadlines_moved");
  ttl_[dataset] = *ttl;
  uint64_t count = 0;
  for (auto at = partitions_.lower_bound({dataset, ""});
       at != partitions_.end() && at->first.first == dataset; ++at) {
    Partition& partition = at->second;
    // One that was just opened, and waits to follow what was in force until now.
    if (partition.deadline_us > partition.latest_us) {
      partition.latest_us = std::max(partition.latest_us, partition.end_of_day_us + *ttl);
    }
    if (partition.shredded() || partition.end_of_day_us + *ttl >= partition.deadline_us) continue;
    MoveDeadline(partition, partition.end_of_day_us + *ttl, facts.entry.time_us());
    ++count;
  }
  if (count == *moved) return;
  Missing(facts, "deadlines_moved", facts.Text("ttl"),
          absl::StrCat("this time to live moves ", count, " deadlines, the entry says ", *moved));
}

void RetentionLedger::Shred(const Facts& facts) {
  const auto key = facts.Number("key_id");
  const auto events = facts.Number("events");
  const auto deadline = facts.Time("deadline");
  const auto shredded = facts.Time("shredded_at");
  if (!key.has_value()) return Malformed(facts, "key_id");
  if (!events.has_value()) return Malformed(facts, "events");
  if (!deadline.has_value()) return Malformed(facts, "deadline");
  if (!shredded.has_value()) return Malformed(facts, "shredded_at");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  const std::string day = partition->fate.day;
  if (*key != partition->fate.key_id) {
    Missing(facts, "key", day,
            absl::StrCat("data key ", *key, " is destroyed, and ", partition->fate.key_id,
                         " was in use"));
    partition->fate.key_id = *key;
  }
  if (*deadline != partition->deadline_us) {
    std::string text = absl::StrCat("the deadline is ", ReceiptTime(partition->deadline_us),
                                    " and the entry says ", ReceiptTime(*deadline));
    if (*deadline > partition->deadline_us) {
      Broken({"deadline", facts.index, partition->fate.dataset, day, std::move(text)});
    } else {
      // Where it was brought forward in lost history, nobody knows to which time before now.
      if (!IsLostShred(facts) || *deadline != *shredded) {
        Missing(facts, "deadline", day, std::move(text));
      }
      MoveDeadline(*partition, *deadline, facts.entry.time_us());
    }
  }
  // A vault that was restarted in between says it once more, with the same facts.
  const bool again = partition->shredded();
  if (again && (*shredded != partition->shredded_us || *events != partition->events)) {
    Broken({"shred_twice", facts.index, partition->fate.dataset, day,
            "the shred of a partition is recorded twice and not in the same way"});
  }
  partition->shreds.insert(facts.index);
  if (again) return;
  partition->shredded_us = *shredded;
  partition->events = *events;
  partition->destruction = facts.Text("destruction");
  partition->fate.shredded_at = facts.Text("shredded_at");
  partition->fate.holds = ParseIds(facts.Text("holds"));
  CheckShredTime(facts, *partition);
  CheckHolds(facts, *partition);
}

void RetentionLedger::CheckStated(const Facts& facts, const std::string& what, int64_t stated_us) {
  const int64_t now_us = facts.entry.time_us();
  if (stated_us <= now_us && now_us <= stated_us + kStatedWithinUs) return;
  Missing(facts, "time", what,
          absl::StrCat("the entry of ", ReceiptTime(now_us), " says that it happened at ",
                       ReceiptTime(stated_us)));
}

void RetentionLedger::CheckShredTime(const Facts& facts, const Partition& partition) {
  CheckStated(facts, partition.fate.day, partition.shredded_us);
  if (partition.shredded_us < partition.deadline_us) {
    Broken({"shredded_early", facts.index, partition.fate.dataset, partition.fate.day,
            absl::StrCat("shredded at ", partition.fate.shredded_at, ", before its deadline ",
                         ReceiptTime(partition.deadline_us))});
  }
  const Place place{partition.fate.dataset, partition.fate.day};
  // In lost history the key went at some time since what was brought back ends.
  const int64_t at_least_us = IsLostShred(facts) ? restore_->head_us : partition.shredded_us;
  for (const auto& [id, hold] : holds_) {
    if (!hold.Keeps(place, at_least_us, partition.shredded_us)) continue;
    // What cannot be read may say that it ended.
    Missing(facts, "shredded_under_hold", partition.fate.day,
            absl::StrCat("shredded while the legal hold ", id, " was in force"));
  }
}

// Named are those that were in force at some time when the key was due.
void RetentionLedger::CheckHolds(const Facts& facts, const Partition& partition) {
  const std::set<std::string> named(partition.fate.holds.begin(), partition.fate.holds.end());
  const Place place{partition.fate.dataset, partition.fate.day};
  for (const std::string& id : named) {
    const auto hold = holds_.find(id);
    if (hold != holds_.end() && hold->second.Covers(place) &&
        hold->second.end_us() > partition.deadline_us) {
      continue;
    }
    Missing(facts, "holds", place.second,
            absl::StrCat("the trail does not say that the legal hold ", id, " kept it"));
  }
  for (const auto& [id, hold] : holds_) {
    const bool kept = hold.Covers(place) && hold.end_us() > partition.due_since_us &&
                      hold.placed_us + kJustNowUs < partition.shredded_us;
    if (named.contains(id) || hold.forgotten || !kept) continue;
    Missing(facts, "holds", place.second,
            absl::StrCat("the legal hold ", id, " kept it and is not named"));
  }
}

bool RetentionLedger::CheckNote(const Facts& facts, const std::string& says,
                                const std::string& what) {
  const std::string& dataset = facts.entry.dataset();
  const auto note = ParseNote(facts.Text("receipt"));
  absl::Status status = note.status();
  if (status.ok()) status = VerifyNote(*note, {&key_, 1}).status();
  if (!status.ok()) {
    Broken({"receipt_signature", facts.index, dataset, what, std::string(status.message())});
    return false;
  }
  if (note->text == says) return true;
  Broken({"receipt_mismatch", facts.index, dataset, what, Difference(note->text, says)});
  return false;
}

// Bytes stay as well where the hold came after the key had gone.
void RetentionLedger::CheckPurgeTime(const Facts& facts, const Place& place, int64_t purged_us) {
  for (const auto& [id, hold] : holds_) {
    if (!hold.Keeps(place, purged_us, purged_us)) continue;
    Missing(facts, "purged_under_hold", place.second,
            absl::StrCat("purged while the legal hold ", id, " was in force"));
  }
}

void RetentionLedger::Purge(const Facts& facts) {
  const auto purged = facts.Time("purged_at");
  const auto leaf = facts.Number("shredded_leaf");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  PartitionFate& fate = partition->fate;
  const bool has_receipt = !facts.Text("receipt").empty();
  if (has_receipt && fate.receipt != ReceiptState::kNone) {
    return Broken({"receipt_twice", facts.index, fate.dataset, fate.day,
                   "a partition has one receipt, and had it already"});
  }
  fate.receipt = has_receipt ? ReceiptState::kWrong : ReceiptState::kMissing;
  if (!partition->shredded()) {
    Missing(facts, "receipt_of_live", fate.day, "purged, and the trail has no shred of it");
    if (UnreadableBefore(facts)) fate.receipt = ReceiptState::kUnknown;
    fate.purged_at = facts.Text("purged_at");
    return;
  }
  if (!has_receipt) {
    fate.purged_at = ReceiptTime(facts.entry.time_us());
    return Broken(
        {"receipt_missing", facts.index, fate.dataset, fate.day, "purged without a receipt"});
  }
  if (!purged.has_value()) return Malformed(facts, "purged_at");
  if (!leaf.has_value()) return Malformed(facts, "shredded_leaf");
  fate.purged_at = facts.Text("purged_at");
  CheckPurgeTime(facts, {fate.dataset, fate.day}, *purged);
  bool holds = true;
  if (*purged < partition->shredded_us) {
    holds = false;
    Broken(
        {"receipt_mismatch", facts.index, fate.dataset, fate.day, "purged before it was shredded"});
  }
  if (!partition->shreds.contains(*leaf)) {
    holds = false;
    Missing(facts, "receipt_mismatch", fate.day,
            absl::StrCat("the receipt names entry ", *leaf, ", which is no shred of it"));
  }
  const bool as_signed =
      CheckNote(facts,
                DeletionReceiptText({.dataset = pseudonyms_[fate.dataset],
                                     .day = fate.day,
                                     .key_id = fate.key_id,
                                     .events = partition->events,
                                     .deadline = ReceiptTime(partition->deadline_us),
                                     .shredded_at = fate.shredded_at,
                                     .purged_at = fate.purged_at,
                                     .shredded_leaf = *leaf,
                                     .destruction = partition->destruction,
                                     .holds = absl::StrJoin(fate.holds, ",")}),
                fate.day);
  if (holds && as_signed) fate.receipt = ReceiptState::kOk;
}

// --- legal holds ---

void RetentionLedger::PlaceHold(const Facts& facts) {
  const auto until = facts.Time("until");
  const std::string id = facts.Text("hold");
  if (!until.has_value()) return Malformed(facts, "until");
  Hold hold{.dataset = facts.entry.dataset(),
            .first_day = facts.Text("first_day"),
            .last_day = facts.Text("last_day"),
            .placed_us = facts.entry.time_us(),
            .until_us = *until};
  if (id.empty() || !holds_.emplace(id, std::move(hold)).second) Malformed(facts, "hold");
}

// The keyring did not take it. That is found out at once: nobody undoes a hold when it would have
// mattered.
void RetentionLedger::UndoHold(const Facts& facts, bool placed) {
  const auto hold = holds_.find(facts.Text("hold"));
  if (hold == holds_.end()) return;
  if (!placed && !hold->second.ended_us.has_value()) return;
  CheckStated(facts, hold->first, placed ? hold->second.placed_us : *hold->second.ended_us);
  if (placed) {
    holds_.erase(hold);
  } else {
    hold->second.ended_us.reset();
  }
}

// By itself, at the time it was placed until.
void RetentionLedger::LapseHold(const Facts& facts) {
  const auto until = facts.Time("until");
  const auto hold = holds_.find(facts.Text("hold"));
  EndHold(facts, until);
  if (hold == holds_.end() || !until.has_value()) return;
  if (*until == hold->second.until_us && *until <= facts.entry.time_us()) return;
  Broken({"holds", facts.index, hold->second.dataset, hold->first,
          absl::StrCat("the legal hold lapses before ", ReceiptTime(hold->second.until_us))});
}

void RetentionLedger::EndHold(const Facts& facts, std::optional<int64_t> at_us) {
  const auto hold = holds_.find(facts.Text("hold"));
  if (hold == holds_.end()) {
    return Missing(facts, "hold_unknown", facts.Text("hold"),
                   "a legal hold ends that was never placed");
  }
  if (!at_us.has_value()) return Malformed(facts, "end of the legal hold");
  hold->second.ended_us = std::min(*at_us, hold->second.until_us);
}

}  // namespace televault::audit
