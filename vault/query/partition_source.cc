#include "vault/query/partition_source.h"

#include <algorithm>
#include <limits>

#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/block/batch_ops.h"
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
  left_out_.clear();
  Listing listing;
  const uint64_t newest = erasures_.Newest(schema_.dataset);
  // No other day than those of the range: one in quarantine refuses every listing that it is in.
  TV_ASSIGN_OR_RETURN(const auto partitions,
                      snapshot_.Partitions(schema_.dataset, DayOf(range.begin), LastDayOf(range)));
  for (const partition::PartitionInfo& info : partitions) {
    TV_ASSIGN_OR_RETURN(const std::string_view withheld, Withheld(info, newest));
    if (withheld.empty()) {
      TV_RETURN_IF_ERROR(AddUnits(info, range, listing));
    } else {
      listing.refusals.push_back({info.id.day, std::string(withheld)});
    }
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

// Why aggregates do not get the day; "" = they do, but for those that it leaves out.
absl::StatusOr<std::string_view> PartitionSource::Withheld(const partition::PartitionInfo& info,
                                                           uint64_t newest) {
  if (mode_ == Mode::kRows || newest == 0) return "";
  // Of the look itself: what it holds was rewritten for the erasures that it says, and no others.
  TV_ASSIGN_OR_RETURN(const partition::ErasedState erased, snapshot_.Erased(info.id));
  if (erased.erased_up_to < newest) return reason::kErasurePending;
  if (erased.withheld) return reason::kTooFewLeft;
  TV_ASSIGN_OR_RETURN(partition::SubjectListRef left_out, snapshot_.LeftOut(info.id, erased));
  if (left_out != nullptr) left_out_[info.id.day] = std::move(left_out);
  return "";
}

partition::SubjectListRef PartitionSource::HiddenIn(const partition::Unit& unit) const {
  // Asked for again at each read: an answer that is under way loses the rows, too.
  if (mode_ == Mode::kRows) return erasures_.Hidden(schema_.dataset);
  const auto left_out = left_out_.find(unit.partition.day);
  return left_out == left_out_.end() ? nullptr : left_out->second;
}

// False only if the unit has no row of any of them.
bool PartitionSource::MayHold(const partition::SubjectList& subjects,
                              const partition::Unit& unit) const {
  constexpr size_t kWorthAsking = 64;
  if (subjects.size() > kWorthAsking) return true;
  return std::any_of(subjects.all().begin(), subjects.all().end(), [&](const auto& subject) {
    const auto may = snapshot_.MayContainSubject(unit, AsText(subject));
    return !may.ok() || *may;
  });
}

absl::StatusOr<block::ColumnBatch> PartitionSource::ReadWithout(
    const partition::SubjectList& hidden, const partition::Unit& unit,
    std::span<const uint16_t> columns) const {
  std::vector<uint16_t> wanted(columns.begin(), columns.end());
  const auto at = std::lower_bound(wanted.begin(), wanted.end(), block::kSubjectColumn);
  const bool added = at == wanted.end() || *at != block::kSubjectColumn;
  if (added) wanted.insert(at, block::kSubjectColumn);
  TV_ASSIGN_OR_RETURN(block::ColumnBatch batch, snapshot_.Read(unit, wanted));
  const block::Column* const subjects = batch.Find(block::kSubjectColumn);
  if (subjects == nullptr) return batch;
  const std::vector<uint8_t> kept = partition::KeptRows(*subjects, hidden);
  if (!kept.empty()) batch = block::Filter(batch, kept);
  if (added) {
    const auto place = std::find(batch.numbers.begin(), batch.numbers.end(), block::kSubjectColumn);
    batch.columns.erase(batch.columns.begin() + (place - batch.numbers.begin()));
    batch.numbers.erase(place);
  }
  return batch;
}

absl::StatusOr<std::unique_ptr<block::UnitColumns>> PartitionSource::Open(
    const Unit& unit, std::span<const uint16_t> columns) {
  TV_CHECK(unit.id < units_.size());
  const partition::Unit& stored = units_[unit.id];
  const partition::SubjectListRef hidden = HiddenIn(stored);
  if (hidden == nullptr || !MayHold(*hidden, stored)) return snapshot_.Open(stored, columns);
  TV_ASSIGN_OR_RETURN(block::ColumnBatch batch, ReadWithout(*hidden, stored, columns));
  return std::make_unique<block::DecodedColumns>(std::move(batch));
}

bool PartitionSource::MayContainSubject(const Unit& unit, std::string_view subject) const {
  TV_CHECK(unit.id < units_.size());
  // An unreadable filter must not hide rows: reading the unit reports what is wrong with it.
  const auto may = snapshot_.MayContainSubject(units_[unit.id], subject);
  return !may.ok() || *may;
}

}  // namespace televault::query
