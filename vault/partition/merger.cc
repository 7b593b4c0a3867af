#include "vault/partition/merger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/merger_parts.h"
#include "vault/partition/sealing.h"
#include "vault/partition/unit_manifest.h"
#include "vault/store/meta.h"

namespace televault::partition {
namespace {

// A block is rewritten together with new rows as long as it is not much larger than they are: each
// row is written a few times at most, and many small merges leave few blocks.
constexpr uint64_t kMaxGrowth = 4;
constexpr uint32_t kSmallBlockRows = limits::kRowsPerBlock / 2;

bool IsDue(const PartitionInfo& info, WallTime now) {
  if (info.state != State::kLive || info.quarantined || now >= info.deadline) return false;
  if (info.hot_batches == 0) return false;
  if (info.hot_rows >= limits::kRowsPerBlock || info.hot_bytes >= limits::kMergeHotBytes) {
    return true;
  }
  const bool old = now.micros - info.oldest_hot.micros >= limits::kMergeAgeMicros;
  return old && (info.hot_batches >= limits::kMergeHotBatches || now >= EndOf(info.id.day));
}

}  // namespace

Merger::Merger(const Parts& parts, MergeLeafFn make_leaf)
    : parts_(parts), make_leaf_(std::move(make_leaf)) {}

std::vector<PartitionId> Merger::Due(WallTime now) const {
  std::vector<PartitionId> due;
  for (const PartitionInfo& info : parts_.catalog.All()) {
    if (IsDue(info, now)) due.push_back(info.id);
  }
  return due;
}

// False where it does not fit any more. What a unit takes in memory is known once it is there: its
// sealed bytes may be a few hundredths of it.
absl::StatusOr<bool> Merger::Take(const Snapshot& snapshot, const Unit& unit,
                                  Inputs& inputs) const {
  if (!inputs.Fits(unit)) return false;
  TV_ASSIGN_OR_RETURN(block::ColumnBatch batch, snapshot.ReadAll(unit));
  // The first is taken in any case, so that each merge leaves fewer micro-batches.
  if (!inputs.batches.empty() && inputs.MemoryWith(batch) > limits::kMaxMergeMemoryBytes) {
    return false;
  }
  inputs.Add(unit, std::move(batch));
  return true;
}

absl::StatusOr<Merger::Inputs> Merger::Gather(const Snapshot& snapshot,
                                              PartitionId partition) const {
  TV_ASSIGN_OR_RETURN(const std::vector<Unit> units, snapshot.Units(partition));
  Inputs inputs;
  std::vector<Unit> small;
  bool room = true;
  // Of one key, the newest: while a partition is rewritten, what an older one seals is the
  // rewrite's alone, which leaves rows out.
  KeyId newest;
  for (const Unit& unit : units) newest = std::max(newest, KeyOf(unit));
  for (const crypto::DataKeyInfo& key : parts_.keyring.DataKeys(partition)) {
    newest = std::max(newest, key.id);
  }
  for (const Unit& unit : units) {
    if (KeyOf(unit) != newest) continue;
    if (unit.kind == Unit::Kind::kBlock) {
      if (unit.rows < kSmallBlockRows) small.push_back(unit);
    } else if (room) {
      TV_ASSIGN_OR_RETURN(room, Take(snapshot, unit, inputs));
    }
  }
  std::sort(small.begin(), small.end(),
            [](const Unit& a, const Unit& b) { return a.rows < b.rows; });
  for (const Unit& unit : small) {
    if (!room || unit.rows > inputs.rows * kMaxGrowth) break;
    TV_ASSIGN_OR_RETURN(room, Take(snapshot, unit, inputs));
  }
  return inputs;
}

absl::Status Merger::WriteRange(const Target& target, const block::ColumnBatch& rows, size_t first,
                                size_t count, Outputs& outputs) {
  const BlockId id{target.partition, parts_.journal.NextUniqueId()};
  const SealingContext context{.key = target.key, .vault = parts_.vault};
  absl::StatusOr<SealedBlock> sealed = SealBlock(context, id, target.schema_revision,
                                                 block::Slice(rows, first, count), parts_.random);
  const bool too_large = sealed.ok() ? sealed->record.sealed_bytes() > limits::kMaxBlockBytes
                                     : absl::IsInvalidArgument(sealed.status());
  if (too_large && count > 1) {
    const size_t half = count / 2;
    TV_RETURN_IF_ERROR(WriteRange(target, rows, first, half, outputs));
    return WriteRange(target, rows, first + half, count - half, outputs);
  }
  TV_RETURN_IF_ERROR(sealed.status());
  // Listed first: if the put fails halfway, Discard knows of it.
  outputs.blocks.push_back(*std::move(sealed));
  SealedBlock& block = outputs.blocks.back();
  TV_RETURN_IF_ERROR(parts_.store.PutBlock(id, block.chunks));
  block.chunks.clear();
  TV_CRASH_POINT("merge.block_put");
  return absl::OkStatus();
}

absl::StatusOr<Merger::Outputs> Merger::WriteBlocks(const Inputs& inputs, PartitionId partition,
                                                    const block::ColumnBatch& rows) {
  // An existing key, never a new one: a partition that is shredded meanwhile must not get its rows
  // back under a key that nobody knows of.
  TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef key,
                      parts_.keyring.DataKeyFor(partition, inputs.key));
  const Target target{
      .partition = partition, .key = *key, .schema_revision = inputs.schema_revision};
  Outputs outputs;
  for (size_t first = 0; first < rows.rows; first += limits::kRowsPerBlock) {
    const size_t count = std::min(limits::kRowsPerBlock, rows.rows - first);
    const absl::Status status = WriteRange(target, rows, first, count, outputs);
    if (!status.ok()) {
      Discard(outputs);
      return status;
    }
  }
  return outputs;
}

// Best effort: what stays is swept at the next start.
void Merger::Discard(const Outputs& outputs) {
  for (const SealedBlock& block : outputs.blocks) {
    const record::v1::BlockRecord& record = block.record;
    const BlockId id{{DatasetId(record.dataset_id()), Day(record.day())}, record.block()};
    parts_.store.EraseBlock(id).IgnoreError();
  }
}

absl::StatusOr<std::vector<store::Mutation>> Merger::Mutations(const Inputs& inputs,
                                                               const Outputs& outputs) const {
  std::vector<store::Mutation> mutations;
  const auto add = [&](absl::StatusOr<store::Mutation> mutation) {
    if (!mutation.ok()) return mutation.status();
    mutations.push_back(*std::move(mutation));
    return absl::OkStatus();
  };
  for (const SealedBlock& block : outputs.blocks) {
    const record::v1::BlockRecord& record = block.record;
    const BlockId id{{DatasetId(record.dataset_id()), Day(record.day())}, record.block()};
    TV_RETURN_IF_ERROR(
        add(parts_.meta.Put(store::RecordKind::kBlock, store::RecordId(id), record)));
  }
  for (const Unit& unit : inputs.blocks) {
    const store::RecordId id(BlockId{unit.partition, unit.id});
    TV_RETURN_IF_ERROR(add(parts_.meta.Delete(store::RecordKind::kBlock, id)));
  }
  for (const Unit& unit : inputs.micro_batches) {
    const store::RecordId id(BlockId{unit.partition, unit.id});
    TV_RETURN_IF_ERROR(add(parts_.meta.Delete(store::RecordKind::kMicroBatch, id)));
    mutations.push_back(
        {.family = store::Family::kHot, .key = store::HotKey(unit.partition, unit.id)});
  }
  return mutations;
}

absl::Status Merger::CommitMerge(const Inputs& inputs, const Outputs& outputs,
                                 PartitionId partition) {
  MergeEvent event;
  event.partition = partition;
  event.micro_batches = inputs.micro_batches.size();
  event.replaced_blocks = inputs.blocks.size();
  event.rows = inputs.rows;
  PartitionCatalog::Rewrite rewrite;
  for (const SealedBlock& block : outputs.blocks) {
    event.blocks.push_back(block.record.block());
    event.tag_roots.push_back(block.record.tag_root());
    event.sealed_bytes += block.record.sealed_bytes();
    ++rewrite.new_blocks;
    rewrite.new_block_rows += block.record.rows();
    rewrite.new_block_bytes += block.record.sealed_bytes();
  }
  for (const Unit& unit : inputs.micro_batches) {
    ++rewrite.hot_batches;
    rewrite.hot_rows += unit.rows;
    rewrite.hot_bytes += SealedBytesOf(unit);
  }
  for (const Unit& unit : inputs.blocks) {
    ++rewrite.old_blocks;
    rewrite.old_block_rows += unit.rows;
    rewrite.old_block_bytes += SealedBytesOf(unit);
  }
  event.erased_rows = inputs.erased_rows;
  // Every row of the inputs is in the outputs, or erased, or nothing is committed.
  TV_CHECK(rewrite.new_block_rows + inputs.erased_rows ==
           rewrite.hot_rows + rewrite.old_block_rows);
  store::CommitUnit unit;
  TV_ASSIGN_OR_RETURN(unit.mutations, Mutations(inputs, outputs));
  TV_ASSIGN_OR_RETURN(unit.leaves, make_leaf_(event));
  TV_CRASH_POINT("merge.before_commit");
  TV_RETURN_IF_ERROR(parts_.journal.Commit(unit).status());
  TV_CRASH_POINT("merge.committed");
  rewrite.at = parts_.clock.Wall();
  parts_.catalog.OnRewritten(partition, rewrite);
  const uint64_t mark = parts_.reader.PinMark();
  const std::lock_guard lock(mu_);
  for (const Unit& replaced : inputs.blocks) {
    replaced_.emplace_back(mark, BlockId{replaced.partition, replaced.id});
  }
  return absl::OkStatus();
}

absl::Status Merger::MergeInputs(Inputs& inputs, PartitionId partition, const SubjectList* erased) {
  TV_ASSIGN_OR_RETURN(block::ColumnBatch rows, block::Concat(inputs.batches));
  inputs.batches.clear();
  if (erased != nullptr) inputs.erased_rows = RemoveRows(*erased, rows);
  TV_ASSIGN_OR_RETURN(const Outputs outputs,
                      WriteBlocks(inputs, partition, block::SortByTime(rows)));
  const absl::Status committed = CommitMerge(inputs, outputs, partition);
  // After an unknown outcome the blocks may be data: only a start can tell.
  if (!committed.ok() && ReasonOf(committed) != reason::kOutcomeUnknown) Discard(outputs);
  return committed;
}

absl::StatusOr<bool> Merger::Merge(PartitionId partition) {
  const std::optional<PartitionCatalog::MaintenanceLock> lock = parts_.catalog.TryLock(partition);
  if (!lock.has_value()) {
    return absl::UnavailableError("the partition is being maintained; try again later");
  }
  bool merges = false;
  {
    TV_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot, parts_.reader.Pin());
    TV_ASSIGN_OR_RETURN(Inputs inputs, Gather(*snapshot, partition));
    merges = !inputs.micro_batches.empty();
    if (merges) TV_RETURN_IF_ERROR(MergeInputs(inputs, partition, nullptr));
  }
  // Also where there was nothing to merge: readers may have kept what an earlier one replaced.
  TV_RETURN_IF_ERROR(EraseReplaced());
  return merges;
}

absl::Status Merger::EraseReplaced() {
  const std::lock_guard lock(mu_);
  while (!replaced_.empty() && !parts_.reader.PinnedBefore(replaced_.front().first)) {
    TV_RETURN_IF_ERROR(parts_.store.EraseBlock(replaced_.front().second));
    TV_CRASH_POINT("merge.block_erased");
    replaced_.erase(replaced_.begin());
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> Merger::SweepOrphans() {
  TV_ASSIGN_OR_RETURN(const std::vector<BlockId> stored, parts_.store.ListBlocks());
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, parts_.store.Pin());
  size_t swept = 0;
  for (const BlockId& id : stored) {
    record::v1::BlockRecord record;
    const absl::Status found =
        parts_.meta.Get(*view, store::RecordKind::kBlock, store::RecordId(id), record);
    if (found.ok()) continue;
    if (!absl::IsNotFound(found)) return found;
    TV_RETURN_IF_ERROR(parts_.store.EraseBlock(id));
    ++swept;
  }
  return swept;
}

}  // namespace televault::partition
