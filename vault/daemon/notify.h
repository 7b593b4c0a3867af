#pragma once

#include <string_view>

namespace televault::daemon {

// Tells the service manager (sd_notify protocol: a datagram to $NOTIFY_SOCKET); does nothing where
// there is none.
void NotifySystemd(std::string_view state);

}  // namespace televault::daemon
