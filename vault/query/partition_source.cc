#include "vault/query/partition_source.h"

#include <algorithm>
#include <limits>

#include "vault/base/check.h"
#include "vault/block/footer.h"

namespace televault::query {
namespace {

constexpr Day kFirstDay(std::numeric_limits<int32_t>::min());
constexpr Day kLastDay(std::numeric_limits<int32_t>::max());

bool Overlaps(TimeRange range, WallTime first, WallTime last) {
  return range.begin <= last && first < range.end;
}

// Before every day where the range is empty.
Day LastDayOf(TimeRange range) {
  return range.begin < range.end ? DayOf(range.end - microseconds(1)) : kFirstDay;
}

std::vector<ZoneMap> ZonesOf(const block::Footer& footer) {
  std::vector<ZoneMap> zones;
  for (const block::FooterColumn& column : footer.columns) {
    if (column.type != block::PhysicalType::kInt || !column.zone.has_bounds) continue;
    zones.push_back({column.number, column.zone.min_int, column.zone.max_int});
  }
  return zones;
}

}  // namespace

absl::StatusOr<Listing> PartitionSource::List(TimeRange range) {
  units_.clear();
  Listing listing;
  // No other day than those of the range: one in quarantine refuses every listing that it is in.
  TV_ASSIGN_OR_RETURN(const auto partitions,
                      snapshot_.Partitions(schema_.dataset, DayOf(range.begin), LastDayOf(range)));
  for (const partition::PartitionInfo& info : partitions) {
    TV_RETURN_IF_ERROR(AddUnits(info, range, listing));
  }
  // The time that the snapshot skips days by, asked after it: what it skipped is listed here.
  const WallTime now = gate_.ReadTime();
  for (const partition::PartitionInfo& info : catalog_.List(schema_.dataset, kFirstDay, kLastDay)) {
    const bool expired = info.deadline <= now;
    if (!Overlaps(range, StartOf(info.id.day), EndOf(info.id.day) - microseconds(1))) {
      listing.partitions_pruned += info.state == partition::State::kLive && !expired;
    } else if (expired && info.state != partition::State::kPurged) {
      listing.refusals.push_back({info.id.day, std::string(reason::kExpired)});
    }
  }
  listing.partitions = static_cast<uint32_t>(partitions.size()) + listing.partitions_pruned;
  return listing;
}

absl::Status PartitionSource::AddUnits(const partition::PartitionInfo& info, TimeRange range,
                                       Listing& listing) {
  TV_ASSIGN_OR_RETURN(std::vector<partition::Unit> units, snapshot_.Units(info.id));
  for (partition::Unit& unit : units) {
    if (!Overlaps(range, unit.min_time, unit.max_time)) {
      ++listing.blocks_pruned;
      continue;
    }
    Unit listed;
    listed.id = units_.size();
    listed.day = info.id.day;
    listed.rows = unit.rows;
    listed.min_time = unit.min_time;
    listed.max_time = unit.max_time;
    listed.deadline = info.deadline;
    if (unit.kind == partition::Unit::Kind::kBlock) {
      TV_ASSIGN_OR_RETURN(const auto footer, snapshot_.Footer(unit));
      if (footer != nullptr) listed.zones = ZonesOf(*footer);
    }
    units_.push_back(std::move(unit));
    listing.units.push_back(std::move(listed));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const block::ColumnBatch>> PartitionSource::Read(
    const Unit& unit, std::span<const uint16_t> columns) {
  TV_CHECK(unit.id < units_.size());
  TV_ASSIGN_OR_RETURN(block::ColumnBatch batch, snapshot_.Read(units_[unit.id], columns));
  return std::make_shared<const block::ColumnBatch>(std::move(batch));
}

bool PartitionSource::MayContainSubject(const Unit& unit, std::string_view subject) const {
  TV_CHECK(unit.id < units_.size());
  // An unreadable filter must not hide rows: reading the unit reports what is wrong with it.
  const auto may = snapshot_.MayContainSubject(units_[unit.id], subject);
  return !may.ok() || *may;
}

}  // namespace televault::query
