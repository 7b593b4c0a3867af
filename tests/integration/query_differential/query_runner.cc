// Stores the table of a differential run in four ways, writes it as CSV, then answers queries: one
// SQL text per line in, one JSON line per answer out, after a first line about what is stored and
// before a last one about what was skipped. Below disclosure control.
//   query_runner SEED CSV < queries > answers
// Every query goes to all datasets, and to each again with nothing skipped wherever something was:
// an answer is only given where all agree (doubles within 1e-9 relative). What is decoded without
// AVX2 must give the same bytes.

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include <nlohmann/json.hpp>

#include "tests/integration/query_differential/stored_table.h"
#include "tests/support/no_erasures.h"
#include "vault/base/simd.h"
#include "vault/query/execute.h"
#include "vault/query/expr.h"
#include "vault/query/partition_source.h"

namespace televault::testing {
namespace {

using nlohmann::json;

// Passes everything on and counts what is left out.
class WatchedSource final : public query::TableSource {
 public:
  explicit WatchedSource(query::TableSource& inner) : inner_(inner) {}
  absl::StatusOr<query::Listing> List(query::TimeRange range) override {
    TV_ASSIGN_OR_RETURN(query::Listing listing, inner_.List(range));
    partitions = listing.partitions_pruned;
    by_time = listing.blocks_pruned;
    return listing;
  }
  absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const query::Unit& unit, std::span<const uint16_t> columns) override {
    return inner_.Open(unit, columns);
  }
  bool MayContainSubject(const query::Unit& unit, std::string_view subject) const override {
    const bool may = inner_.MayContainSubject(unit, subject);
    if (!may) ++by_subject;
    return may;
  }

  uint64_t partitions = 0;
  uint64_t by_time = 0;
  mutable std::atomic<uint64_t> by_subject = 0;

 private:
  query::TableSource& inner_;
};

// Gives no reason to leave anything out.
class UnprunedSource final : public query::TableSource {
 public:
  explicit UnprunedSource(query::TableSource& inner) : inner_(inner) {}
  absl::StatusOr<query::Listing> List(query::TimeRange) override {
    TV_ASSIGN_OR_RETURN(query::Listing listing, inner_.List({}));
    for (query::Unit& unit : listing.units) {
      unit.min_time = query::TimeRange().begin;
      unit.max_time = query::TimeRange().end;
      unit.zones.clear();
    }
    return listing;
  }
  absl::StatusOr<std::unique_ptr<block::UnitColumns>> Open(
      const query::Unit& unit, std::span<const uint16_t> columns) override {
    return inner_.Open(unit, columns);
  }

 private:
  query::TableSource& inner_;
};

std::string JsonValue(const v1::ColumnData& data, int row, v1::FieldKind kind) {
  if (!data.nulls().empty() && data.nulls()[static_cast<size_t>(row)] != 0) return "null";
  char number[64];
  switch (kind) {
    case v1::FIELD_KIND_DOUBLE:
      std::snprintf(number, sizeof(number), "%.17g", data.doubles(row));
      return number;
    case v1::FIELD_KIND_STRING:
    case v1::FIELD_KIND_ENUM:
    case v1::FIELD_KIND_SUBJECT:
      return json(data.dictionary(static_cast<int>(data.codes(row)))).dump();
    case v1::FIELD_KIND_BOOL:
      return data.ints(row) != 0 ? "true" : "false";
    default:
      // Beyond what a JSON number holds exactly.
      std::snprintf(number, sizeof(number), "\"%" PRId64 "\"",
                    static_cast<int64_t>(data.ints(row)));
      return number;
  }
}

struct Answer {
  absl::Status status;
  std::vector<std::string> rows;  // a JSON array each
  uint64_t partitions_skipped = 0;
  uint64_t units_skipped = 0;
};

// What one dataset left out over all queries.
struct Skipped {
  uint64_t queries = 0;
  uint64_t partitions = 0;
  uint64_t by_time = 0;
  uint64_t by_bounds = 0;
  uint64_t by_subject = 0;
};

class Runner {
 public:
  explicit Runner(StoredTable& table) : table_(table), skipped_(table.layouts().size()) {}

  // One line of JSON: rows, the error that all datasets gave, or how they differ.
  std::string Run(const std::string& sql);
  std::string Summary() const;

 private:
  absl::StatusOr<query::Plan> PlanOf(const std::string& sql, const StoredTable::Layout& layout);
  Answer Ask(const query::Plan& plan, query::TableSource& source);
  // The answer, after having asked again with nothing skipped.
  Answer AskBothWays(const query::Plan& plan, size_t layout, std::string& wrong);

  StoredTable& table_;
  std::vector<Skipped> skipped_;
};

absl::StatusOr<query::Plan> Runner::PlanOf(const std::string& sql,
                                           const StoredTable::Layout& layout) {
  TV_ASSIGN_OR_RETURN(
      const query::ParsedQuery parsed,
      query::Parse(absl::StrReplaceAll(sql, {{"from events", "from " + layout.dataset}})));
  if (parsed.dataset != layout.dataset) return absl::InternalError("another dataset");
  TV_ASSIGN_OR_RETURN(const query::Plan plan,
                      query::Bind(parsed, layout.schema->schema, {}, table_.clock().Wall()));
  query::Disclosure disclosure;
  disclosure.mode = query::Mode::kRows;
  disclosure.time_granularity = query::TimeGranularity::kExact;
  return query::Restrict(plan, disclosure);
}

Answer Runner::Ask(const query::Plan& plan, query::TableSource& source) {
  query::ExecContext context{
      .gate = table_.gate(), .scope = {}, .clock = table_.clock(), .deadline = MonoTime{INT64_MAX}};
  Answer answer;
  query::ExecStats stats;
  const auto sink = [&](const v1::QueryBatch& batch) {
    for (int row = 0; row < static_cast<int>(batch.rows()); ++row) {
      std::string& text = answer.rows.emplace_back("[");
      for (int c = 0; c < batch.columns_size(); ++c) {
        if (c > 0) text += ',';
        text += JsonValue(batch.columns(c), row, plan.output()[static_cast<size_t>(c)].kind);
      }
      text += ']';
    }
    return absl::OkStatus();
  };
  answer.status = query::Execute(plan, source, context, sink, &stats);
  answer.partitions_skipped = stats.partitions_pruned;
  answer.units_skipped = stats.blocks_pruned;
  return answer;
}

bool SameCell(const json& a, const json& b) {
  if (!a.is_number() || !b.is_number()) return a == b;
  const double x = a.get<double>();
  const double y = b.get<double>();
  return x == y || std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y));
}

bool SameRow(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const json left = json::parse(a);
  const json right = json::parse(b);
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), SameCell);
}

// "" where equal. Without ORDER BY rows come in the order they are read, which is no part of an
// answer; group keys are no doubles and stand first, so equal rows meet when sorted.
std::string Difference(const query::Plan& plan, const Answer& a, const Answer& b) {
  if (a.status != b.status) return absl::StrCat(a.status.ToString(), " | ", b.status.ToString());
  if (a.rows == b.rows) return "";
  if (a.rows.size() != b.rows.size()) {
    return absl::StrCat(a.rows.size(), " rows | ", b.rows.size(), " rows");
  }
  std::vector<std::string> left = a.rows;
  std::vector<std::string> right = b.rows;
  if (plan.bound().order_by.empty()) {
    std::sort(left.begin(), left.end());
    std::sort(right.begin(), right.end());
  }
  for (size_t i = 0; i < left.size(); ++i) {
    if (!SameRow(left[i], right[i])) return absl::StrCat("row ", i, ": ", left[i], " | ", right[i]);
  }
  return "";
}

Answer Runner::AskBothWays(const query::Plan& plan, size_t layout, std::string& wrong) {
  const StoredTable::Layout& stored = table_.layouts()[layout];
  const auto snapshot = table_.data().reader->Pin();
  if (!snapshot.ok()) return {.status = snapshot.status()};
  const televault::testing::NoErasures erasures;
  query::PartitionSource source(**snapshot, stored.schema->schema, *table_.data().partitions,
                                table_.gate(), erasures, query::Mode::kRows);
  WatchedSource watched(source);
  Answer answer = Ask(plan, watched);
  if (stored.dataset == "events_forced") {
    const PortableScope portable;
    const Answer again = Ask(plan, source);
    if (again.rows != answer.rows || again.status != answer.status) {
      wrong = absl::StrCat(stored.dataset, ": without AVX2 the answer is another one");
      return answer;
    }
  }
  if (answer.partitions_skipped + answer.units_skipped == 0) return answer;
  Skipped& skipped = skipped_[layout];
  ++skipped.queries;
  skipped.partitions += answer.partitions_skipped;
  skipped.by_time += watched.by_time;
  skipped.by_subject += watched.by_subject;
  skipped.by_bounds += answer.units_skipped - watched.by_time - watched.by_subject;
  UnprunedSource whole(source);
  const std::string difference = Difference(plan, answer, Ask(plan, whole));
  if (!difference.empty()) wrong = absl::StrCat(stored.dataset, ", nothing skipped: ", difference);
  return answer;
}

std::string Runner::Run(const std::string& sql) {
  Answer first;
  for (size_t i = 0; i < table_.layouts().size(); ++i) {
    const StoredTable::Layout& layout = table_.layouts()[i];
    const auto plan = PlanOf(sql, layout);
    if (!plan.ok()) return json{{"error", std::string(plan.status().message())}}.dump();
    std::string wrong;
    Answer answer = AskBothWays(*plan, i, wrong);
    if (i == 0) {
      first = std::move(answer);
    } else if (const std::string found = Difference(*plan, first, answer); !found.empty()) {
      wrong = absl::StrCat(table_.layouts()[0].dataset, " | ", layout.dataset, ": ", found);
    }
    if (!wrong.empty()) return json{{"wrong", wrong}}.dump();
  }
  if (!first.status.ok()) return json{{"error", std::string(first.status.message())}}.dump();
  std::string rows;
  for (const std::string& row : first.rows) rows += (rows.empty() ? "" : ",") + row;
  return "{\"rows\":[" + rows + "]}";
}

std::string Runner::Summary() const {
  json all = json::array();
  for (size_t i = 0; i < skipped_.size(); ++i) {
    all.push_back({{"dataset", table_.layouts()[i].dataset},
                   {"queries", skipped_[i].queries},
                   {"partitions", skipped_[i].partitions},
                   {"by_time", skipped_[i].by_time},
                   {"by_bounds", skipped_[i].by_bounds},
                   {"by_subject", skipped_[i].by_subject}});
  }
  return all.dump();
}

std::string Stored(const StoredTable& table) {
  json all = json::array();
  for (const StoredTable::Layout& layout : table.layouts()) {
    all.push_back({{"dataset", layout.dataset},
                   {"rows", layout.rows},
                   {"micro_batches", layout.micro_batches},
                   {"blocks", layout.blocks},
                   {"hot_days", layout.hot_days},
                   {"merged_days", layout.merged_days},
                   {"mixed_days", layout.mixed_days}});
  }
  return all.dump();
}

int Run(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto table = StoredTable::Open(std::stoull(argv[1]));
  const absl::Status ready = table.ok() ? (*table)->WriteCsv(argv[2]) : table.status();
  if (!ready.ok()) {
    std::cerr << ready << '\n';
    return 1;
  }
  std::cout << Stored(**table) << std::endl;
  Runner runner(**table);
  for (std::string sql; std::getline(std::cin, sql);) std::cout << runner.Run(sql) << '\n';
  std::cout << runner.Summary() << std::endl;
  return 0;
}

}  // namespace
}  // namespace televault::testing

int main(int argc, char** argv) { return televault::testing::Run(argc, argv); }
