#pragma once

#include <memory>
#include <span>
#include <vector>

#include "vault/base/gate.h"
#include "vault/base/status.h"
#include "vault/catalog/schema.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/query/source.h"

namespace televault::query {

// One dataset of a pinned snapshot as a query reads it: its micro-batches and blocks.
// Partitions that are past their deadline and not purged yet are listed as refused.
// Threads: as TableSource says. Borrows: snapshot, schema, catalog, gate; all outlive the source.
class PartitionSource final : public TableSource {
 public:
  PartitionSource(const partition::Snapshot& snapshot, const catalog::Schema& schema,
                  const partition::PartitionCatalog& catalog, const Gate& gate)
      : snapshot_(snapshot), schema_(schema), catalog_(catalog), gate_(gate) {}

  absl::StatusOr<Listing> List(TimeRange range) override;
  absl::StatusOr<std::shared_ptr<const block::ColumnBatch>> Read(
      const Unit& unit, std::span<const uint16_t> columns) override;
  bool MayContainSubject(const Unit& unit, std::string_view subject) const override;

 private:
  absl::Status AddUnits(const partition::PartitionInfo& info, TimeRange range, Listing& listing);

  const partition::Snapshot& snapshot_;
  const catalog::Schema& schema_;
  const partition::PartitionCatalog& catalog_;
  const Gate& gate_;
  std::vector<partition::Unit> units_;  // by the id given out in Listing
};

}  // namespace televault::query
