#include "vault/query/disclosure.h"

#include <algorithm>
#include <limits>

#include "vault/base/check.h"

namespace televault::query {
namespace {

bool NoneOrEnough(uint64_t count, uint32_t k_min) { return count == 0 || count >= k_min; }

// Rule 3 over one list of sizes: while what is withheld is a single thing or covers fewer than k,
// withholds the smallest that is left.
void Complete(uint32_t k_min, const std::vector<uint64_t>& sizes, std::optional<size_t> cell,
              const Coverage& covered, std::vector<uint8_t>& withheld) {
  while (true) {
    size_t count = 0;
    size_t smallest = sizes.size();
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (withheld[i] != 0) {
        ++count;
      } else if (smallest == sizes.size() || sizes[i] < sizes[smallest]) {
        smallest = i;
      }
    }
    // What is left has k subjects by rules 1 and 2, so that this ends after two rounds.
    if (count == 0 || smallest == sizes.size()) return;
    if (count >= 2 && covered(cell, withheld, k_min) >= k_min) return;
    withheld[smallest] = 1;
  }
}

bool MustWithhold(uint32_t k_min, const CellFacts& cell) {
  return cell.contributors < k_min || !NoneOrEnough(cell.others, k_min) ||
         !NoneOrEnough(cell.partly_others, k_min) || cell.dominated || cell.identifies_few;
}

}  // namespace

Suppression Suppress(uint32_t k_min, std::span<const GroupFacts> groups, const Coverage& covered) {
  // A caller that asks for less gets the least that still hides a single subject.
  k_min = std::max<uint32_t>(k_min, 2);
  Suppression out;
  std::vector<uint64_t> sizes;
  for (const GroupFacts& group : groups) {
    const bool shown = group.subjects >= k_min && NoneOrEnough(group.outside, k_min);
    out.groups.push_back(shown ? 0 : 1);
    sizes.push_back(group.subjects);
  }
  Complete(k_min, sizes, std::nullopt, covered, out.groups);

  const size_t cells = groups.empty() ? 0 : groups.front().cells.size();
  out.cells.assign(groups.size(), std::vector<uint8_t>(cells, 0));
  for (size_t cell = 0; cell < cells; ++cell) {
    std::vector<uint8_t> withheld;
    std::vector<uint64_t> contributors;
    for (size_t g = 0; g < groups.size(); ++g) {
      TV_CHECK(groups[g].cells.size() == cells);
      const CellFacts& facts = groups[g].cells[cell];
      withheld.push_back(out.groups[g] != 0 || MustWithhold(k_min, facts) ? 1 : 0);
      contributors.push_back(facts.contributors);
    }
    Complete(k_min, contributors, cell, covered, withheld);
    for (size_t g = 0; g < groups.size(); ++g) {
      if (out.groups[g] != 0 || withheld[g] == 0) continue;
      out.cells[g][cell] = 1;
      ++out.suppressed_cells;
    }
  }
  out.suppressed_groups =
      static_cast<uint64_t>(std::count(out.groups.begin(), out.groups.end(), uint8_t{1}));
  return out;
}

}  // namespace televault::query
