#pragma once

#include <atomic>

namespace televault {

// Named places between two durable steps where the crash test ends the process with SIGKILL.
// Dormant unless the process was started with TELEVAULT_CRASH_POINT=name[:n]; n is the pass at
// which it fires, 1 by default.
void ArmCrashPointFromEnvironment();
void ReachCrashPoint(const char* name);

namespace internal {
extern std::atomic<bool> crash_point_armed;
}

}  // namespace televault

#define TV_CRASH_POINT(name)                                                                   \
  do {                                                                                         \
    if (::televault::internal::crash_point_armed.load(std::memory_order_relaxed)) [[unlikely]] \
      ::televault::ReachCrashPoint(name);                                                      \
  } while (false)
