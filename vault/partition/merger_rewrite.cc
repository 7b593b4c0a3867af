// Blocks under another key, and without the rows of some subjects: what an erasure does to a day.

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/merger_parts.h"

namespace televault::partition {

uint64_t RemoveRows(const SubjectList& erased, block::ColumnBatch& rows) {
  const block::Column* const subjects = rows.Find(block::kSubjectColumn);
  if (subjects == nullptr || erased.empty()) return 0;
  const std::vector<uint8_t> kept = KeptRows(*subjects, erased);
  if (kept.empty()) return 0;
  const size_t before = rows.rows;
  rows = block::Filter(rows, kept);
  return before - rows.rows;
}

// Micro-batches and small blocks together, up to what one merge may hold; a full block alone, so
// that it becomes one block again.
absl::StatusOr<Merger::Inputs> Merger::GatherOthers(const Snapshot& snapshot, PartitionId partition,
                                                    KeyId key) const {
  TV_ASSIGN_OR_RETURN(const std::vector<Unit> units, snapshot.Units(partition));
  Inputs inputs;
  for (const Unit& unit : units) {
    if (KeyOf(unit) == key) continue;
    if (!inputs.batches.empty() && inputs.rows + unit.rows > limits::kRowsPerBlock) break;
    TV_ASSIGN_OR_RETURN(const bool taken, Take(snapshot, unit, inputs));
    if (!taken) break;
  }
  inputs.key = key;
  return inputs;
}

absl::StatusOr<bool> Merger::Rewrite(const PartitionCatalog::MaintenanceLock&,
                                     PartitionId partition, KeyId key, const SubjectList& erased) {
  {
    TV_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, parts_.reader.Pin());
    TV_ASSIGN_OR_RETURN(Inputs inputs, GatherOthers(*snapshot, partition, key));
    if (inputs.batches.empty()) return false;
    TV_RETURN_IF_ERROR(MergeInputs(inputs, partition, &erased));
  }
  TV_CRASH_POINT("rewrite.committed");
  TV_RETURN_IF_ERROR(EraseReplaced());
  return true;
}

}  // namespace televault::partition
