#include "audit/peer.h"

#include <gtest/gtest.h>

namespace televault::audit {
namespace {

TEST(HostOfPeer, IsTheSameForEveryConnectionOfAHost) {
  EXPECT_EQ(HostOfPeer("ipv4:192.0.2.1:50051"), "ipv4:192.0.2.1");
  EXPECT_EQ(HostOfPeer("ipv4:192.0.2.1:9"), "ipv4:192.0.2.1");
  EXPECT_EQ(HostOfPeer("ipv6:%5B::1%5D:50051"), "ipv6:::/64");
  EXPECT_EQ(HostOfPeer("ipv6:[2001:db8:1:2:3:4:5:6]:1"), "ipv6:2001:db8:1:2::/64");
  EXPECT_EQ(HostOfPeer("ipv6:%5B2001:db8:1:2:ffff::9%5D:2"), "ipv6:2001:db8:1:2::/64");
  EXPECT_EQ(HostOfPeer("ipv6:%5Bfe80::1%25eth0%5D:2"), "ipv6:fe80::/64");
}

TEST(HostOfPeer, AnIPv4ClientOfAnIPv6ListenerIsOneHostNotOneOfAll) {
  EXPECT_EQ(HostOfPeer("ipv6:%5B::ffff:192.0.2.1%5D:50051"), "ipv4:192.0.2.1");
  EXPECT_EQ(HostOfPeer("ipv6:%5B::ffff:192.0.2.2%5D:50051"), "ipv4:192.0.2.2");
}

TEST(HostOfPeer, OtherNamesStayAsTheyAre) {
  for (const char* name : {"", "unix:", "unix:/run/televault.sock", "ipv4:", "ipv4:192.0.2.1",
                           "ipv6:", "ipv6:[", "ipv6:[]:1", "ipv6:%5Bx%5D:1", "others"}) {
    EXPECT_EQ(HostOfPeer(name), name);
  }
}

}  // namespace
}  // namespace televault::audit
