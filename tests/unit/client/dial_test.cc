#include "vault/client/dial.h"

#include "tests/support/status_matchers.h"

namespace televault::client {
namespace {

using testing::IsOk;
using testing::StatusIs;

TEST(DialTest, UnderstandsSocketsAndHosts) {
  TV_ASSERT_OK_AND_ASSIGN(const Target socket, ParseAddress("unix:/run/tv.sock"));
  EXPECT_EQ(socket.uri, "unix:/run/tv.sock");
  EXPECT_TRUE(socket.unix_socket);
  TV_ASSERT_OK_AND_ASSIGN(const Target path, ParseAddress("/run/tv.sock"));
  EXPECT_EQ(path.uri, "unix:/run/tv.sock");
  TV_ASSERT_OK_AND_ASSIGN(const Target host, ParseAddress("vault.example.org:8858"));
  EXPECT_EQ(host.uri, "dns:///vault.example.org:8858");
  EXPECT_FALSE(host.unix_socket);
  TV_ASSERT_OK_AND_ASSIGN(const Target v6, ParseAddress("[::1]:8858"));
  EXPECT_EQ(v6.uri, "dns:///[::1]:8858");
}

TEST(DialTest, RefusesWhatIsNoAddress) {
  for (const char* const bad : {"", "vault", "vault:", ":8858", "vault:0", "vault:99999",
                                "::1:8858", "http://vault:80", "vault:80x"}) {
    EXPECT_THAT(ParseAddress(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(ParseAddress("/" + std::string(200, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DialTest, ACertificateWithoutItsKeyIsRefused) {
  Options options;
  options.address = "vault.example.org:8858";
  options.cert_file = "/nonexistent/cert.pem";
  EXPECT_THAT(OpenChannel(options), StatusIs(absl::StatusCode::kInvalidArgument));
  options.key_file = "/nonexistent/key.pem";
  EXPECT_THAT(OpenChannel(options), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace televault::client
