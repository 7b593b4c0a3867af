#include "vault/query/execute.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/query/binder.h"
#include "vault/query/evaluate.h"
#include "vault/query/group_worker.h"
#include "vault/query/guard.h"
#include "vault/query/handover.h"
#include "vault/query/result_writer.h"
#include "vault/query/row_store.h"

namespace televault::query {
namespace {

using internal::BoundQuery;

constexpr auto kSlice = static_cast<uint32_t>(limits::kRowsPerCheck);
// Rows that a sort with LIMIT keeps before it drops those that cannot be shown.
constexpr size_t kMinSortRows = 65'536;

// What all groups say, and what of it is withheld.
struct GroupAnswers {
  std::vector<Vector> inputs;                     // keys, then aggregates; one row per group
  std::vector<std::vector<uint8_t>> few;          // per aggregate as in Answer
  std::vector<std::vector<uint8_t>> approximate;  // per aggregate as in Answer
  Suppression suppression;                        // empty without disclosure control

  bool NobodyIsIdentified() const {
    return std::all_of(few.begin(), few.end(), [](const std::vector<uint8_t>& groups) {
      return std::all_of(groups.begin(), groups.end(), [](uint8_t flag) { return flag == 0; });
    });
  }
  bool Withheld(uint32_t group, size_t aggregate) const {
    return !suppression.cells.empty() && suppression.cells[group][aggregate] != 0;
  }
};

// One run of one plan. Used once.
class Execution {
 public:
  Execution(const BoundQuery& bound, TableSource& source, const ExecContext& context,
            const BatchSink& sink, ExecStats& stats)
      : bound_(bound),
        source_(source),
        context_(context),
        stats_(stats),
        threads_(std::max<size_t>(context.threads, 1)),
        guard_(context, bound.controlled() ? GateAccess::kAggregates : GateAccess::kRows, threads_),
        guarded_sink_([this, &sink](v1::QueryBatch batch) -> absl::Status {
          TV_RETURN_IF_ERROR(guard_.Check(0, held_));
          return sink(std::move(batch));
        }),
        writer_(bound.outputs.size(), guarded_sink_) {}

  absl::Status Run();

 private:
  absl::Status ChooseUnits();
  bool MayMatch(const Unit& unit) const;
  // Runs `work` over slices of the unit; OK without work where the unit expired meanwhile. `held`:
  // bytes that the thread holds before; `work` answers with those after a slice.
  template <class Start, class Work>
  absl::Status ScanUnit(const Unit& unit, size_t thread, size_t held, const Start& start,
                        const Work& work);

  absl::Status RunRows();
  // Hands the rows of the unit that the filter leaves to `take`, slice by slice. `held()`: bytes
  // that the thread holds.
  template <class Take, class Held>
  absl::Status ScanRows(const Unit& unit, size_t thread, Evaluator& evaluator, const Take& take,
                        const Held& held);
  absl::Status StreamUnits();
  absl::Status FailureOf(std::vector<Handover>& handovers, std::vector<std::jthread>& running);
  absl::Status StreamRows(Evaluator& evaluator, const Rows& rows);
  absl::Status KeepUnits(size_t thread, size_t threads, Handover& handover);
  absl::Status SortUnits();
  // Runs `work` for each thread but the first in one of its own, until `running` lets go of it.
  void StartThreads(size_t threads, const std::function<absl::Status(size_t thread)>& work,
                    std::vector<std::jthread>& running);
  absl::Status RunGroups();
  // Everything that is to be read, in one worker.
  absl::StatusOr<std::unique_ptr<GroupWorker>> ScanGroups(Counting counting);
  absl::Status ScanShare(size_t thread, GroupWorker& worker);
  absl::Status ShowGroups(GroupWorker& worker, GroupAnswers& answers);
  absl::Status FinishGroups(GroupWorker& worker, GroupAnswers& answers);
  // The groups that may be shown; cells of theirs that may not are NULL afterwards.
  std::vector<uint32_t> Withhold(const GroupWorker& worker, GroupAnswers& answers);
  absl::Status WritePage(Evaluator& evaluator, const GroupAnswers& answers,
                         const std::vector<uint32_t>& page);
  absl::StatusOr<std::vector<uint32_t>> OrderGroups(Evaluator& evaluator,
                                                    const std::vector<Vector>& inputs,
                                                    std::vector<uint32_t> shown) const;
  std::vector<uint32_t> Page(std::vector<uint32_t> order) const;

  const BoundQuery& bound_;
  TableSource& source_;
  const ExecContext& context_;
  ExecStats& stats_;
  const size_t threads_;
  size_t held_ = 0;
  ExecutionGuard guard_;
  const BatchSink guarded_sink_;
  ResultWriter writer_;
  Interner texts_;
  std::vector<Unit> units_;
  std::mutex stats_mu_;  // guards stats_ while threads run
  uint64_t to_skip_ = 0;
  uint64_t to_show_ = 0;
};

bool Execution::MayMatch(const Unit& unit) const {
  if (unit.max_time < bound_.range.begin || unit.min_time >= bound_.range.end) return false;
  // What is left out shows in counts and times: under disclosure control a caller could search for
  // the largest value by asking which bound reads nothing.
  if (bound_.controlled()) return true;
  for (const ColumnBounds& bounds : bound_.bounds) {
    for (const ZoneMap& zone : unit.zones) {
      if (zone.column != bounds.column) continue;
      if (zone.max < bounds.low || zone.min > bounds.high) return false;
    }
  }
  return bound_.subject.empty() || source_.MayContainSubject(unit, bound_.subject);
}

absl::Status Execution::ChooseUnits() {
  TV_ASSIGN_OR_RETURN(Listing listing, source_.List(bound_.range));
  stats_.partitions_pruned = listing.partitions_pruned;
  stats_.blocks_pruned = listing.blocks_pruned;
  std::set<std::pair<Day, std::string>> refused;
  for (const Refusal& refusal : listing.refusals) {
    if (refusal.reason == reason::kQuarantined) {
      return WithReason(
          absl::DataLossError(absl::StrCat("day ", FormatDay(refusal.day),
                                           " is quarantined: its data does not verify; leave the "
                                           "day out of the time range or have it restored")),
          reason::kQuarantined);
    }
    refused.insert({refusal.day, refusal.reason});
  }
  std::set<Day> days;
  std::set<Day> days_read;
  const WallTime now = context_.gate.ReadTime();
  for (Unit& unit : listing.units) {
    TV_CHECK(unit.rows <= limits::kRowsPerBlock);
    if (now >= unit.deadline) {
      refused.insert({unit.day, std::string(reason::kExpired)});
      continue;
    }
    days.insert(unit.day);
    if (!MayMatch(unit)) {
      ++stats_.blocks_pruned;
      continue;
    }
    days_read.insert(unit.day);
    units_.push_back(std::move(unit));
  }
  stats_.partitions_read = static_cast<uint32_t>(days_read.size());
  stats_.partitions_pruned += static_cast<uint32_t>(days.size() - days_read.size());
  for (const auto& [day, why] : refused) stats_.refusals.push_back({day, why});
  return absl::OkStatus();
}

template <class Start, class Work>
absl::Status Execution::ScanUnit(const Unit& unit, size_t thread, size_t held, const Start& start,
                                 const Work& work) {
  TV_RETURN_IF_ERROR(guard_.Check(thread, held));
  auto opened = source_.Open(unit, bound_.columns);
  if (!opened.ok()) {
    const absl::Status& why = opened.status();
    const bool expired = absl::IsFailedPrecondition(why) && ReasonOf(why) == reason::kExpired;
    if (!expired) return why;
    const std::lock_guard lock(stats_mu_);
    stats_.refusals.push_back({unit.day, std::string(reason::kExpired)});
    return absl::OkStatus();
  }
  block::UnitColumns& columns = **opened;
  // Fewer where some are hidden from everybody.
  if (columns.rows() > unit.rows) {
    return absl::InternalError("a unit holds more rows than its manifest says");
  }
  guard_.Depend(unit);
  start(columns);
  for (size_t first = 0; first < columns.rows(); first += kSlice) {
    const size_t rows = std::min<size_t>(kSlice, columns.rows() - first);
    TV_ASSIGN_OR_RETURN(const size_t after, work(first, rows));
    TV_RETURN_IF_ERROR(guard_.Check(thread, after));
  }
  const std::lock_guard lock(stats_mu_);
  stats_.rows_scanned += columns.rows();
  ++stats_.blocks_read;
  return absl::OkStatus();
}

template <class Take, class Held>
absl::Status Execution::ScanRows(const Unit& unit, size_t thread, Evaluator& evaluator,
                                 const Take& take, const Held& held) {
  return ScanUnit(
      unit, thread, held(), [&](block::UnitColumns& columns) { evaluator.StartUnit(&columns); },
      [&](size_t first, size_t count) -> absl::StatusOr<size_t> {
        evaluator.StartSlice(first, count);
        std::vector<uint32_t> selected;
        TV_ASSIGN_OR_RETURN(const Rows rows, evaluator.Select(bound_.where, selected));
        if (rows.count > 0) TV_RETURN_IF_ERROR(take(rows));
        return held();
      });
}

absl::Status Execution::Run() {
  TV_RETURN_IF_ERROR(guard_.Check(0, 0));
  TV_RETURN_IF_ERROR(ChooseUnits());
  to_skip_ = bound_.offset;
  to_show_ = bound_.limit.value_or(UINT64_MAX);
  absl::Status status = bound_.grouped ? RunGroups() : RunRows();
  if (status.ok()) status = writer_.Finish();
  // The last look: nothing of a day that expired since it was read is said to be an answer.
  if (status.ok()) status = guard_.Check(0, held_);
  stats_.rows = writer_.rows();
  stats_.peak_memory_bytes = guard_.peak_bytes();
  return status;
}

// Rows without ORDER BY leave as they are found.
absl::Status Execution::StreamRows(Evaluator& evaluator, const Rows& rows) {
  const uint64_t skipped = std::min<uint64_t>(to_skip_, rows.count);
  to_skip_ -= skipped;
  const uint64_t shown = std::min<uint64_t>(to_show_, rows.count - skipped);
  to_show_ -= shown;
  if (shown == 0) return absl::OkStatus();
  std::vector<uint32_t> picked(shown);
  for (size_t i = 0; i < shown; ++i) picked[i] = rows.At(skipped + i);
  Rows page;
  page.selection = picked.data();
  page.count = static_cast<uint32_t>(shown);
  std::vector<Vector> columns;
  for (const OutputExpr& output : bound_.outputs) {
    columns.push_back(evaluator.Evaluate(*output.expr, page));
  }
  TV_RETURN_IF_ERROR(evaluator.status());
  return writer_.Append(columns, shown);
}

// Every threads-th unit from `thread` on, handed over in pieces.
absl::Status Execution::KeepUnits(size_t thread, size_t threads, Handover& handover) {
  Evaluator evaluator(false, &bound_.disclosure);
  std::vector<SqlType> types;
  for (const OutputExpr& output : bound_.outputs) types.push_back(output.expr->type);
  auto kept = std::make_unique<KeptRows>(types);
  const auto hand_over = [&](bool ends_unit) {
    kept->ends_unit = ends_unit;
    const bool taken = handover.Put(std::move(kept));
    kept = std::make_unique<KeptRows>(types);
    return taken;
  };
  const auto held = [&] { return kept->bytes() + handover.bytes(); };
  const auto keep = [&](const Rows& rows) {
    std::vector<Vector> columns;
    for (const OutputExpr& output : bound_.outputs) {
      columns.push_back(evaluator.Evaluate(*output.expr, rows));
    }
    TV_RETURN_IF_ERROR(evaluator.status());
    kept->rows.Append(columns, rows.count);
    // Where nobody takes any more, somebody else has said why.
    if (kept->bytes() >= limits::kHandoverBytes) hand_over(false);
    return absl::OkStatus();
  };
  for (size_t u = thread; u < units_.size(); u += threads) {
    TV_RETURN_IF_ERROR(ScanRows(units_[u], thread, evaluator, keep, held));
    if (!hand_over(true)) break;
  }
  return guard_.Check(thread, 0);
}

void Execution::StartThreads(size_t threads, const std::function<absl::Status(size_t thread)>& work,
                             std::vector<std::jthread>& running) {
  for (size_t t = 1; t < threads; ++t) {
    running.emplace_back([this, t, work] {
      absl::Status status;
      try {
        status = work(t);
      } catch (const std::exception&) {
        // Past the end of a thread it would end the process; the caller's is caught by whoever
        // called.
        status = absl::InternalError("a thread of the query failed, out of memory perhaps");
      }
      if (!status.ok()) guard_.Fail(status);
    });
  }
}

// Rows leave in the order of units. What other threads find waits for its turn; who wants the first
// few rows waits for nobody.
absl::Status Execution::StreamUnits() {
  const bool all = to_skip_ == 0 && to_show_ == UINT64_MAX;
  const size_t threads = all ? std::min(threads_, std::max<size_t>(units_.size(), 1)) : 1;
  std::vector<Handover> handovers(threads);
  std::vector<std::jthread> running;
  // Before they are waited for.
  const absl::Cleanup close = [&handovers] {
    for (Handover& handover : handovers) handover.Close();
  };
  StartThreads(
      threads,
      [this, threads, &handovers](size_t thread) {
        const absl::Cleanup done = [&handovers, thread] { handovers[thread].Close(); };
        return KeepUnits(thread, threads, handovers[thread]);
      },
      running);
  Evaluator evaluator(false, &bound_.disclosure);
  const auto show = [&](const Rows& rows) { return StreamRows(evaluator, rows); };
  for (size_t u = 0; u < units_.size() && to_show_ > 0; ++u) {
    if (u % threads == 0) {
      TV_RETURN_IF_ERROR(ScanRows(units_[u], 0, evaluator, show, [] { return size_t{0}; }));
      continue;
    }
    for (bool ended = false; !ended;) {
      const std::shared_ptr<const KeptRows> kept = handovers[u % threads].Take();
      if (kept == nullptr) return FailureOf(handovers, running);
      ended = kept->ends_unit;
      if (kept->rows.rows() == 0) continue;
      TV_RETURN_IF_ERROR(writer_.Append(kept->rows.columns(), kept->rows.rows()));
    }
  }
  return absl::OkStatus();
}

// A thread that hands over less than its units has failed, and says so before it ends.
absl::Status Execution::FailureOf(std::vector<Handover>& handovers,
                                  std::vector<std::jthread>& running) {
  for (Handover& handover : handovers) handover.Close();
  running.clear();
  absl::Status why = guard_.status();
  TV_CHECK(!why.ok());
  return why;
}

absl::Status Execution::RunRows() { return bound_.order_by.empty() ? StreamUnits() : SortUnits(); }

absl::Status Execution::SortUnits() {
  Evaluator evaluator(false, &bound_.disclosure);
  std::vector<ExprPtr> exprs;
  std::vector<SqlType> types;
  for (const OutputExpr& output : bound_.outputs) exprs.push_back(output.expr);
  for (const SortKey& key : bound_.order_by) exprs.push_back(key.expr);
  for (const ExprPtr& expr : exprs) types.push_back(expr->type);
  RowStore store(types, texts_);
  const uint64_t wanted = to_show_ > UINT64_MAX - to_skip_ ? UINT64_MAX : to_show_ + to_skip_;
  const auto sort = [&] {
    std::vector<SortColumn> columns;
    for (size_t k = 0; k < bound_.order_by.size(); ++k) {
      columns.push_back({&store.columns()[bound_.outputs.size() + k], bound_.order_by[k].descending,
                         bound_.order_by[k].nulls_first});
    }
    std::vector<uint32_t> order = SortRows(columns, store.rows());
    if (order.size() > wanted) order.resize(wanted);
    store.Keep(order);
  };
  const auto keep = [&](const Rows& rows) {
    std::vector<Vector> columns;
    for (const ExprPtr& expr : exprs) columns.push_back(evaluator.Evaluate(*expr, rows));
    TV_RETURN_IF_ERROR(evaluator.status());
    store.Append(columns, rows.count);
    if (store.rows() > kMinSortRows && store.rows() / 4 > wanted) sort();
    held_ = store.bytes() + texts_.bytes();
    return absl::OkStatus();
  };
  for (const Unit& unit : units_) {
    TV_RETURN_IF_ERROR(ScanRows(unit, 0, evaluator, keep, [this] { return held_; }));
  }
  sort();
  if (store.rows() <= to_skip_) return absl::OkStatus();
  std::vector<uint32_t> page(store.rows() - to_skip_);
  std::iota(page.begin(), page.end(), static_cast<uint32_t>(to_skip_));
  std::vector<Vector> columns;
  for (size_t c = 0; c < bound_.outputs.size(); ++c) {
    columns.push_back(Vector::Gather(store.columns()[c], page.data(), page.size()));
  }
  return writer_.Append(columns, page.size());
}

// Thread t takes every threads-th unit: the same rows meet in the same order in every run.
absl::Status Execution::ScanShare(size_t thread, GroupWorker& worker) {
  for (size_t u = thread; u < units_.size(); u += threads_) {
    const size_t held = worker.bytes() + (thread == 0 ? texts_.bytes() : 0);
    const absl::Status scanned = ScanUnit(
        units_[u], thread, held,
        [&](block::UnitColumns& columns) { worker.StartUnit(&columns, units_[u].day); },
        [&](size_t first, size_t count) -> absl::StatusOr<size_t> {
          TV_RETURN_IF_ERROR(worker.Process(first, count));
          return worker.bytes() + (thread == 0 ? texts_.bytes() : 0);
        });
    if (!scanned.ok()) return scanned;
    worker.EndUnit();
    if (worker.gave_up()) break;
  }
  return absl::OkStatus();
}

// Counts who is behind the answer only where a cheaper look leaves it open.
absl::Status Execution::RunGroups() {
  GroupAnswers answers;
  if (GroupWorker::MayProve(bound_)) {
    const std::vector<Refusal> refusals = stats_.refusals;
    TV_ASSIGN_OR_RETURN(const std::unique_ptr<GroupWorker> worker, ScanGroups(Counting::kEvidence));
    if (worker->Proven()) {
      TV_RETURN_IF_ERROR(FinishGroups(*worker, answers));
      if (answers.NobodyIsIdentified()) return ShowGroups(*worker, answers);
    }
    answers = GroupAnswers();
    held_ = 0;
    stats_.refusals = refusals;
    stats_.rows_scanned = 0;
    stats_.blocks_read = 0;
  }
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<GroupWorker> worker, ScanGroups(Counting::kExact));
  TV_RETURN_IF_ERROR(FinishGroups(*worker, answers));
  return ShowGroups(*worker, answers);
}

absl::StatusOr<std::unique_ptr<GroupWorker>> Execution::ScanGroups(Counting counting) {
  std::vector<std::unique_ptr<GroupWorker>> workers;
  const size_t threads = std::min(threads_, std::max<size_t>(units_.size(), 1));
  for (size_t t = 0; t < threads; ++t) {
    workers.push_back(std::make_unique<GroupWorker>(bound_, counting, texts_));
  }
  {
    std::vector<std::jthread> running;
    StartThreads(
        threads, [this, &workers](size_t thread) { return ScanShare(thread, *workers[thread]); },
        running);
    const absl::Status status = ScanShare(0, *workers[0]);
    if (!status.ok()) guard_.Fail(status);
  }
  TV_RETURN_IF_ERROR(guard_.status());
  const size_t texts = texts_.bytes();
  for (size_t t = 1; t < threads; ++t) {
    // The table that takes another one in may grow by as much before that one goes.
    TV_RETURN_IF_ERROR(guard_.Check(0, workers[0]->bytes() + workers[t]->bytes() + texts));
    workers[0]->Absorb(*workers[t]);
    workers[t].reset();
    TV_RETURN_IF_ERROR(guard_.Check(t, 0));
  }
  workers[0]->EnsureOneGroup();
  held_ = workers[0]->bytes() + texts + workers[0]->finish_bytes();
  TV_RETURN_IF_ERROR(guard_.Check(0, held_));
  return std::move(workers[0]);
}

// Filters and sorts the groups that may be shown; only what is shown takes part.
absl::StatusOr<std::vector<uint32_t>> Execution::OrderGroups(Evaluator& evaluator,
                                                             const std::vector<Vector>& inputs,
                                                             std::vector<uint32_t> shown) const {
  Rows rows;
  rows.inputs = &inputs;
  if (bound_.having != nullptr) {
    rows.selection = shown.data();
    rows.count = static_cast<uint32_t>(shown.size());
    std::vector<uint32_t> kept = evaluator.Filter(*bound_.having, rows);
    shown = std::move(kept);
  }
  rows.selection = shown.data();
  rows.count = static_cast<uint32_t>(shown.size());
  std::vector<Vector> values;
  for (const SortKey& key : bound_.order_by) values.push_back(evaluator.Evaluate(*key.expr, rows));
  for (size_t k = 0; k < bound_.keys.size(); ++k) {
    values.push_back(Vector::Gather(inputs[k], shown.data(), shown.size()));
  }
  TV_RETURN_IF_ERROR(evaluator.status());
  std::vector<SortColumn> columns;
  for (size_t v = 0; v < values.size(); ++v) {
    SortColumn column{&values[v]};
    if (v < bound_.order_by.size()) {
      column.descending = bound_.order_by[v].descending;
      column.nulls_first = bound_.order_by[v].nulls_first;
    }
    columns.push_back(column);
  }
  std::vector<uint32_t> order = SortRows(columns, shown.size());
  for (uint32_t& position : order) position = shown[position];
  return order;
}

std::vector<uint32_t> Execution::Page(std::vector<uint32_t> order) const {
  const size_t begin = std::min<uint64_t>(bound_.offset, order.size());
  const size_t count = std::min<uint64_t>(bound_.limit.value_or(UINT64_MAX), order.size() - begin);
  return {order.begin() + static_cast<ptrdiff_t>(begin),
          order.begin() + static_cast<ptrdiff_t>(begin + count)};
}

absl::Status Execution::FinishGroups(GroupWorker& worker, GroupAnswers& answers) {
  answers.inputs = worker.Keys();
  for (size_t a = 0; a < bound_.aggregates.size(); ++a) {
    TV_RETURN_IF_ERROR(guard_.Check(0, held_));
    TV_ASSIGN_OR_RETURN(Answer answer, worker.Finish(a));
    answers.few.push_back(std::move(answer.identifies_few));
    answers.approximate.push_back(std::move(answer.approximate));
    answers.inputs.push_back(std::move(answer.values));
  }
  return absl::OkStatus();
}

std::vector<uint32_t> Execution::Withhold(const GroupWorker& worker, GroupAnswers& answers) {
  const size_t groups = worker.groups();
  std::vector<uint32_t> shown(groups);
  std::iota(shown.begin(), shown.end(), 0);
  if (!bound_.controlled() || worker.Proven()) return shown;
  const Contributions& behind = worker.contributions();
  std::vector<GroupFacts> facts = behind.Facts();
  for (size_t a = 0; a < answers.few.size(); ++a) {
    for (size_t g = 0; g < answers.few[a].size(); ++g) {
      facts[g].cells[a].identifies_few = answers.few[a][g] != 0;
    }
  }
  answers.suppression =
      Suppress(bound_.disclosure.k_min, facts,
               [&behind](std::optional<size_t> cell, const std::vector<uint8_t>& marked,
                         uint64_t enough) { return behind.Covered(cell, marked, enough); });
  const Suppression& suppression = answers.suppression;
  stats_.suppressed_groups = suppression.suppressed_groups;
  stats_.suppressed_cells = suppression.suppressed_cells;
  stats_.groups_withheld =
      suppression.suppressed_groups > 0 || suppression.suppressed_groups == groups;
  std::erase_if(shown, [&](uint32_t g) { return suppression.groups[g] != 0; });
  for (const uint32_t g : shown) {
    for (size_t a = 0; a < bound_.aggregates.size(); ++a) {
      if (suppression.cells[g][a] != 0) answers.inputs[bound_.keys.size() + a].SetNull(g);
    }
  }
  return shown;
}

absl::Status Execution::ShowGroups(GroupWorker& worker, GroupAnswers& answers) {
  TV_RETURN_IF_ERROR(guard_.Check(0, held_));
  std::vector<uint32_t> shown = Withhold(worker, answers);
  TV_RETURN_IF_ERROR(guard_.Check(0, held_));
  Evaluator evaluator(bound_.controlled(), &bound_.disclosure);
  TV_ASSIGN_OR_RETURN(const std::vector<uint32_t> order,
                      OrderGroups(evaluator, answers.inputs, std::move(shown)));
  const std::vector<uint32_t> page = Page(order);
  // What is withheld has no say in it: else the flag would tell that there is something.
  for (size_t a = 0; a < bound_.aggregates.size(); ++a) {
    if (answers.approximate[a].empty()) continue;
    for (const uint32_t g : page) {
      stats_.approximate |= answers.approximate[a][g] != 0 && !answers.Withheld(g, a);
    }
  }
  return WritePage(evaluator, answers, page);
}

absl::Status Execution::WritePage(Evaluator& evaluator, const GroupAnswers& answers,
                                  const std::vector<uint32_t>& page) {
  Rows rows;
  rows.inputs = &answers.inputs;
  rows.selection = page.data();
  rows.count = static_cast<uint32_t>(page.size());
  std::vector<Vector> columns;
  std::vector<std::vector<uint8_t>> withheld(bound_.outputs.size());
  for (size_t c = 0; c < bound_.outputs.size(); ++c) {
    TV_RETURN_IF_ERROR(guard_.Check(0, held_));
    columns.push_back(evaluator.Evaluate(*bound_.outputs[c].expr, rows));
    if (stats_.suppressed_cells == 0) continue;
    withheld[c].assign(page.size(), 0);
    Walk(bound_.outputs[c].expr, [&](const Expr& expr) {
      if (expr.op != Op::kInput || expr.slot < bound_.keys.size()) return;
      for (size_t i = 0; i < page.size(); ++i) {
        withheld[c][i] |= answers.Withheld(page[i], expr.slot - bound_.keys.size()) ? 1 : 0;
      }
    });
    for (size_t i = 0; i < page.size(); ++i) {
      if (withheld[c][i] != 0) columns.back().SetNull(columns.back().At(i));
    }
  }
  TV_RETURN_IF_ERROR(evaluator.status());
  return writer_.Append(columns, page.size(), withheld);
}

}  // namespace

absl::Status Execute(const Plan& plan, TableSource& source, const ExecContext& context,
                     const BatchSink& sink, ExecStats* stats) {
  ExecStats unused;
  Execution execution(plan.bound(), source, context, sink, stats == nullptr ? unused : *stats);
  return execution.Run();
}

}  // namespace televault::query
