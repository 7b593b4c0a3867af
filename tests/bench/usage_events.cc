#include "tests/bench/usage_events.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "tests/bench/events.h"

namespace televault::bench {
namespace {

constexpr uint32_t kCommands = 40;
constexpr uint32_t kVersions = 20;
constexpr double kMedianMs = 400;
constexpr double kSigma = 1.5;
constexpr int64_t kJitterUs = 60'000'000;  // between the clock of a machine and that of the vault
constexpr std::array<const char*, 3> kSystems = {"linux", "darwin", "windows"};

// [0, 1). The library's distributions differ from one implementation to the next.
double Unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Few are common, most are not: the square of a uniform number leans to the first.
uint32_t Skewed(uint32_t bound, std::mt19937_64& random) {
  const double unit = Unit(random);
  return static_cast<uint32_t>(unit * unit * bound);
}

// Box and Muller's method.
double Normal(std::mt19937_64& random) {
  const double radius = std::sqrt(-2 * std::log(1 - Unit(random)));
  return radius * std::cos(2 * M_PI * Unit(random));
}

}  // namespace

UsageEvents::UsageEvents(uint64_t seed, uint64_t events)
    : events_(events), begin_us_(Begin().micros), random_(seed) {}

WallTime UsageEvents::Begin() { return {Yesterday().micros - (kDays - 1) * kMicrosPerDay}; }

UsageEvent UsageEvents::Next() {
  const double share = static_cast<double>(made_++) / static_cast<double>(events_);
  const int64_t span = kDays * kMicrosPerDay;
  const auto arrival = static_cast<int64_t>(share * static_cast<double>(span));
  const int64_t jitter = static_cast<int64_t>(random_() % (2 * kJitterUs)) - kJitterUs;
  UsageEvent event{};
  event.time_us = begin_us_ + std::clamp<int64_t>(arrival + jitter, 0, span - 1);
  event.subject = static_cast<uint32_t>(random_() % kSubjects);
  event.command = Skewed(kCommands, random_);
  event.version = Skewed(kVersions, random_);
  event.system = Skewed(kSystems.size(), random_);
  const double duration = kMedianMs * std::exp(kSigma * Normal(random_));
  event.duration_ms = std::round(duration * 100) / 100;
  event.exit_code = random_() % 20 == 0 ? static_cast<int64_t>(1 + random_() % 3) : 0;
  return event;
}

std::string SubjectName(uint32_t subject) { return absl::StrCat("machine-", subject); }
std::string CommandName(uint32_t command) { return absl::StrFormat("command-%02d", command); }
std::string UsageVersion(uint32_t version) {
  return absl::StrCat(1 + version / 10, ".", version % 10, ".0");
}
const char* SystemName(uint32_t system) { return kSystems.at(system); }

v1::AppendRequest UsageColumns(const std::string& dataset, uint32_t most, UsageEvents& events) {
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(most, events.left()));
  v1::AppendRequest request = EmptyBatch(dataset);
  v1::Columns& columns = *request.mutable_columns();
  for (const char* name : {"command", "version", "os", "duration_ms", "exit_code"}) {
    columns.add_columns()->set_name(name);
  }
  const auto column = [&columns](int at) { return columns.mutable_columns(at); };
  for (uint32_t i = 0; i < kCommands; ++i) column(0)->add_dictionary(CommandName(i));
  for (uint32_t i = 0; i < kVersions; ++i) column(1)->add_dictionary(UsageVersion(i));
  for (const char* name : kSystems) column(2)->add_dictionary(name);
  columns.set_rows(rows);
  for (uint32_t i = 0; i < rows; ++i) {
    const UsageEvent event = events.Next();
    columns.add_time_us(event.time_us);
    columns.add_subject_codes(i);
    columns.add_subjects(SubjectName(event.subject));
    column(0)->add_codes(event.command);
    column(1)->add_codes(event.version);
    column(2)->add_codes(event.system);
    column(3)->add_doubles(event.duration_ms);
    column(4)->add_ints(event.exit_code);
  }
  return request;
}

}  // namespace televault::bench
