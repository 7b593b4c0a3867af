#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "audit/deletion_receipt.h"
#include "audit/retention_facts.h"
#include "audit/retention_ledger.h"

// Erasures of subjects: what was asked for, rewritten and settled.
namespace televault::audit {

void RetentionLedger::Ask(const Facts& facts) {
  const auto requested = facts.Time("requested_at");
  const auto deadline = facts.Time("deadline");
  const auto number = facts.Number("number");
  const std::string id = facts.Text("erasure");
  if (!requested.has_value()) return Malformed(facts, "requested_at");
  if (!deadline.has_value()) return Malformed(facts, "deadline");
  if (!number.has_value()) return Malformed(facts, "number");
  CheckNames(facts);
  if (!erasure_of_.emplace(id, erasures_.size()).second) return Malformed(facts, "erasure");
  unsettled_[facts.entry.dataset()].insert(erasures_.size());
  uint64_t& newest = newest_erasure_[facts.entry.dataset()];
  newest = std::max(newest, *number);
  erasures_.push_back({.fate = {.dataset = facts.entry.dataset(),
                                .id = id,
                                .requested_at = facts.Text("requested_at"),
                                .deadline = facts.Text("deadline")},
                       .since = facts.index,
                       .number = *number,
                       .deadline_us = *deadline,
                       .waits_since_us = *deadline,
                       .requested_us = *requested});
}

void RetentionLedger::Begin(const Facts& facts) {
  const auto events = facts.Number("events");
  if (!events.has_value() || *events == 0) return Malformed(facts, "events");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  partition->begun = true;
  const std::string& dataset = facts.entry.dataset();
  const std::set<size_t>& unsettled = unsettled_[dataset];
  if (unsettled.empty()) {
    Missing(facts, "erasure_without_request", partition->fate.day,
            "rows of an erased subject were found, and no erasure is to be carried out");
  }
  begun_[dataset].push_back(
      {.index = facts.index,
       .day = partition->fate.day,
       .events = *events,
       .only = unsettled.size() == 1 ? std::optional(*unsettled.begin()) : std::nullopt});
}

// A day is looked through for what was asked for by then, and nobody unlearns that.
void RetentionLedger::CheckErasedUpTo(const Facts& facts, Partition& partition, uint64_t up_to) {
  const std::string& day = partition.fate.day;
  if (up_to < partition.erased_up_to) {
    Broken({"erased_up_to", facts.index, partition.fate.dataset, day,
            absl::StrCat("looked through up to ", up_to, ", and up to ", partition.erased_up_to,
                         " before")});
  }
  if (up_to > newest_erasure_[partition.fate.dataset]) {
    Missing(facts, "erased_up_to", day,
            absl::StrCat("looked through up to ", up_to, ", which nobody asked for yet"));
  }
  partition.erased_up_to = std::max(partition.erased_up_to, up_to);
}

void RetentionLedger::Rewritten(const Facts& facts) {
  const auto key = facts.Number("key_id");
  const auto up_to = facts.Number("erased_up_to");
  const std::string rewritten = facts.Text("rewritten");
  if (!key.has_value()) return Malformed(facts, "key_id");
  if (!up_to.has_value()) return Malformed(facts, "erased_up_to");
  if (rewritten != "yes" && rewritten != "no") return Malformed(facts, "rewritten");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  const std::string& day = partition->fate.day;
  CheckErasedUpTo(facts, *partition, *up_to);
  const bool has_another = *key != partition->fate.key_id;
  if (rewritten == "no") {
    if (has_another) Missing(facts, "key", day, "it is not rewritten and has another data key");
    if (partition->begun) {
      Missing(facts, "not_rewritten", day,
              "rows of erased subjects were found, and it was not rewritten");
    }
  } else if (has_another) {
    TakeKey(facts, *key);
    partition->rewritten = facts.index;
    partition->rewritten_us = facts.entry.time_us();
  } else {
    Missing(facts, "key", day, "it is rewritten and has the data key of before");
  }
  partition->begun = false;
  partition->fate.key_id = *key;
}

void RetentionLedger::Settled(const Facts& facts) {
  const std::string id = facts.Text("erasure");
  const auto found = erasure_of_.find(id);
  if (found == erasure_of_.end()) {
    return Missing(facts, "erasure_without_request", id, "settled, and nobody asked for it");
  }
  const auto settled = facts.Time("settled_at");
  const auto partitions = facts.Number("partitions");
  const auto events = facts.Number("events");
  if (!settled.has_value()) return Malformed(facts, "settled_at");
  if (!partitions.has_value() || *partitions > UINT32_MAX) return Malformed(facts, "partitions");
  if (!events.has_value()) return Malformed(facts, "events");
  Erasure& erasure = erasures_[found->second];
  ErasureFate& fate = erasure.fate;
  if (facts.entry.dataset() != fate.dataset) return Malformed(facts, "dataset");
  if (!fate.settled_at.empty()) {
    return Broken({"receipt_twice", facts.index, fate.dataset, id, "it was settled already"});
  }
  unsettled_[fate.dataset].erase(found->second);
  fate.settled_at = facts.Text("settled_at");
  fate.holds = ParseIds(facts.Text("holds"));
  fate.receipt = ReceiptState::kWrong;
  if (facts.Text("receipt").empty()) {
    fate.receipt = ReceiptState::kMissing;
    return Broken({"receipt_missing", facts.index, fate.dataset, id, "settled without a receipt"});
  }
  CheckStated(facts, id, *settled);
  CheckSettled(facts, erasure, *settled);
  CheckTotals(facts, found->second, *partitions, *events);
  for (const std::string& hold : fate.holds) {
    if (holds_.contains(hold) && holds_.at(hold).dataset == fate.dataset) continue;
    Missing(facts, "holds", id, absl::StrCat("the trail knows no legal hold ", hold, " on it"));
  }
  const bool as_signed =
      CheckNote(facts,
                ErasureReceiptText({.dataset = pseudonyms_[fate.dataset],
                                    .id = id,
                                    .requested_at = fate.requested_at,
                                    .deadline = fate.deadline,
                                    .settled_at = fate.settled_at,
                                    .partitions = static_cast<uint32_t>(*partitions),
                                    .events = *events,
                                    .destruction = facts.Text("destruction"),
                                    .holds = absl::StrJoin(fate.holds, ",")}),
                id);
  if (as_signed && *settled >= erasure.requested_us) fate.receipt = ReceiptState::kOk;
  if (*settled < erasure.requested_us) {
    Broken({"receipt_mismatch", facts.index, fate.dataset, id, "settled before it was asked for"});
  }
}

void RetentionLedger::CheckSettled(const Facts& facts, const Erasure& erasure, int64_t settled_us) {
  for (const Partition* const partition : WaitingFor(erasure)) {
    const Place place{partition->fate.dataset, partition->fate.day};
    // One that is due has no key, or will not be rewritten any more; unless a legal hold has kept
    // the key ever since.
    const bool kept = std::any_of(holds_.begin(), holds_.end(), [&](const auto& one) {
      return one.second.Keeps(place, partition->due_since_us, settled_us);
    });
    if (partition->deadline_us <= settled_us && !kept) continue;
    Missing(facts, "settled_early", erasure.fate.id,
            absl::StrCat("settled before ", place.second, " was looked through"));
  }
}

// An entry says what was found of all the erasures that were to be carried out then: exact is only
// what was found while there was one.
void RetentionLedger::CheckTotals(const Facts& facts, size_t erasure, uint64_t partitions,
                                  uint64_t events) {
  std::set<std::string> days;
  std::set<std::string> own_days;
  uint64_t most = 0;
  uint64_t least = 0;
  const auto add = [](uint64_t& sum, uint64_t more) {
    sum = sum > UINT64_MAX - more ? UINT64_MAX : sum + more;
  };
  const std::vector<Begun>& begun = begun_[facts.entry.dataset()];
  const auto first = std::partition_point(begun.begin(), begun.end(), [&](const Begun& one) {
    return one.index < erasures_[erasure].since;
  });
  for (auto at = first; at != begun.end(); ++at) {
    days.insert(at->day);
    add(most, at->events);
    if (at->only != erasure) continue;
    own_days.insert(at->day);
    add(least, at->events);
  }
  const bool fits = own_days.size() <= partitions && partitions <= days.size() &&
                    std::max(least, partitions) <= events && events <= most;
  if (fits) return;
  Missing(facts, "erasure_totals", erasures_[erasure].fate.id,
          absl::StrCat("settled with ", events, " events in ", partitions, " partitions; since it ",
                       "was asked for ", least, " in ", own_days.size(),
                       " were found for it alone, and ", most, " in ", days.size(), " at most"));
}

// --- keys of days without a record ---

void RetentionLedger::CheckUnrecorded(const Facts& facts) {
  const std::string& dataset = facts.entry.dataset();
  const std::string day = facts.Text("day");
  const auto key = facts.Number("key_id");
  if (!EndOfLedgerDay(day).has_value()) return Malformed(facts, "day");
  if (!key.has_value()) return Malformed(facts, "key_id");
  const Place place{dataset, day};
  held_unrecorded_.erase(place);
  if (partitions_.contains(place) || keys_.contains(*key)) {
    return Broken({"unrecorded_key", facts.index, dataset, day,
                   absl::StrCat("data key ", *key,
                                " is destroyed as one of no known day, and the "
                                "trail knows the day, or the key")});
  }
  const std::set<size_t>& unsettled = unsettled_[dataset];
  const int64_t now_us = facts.entry.time_us();
  if (std::none_of(unsettled.begin(), unsettled.end(), [&](size_t one) {
        return erasures_[one].deadline_us - kUnclaimedUs <= now_us;
      })) {
    Missing(facts, "unrecorded_key", day,
            absl::StrCat("data key ", *key, " is destroyed, and no erasure is near its deadline"));
  }
  for (const auto& [id, hold] : holds_) {
    if (!hold.Keeps(place, now_us, now_us)) continue;
    Missing(facts, "shredded_under_hold", day,
            absl::StrCat("a data key is destroyed while the legal hold ", id, " is in force"));
  }
}

void RetentionLedger::NoteHeld(const Facts& facts) {
  const std::string day = facts.Text("day");
  if (!EndOfLedgerDay(day).has_value()) return Malformed(facts, "day");
  const Place place{facts.entry.dataset(), day};
  if (!partitions_.contains(place)) held_unrecorded_.insert(place);
}

}  // namespace televault::audit
