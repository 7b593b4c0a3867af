#include "vault/query/evidence.h"

#include <algorithm>
#include <cmath>

namespace televault::query {
namespace {

constexpr size_t kBuckets = 64;
// Below one half by more than the sums of both ways to add may be rounded.
constexpr double kNotDominated = 0.499;

}  // namespace

void Evidence::Crowds::StartUnit() {
  if (open_ > 0) std::fill(counts_.begin(), counts_.end(), 0);
}

void Evidence::Crowds::Resize(size_t groups) {
  open_ += groups - enough_.size();
  enough_.resize(groups, 0);
  counts_.resize(groups, 0);
  met_.resize(groups * k_, 0);
}

void Evidence::Crowds::AddOpen(uint32_t group, uint32_t code) {
  uint32_t* const met = met_.data() + size_t{group} * k_;
  uint32_t& count = counts_[group];
  if (std::find(met, met + count, code) != met + count) return;
  met[count++] = code;
  if (count < k_) return;
  enough_[group] = 1;
  --open_;
}

void Evidence::Crowds::Merge(const Crowds& other, const std::vector<uint32_t>& map) {
  for (size_t g = 0; g < map.size(); ++g) {
    if (other.enough_[g] == 0 || enough_[map[g]] != 0) continue;
    enough_[map[g]] = 1;
    --open_;
  }
}

bool Evidence::Applies(const std::vector<Aggregate>& aggregates, uint32_t k_min) {
  return k_min <= kMaxCrowd &&
         std::all_of(aggregates.begin(), aggregates.end(),
                     [](const Aggregate& aggregate) { return aggregate.filter == nullptr; });
}

Evidence::Evidence(const std::vector<Aggregate>& aggregates, uint32_t k_min) : subjects_(k_min) {
  for (const Aggregate& aggregate : aggregates) {
    cells_.emplace_back(AddsUp(aggregate.kind), k_min);
    cells_.back().counts_nulls = aggregate.kind == AggregateKind::kCount;
  }
}

void Evidence::StartUnit() {
  subjects_.StartUnit();
  for (Cell& cell : cells_) cell.contributors.StartUnit();
}

void Evidence::Resize(size_t groups) {
  groups_ = groups;
  subjects_.Resize(groups);
  for (Cell& cell : cells_) {
    cell.contributors.Resize(groups);
    if (!cell.sums) continue;
    cell.shares.buckets.resize(groups * kBuckets, 0);
    cell.shares.fullest.resize(groups, 0);
    cell.shares.total.resize(groups, 0);
  }
}

void Evidence::AddRows(const uint32_t* groups, const uint32_t* codes, size_t rows) {
  if (subjects_.open() == 0) return;
  for (size_t i = 0; i < rows; ++i) subjects_.Add(groups[i], codes[i]);
}

void Evidence::AddCell(size_t aggregate, const uint32_t* groups, const uint32_t* codes, size_t rows,
                       const Vector* arg) {
  Cell& cell = cells_[aggregate];
  if (cell.sums) {
    double* const buckets = cell.shares.buckets.data();
    const bool plain = arg->type == SqlType::kDouble && arg->nulls == nullptr && !arg->constant;
    if (plain && cell.contributors.open() == 0) {
      for (size_t i = 0; i < rows; ++i) {
        buckets[size_t{groups[i]} * kBuckets + codes[i] % kBuckets] += std::fabs(arg->doubles[i]);
      }
      return;
    }
    for (size_t i = 0; i < rows; ++i) {
      if (arg->IsNull(i)) continue;
      const double magnitude = arg->Magnitude(i);
      buckets[size_t{groups[i]} * kBuckets + codes[i] % kBuckets] += magnitude;
      // Zeros move no sum.
      if (magnitude != 0) cell.contributors.Add(groups[i], codes[i]);
    }
    return;
  }
  const bool has_nulls = arg != nullptr && arg->nulls != nullptr;
  if (cell.contributors.open() == 0 && !has_nulls) return;
  for (size_t i = 0; i < rows; ++i) {
    if (has_nulls && arg->IsNull(i)) {
      cell.leaves_out |= cell.counts_nulls;
    } else if (codes != nullptr) {
      cell.contributors.Add(groups[i], codes[i]);
    }
  }
}

void Evidence::EndUnit() {
  for (Cell& cell : cells_) {
    if (!cell.sums) continue;
    for (size_t g = 0; g < groups_; ++g) {
      double* const buckets = cell.shares.buckets.data() + g * kBuckets;
      double fullest = 0;
      for (size_t b = 0; b < kBuckets; ++b) {
        cell.shares.total[g] += buckets[b];
        fullest = std::max(fullest, buckets[b]);
        buckets[b] = 0;
      }
      cell.shares.fullest[g] += fullest;
    }
  }
}

void Evidence::Merge(const Evidence& other, const std::vector<uint32_t>& map) {
  subjects_.Merge(other.subjects_, map);
  for (size_t c = 0; c < cells_.size(); ++c) {
    Cell& cell = cells_[c];
    const Cell& from = other.cells_[c];
    cell.leaves_out |= from.leaves_out;
    cell.contributors.Merge(from.contributors, map);
    for (size_t g = 0; cell.sums && g < map.size(); ++g) {
      cell.shares.fullest[map[g]] += from.shares.fullest[g];
      cell.shares.total[map[g]] += from.shares.total[g];
    }
  }
}

bool Evidence::Proven() const {
  if (groups_ == 0 || !Holds(groups_) || subjects_.open() > 0) return false;
  return std::all_of(cells_.begin(), cells_.end(), [this](const Cell& cell) {
    if (cell.leaves_out || cell.contributors.open() > 0) return false;
    for (size_t g = 0; cell.sums && g < groups_; ++g) {
      const double total = cell.shares.total[g];
      if (!std::isfinite(total) || cell.shares.fullest[g] > total * kNotDominated) return false;
    }
    return true;
  });
}

size_t Evidence::bytes_per_group() const {
  size_t bytes = subjects_.bytes_per_group();
  for (const Cell& cell : cells_) {
    bytes += cell.contributors.bytes_per_group();
    if (cell.sums) bytes += (kBuckets + 2) * sizeof(double);
  }
  return bytes;
}

bool Evidence::NeedsSubjects() const {
  // Groups that no row was met of are not there yet.
  if (groups_ == 0 || subjects_.open() > 0) return true;
  return std::any_of(cells_.begin(), cells_.end(),
                     [](const Cell& cell) { return cell.sums || cell.contributors.open() > 0; });
}

bool Evidence::Holds(size_t groups) const {
  return groups <= kMaxGroups && groups * bytes_per_group() <= kMaxBytes;
}

size_t Evidence::bytes() const { return groups_ * bytes_per_group(); }

}  // namespace televault::query
