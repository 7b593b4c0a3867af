#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "vault/base/limits.h"
#include "vault/block/batch_ops.h"
#include "vault/partition/merger.h"
#include "vault/partition/sealing.h"
#include "vault/partition/unit_manifest.h"

// What the parts of the merger's implementation share; nobody else includes it.
namespace televault::partition {

inline uint64_t SealedBytesOf(const Unit& unit) {
  return unit.kind == Unit::Kind::kBlock ? unit.manifest->block.sealed_bytes()
                                         : unit.manifest->micro_batch.sealed_bytes();
}

inline uint32_t RevisionOf(const Unit& unit) {
  return unit.kind == Unit::Kind::kBlock ? unit.manifest->block.schema_revision()
                                         : unit.manifest->micro_batch.schema_revision();
}

struct Merger::Inputs {
  std::vector<Unit> micro_batches;
  std::vector<Unit> blocks;
  std::vector<block::ColumnBatch> batches;  // what is in them
  uint64_t rows = 0;
  uint64_t sealed_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t values = 0;
  std::set<uint16_t> columns;
  uint32_t schema_revision = 0;
  KeyId key;  // the newest of the inputs', or the one that they are sealed under anew
  uint64_t erased_rows = 0;  // left out of the outputs

  bool Fits(const Unit& unit) const {
    return batches.size() < limits::kMaxMergeInputs && rows + unit.rows <= limits::kMaxMergeRows &&
           sealed_bytes + SealedBytesOf(unit) <= limits::kMaxMergeBytes;
  }
  // Of all together with `batch`, joined: where one lacks a column that others have, NULLs fill it.
  uint64_t MemoryWith(const block::ColumnBatch& batch) const {
    std::set<uint16_t> all = columns;
    all.insert(batch.numbers.begin(), batch.numbers.end());
    const uint64_t filled =
        (rows + batch.rows) * all.size() - values - batch.rows * batch.numbers.size();
    return memory_bytes + block::MemoryBytes(batch) + filled * limits::kMaxValueMemoryBytes;
  }
  void Add(const Unit& unit, block::ColumnBatch batch) {
    (unit.kind == Unit::Kind::kBlock ? blocks : micro_batches).push_back(unit);
    memory_bytes += block::MemoryBytes(batch);
    values += batch.rows * batch.numbers.size();
    columns.insert(batch.numbers.begin(), batch.numbers.end());
    batches.push_back(std::move(batch));
    rows += unit.rows;
    sealed_bytes += SealedBytesOf(unit);
    schema_revision = std::max(schema_revision, RevisionOf(unit));
    key = std::max(key, KeyOf(unit));
  }
};

struct Merger::Target {
  PartitionId partition;
  const crypto::DataKey& key;
  uint32_t schema_revision = 0;
};

struct Merger::Outputs {
  std::vector<SealedBlock> blocks;  // put; their chunks are given up
};

// Takes the rows of `erased` out of `rows`; returns how many there were.
uint64_t RemoveRows(const SubjectList& erased, block::ColumnBatch& rows);

}  // namespace televault::partition
