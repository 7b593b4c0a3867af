#include "vault/daemon/http_post.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "tests/support/status_matchers.h"
#include "vault/base/check.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

// Answers every connection with `start`, then with `drip` every few milliseconds, for as long as
// the other side listens.
class Server {
 public:
  Server(std::string start, std::string drip) : start_(std::move(start)), drip_(std::move(drip)) {
    TV_CHECK(listener_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    TV_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TV_CHECK(::listen(listener_, 1) == 0);
    TV_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port), "/");
    thread_ = std::thread([this] { Serve(); });
  }
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  const std::string& url() const { return url_; }

 private:
  void Serve() {
    const int peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    std::string next = start_;
    while (!next.empty() && ::send(peer, next.data(), next.size(), MSG_NOSIGNAL) > 0) {
      next = drip_;
      ::poll(nullptr, 0, 5);
    }
    ::close(peer);
  }

  const std::string start_;
  const std::string drip_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string url_;
  std::thread thread_;
};

absl::StatusOr<HttpAnswer> Post(const Server& server) {
  return PlainHttpPost()(server.url(), "body", std::chrono::milliseconds(300));
}

TEST(HttpPosts, HandOnStatusTypeAndBody) {
  const Server server(
      "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"
      "Content-Length: 2\r\nConnection: close\r\n\r\n7\n",
      "");
  TV_ASSERT_OK_AND_ASSIGN(const HttpAnswer answer, Post(server));
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.content_type, "text/x.tlog.size");
  EXPECT_EQ(answer.body, "7\n");
}

// Each byte comes in time, the answer never: both would hold the submitting thread, and a stop of
// the daemon, for days.
TEST(HttpPosts, AnAnswerThatDripsIsCutOff) {
  const Server headers("HTTP/1.1 200 OK\r\nX: ", "x");
  EXPECT_THAT(Post(headers), StatusIs(absl::StatusCode::kUnavailable));
  const Server body("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", "x");
  EXPECT_THAT(Post(body), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(HttpPosts, AnAnswerThatIsTooLongIsCutOff) {
  const Server server("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", std::string(4096, 'x'));
  EXPECT_THAT(Post(server), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(HttpPosts, NobodyThereIsUnavailable) {
  std::string url;
  { url = Server("", "").url(); }
  EXPECT_THAT(PlainHttpPost()(url, "", std::chrono::milliseconds(300)),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(HttpUrls, AreCheckedBeforeTheyAreUsed) {
  for (const char* url :
       {"http://h", "https://h/", "http://h:1/p/q", "http://[::1]:8859/", "http://h:65535"}) {
    EXPECT_THAT(CheckHttpUrl(url), IsOk()) << url;
  }
  for (const std::string& url :
       {std::string(), std::string("h"), std::string("ftp://h/"), std::string("http://"),
        std::string("http:///p"), std::string("http://h:/"), std::string("http://h:0/"),
        std::string("http://h:65536/"), std::string("http://h:99999999999/"),
        std::string("http://h:x/"), std::string("http://u@h/"), std::string("http://h/a b"),
        std::string("http://h/?q"), "http://" + std::string(256, 'h') + "/"}) {
    EXPECT_THAT(CheckHttpUrl(url),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("http://")))
        << url;
  }
}

}  // namespace
}  // namespace televault::daemon
