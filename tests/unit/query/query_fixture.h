#pragma once

#include <string>
#include <vector>

#include "tests/support/events.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_source.h"
#include "tests/support/status_matchers.h"
#include "vault/query/execute.h"

namespace televault::query {

struct Shown {
  absl::Status status;
  std::vector<std::vector<std::string>> rows;  // "NULL", "WITHHELD" or the value
  ExecStats stats;
  std::vector<v1::QueryBatch> batches;
};

// A table in memory and everything that a query needs around it.
struct Bench {
  catalog::Schema schema = testing::EventSchema();
  testing::MemorySource source;
  testing::FakeGate gate;
  testing::FakeClock clock;
  size_t memory_bytes = limits::kDefaultQueryMemoryBytes;
  std::atomic<bool> cancelled{false};
  MonoTime deadline{INT64_MAX};

  absl::StatusOr<Plan> PlanOf(const std::string& sql, const Disclosure* disclosure = nullptr) {
    TV_ASSIGN_OR_RETURN(const ParsedQuery parsed, Parse(sql));
    TV_ASSIGN_OR_RETURN(Plan plan, Bind(parsed, schema, {}, clock.Wall()));
    if (disclosure == nullptr) return plan;
    return Restrict(plan, *disclosure);
  }

  static std::string Cell(const v1::ColumnData& data, int row) {
    const auto at = static_cast<size_t>(row);
    if (!data.suppressed().empty() && data.suppressed()[at] != 0) return "WITHHELD";
    if (!data.nulls().empty() && data.nulls()[at] != 0) return "NULL";
    if (data.doubles_size() > 0) {
      char text[32];
      std::snprintf(text, sizeof(text), "%g", data.doubles(row));
      return text;
    }
    if (data.codes_size() > 0) return data.dictionary(static_cast<int>(data.codes(row)));
    return std::to_string(data.ints(row));
  }

  Shown Run(const std::string& sql, const Disclosure* disclosure = nullptr) {
    Shown shown;
    const auto plan = PlanOf(sql, disclosure);
    shown.status = plan.status();
    if (!plan.ok()) return shown;
    ExecContext context{.gate = gate,
                        .scope = {},
                        .clock = clock,
                        .deadline = deadline,
                        .cancelled = &cancelled,
                        .memory_bytes = memory_bytes};
    const auto sink = [&shown](v1::QueryBatch batch) {
      for (int row = 0; row < static_cast<int>(batch.rows()); ++row) {
        shown.rows.emplace_back();
        for (const v1::ColumnData& data : batch.columns()) {
          shown.rows.back().push_back(Cell(data, row));
        }
      }
      shown.batches.push_back(std::move(batch));
      return absl::OkStatus();
    };
    shown.status = Execute(*plan, source, context, sink, &shown.stats);
    return shown;
  }
};

inline constexpr int64_t kDay0 = 1'794'009'600'000'000;  // 2026-11-07T00:00:00Z

inline testing::Event EventOf(int subject, const char* command, int64_t count,
                              int64_t time = kDay0) {
  testing::Event event;
  event.event_time = time;
  event.subject = std::string(15, 'S') + static_cast<char>(subject);
  event.command = command;
  event.version = "5.10.3";
  event.count = count;
  event.seconds = static_cast<double>(count) / 4;
  return event;
}

}  // namespace televault::query
