#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "vault/base/gate.h"
#include "vault/base/status.h"
#include "vault/catalog/schema.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/partition_reader.h"
#include "vault/partition/subjects.h"
#include "vault/query/disclosure.h"
#include "vault/query/source.h"

namespace televault::query {

// One dataset of a pinned snapshot as a query reads it: its micro-batches and blocks.
// Partitions that are past their deadline and not purged yet are listed as refused; for aggregates
// also those with rows of a subject whose erasure is not settled there. Rows of such subjects are
// read by nobody.
// Threads: as TableSource says. Borrows: everything handed in, which outlives the source.
class PartitionSource final : public TableSource {
 public:
  // `snapshot` was pinned before: `erasures` is asked for what came since.
  PartitionSource(const partition::Snapshot& snapshot, const catalog::Schema& schema,
                  const partition::PartitionCatalog& catalog, const Gate& gate,
                  const partition::PendingErasures& erasures, Mode mode)
      : snapshot_(snapshot),
        schema_(schema),
        catalog_(catalog),
        gate_(gate),
        erasures_(erasures),
        mode_(mode) {}

  absl::StatusOr<Listing> List(TimeRange range) override;
  absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const Unit& unit, std::span<const uint16_t> columns) override;
  bool MayContainSubject(const Unit& unit, std::string_view subject) const override;

 private:
  absl::Status AddUnits(const partition::PartitionInfo& info, TimeRange range, Listing& listing);
  // Whether aggregates may have the partition; notes whom they leave out.
  absl::StatusOr<std::string_view> Withheld(const partition::PartitionInfo& info, uint64_t newest);
  // Subjects whose rows of the unit are left out; null = nobody.
  partition::SubjectListRef HiddenIn(const partition::Unit& unit) const;
  bool MayHold(const partition::SubjectList& subjects, const partition::Unit& unit) const;
  absl::StatusOr<block::ColumnBatch> ReadWithout(const partition::SubjectList& hidden,
                                                 const partition::Unit& unit,
                                                 std::span<const uint16_t> columns) const;

  const partition::Snapshot& snapshot_;
  const catalog::Schema& schema_;
  const partition::PartitionCatalog& catalog_;
  const Gate& gate_;
  const partition::PendingErasures& erasures_;
  const Mode mode_;
  std::map<Day, partition::SubjectListRef> left_out_;  // by aggregates; set by List()
  std::vector<partition::Unit> units_;                 // by the id given out in Listing
};

}  // namespace televault::query
