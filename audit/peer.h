#pragma once

#include <string>
#include <string_view>

namespace televault::audit {

// Who is behind the connection that gRPC calls `peer`: an IPv4 address without the port
// (ipv4:192.0.2.1), of IPv6 the network of 64 bits (ipv6:2001:db8::/64), all of whose addresses one
// host may take. Anything else as it is.
std::string HostOfPeer(std::string_view peer);

}  // namespace televault::audit
