// Builds the table of a differential run, writes it as CSV, then answers queries: one SQL text per
// line in, one JSON line per answer out. Below disclosure control.
//   query_runner SEED CSV [ROWS_PER_UNIT] < queries > answers

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "tests/support/events.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_source.h"
#include "vault/base/bytes.h"
#include "vault/query/execute.h"

namespace televault::testing {
namespace {

constexpr int64_t kStart = 1'794'000'000'000'000;  // 2026-11-06

std::vector<Event> Generate(uint64_t seed, size_t rows) {
  std::mt19937_64 random(seed);
  const auto pick = [&random](uint64_t below) { return random() % below; };
  const auto some = [&](unsigned percent) { return pick(100) < percent; };
  const std::string commands[] = {"build", "Develop", "clean", "a_b", "a%b", "", "Straße", "info"};
  const std::string versions[] = {"4.0.0", "4.1.2", "5.0.0-rc1", "5.10.3"};
  std::vector<Event> events;
  for (size_t i = 0; i < rows; ++i) {
    Event event;
    event.event_time = kStart + static_cast<int64_t>(pick(5 * kMicrosPerDay));
    std::string subject(16, '\0');
    subject[0] = static_cast<char>(pick(40));
    if (some(95)) event.subject = subject;
    if (some(92)) event.command = commands[pick(std::size(commands))];
    if (some(97)) event.version = versions[pick(std::size(versions))];
    if (some(90)) event.count = static_cast<int64_t>(pick(41)) - 20;
    if (some(1)) event.count = some(50) ? INT64_MAX / 1024 : INT64_MIN / 1024;
    if (some(90)) event.seconds = static_cast<double>(pick(1'000'003)) / 997.0 - 100;
    if (some(1)) event.seconds = some(50) ? 1e15 : -1e-15;
    if (some(90)) event.ok = some(70);
    if (some(85)) event.seen_at = kStart + static_cast<int64_t>(pick(400 * kMicrosPerDay));
    if (some(90)) event.took = static_cast<int64_t>(pick(7'200'000'000)) - 600'000'000;
    events.push_back(std::move(event));
  }
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return DayOf(WallTime{a.event_time}) < DayOf(WallTime{b.event_time});
  });
  return events;
}

void WriteCsv(const std::vector<Event>& events, const std::string& path) {
  std::ofstream out(path);
  const auto text = [&out](const std::optional<std::string>& value) {
    if (value.has_value()) out << '"' << *value << '"';
    out << ',';
  };
  out << "event_time,subject,command,version,count_of,seconds,ok,seen_at,took\n";
  for (const Event& event : events) {
    out << event.event_time << ',';
    text(event.subject.has_value() ? std::optional(ToHex(AsBytes(*event.subject))) : std::nullopt);
    text(event.command);
    text(event.version);
    if (event.count.has_value()) out << *event.count;
    char number[64] = "";
    if (event.seconds.has_value()) std::snprintf(number, sizeof(number), "%.17g", *event.seconds);
    out << ',' << number << ',';
    if (event.ok.has_value()) out << (*event.ok ? "true" : "false");
    out << ',';
    if (event.seen_at.has_value()) out << *event.seen_at;
    out << ',';
    if (event.took.has_value()) out << *event.took;
    out << '\n';
  }
}

// Units of one day each: small ones as micro-batches leave them, large ones as a merge does.
void Fill(MemorySource& source, const std::vector<Event>& events, size_t rows_per_unit) {
  std::vector<Event> unit;
  size_t target = rows_per_unit == 0 ? 7 : rows_per_unit;
  const auto flush = [&] {
    if (!unit.empty()) source.Add(ToBatch(unit));
    unit.clear();
    if (rows_per_unit == 0) target = target * 3 % 2'521 + 1;
  };
  for (const Event& event : events) {
    const bool new_day = !unit.empty() && DayOf(WallTime{unit.front().event_time}) !=
                                              DayOf(WallTime{event.event_time});
    if (new_day || unit.size() >= target) flush();
    unit.push_back(event);
  }
  flush();
}

std::string JsonText(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

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
      return JsonText(data.dictionary(static_cast<int>(data.codes(row))));
    case v1::FIELD_KIND_BOOL:
      return data.ints(row) != 0 ? "true" : "false";
    default:
      // Beyond what a JSON number holds exactly.
      std::snprintf(number, sizeof(number), "\"%" PRId64 "\"",
                    static_cast<int64_t>(data.ints(row)));
      return number;
  }
}

std::string Answer(const std::string& sql, MemorySource& source) {
  const FakeClock clock;
  const FakeGate gate;
  const auto failed = [](const absl::Status& status) {
    return "{\"error\":" + JsonText(std::string(status.message())) + "}";
  };
  const auto parsed = query::Parse(sql);
  if (!parsed.ok()) return failed(parsed.status());
  const auto plan = query::Bind(*parsed, EventSchema(), {}, clock.Wall());
  if (!plan.ok()) return failed(plan.status());
  query::ExecContext context{gate, {}, clock, MonoTime{INT64_MAX}};
  std::string rows;
  query::ExecStats stats;
  const absl::Status status = query::Execute(
      *plan, source, context,
      [&](v1::QueryBatch batch) {
        for (int row = 0; row < static_cast<int>(batch.rows()); ++row) {
          rows += rows.empty() ? "[" : ",[";
          for (int c = 0; c < batch.columns_size(); ++c) {
            if (c > 0) rows += ',';
            rows += JsonValue(batch.columns(c), row, plan->output()[static_cast<size_t>(c)].kind);
          }
          rows += ']';
        }
        return absl::OkStatus();
      },
      &stats);
  if (!status.ok()) return failed(status);
  return "{\"rows\":[" + rows + "]}";
}

int Run(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::vector<Event> events = Generate(std::stoull(argv[1]), 12'000);
  WriteCsv(events, argv[2]);
  MemorySource source;
  Fill(source, events, argc > 3 ? std::stoull(argv[3]) : 0);
  for (std::string sql; std::getline(std::cin, sql);) {
    std::cout << Answer(sql, source) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace televault::testing

int main(int argc, char** argv) { return televault::testing::Run(argc, argv); }
