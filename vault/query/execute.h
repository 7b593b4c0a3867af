#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "televault/v1/query_service.pb.h"
#include "vault/base/clock.h"
#include "vault/base/gate.h"
#include "vault/base/limits.h"
#include "vault/base/status.h"
#include "vault/query/plan.h"
#include "vault/query/read_days.h"
#include "vault/query/source.h"

namespace televault::query {

// Surroundings of one execution. Borrows everything; all must outlive Execute().
struct ExecContext {
  const Gate& gate;
  GateScope scope;
  const Clock& clock;
  MonoTime deadline;                             // DEADLINE_EXCEEDED after it
  const std::atomic<bool>* cancelled = nullptr;  // CANCELLED once true; may be null
  // If set, told of every day whose rows go into the answer, before any of them reaches the sink.
  ReadDays* read_days = nullptr;
  size_t memory_bytes = limits::kDefaultQueryMemoryBytes;
  size_t threads = 2;  // at least 1; the calling thread is one of them
};

// For the trailer. Filled as far as execution came, also on errors.
struct ExecStats {
  uint64_t rows = 0;
  uint64_t rows_scanned = 0;
  // For the record alone: how many small groups there are is not for the caller to know.
  uint64_t suppressed_groups = 0;
  uint64_t suppressed_cells = 0;
  // The same for an answer with nothing to show, whether there was nothing or too little.
  bool groups_withheld = false;
  uint32_t partitions_read = 0;
  uint32_t partitions_pruned = 0;
  uint32_t blocks_read = 0;
  uint32_t blocks_pruned = 0;
  bool approximate = false;
  size_t peak_memory_bytes = 0;  // as accounted, not as resident
  std::vector<Refusal> refusals;
};

using BatchSink = std::function<absl::Status(v1::QueryBatch)>;

// Runs `plan` over `source` and hands the answer to `sink` in batches of at most
// limits::kMaxResultBatchBytes. Gate, expiry, deadline and cancellation are looked at every
// limits::kRowsPerCheck rows. The answer depends on plan and view alone, given one thread count.
// Errors: those of the gate, of the source and of the sink; RESOURCE_EXHAUSTED over the memory
// budget; INVALID_ARGUMENT where an expression fails on a row (division by zero, overflow), without
// the value. Under aggregate disclosure such a value is NULL instead (docs/adr/0060).
absl::Status Execute(const Plan& plan, TableSource& source, const ExecContext& context,
                     const BatchSink& sink, ExecStats* stats);

}  // namespace televault::query
