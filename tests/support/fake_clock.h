#pragma once

#include <mutex>

#include "vault/base/clock.h"

namespace televault::testing {

// A clock that moves only when told to. Threads: any.
class FakeClock final : public Clock {
 public:
  // 2026-11-23T12:00:00Z unless said otherwise.
  explicit FakeClock(WallTime start = {1'795'435'200'000'000});
  WallTime Wall() const override;
  MonoTime Mono() const override;
  // Both clocks go on.
  void Advance(microseconds by);
  // The wall clock is set; monotonic time does not move.
  void SetWall(WallTime wall);

 private:
  mutable std::mutex mu_;  // guards both
  WallTime wall_;
  MonoTime mono_;
};

}  // namespace televault::testing
