#include "vault/daemon/crash_recovery.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"

namespace televault::daemon {
namespace {

constexpr uint64_t kLeavesPerRead = 256;
constexpr char kStart[] = "daemon.start";
// Written when every intent from before the start of its run has an outcome.
constexpr char kRecovered[] = "daemon.recovered";

struct OpenIntents {
  std::map<uint64_t, record::v1::AuditEntry> intents;  // by index, without an outcome so far
  std::set<uint64_t> closed;                           // intents whose outcome was seen
  std::set<std::string> lockdowns;                     // that an entry speaks of
  bool looked = false;                                 // a last look was seen
  int64_t since_us = 0;                                // and its time
};

// Back to front: an outcome is seen before its intent. Calls of this run end by themselves, so only
// intents before its start count. False once nothing older can be open.
bool Note(uint64_t index, const record::v1::AuditEntry& entry, bool& earlier_run,
          OpenIntents& open) {
  if (entry.method() == kRecovered && !open.looked) {
    open.looked = true;
    open.since_us = entry.time_us();
  }
  if (const auto found = entry.details().find("lockdown"); found != entry.details().end()) {
    open.lockdowns.insert(found->second);
  }
  if (entry.method() == kStart) {
    earlier_run = true;
    // A run looks each time it is unsealed, and leaves its own calls alone: what it had open at
    // one of these looks, and did not end, is still to be found before that look.
    if (open.looked) return false;
  }
  if (entry.kind() == record::v1::ENTRY_KIND_OUTCOME && entry.has_intent()) {
    open.closed.insert(entry.intent_index());
  }
  // Further windows of a stream are intents that carry the index of the first.
  if (earlier_run && entry.kind() == record::v1::ENTRY_KIND_INTENT && !entry.has_intent() &&
      !open.closed.contains(index)) {
    open.intents.emplace(index, entry);
  }
  return true;
}

absl::Status RecordGaps(const OpenIntents& open, const v1::LockdownStatus& lockdowns,
                        service::Recorder& recorder) {
  for (const v1::Lockdown& lockdown : lockdowns.lockdowns()) {
    const int64_t engaged_us =
        lockdown.engaged_at().seconds() * 1'000'000 + lockdown.engaged_at().nanos() / 1'000;
    if (engaged_us < open.since_us || open.lockdowns.contains(lockdown.id())) continue;
    record::v1::AuditEntry gap;
    gap.set_kind(record::v1::ENTRY_KIND_EVENT);
    gap.set_method("audit.gap");
    gap.set_verdict(record::v1::VERDICT_ALLOW);
    gap.set_reason("LOCKDOWN_NOT_RECORDED");
    auto& details = *gap.mutable_details();
    details["lockdown"] = lockdown.id();
    details["engaged_by"] = lockdown.engaged_by();
    details["engaged_at"] = FormatRfc3339({engaged_us});
    TV_RETURN_IF_ERROR(recorder.Record(std::move(gap), {.security_event = true}).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CloseOpenIntents(const store::Journal& journal, service::EntryReader& entries,
                              service::Recorder& recorder, const v1::LockdownStatus& lockdowns) {
  OpenIntents open;
  bool earlier_run = false;
  bool more = true;
  for (uint64_t end = journal.Head().tree_size; more && end > 0;) {
    const uint64_t begin = end > kLeavesPerRead ? end - kLeavesPerRead : 0;
    TV_ASSIGN_OR_RETURN(const auto leaves, service::ReadLeafRange(journal, begin, end));
    for (uint64_t index = end; more && index-- > begin;) {
      TV_ASSIGN_OR_RETURN(const auto entry, entries.Open(LeafIndex(index), leaves[index - begin]));
      if (entry.has_value()) more = Note(index, *entry, earlier_run, open);
    }
    end = begin;
  }
  for (auto& [index, intent] : open.intents) {
    record::v1::AuditEntry outcome = std::move(intent);
    outcome.set_kind(record::v1::ENTRY_KIND_OUTCOME);
    outcome.set_reason("UNKNOWN_CRASH");
    outcome.set_status(static_cast<int>(absl::StatusCode::kUnknown));
    outcome.set_intent_index(index);
    outcome.set_has_intent(true);
    TV_RETURN_IF_ERROR(recorder.Record(std::move(outcome), {.security_event = true}).status());
  }
  TV_RETURN_IF_ERROR(RecordGaps(open, lockdowns, recorder));
  record::v1::AuditEntry recovered;
  recovered.set_kind(record::v1::ENTRY_KIND_EVENT);
  recovered.set_method(kRecovered);
  recovered.set_verdict(record::v1::VERDICT_ALLOW);
  recovered.set_reason("OK");
  (*recovered.mutable_details())["unknown_outcomes"] = absl::StrCat(open.intents.size());
  return recorder.Record(std::move(recovered), {.security_event = true}).status();
}

absl::Status ShredWhileSealed(crypto::Keyring& keyring, const incident::LockdownManager& lockdown) {
  std::set<PartitionId> due;
  for (const crypto::DataKeyInfo& key : keyring.Due(lockdown.SteadyTime()))
    due.insert(key.partition);
  // Also where nothing is due: what an earlier run took out may still open with an old slot secret.
  const std::vector<PartitionId> partitions(due.begin(), due.end());
  return keyring.Shred(partitions).status();
}

absl::StatusOr<std::vector<store::AuditLeaf>> SealMerge(service::Recorder& recorder,
                                                        const partition::MergeEvent& event,
                                                        const std::string& dataset) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method("partition.merge");
  entry.set_dataset(dataset);
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  auto& details = *entry.mutable_details();
  details["day"] = FormatDay(event.partition.day);
  details["micro_batches"] = absl::StrCat(event.micro_batches);
  details["rows"] = absl::StrCat(event.rows);
  std::string roots;
  for (size_t i = 0; i < event.blocks.size() && i < event.tag_roots.size(); ++i) {
    absl::StrAppend(&roots, i == 0 ? "" : " ", event.blocks[i], ":", ToHex(event.tag_roots[i]));
  }
  details["tag_roots"] = roots;
  TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, recorder.Seal(std::move(entry)));
  std::vector<store::AuditLeaf> leaves;
  leaves.push_back(std::move(leaf));
  return leaves;
}

}  // namespace televault::daemon
