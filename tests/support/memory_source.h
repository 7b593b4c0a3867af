#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/memory_block.h"
#include "vault/base/gate.h"
#include "vault/query/source.h"

namespace televault::testing {

// A table in memory: the units a test gives it, in that order.
class MemorySource final : public query::TableSource {
 public:
  // Times, zone maps and row count of the unit are taken from the batch; column 0 must be there.
  void Add(block::ColumnBatch batch) {
    query::Unit unit;
    unit.id = batches_.size();
    unit.rows = batch.rows;
    const block::Column* times = batch.Find(block::kEventTimeColumn);
    unit.min_time = unit.max_time = WallTime{times->ints.empty() ? 0 : times->ints[0]};
    for (const int64_t time : times->ints) {
      unit.min_time = std::min(unit.min_time, WallTime{time});
      unit.max_time = std::max(unit.max_time, WallTime{time});
    }
    unit.day = DayOf(unit.min_time);
    for (size_t c = 0; c < batch.columns.size(); ++c) {
      const block::Column& column = batch.columns[c];
      if (column.type != block::PhysicalType::kInt) continue;
      query::ZoneMap zone{batch.numbers[c], INT64_MAX, INT64_MIN};
      for (size_t row = 0; row < column.rows; ++row) {
        if (column.IsNull(row)) continue;
        zone.min = std::min(zone.min, column.ints[row]);
        zone.max = std::max(zone.max, column.ints[row]);
      }
      if (zone.min <= zone.max) unit.zones.push_back(zone);
    }
    units_.push_back(std::move(unit));
    batches_.push_back(std::make_shared<const block::ColumnBatch>(std::move(batch)));
  }
  query::Unit& unit(size_t index) { return units_[index]; }
  // From now on the unit does not open.
  void Break(size_t index) { broken_.insert(index); }
  void Refuse(query::Refusal refusal) { refusals_.push_back(std::move(refusal)); }

  absl::StatusOr<query::Listing> List(query::TimeRange) override {
    query::Listing listing;
    listing.units = units_;
    listing.refusals = refusals_;
    return listing;
  }
  absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const query::Unit& unit, std::span<const uint16_t> columns) override {
    const std::lock_guard lock(mu_);
    if (broken_.contains(unit.id)) return absl::DataLossError("does not open");
    ++reads_;
    columns_read_.assign(columns.begin(), columns.end());
    if (!as_blocks_) return std::make_unique<block::DecodedColumns>(*batches_[unit.id]);
    return std::make_unique<MemoryBlock>(*batches_[unit.id], [this](uint16_t column, bool texts) {
      const std::lock_guard noting(mu_);
      opened_.insert({column, texts});
    });
  }
  size_t reads() const { return reads_; }
  const std::vector<uint16_t>& columns_read() const { return columns_read_; }
  // From now on units are blocks, of which chunks are opened one by one.
  void ServeBlocks() { as_blocks_ = true; }
  // Of which columns chunks were opened since the last call, and which of them with texts.
  using Opened = std::set<std::pair<uint16_t, bool>>;
  Opened TakeOpened() { return std::exchange(opened_, {}); }

 private:
  std::mutex mu_;  // guards what Open() notes
  std::vector<query::Unit> units_;
  std::vector<query::Refusal> refusals_;
  std::vector<std::shared_ptr<const block::ColumnBatch>> batches_;
  std::set<size_t> broken_;
  size_t reads_ = 0;
  std::vector<uint16_t> columns_read_;
  bool as_blocks_ = false;
  Opened opened_;
};

// A gate that a test opens and shuts.
class FakeGate final : public Gate {
 public:
  absl::Status Check(GateAccess, const GateScope&) const override {
    if (!shut) return absl::OkStatus();
    return WithReason(absl::UnavailableError("lockdown"), reason::kLockedDown);
  }
  LockEpoch epoch() const override { return LockEpoch(epoch_number); }
  WallTime ReadTime() const override {
    ++looks;
    return now;
  }
  WallTime SteadyTime() const override { return steady.value_or(now); }

  bool shut = false;
  uint64_t epoch_number = 1;
  mutable std::atomic<int> looks{0};
  WallTime now{1'795'435'200'000'000};
  std::optional<WallTime> steady;  // empty: `now`
};

}  // namespace televault::testing
