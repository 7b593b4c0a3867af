#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault/base/time.h"

namespace televault::query {

enum class MaskKind : uint8_t {
  kVisible,
  kHidden,    // always NULL
  kHash,      // text: Disclosure::hash of the value
  kTruncate,  // text: the first `length` characters
  kYear,      // timestamp: the start of its year
};

struct Mask {
  MaskKind kind = MaskKind::kVisible;
  uint32_t length = 0;  // kTruncate only
};

enum class Mode : uint8_t {
  kAggregate,  // only aggregates over at least k_min subjects
  kRows,       // rows, masks applied
};

// The finest event_time that an aggregate query may see.
enum class TimeGranularity : uint8_t { kExact, kHour, kDay };

// What one caller may learn from one query. The service fills it from the decision; the defaults
// are the strictest.
struct Disclosure {
  Mode mode = Mode::kAggregate;
  uint32_t k_min = 20;  // at least 2
  // By field name; a field that is not named is visible. A mask that does not fit the field's type
  // hides it.
  std::map<std::string, Mask, std::less<>> masks;
  TimeGranularity time_granularity = TimeGranularity::kDay;
  // How long a subject keeps its pseudonym, as the manifest says; nullopt = always.
  std::optional<microseconds> rotate = std::chrono::days(1);
  // Keyed hash for kHash, text out; required where a kHash mask is given. Pure and thread-safe.
  std::function<std::string(std::string_view)> hash;
};

// What is known about one cell (one aggregate of one group) when the scan is over. "Contributors"
// are the distinct subjects whose rows the value came from; rows where the dataset has no subject.
struct CellFacts {
  uint64_t contributors = 0;
  uint64_t others = 0;          // subjects of the group that are left out with all their rows
  uint64_t partly_others = 0;   // with at least one: count(*) next to the cell tells of those rows
  bool dominated = false;       // SUM, AVG, STDDEV: one contributor makes more than half
  bool identifies_few = false;  // MIN, MAX, percentiles: the value belongs to fewer than k
};

struct GroupFacts {
  uint64_t subjects = 0;  // distinct subjects in the group
  uint64_t outside = 0;   // distinct subjects under the same filter with a row in another group
  std::vector<CellFacts> cells;  // one per aggregate, equal length in all groups
};

// What has to be withheld: parallel to the facts.
struct Suppression {
  std::vector<uint8_t> groups;              // 1 = the whole group
  std::vector<std::vector<uint8_t>> cells;  // 1 = this aggregate of a group that is shown
  uint64_t suppressed_groups = 0;
  uint64_t suppressed_cells = 0;
};

// How many distinct subjects are behind all marked groups, or behind this cell of theirs; may stop
// counting at `enough`.
using Coverage = std::function<uint64_t(std::optional<size_t> cell,
                                        const std::vector<uint8_t>& marked, uint64_t enough)>;

// The rules of disclosure control over the facts of one answer. Pure.
// (1) A group is shown only with at least k subjects and with none or at least k outside it.
// (2) A cell is shown only with at least k contributors and none or at least k others of either
//     kind, not dominated and not the value of few.
// (3) Where something is withheld, at least two things that together cover k are, per answer for
//     groups and per aggregate for cells: otherwise the smallest that is left goes too. Who is in
//     several of them counts once.
// Rules 1 to 3 never tell 0 from k−1.
Suppression Suppress(uint32_t k_min, std::span<const GroupFacts> groups, const Coverage& covered);

}  // namespace televault::query
