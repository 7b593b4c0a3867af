#pragma once

// Invariants of our own code. A broken one ends the process, in release builds too: a vault that no
// longer understands its own state must not go on serving. Data from outside is validated with
// absl::Status instead and never reaches a TV_CHECK.

namespace televault {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace televault

#define TV_CHECK(condition)                                     \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::televault::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)
