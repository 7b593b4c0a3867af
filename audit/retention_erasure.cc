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
  erasures_.push_back({.fate = {.dataset = facts.entry.dataset(),
                                .id = id,
                                .requested_at = facts.Text("requested_at"),
                                .deadline = facts.Text("deadline")},
                       .since = facts.index,
                       .number = *number,
                       .deadline_us = *deadline,
                       .requested_us = *requested});
}

void RetentionLedger::Rewritten(const Facts& facts) {
  const auto key = facts.Number("key_id");
  const auto up_to = facts.Number("erased_up_to");
  if (!key.has_value()) return Malformed(facts, "key_id");
  if (!up_to.has_value()) return Malformed(facts, "erased_up_to");
  Partition* const partition = Find(facts);
  if (partition == nullptr) return;
  partition->erased_up_to = std::max(partition->erased_up_to, *up_to);
  if (*key == partition->fate.key_id) return;
  if (facts.Text("rewritten") != "yes") {
    Missing(facts, "key", partition->fate.day, "it is not rewritten and has another data key");
  } else {
    TakeKey(facts, *key);
    partition->rewritten = facts.index;
    partition->rewritten_us = facts.entry.time_us();
  }
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
  if (!fate.settled_at.empty()) {
    return Broken({"receipt_twice", facts.index, fate.dataset, id, "it was settled already"});
  }
  fate.settled_at = facts.Text("settled_at");
  fate.holds = ParseIds(facts.Text("holds"));
  fate.receipt = ReceiptState::kWrong;
  if (facts.Text("receipt").empty()) {
    fate.receipt = ReceiptState::kMissing;
    return Broken({"receipt_missing", facts.index, fate.dataset, id, "settled without a receipt"});
  }
  for (const Partition* const partition : WaitingFor(erasure)) {
    // One that is due has no key, or will not be rewritten any more.
    if (partition->deadline_us <= *settled) continue;
    Missing(facts, "settled_early", id,
            absl::StrCat("settled before ", partition->fate.day, " was looked through"));
  }
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

}  // namespace televault::audit
