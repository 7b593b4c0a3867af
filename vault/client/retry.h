#pragma once

#include "vault/base/random.h"
#include "vault/client/error.h"
#include "vault/client/options.h"

namespace televault::client {

// True where the same request may succeed when it is sent again soon: the vault was not reached, or
// said when to come back. Lockdown and sealing end by people, not by waiting: false.
bool WorthRepeating(const Error& error);
// Lockdown, sealing or control mode: refused until people act.
bool IsLocked(const Error& error);
// True where the vault refused a batch for what is in it, so that the batches behind it may still
// be good; false where it could not take any now.
bool BatchAtFault(const Error& error);

// How long to wait before send number `attempt` + 1 (`attempt` from 1): 100 ms doubling to 10 s, at
// least what the vault asked for, plus up to a quarter so that clients do not return in step.
milliseconds PauseAfter(int attempt, const Error& error, Random& random);

}  // namespace televault::client
