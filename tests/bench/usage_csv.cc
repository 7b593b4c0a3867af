// The data set of the suite as CSV, for engines that load it from there.
//
// usage: usage_csv EVENTS >FILE
#include <cstdio>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

#include "tests/bench/usage_events.h"
#include "vault/query/calendar.h"

namespace televault::bench {
namespace {

// Sixteen bytes that nobody can tell from random ones, as the vault's pseudonyms are. Steele, Lea
// and Flood's SplitMix64.
uint64_t Mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::string Uuid(uint32_t subject) {
  const uint64_t high = Mixed(2ULL * subject);
  const uint64_t low = Mixed(2ULL * subject + 1);
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xFFFF,
                         high & 0xFFFF, low >> 48, low & 0xFFFFFFFFFFFF);
}

void Write(uint64_t events) {
  UsageEvents usage(kUsageSeed, events);
  while (usage.left() > 0) {
    const UsageEvent event = usage.Next();
    absl::PrintF("%s,%s,%s,%s,%s,%.2f,%d\n", query::FormatTimestamp(event.time_us),
                 Uuid(event.subject), CommandName(event.command), UsageVersion(event.version),
                 SystemName(event.system), event.duration_ms, event.exit_code);
  }
}

}  // namespace
}  // namespace televault::bench

int main(int argc, char** argv) {
  uint64_t events = 0;
  if (argc != 2 || !absl::SimpleAtoi(argv[1], &events) || events == 0) {
    std::fprintf(stderr, "usage: usage_csv EVENTS >FILE\n");
    return 2;
  }
  televault::bench::Write(events);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
