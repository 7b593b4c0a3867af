#pragma once

#include "vault/base/time.h"

namespace televault {

// The only source of time; tests inject their own.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Wall() const = 0;
  virtual MonoTime Mono() const = 0;
};

// The machine's clocks (CLOCK_REALTIME, CLOCK_BOOTTIME).
const Clock& SystemClock();

}  // namespace televault
