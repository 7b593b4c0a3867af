#include "tests/support/fake_clock.h"

namespace televault::testing {

FakeClock::FakeClock(WallTime start) : wall_(start), mono_{1'000'000'000} {}

WallTime FakeClock::Wall() const {
  const std::lock_guard lock(mu_);
  return wall_;
}

MonoTime FakeClock::Mono() const {
  const std::lock_guard lock(mu_);
  return mono_;
}

void FakeClock::Advance(microseconds by) {
  const std::lock_guard lock(mu_);
  wall_ = wall_ + by;
  mono_.nanos += by.count() * 1'000;
}

void FakeClock::SetWall(WallTime wall) {
  const std::lock_guard lock(mu_);
  wall_ = wall;
}

}  // namespace televault::testing
