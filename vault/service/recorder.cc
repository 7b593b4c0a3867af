#include "vault/service/recorder.h"

#include <algorithm>
#include <utility>

#include "audit/entry.h"
#include "audit/proof_file.h"
#include "vault/base/limits.h"

namespace televault::service {

// Any two entries in the wrong order are at most one wait apart.
static_assert(2 * store::kMaxLeafWait <= std::chrono::seconds(audit::kTimeSlackSeconds));

record::v1::AuditEntry EventEntry(const std::string& method) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method(method);
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  return entry;
}

absl::StatusOr<store::AuditLeaf> Recorder::Seal(record::v1::AuditEntry entry) {
  std::string id(16, '\0');
  random_.Fill({reinterpret_cast<uint8_t*>(id.data()), id.size()});
  entry.set_id(std::move(id));
  audit::BoundEntry(entry);

  const std::lock_guard lock(mu_);
  last_ = std::max(last_, now_());
  entry.set_time_us(last_.micros);
  const std::string serialized = entry.SerializeAsString();
  TV_ASSIGN_OR_RETURN(auto leaves, sealer_.SealEntry(AsBytes(serialized)));
  if (leaves.size() > 1) {
    store::CommitUnit key_unit;
    key_unit.leaves.push_back({std::move(leaves.front().data), leaves.front().hash});
    key_unit.urgency = store::Urgency::kSecurity;
    if (const auto committed = journal_.Commit(key_unit); !committed.ok()) {
      sealer_.KeyLeafLost();
      return committed.status();
    }
  }
  return store::AuditLeaf{std::move(leaves.back().data), leaves.back().hash, last_};
}

absl::StatusOr<Recorder::Recorded> Recorder::Record(record::v1::AuditEntry entry,
                                                    Recording recording) {
  // Further windows of a stream are intents that carry the index of the first.
  const bool opens = entry.kind() == record::v1::ENTRY_KIND_INTENT && !entry.has_intent();
  std::optional<uint64_t> closes;
  if (entry.kind() == record::v1::ENTRY_KIND_OUTCOME && entry.has_intent()) {
    closes = entry.intent_index();
  }
  store::CommitUnit unit;
  unit.mutations = std::move(recording.mutations);
  unit.disclosure_epoch = recording.disclosure_epoch;
  unit.urgency = recording.urgency;
  const uint64_t announced = opens ? open_intents_.Announce() : 0;
  auto receipt = Commit(std::move(entry), recording.events, unit);
  if (!receipt.ok()) {
    if (opens) open_intents_.Withdraw(announced);
    return receipt.status();
  }
  const LeafIndex index = receipt->first_leaf;
  if (opens) open_intents_.Stands(announced, index.value());
  if (closes.has_value()) open_intents_.Close(*closes);
  return Recorded{index, *std::move(receipt)};
}

absl::StatusOr<store::CommitReceipt> Recorder::Commit(
    record::v1::AuditEntry entry, const std::vector<record::v1::AuditEntry>& events,
    store::CommitUnit& unit) {
  for (;;) {
    TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, Seal(entry));
    const WallTime stamped = leaf.stamped;
    unit.leaves.clear();
    unit.leaves.push_back(std::move(leaf));
    for (const record::v1::AuditEntry& event : events) {
      TV_ASSIGN_OR_RETURN(store::AuditLeaf behind, Seal(event));
      unit.leaves.push_back(std::move(behind));
    }
    auto receipt = journal_.Commit(unit);
    if (ReasonOf(receipt.status()) != reason::kStaleEntryTime) return receipt;
    // Each time round was a long wait for the disk; the first says since when.
    entry.mutable_details()->insert({"waits_since", FormatRfc3339(stamped)});
  }
}

size_t Recorder::RecordEvents(std::vector<record::v1::AuditEntry> events, store::Urgency urgency) {
  size_t durable = 0;
  std::vector<store::AuditLeaf> leaves;
  size_t bytes = 0;
  const auto commit = [&] {
    const size_t count = leaves.size();
    store::CommitUnit unit;
    unit.leaves = std::exchange(leaves, {});
    unit.urgency = urgency;
    bytes = 0;
    if (count == 0 || !journal_.Commit(unit).ok()) return false;
    durable += count;
    return true;
  };
  for (record::v1::AuditEntry& event : events) {
    absl::StatusOr<store::AuditLeaf> leaf = Seal(std::move(event));
    if (!leaf.ok()) break;
    const bool fits = leaves.size() < limits::kMaxLeavesPerCommit &&
                      bytes + leaf->data.size() <= limits::kMaxUnitBytes;
    if (!fits && !commit()) return durable;
    bytes += leaf->data.size();
    leaves.push_back(*std::move(leaf));
  }
  (void)commit();
  return durable;
}

absl::StatusOr<v1::AuditReceipt> Recorder::ReceiptFor(const Recorded& recorded) const {
  audit::ProofFile proof;
  proof.index = recorded.index.value();
  proof.checkpoint = recorded.receipt.checkpoint;
  TV_ASSIGN_OR_RETURN(proof.hashes,
                      journal_.InclusionProof(recorded.index, recorded.receipt.tree_size));
  v1::AuditReceipt receipt;
  receipt.set_index(recorded.index.value());
  receipt.set_intent_index(recorded.index.value());
  receipt.set_size(recorded.receipt.tree_size);
  receipt.set_checkpoint(recorded.receipt.checkpoint);
  receipt.set_proof(audit::FormatProofFile(proof));
  return receipt;
}

}  // namespace televault::service
