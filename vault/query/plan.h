#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "televault/v1/types.pb.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/schema.h"
#include "vault/query/disclosure.h"
#include "vault/query/parse.h"

namespace televault::query {

struct OutputColumn {
  std::string name;
  v1::FieldKind kind = v1::FIELD_KIND_UNSPECIFIED;
};

// Half open: begin ≤ event_time < end.
struct TimeRange {
  WallTime begin{std::numeric_limits<int64_t>::min()};
  WallTime end{std::numeric_limits<int64_t>::max()};
};

namespace internal {
struct BoundQuery;
}

// A typed query over one revision of one dataset. Immutable and cheap to copy.
// Refuses nothing by itself: Bind() and Restrict() made it, Execute() runs it.
// Threads: any may read.
// Invariants: (1) fields() names every declared field that the text uses anywhere, so the purpose
// check sees them before a row is read. (2) After Restrict() no expression reads a masked field
// other than through its mask.
class Plan {
 public:
  explicit Plan(std::shared_ptr<const internal::BoundQuery> bound) : bound_(std::move(bound)) {}

  DatasetId dataset() const;
  uint32_t schema_revision() const;
  const std::vector<OutputColumn>& output() const;
  // Column numbers that execution reads, ascending; holds `subject` where disclosure control
  // counts.
  const std::vector<uint16_t>& columns() const;
  // Field names in filter, group, sort and output, ascending (event_time and subject included).
  const std::vector<std::string>& fields() const;
  // Rows outside of it cannot match.
  TimeRange time_range() const;
  // True where every output row stands for a group.
  bool is_aggregate() const;
  // True once Restrict() ran; Execute() of an unrestricted plan shows everything.
  bool restricted() const;
  const internal::BoundQuery& bound() const { return *bound_; }

 private:
  std::shared_ptr<const internal::BoundQuery> bound_;
};

// Gives names and literals their types. `parameters` are the values of $1, $2, …; `now` is what
// now() answers.
// Errors: INVALID_ARGUMENT with reason INVALID_SQL (position, field names, types; never a value).
absl::StatusOr<Plan> Bind(const ParsedQuery& query, const catalog::Schema& schema,
                          std::span<const v1::Value> parameters, WallTime now);

// The same query as the caller may run it: masks at the leaves, disclosure control switched on.
// Errors: PERMISSION_DENIED with reason DENIED where aggregate mode is asked for rows, for the
// subject or for finer times than days (the text says how to ask instead).
absl::StatusOr<Plan> Restrict(const Plan& plan, const Disclosure& disclosure);

// One operator per line, outermost first. Shows no literal.
std::string Explain(const Plan& plan);

}  // namespace televault::query
