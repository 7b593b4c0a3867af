#include "tests/bench/events.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

#include "tests/support/daemon_fixture.h"
#include "vault/base/bytes.h"
#include "vault/base/clock.h"

namespace televault::bench {
namespace {

constexpr uint32_t kMachines = 100'000;
constexpr uint32_t kVersions = 60;
constexpr std::array<const char*, 8> kCommands = {"build", "develop", "serve",   "clean",
                                                  "test",  "lint",    "publish", "init"};
constexpr std::array<const char*, 4> kSystems = {"linux", "darwin", "windows", "other"};

// One event before it takes one of the three forms.
struct Build {
  int64_t time_us;
  uint32_t machine;
  uint32_t command;
  uint32_t version;
  uint32_t system;
  double duration_ms;
  int64_t exit_code;
  int64_t modules;
  bool cached;
  int64_t cores;
};

Build NextBuild(Random& random) {
  const auto below = [&random](uint64_t bound) { return random() % bound; };
  const uint64_t failed = below(10);
  return {.time_us = Yesterday().micros + static_cast<int64_t>(below(kMicrosPerDay)),
          .machine = static_cast<uint32_t>(below(kMachines)),
          // Few commands are common, most are not.
          .command = static_cast<uint32_t>(below(1 + below(kCommands.size()))),
          .version = static_cast<uint32_t>(below(kVersions)),
          .system = static_cast<uint32_t>(below(1 + below(kSystems.size()))),
          .duration_ms = static_cast<double>(below(60'000'000)) / 1'000,
          .exit_code = failed == 0 ? static_cast<int64_t>(1 + below(3)) : 0,
          .modules = static_cast<int64_t>(below(5'000)),
          .cached = below(2) == 0,
          .cores = static_cast<int64_t>(1) << below(6)};
}

std::string MachineName(uint32_t machine) { return absl::StrCat("machine-", machine); }
std::string VersionName(uint32_t version) {
  return absl::StrCat(version / 20, ".", version / 4 % 5, ".", version % 4);
}

}  // namespace

WallTime Yesterday() { return StartOf(DayOf(SystemClock().Wall() + microseconds(-kMicrosPerDay))); }

std::string Manifest(const std::string& path, const std::string& dataset) {
  const auto day = [](int64_t days) {
    return FormatDay(DayOf(SystemClock().Wall() + microseconds(days * kMicrosPerDay)));
  };
  return absl::StrReplaceAll(testing::ReadWholeFile(path),
                             {{"NAME", dataset}, {"APPROVED", day(-3)}, {"REVIEW", day(180)}});
}

v1::AppendRequest EmptyBatch(const std::string& dataset) {
  v1::AppendRequest request;
  request.set_dataset(dataset);
  request.mutable_consent()->set_given(true);
  request.mutable_consent()->set_notice_version(1);
  return request;
}

std::string BatchId(Random& random) {
  std::string id;
  for (int i = 0; i < 2; ++i) PutLittleEndian<uint64_t>(id, random());
  return id;
}

v1::AppendRequest ColumnBatch(const std::string& dataset, uint32_t events, Random& random) {
  v1::AppendRequest request = EmptyBatch(dataset);
  v1::Columns& columns = *request.mutable_columns();
  const auto add = [&columns](const char* name) {
    columns.add_columns()->set_name(name);
    return columns.columns_size() - 1;
  };
  for (const char* name :
       {"command", "version", "os", "duration_ms", "exit_code", "modules", "cached", "cores"}) {
    add(name);
  }
  const auto column = [&columns](int at) { return columns.mutable_columns(at); };
  for (const char* name : kCommands) column(0)->add_dictionary(name);
  for (uint32_t i = 0; i < kVersions; ++i) column(1)->add_dictionary(VersionName(i));
  for (const char* name : kSystems) column(2)->add_dictionary(name);
  columns.set_rows(events);
  for (uint32_t i = 0; i < events; ++i) {
    const Build build = NextBuild(random);
    columns.add_time_us(build.time_us);
    columns.add_subject_codes(i);
    columns.add_subjects(MachineName(build.machine));
    column(0)->add_codes(build.command);
    column(1)->add_codes(build.version);
    column(2)->add_codes(build.system);
    column(3)->add_doubles(build.duration_ms);
    column(4)->add_ints(build.exit_code);
    column(5)->add_ints(build.modules);
    column(6)->add_ints(build.cached ? 1 : 0);
    column(7)->add_ints(build.cores);
  }
  return request;
}

v1::AppendRequest RowBatch(const std::string& dataset, uint32_t events, Random& random) {
  v1::AppendRequest request = EmptyBatch(dataset);
  for (uint32_t i = 0; i < events; ++i) {
    const Build build = NextBuild(random);
    v1::Event& event = *request.mutable_rows()->add_events();
    event.mutable_time()->set_seconds(build.time_us / 1'000'000);
    event.mutable_time()->set_nanos(static_cast<int32_t>(build.time_us % 1'000'000) * 1'000);
    event.set_subject(MachineName(build.machine));
    auto& fields = *event.mutable_fields();
    fields["command"].set_string_value(kCommands[build.command]);
    fields["version"].set_string_value(VersionName(build.version));
    fields["os"].set_string_value(kSystems[build.system]);
    fields["duration_ms"].set_double_value(build.duration_ms);
    fields["exit_code"].set_int_value(build.exit_code);
    fields["modules"].set_int_value(build.modules);
    fields["cached"].set_bool_value(build.cached);
    fields["cores"].set_int_value(build.cores);
  }
  return request;
}

std::string CsvBatch(uint32_t events, Random& random) {
  std::string lines;
  for (uint32_t i = 0; i < events; ++i) {
    const Build build = NextBuild(random);
    const int64_t seconds = build.time_us % kMicrosPerDay / 1'000'000;
    absl::StrAppendFormat(&lines, "%s %02d:%02d:%02d.%06d,%s,%s,%s,%s,%.3f,%d,%d,%d,%d\n",
                          FormatDay(DayOf({build.time_us})), seconds / 3'600, seconds / 60 % 60,
                          seconds % 60, build.time_us % 1'000'000, MachineName(build.machine),
                          kCommands[build.command], VersionName(build.version),
                          kSystems[build.system], build.duration_ms, build.exit_code, build.modules,
                          build.cached ? 1 : 0, build.cores);
  }
  return lines;
}

opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest OtlpBatch(
    const std::string& dataset, uint32_t events, Random& random) {
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
  auto& logs = *request.add_resource_logs();
  const auto set = [](auto& owner, const char* key) {
    auto& attribute = *owner.add_attributes();
    attribute.set_key(key);
    return attribute.mutable_value();
  };
  set(*logs.mutable_resource(), "televault.dataset")->set_string_value(dataset);
  set(*logs.mutable_resource(), "televault.consent.version")->set_int_value(1);
  auto& scope = *logs.add_scope_logs();
  for (uint32_t i = 0; i < events; ++i) {
    const Build build = NextBuild(random);
    auto& record = *scope.add_log_records();
    record.set_time_unix_nano(static_cast<uint64_t>(build.time_us) * 1'000);
    set(record, "machine_id")->set_string_value(MachineName(build.machine));
    set(record, "command")->set_string_value(kCommands[build.command]);
    set(record, "version")->set_string_value(VersionName(build.version));
    set(record, "os")->set_string_value(kSystems[build.system]);
    set(record, "duration_ms")->set_double_value(build.duration_ms);
    set(record, "exit_code")->set_int_value(build.exit_code);
    set(record, "modules")->set_int_value(build.modules);
    set(record, "cached")->set_bool_value(build.cached);
    set(record, "cores")->set_int_value(build.cores);
  }
  return request;
}

}  // namespace televault::bench
