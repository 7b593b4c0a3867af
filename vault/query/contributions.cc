#include "vault/query/contributions.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace televault::query {
namespace {

bool Sums(AggregateKind kind) {
  return kind == AggregateKind::kSum || kind == AggregateKind::kAvg ||
         kind == AggregateKind::kStddev;
}

double Magnitude(const Vector& arg, size_t row) {
  return std::fabs(arg.type == SqlType::kDouble ? arg.DoubleAt(row)
                                                : static_cast<double>(arg.IntAt(row)));
}

}  // namespace

Contributions::Contributions(const std::vector<Aggregate>& aggregates, bool has_subject)
    : has_subject_(has_subject), pairs_(1) {
  for (const Aggregate& aggregate : aggregates) {
    Cell cell;
    cell.filtered = aggregate.filter != nullptr;
    // count(x) next to count(*) tells how many rows have no x.
    cell.counts_nulls = aggregate.kind == AggregateKind::kCount;
    cell.sums = Sums(aggregate.kind);
    cells_.push_back(std::move(cell));
  }
}

void Contributions::Resize(size_t groups) {
  groups_ = groups;
  if (has_subject_) return;
  rows_.resize(groups, 0);
  ResizeEntries(groups);
}

void Contributions::ResizeEntries(size_t entries) {
  entry_count_ = entries;
  for (Cell& cell : cells_) {
    cell.passed.resize(entries, 0);
    cell.contributed.resize(entries, 0);
    if (cell.sums) cell.total.resize(entries, 0);
    if (cell.sums && !has_subject_) cell.largest.resize(entries, 0);
  }
}

void Contributions::AddRows(const uint32_t* groups, const uint32_t* subjects, size_t rows) {
  entries_.resize(rows);
  if (!has_subject_) {
    for (size_t i = 0; i < rows; ++i) {
      ++rows_[groups[i]];
      entries_[i] = groups[i];
    }
    return;
  }
  for (size_t i = 0; i < rows; ++i) {
    const uint64_t pair = (static_cast<uint64_t>(groups[i]) << 32) | subjects[i];
    entries_[i] = pairs_.FindOrAdd(&pair);
  }
  ResizeEntries(pairs_.size());
}

void Contributions::AddCell(size_t aggregate, const uint32_t* positions, size_t rows,
                            const Vector* arg) {
  Cell& cell = cells_[aggregate];
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t entry = entries_[positions == nullptr ? i : positions[i]];
    ++cell.passed[entry];
    if (arg != nullptr && arg->IsNull(i)) continue;
    if (!cell.sums) {
      ++cell.contributed[entry];
      continue;
    }
    const double magnitude = Magnitude(*arg, i);
    // Zeros move neither a sum nor what can be told from it.
    if (magnitude != 0) ++cell.contributed[entry];
    cell.total[entry] += magnitude;
    if (!has_subject_) cell.largest[entry] = std::max(cell.largest[entry], magnitude);
  }
}

void Contributions::Merge(const Contributions& other, const std::vector<uint32_t>& map) {
  for (size_t g = 0; g < other.rows_.size(); ++g) rows_[map[g]] += other.rows_[g];
  std::vector<uint32_t> entries(other.entry_count_);
  for (uint32_t e = 0; e < other.entry_count_; ++e) {
    if (!has_subject_) {
      entries[e] = map[e];
      continue;
    }
    const uint64_t pair = *other.pairs_.KeyAt(e);
    const uint64_t mapped = (static_cast<uint64_t>(map[pair >> 32]) << 32) | (pair & 0xFFFFFFFFu);
    entries[e] = pairs_.FindOrAdd(&mapped);
  }
  if (has_subject_) ResizeEntries(pairs_.size());
  for (size_t c = 0; c < cells_.size(); ++c) {
    Cell& to = cells_[c];
    const Cell& from = other.cells_[c];
    for (size_t e = 0; e < entries.size(); ++e) {
      to.passed[entries[e]] += from.passed[e];
      to.contributed[entries[e]] += from.contributed[e];
      if (to.sums) to.total[entries[e]] += from.total[e];
      if (!to.largest.empty()) {
        to.largest[entries[e]] = std::max(to.largest[entries[e]], from.largest[e]);
      }
    }
  }
}

std::vector<GroupFacts> Contributions::Facts() const {
  std::vector<GroupFacts> facts(groups_);
  for (GroupFacts& group : facts) group.cells.resize(cells_.size());
  has_subject_ ? FactsBySubject(facts) : FactsByRow(facts);
  return facts;
}

void Contributions::FactsBySubject(std::vector<GroupFacts>& facts) const {
  std::unordered_map<uint32_t, uint32_t> groups_of;  // subject → in how many groups
  for (uint32_t e = 0; e < entry_count_; ++e) ++groups_of[*pairs_.KeyAt(e) & 0xFFFFFFFFu];
  std::vector<uint64_t> only_here(groups_, 0);
  for (uint32_t e = 0; e < entry_count_; ++e) {
    const uint64_t pair = *pairs_.KeyAt(e);
    ++facts[pair >> 32].subjects;
    if (groups_of[pair & 0xFFFFFFFFu] == 1) ++only_here[pair >> 32];
  }
  for (size_t g = 0; g < groups_; ++g) facts[g].outside = groups_of.size() - only_here[g];
  for (size_t c = 0; c < cells_.size(); ++c) {
    const Cell& cell = cells_[c];
    std::vector<uint64_t> passed(groups_, 0);
    std::vector<double> total(groups_, 0);
    std::vector<double> largest(groups_, 0);
    for (uint32_t e = 0; e < entry_count_; ++e) {
      const size_t g = *pairs_.KeyAt(e) >> 32;
      passed[g] += (cell.counts_nulls ? cell.contributed[e] : cell.passed[e]) > 0 ? 1 : 0;
      facts[g].cells[c].contributors += cell.contributed[e] > 0 ? 1 : 0;
      if (!cell.sums) continue;
      total[g] += cell.total[e];
      largest[g] = std::max(largest[g], cell.total[e]);
    }
    for (size_t g = 0; g < groups_; ++g) {
      facts[g].cells[c].others = facts[g].subjects - passed[g];
      facts[g].cells[c].dominated = largest[g] > total[g] / 2;
    }
  }
}

void Contributions::FactsByRow(std::vector<GroupFacts>& facts) const {
  uint64_t all = 0;
  for (const uint64_t rows : rows_) all += rows;
  for (size_t g = 0; g < groups_; ++g) {
    facts[g].subjects = rows_[g];
    facts[g].outside = all - rows_[g];
    for (size_t c = 0; c < cells_.size(); ++c) {
      const Cell& cell = cells_[c];
      CellFacts& cell_facts = facts[g].cells[c];
      cell_facts.contributors = cell.contributed[g];
      cell_facts.others = rows_[g] - (cell.counts_nulls ? cell.contributed[g] : cell.passed[g]);
      cell_facts.dominated = cell.sums && cell.largest[g] > cell.total[g] / 2;
    }
  }
}

size_t Contributions::bytes() const {
  size_t total = pairs_.bytes() + rows_.capacity() * 8;
  for (const Cell& cell : cells_) {
    total += (cell.passed.capacity() + cell.contributed.capacity()) * 4 +
             (cell.total.capacity() + cell.largest.capacity()) * 8;
  }
  return total;
}

}  // namespace televault::query
