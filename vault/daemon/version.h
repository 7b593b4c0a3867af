#pragma once

namespace televault::daemon {

inline constexpr char kVersion[] = TELEVAULT_VERSION;

}  // namespace televault::daemon
