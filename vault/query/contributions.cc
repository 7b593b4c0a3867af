#include "vault/query/contributions.h"

#include <algorithm>
#include <unordered_map>

#include "vault/query/subject_set.h"

namespace televault::query {

Contributions::Contributions(const std::vector<Aggregate>& aggregates, bool has_subject)
    : has_subject_(has_subject), pairs_(2) {
  for (const Aggregate& aggregate : aggregates) {
    Cell cell;
    // count(x) next to count(*) tells how many rows have no x.
    cell.counts_nulls = aggregate.kind == AggregateKind::kCount;
    cell.sums = AddsUp(aggregate.kind);
    cells_.push_back(std::move(cell));
  }
}

void Contributions::Resize(size_t groups) {
  groups_ = groups;
  if (!has_subject_) ResizeEntries(groups);
}

void Contributions::ResizeEntries(size_t entries) {
  entry_count_ = entries;
  rows_.resize(entries, 0);
  for (Cell& cell : cells_) {
    cell.passed.resize(entries, 0);
    cell.contributed.resize(entries, 0);
    if (cell.sums) cell.total.resize(entries, 0);
    if (cell.sums && !has_subject_) cell.largest.resize(entries, 0);
  }
}

void Contributions::AddRows(const uint32_t* groups, const uint32_t* subjects, uint32_t period,
                            size_t rows) {
  entries_.resize(rows);
  for (size_t i = 0; i < rows; ++i) {
    if (!has_subject_) {
      entries_[i] = groups[i];
      continue;
    }
    const uint64_t pair[2] = {(static_cast<uint64_t>(groups[i]) << 32) | subjects[i], period};
    entries_[i] = pairs_.FindOrAdd(pair);
  }
  if (has_subject_) ResizeEntries(pairs_.size());
  for (const uint32_t entry : entries_) ++rows_[entry];
}

void Contributions::AddCell(size_t aggregate, const uint32_t* positions, size_t rows,
                            const Vector* arg) {
  Cell& cell = cells_[aggregate];
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t entry = entries_[positions == nullptr ? i : positions[i]];
    ++cell.passed[entry];
    if (arg != nullptr && arg->IsNull(i)) continue;
    if (!cell.sums || arg == nullptr) {
      ++cell.contributed[entry];
      continue;
    }
    const double magnitude = arg->Magnitude(i);
    // Zeros move neither a sum nor what can be told from it.
    if (magnitude != 0) ++cell.contributed[entry];
    cell.total[entry] += magnitude;
    if (!has_subject_) cell.largest[entry] = std::max(cell.largest[entry], magnitude);
  }
}

void Contributions::Merge(const Contributions& other, const Renumbering& here) {
  std::vector<uint32_t> entries(other.entry_count_);
  for (uint32_t e = 0; e < other.entry_count_; ++e) {
    if (!has_subject_) {
      entries[e] = here.groups[e];
      continue;
    }
    const uint64_t mapped[2] = {(static_cast<uint64_t>(here.groups[other.GroupOf(e)]) << 32) |
                                    here.SubjectOf(other.SubjectOf(e)),
                                other.PeriodOf(e)};
    entries[e] = pairs_.FindOrAdd(mapped);
  }
  if (has_subject_) ResizeEntries(pairs_.size());
  for (size_t e = 0; e < entries.size(); ++e) rows_[entries[e]] += other.rows_[e];
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
  std::vector<std::vector<uint32_t>> periods;  // entries of each
  std::unordered_map<uint32_t, size_t> place;
  for (uint32_t e = 0; e < entry_count_; ++e) {
    const size_t at = place.try_emplace(PeriodOf(e), periods.size()).first->second;
    if (at == periods.size()) periods.emplace_back();
    periods[at].push_back(e);
  }
  CountGroups(periods, facts);
  for (size_t c = 0; c < cells_.size(); ++c) {
    for (const std::vector<uint32_t>& period : periods) CountCell(c, period, facts);
    if (cells_[c].sums) FindDominated(c, periods, facts);
  }
}

void Contributions::CountGroups(const std::vector<std::vector<uint32_t>>& periods,
                                std::vector<GroupFacts>& facts) const {
  std::vector<uint64_t> subjects(groups_, 0);
  std::vector<uint64_t> only_here(groups_, 0);
  std::vector<uint32_t> met;
  for (const std::vector<uint32_t>& period : periods) {
    std::unordered_map<uint32_t, uint32_t> groups_of;  // subject → in how many groups
    for (const uint32_t e : period) ++groups_of[SubjectOf(e)];
    for (const uint32_t e : period) {
      if (subjects[GroupOf(e)]++ == 0) met.push_back(GroupOf(e));
      only_here[GroupOf(e)] += groups_of[SubjectOf(e)] == 1 ? 1 : 0;
    }
    for (size_t g = 0; g < groups_; ++g) {
      facts[g].outside = std::max<uint64_t>(facts[g].outside, groups_of.size() - only_here[g]);
    }
    for (const uint32_t g : met) {
      facts[g].subjects = std::max(facts[g].subjects, subjects[g]);
      subjects[g] = only_here[g] = 0;
    }
    met.clear();
  }
}

void Contributions::CountCell(size_t aggregate, const std::vector<uint32_t>& period,
                              std::vector<GroupFacts>& facts) const {
  const Cell& cell = cells_[aggregate];
  std::unordered_map<uint32_t, CellFacts> here;
  for (const uint32_t e : period) {
    CellFacts& counts = here[GroupOf(e)];
    const uint64_t passed = cell.counts_nulls ? cell.contributed[e] : cell.passed[e];
    counts.contributors += cell.contributed[e] > 0 ? 1 : 0;
    counts.others += passed == 0 ? 1 : 0;
    counts.partly_others += passed < rows_[e] ? 1 : 0;
  }
  for (const auto& [g, counts] : here) {
    CellFacts& most = facts[g].cells[aggregate];
    most.contributors = std::max(most.contributors, counts.contributors);
    most.others = std::max(most.others, counts.others);
    most.partly_others = std::max(most.partly_others, counts.partly_others);
  }
}

// Nobody can tell which pseudonyms of several periods are one person: the largest of each period
// are taken for the same.
void Contributions::FindDominated(size_t aggregate,
                                  const std::vector<std::vector<uint32_t>>& periods,
                                  std::vector<GroupFacts>& facts) const {
  const Cell& cell = cells_[aggregate];
  std::vector<double> total(groups_, 0);
  std::vector<double> largest(groups_, 0);  // over the periods so far
  std::vector<double> here(groups_, 0);     // of this period
  for (const std::vector<uint32_t>& period : periods) {
    for (const uint32_t e : period) {
      total[GroupOf(e)] += cell.total[e];
      here[GroupOf(e)] = std::max(here[GroupOf(e)], cell.total[e]);
    }
    for (const uint32_t e : period) {
      largest[GroupOf(e)] += here[GroupOf(e)];
      here[GroupOf(e)] = 0;
    }
  }
  for (size_t g = 0; g < groups_; ++g) {
    facts[g].cells[aggregate].dominated = largest[g] > total[g] / 2;
  }
}

uint64_t Contributions::Covered(std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                                uint64_t enough) const {
  uint64_t rows = 0;
  SubjectSet subjects;
  for (uint32_t e = 0; e < entry_count_; ++e) {
    const uint64_t of_entry = cell.has_value() ? cells_[*cell].contributed[e] : rows_[e];
    const bool counts = of_entry > 0 && marked[has_subject_ ? GroupOf(e) : e] != 0;
    if (!counts) continue;
    rows += of_entry;
    if (has_subject_) subjects.Add(PeriodOf(e), SubjectOf(e));
    if ((has_subject_ ? subjects.persons() : rows) >= enough) return enough;
  }
  return has_subject_ ? subjects.persons() : rows;
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

size_t Contributions::facts_bytes() const {
  // A node of a hash map and its share of the buckets.
  constexpr size_t kNode = 64;
  const size_t per_group = sizeof(GroupFacts) + sizeof(std::vector<uint8_t>) + 8 * 8 + kNode +
                           cells_.size() * (sizeof(CellFacts) + 2);
  return groups_ * per_group + (has_subject_ ? entry_count_ * (sizeof(uint32_t) + kNode) : 0);
}

}  // namespace televault::query
