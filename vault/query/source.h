#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/unit_columns.h"
#include "vault/query/plan.h"

namespace televault::query {

// Bounds of one int-like column (int, bool, timestamp, duration) within a unit; NULLs aside.
struct ZoneMap {
  uint16_t column = 0;
  int64_t min = 0;
  int64_t max = 0;
};

// A block or a run of micro-batches of one partition: what is read at once.
struct Unit {
  uint64_t id = 0;  // the source's own number
  Day day;
  size_t rows = 0;  // at most limits::kRowsPerBlock
  WallTime min_time;
  WallTime max_time;
  // Readable before this time only, as it was listed; max() = none.
  WallTime deadline{std::numeric_limits<int64_t>::max()};
  std::vector<ZoneMap> zones;
};

struct Refusal {
  Day day;
  std::string reason;  // EXPIRED, QUARANTINED, …
};

struct Listing {
  std::vector<Unit> units;  // in the order of reading; every query over the view sees the same
  uint32_t partitions = 0;  // of the dataset, those outside of the range included
  uint32_t partitions_pruned = 0;
  uint32_t blocks_pruned = 0;
  // Partitions that cannot be read. QUARANTINED fails the query, the others are reported.
  std::vector<Refusal> refusals;
};

// The rows of one dataset in one pinned view, as a query reads them.
// Threads: List() by one, Open() and MayContainSubject() by several at once.
// Failure: a damaged unit is DATA_LOSS with reason QUARANTINED, an expired one FAILED_PRECONDITION
// with reason EXPIRED, when it is opened or when a column of it is; never fewer rows.
class TableSource {
 public:
  virtual ~TableSource() = default;

  // Units that may hold rows within `range`.
  virtual absl::StatusOr<Listing> List(TimeRange range) = 0;

  // The columns of one unit, without the rows that nobody may see. None but those in `columns`
  // (ascending numbers) may be asked for.
  virtual absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const Unit& unit, std::span<const uint16_t> columns) = 0;

  // False only if no row of the unit has this 16-byte pseudonym.
  virtual bool MayContainSubject(const Unit& /*unit*/, std::string_view /*subject*/) const {
    return true;
  }
};

}  // namespace televault::query
