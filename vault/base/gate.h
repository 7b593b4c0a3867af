#pragma once

#include <span>
#include <string>
#include <string_view>

#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/base/time.h"

namespace televault {

// What a call wants to touch, as far as lockdown is concerned. Empty fields match no scope.
struct GateScope {
  std::string_view dataset;
  std::span<const std::string> roles;  // all of the caller's, whichever allows the call
  std::string_view token;              // accessor
  std::string_view purpose;
};

enum class GateAccess { kRows, kAggregates, kIngest };

// How use cases see lockdown, sealing, control mode and expiry. Nothing else tells them.
// Threads: any. All calls are cheap enough for every 2,048 rows.
class Gate {
 public:
  virtual ~Gate() = default;

  // OK, or UNAVAILABLE with reason LOCKED_DOWN, SEALED or CONTROL_MODE.
  virtual absl::Status Check(GateAccess access, const GateScope& scope) const = 0;

  // Changes whenever any lockdown, seal or control-mode state changes. A caller that saw Check()
  // pass under epoch E may go on without a new Check() while epoch() still returns E.
  virtual LockEpoch epoch() const = 0;

  // The time deadlines are compared with before anything is read or written: the latest of the wall
  // clock, the time that went by and the persisted high-water; never backwards.
  virtual WallTime ReadTime() const = 0;

  // The time that destruction goes by, and whatever is kept with its time: never backwards, at most
  // ReadTime(), and not moved by a jump of the wall clock.
  virtual WallTime SteadyTime() const { return ReadTime(); }
};

}  // namespace televault
