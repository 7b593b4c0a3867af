#include "vault/base/crash_point.h"

#include <cstdlib>
#include <signal.h>
#include <string>
#include <unistd.h>

#include "absl/strings/numbers.h"

namespace televault {
namespace internal {
std::atomic<bool> crash_point_armed{false};
}

namespace {
// Written once before any thread starts.
std::string armed_name;  // NOLINT(runtime/string)
std::atomic<int> passes_left{0};
}  // namespace

void ArmCrashPointFromEnvironment() {
  const char* spec = std::getenv("TELEVAULT_CRASH_POINT");
  if (spec == nullptr || *spec == '\0') return;
  armed_name = spec;
  int passes = 1;
  if (const size_t colon = armed_name.rfind(':'); colon != std::string::npos) {
    if (!absl::SimpleAtoi(armed_name.substr(colon + 1), &passes)) passes = 1;
    armed_name.resize(colon);
  }
  passes_left = passes;
  internal::crash_point_armed = true;
}

void ReachCrashPoint(const char* name) {
  if (armed_name != name) return;
  if (passes_left.fetch_sub(1) != 1) return;
  ::kill(::getpid(), SIGKILL);
  ::pause();
}

}  // namespace televault
