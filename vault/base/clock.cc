#include "vault/base/clock.h"

#include <time.h>

#include "vault/base/check.h"

namespace televault {
namespace {

int64_t Nanos(clockid_t id) {
  timespec now{};
  TV_CHECK(clock_gettime(id, &now) == 0);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class MachineClock final : public Clock {
 public:
  WallTime Wall() const override { return {Nanos(CLOCK_REALTIME) / 1'000}; }
  // Boot time goes on while the machine sleeps, so a suspended laptop does not postpone a deadline.
  MonoTime Mono() const override { return {Nanos(CLOCK_BOOTTIME)}; }
};

}  // namespace

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

}  // namespace televault
