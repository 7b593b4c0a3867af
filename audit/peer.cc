#include "audit/peer.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <iterator>
#include <netinet/in.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace televault::audit {
namespace {

constexpr std::string_view kV4 = "ipv4:";
constexpr std::string_view kV6 = "ipv6:";
constexpr size_t kNetworkBytes = 8;
constexpr size_t kMappedBytes = 12;  // before the IPv4 address, in ::ffff:192.0.2.1

std::string TextOf(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (inet_ntop(family, address, text.data(), text.size()) == nullptr) return "";
  return text.data();
}

// `bracketed`: [ADDRESS]:PORT, where the address may name a zone. "" = not so.
std::string NetworkOf(std::string_view bracketed) {
  const size_t end = std::min(bracketed.find(']'), bracketed.find('%'));
  if (!bracketed.starts_with('[') || end == std::string_view::npos) return "";
  in6_addr address{};
  if (inet_pton(AF_INET6, std::string(bracketed.substr(1, end - 1)).c_str(), &address) != 1) {
    return "";
  }
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    return absl::StrCat("ipv4:", TextOf(AF_INET, &address.s6_addr[kMappedBytes]));
  }
  std::fill(std::begin(address.s6_addr) + kNetworkBytes, std::end(address.s6_addr), uint8_t{0});
  return absl::StrCat("ipv6:", TextOf(AF_INET6, &address), "/64");
}

}  // namespace

std::string HostOfPeer(std::string_view peer) {
  if (peer.starts_with(kV4)) {
    const size_t port = peer.rfind(':');
    return std::string(port < kV4.size() ? peer : peer.substr(0, port));
  }
  if (!peer.starts_with(kV6)) return std::string(peer);
  // gRPC writes the brackets, and a zone's sign, as in a URI.
  const std::string plain =
      absl::StrReplaceAll(absl::string_view(peer.data(), peer.size()).substr(kV6.size()),
                          {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  const std::string network = NetworkOf(plain);
  return network.empty() ? std::string(peer) : network;
}

}  // namespace televault::audit
