#include "vault/daemon/http_post.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "tests/support/status_matchers.h"
#include "vault/base/check.h"
#include "vault/base/clock.h"
#include "vault/daemon/tls_material.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kHeldName[] = "held.test";
// Longer than any test may take, so that one that fails ends.
constexpr auto kHeldAtMost = std::chrono::seconds(20);

// While there is one, look-ups of kHeldName do not come back.
class HeldResolver {
 public:
  HeldResolver() { Set(true); }
  ~HeldResolver() { Set(false); }
  HeldResolver(const HeldResolver&) = delete;
  HeldResolver& operator=(const HeldResolver&) = delete;
  static int LookUp() {
    State& state = Shared();
    std::unique_lock lock(state.mu);
    ++state.asked;
    state.freed.wait_for(lock, kHeldAtMost, [&] { return !state.held; });
    return EAI_AGAIN;
  }
  static int asked() {
    const std::lock_guard lock(Shared().mu);
    return Shared().asked;
  }

 private:
  struct State {
    std::mutex mu;
    std::condition_variable freed;
    bool held = false;
    int asked = 0;
  };
  // Outlives the threads that wait in it.
  static State& Shared() {
    static auto* const state = new State;
    return *state;
  }
  static void Set(bool held) {
    const std::lock_guard lock(Shared().mu);
    Shared().held = held;
    Shared().freed.notify_all();
  }
};

// A port of this machine.
class Listener {
 public:
  Listener() {
    TV_CHECK(fd_ >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    TV_CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TV_CHECK(::listen(fd_, 1) == 0);
    TV_CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int port() const { return port_; }
  // Negative after Stop.
  int Accept() const { return ::accept(fd_, nullptr, nullptr); }
  void Stop() const { ::shutdown(fd_, SHUT_RDWR); }

 private:
  const int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
};

// More than the kernel takes without anybody reading it.
constexpr size_t kMuch = 32 << 20;

// Answers one connection with `start`, then with `drip` after every pause, for as long as the other
// side listens, and kMuch at most. Where the pause is kForEver it says nothing after the start.
class Server {
 public:
  static constexpr int kForEver = -1;
  struct Says {
    std::string start;
    std::string drip;
    int pause_ms = 0;
  };

  explicit Server(Says says, const std::string& scheme = "http")
      : says_(std::move(says)), url_(absl::StrCat(scheme, "://127.0.0.1:", listener_.port(), "/")) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~Server() {
    listener_.Stop();
    thread_.join();
  }
  const std::string& url() const { return url_; }
  // Bytes that the other side or the kernel took, once the connection is gone.
  size_t Sent() const {
    ended_.wait(false);
    return sent_;
  }

 private:
  // False once the other side is gone; what it sends is taken.
  static bool Pause(int peer, int pause_ms) {
    pollfd readable{peer, POLLIN, 0};
    while (::poll(&readable, 1, pause_ms) > 0) {
      std::array<char, 4096> taken;
      if (::recv(peer, taken.data(), taken.size(), 0) <= 0) return false;
    }
    return true;
  }
  void Serve() {
    const int peer = listener_.Accept();
    if (peer >= 0) {
      Talk(peer);
      ::close(peer);
    }
    ended_ = true;
    ended_.notify_all();
  }
  void Talk(int peer) {
    const std::string* next = &says_.start;
    do {
      const ssize_t sent = ::send(peer, next->data(), next->size(), MSG_NOSIGNAL);
      if (sent < 0) return;
      sent_ += static_cast<size_t>(sent);
      next = &says_.drip;
    } while (sent_ < kMuch && Pause(peer, says_.pause_ms) && !next->empty());
  }

  const Says says_;
  const Listener listener_;
  const std::string url_;
  std::atomic<size_t> sent_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

constexpr std::chrono::milliseconds kAtMost{500};
// What a busy machine may add to a bound.
constexpr std::chrono::milliseconds kSlack{5'000};

bool GoOn() { return true; }

absl::StatusOr<HttpAnswer> Post(const std::string& url, std::chrono::milliseconds at_most = kAtMost,
                                const std::function<bool()>& go_on = &GoOn) {
  return PlainHttpPost()(url, "body", at_most, go_on);
}

std::chrono::nanoseconds TimeOf(const std::function<void()>& work) {
  const MonoTime began = SystemClock().Mono();
  work();
  return SystemClock().Mono() - began;
}

constexpr char kOk[] = "HTTP/1.1 200 OK\r\n";
constexpr char kChunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
// The beginning of a TLS record of 16 KiB.
const std::string kRecord("\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", 11);

TEST(HttpPosts, HandOnStatusTypeAndBody) {
  const Server server({.start = "HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"
                                "Content-Length: 2\r\nConnection: close\r\n\r\n7\n"});
  TV_ASSERT_OK_AND_ASSIGN(const HttpAnswer answer, Post(server.url(), kSlack));
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.content_type, "text/x.tlog.size");
  EXPECT_EQ(answer.body, "7\n");
}

TEST(HttpPosts, ReadAnAnswerInChunks) {
  const Server server({.start = kChunked + std::string("3\r\none\r\n4\r\n two\r\n0\r\n\r\n")});
  TV_ASSERT_OK_AND_ASSIGN(const HttpAnswer answer, Post(server.url(), kSlack));
  EXPECT_EQ(answer.body, "one two");
  EXPECT_EQ(answer.content_type, "");
}

TEST(HttpPosts, FollowNoRedirectionAndAskNoProxy) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  const Server server({.start = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                "Content-Length: 0\r\n\r\n"});
  const auto answer = Post(server.url(), kSlack);
  ::unsetenv("http_proxy");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->status, 302);
}

// Each byte comes in time, the answer never: any of these would hold the submitting thread, and a
// stop of the daemon, for as long as the other side likes.
TEST(HttpPosts, AnAnswerThatDripsIsCutOff) {
  const struct {
    const char* what;
    const char* scheme;
    Server::Says says;
  } kPeers[] = {
      {"nothing", "http", {.pause_ms = Server::kForEver}},
      {"status line", "http", {"HTTP/1.1 200 ", "x", 5}},
      {"headers", "http", {kOk, "X: y\r\n", 50}},
      {"one header", "http", {std::string(kOk) + "X: ", "x", 5}},
      {"body", "http", {"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", "x", 5}},
      {"body without a length", "http", {"HTTP/1.1 200 OK\r\n\r\n", "x", 5}},
      {"head of a chunk", "http", {kChunked + std::string("1;"), "x", 5}},
      {"handshake that does not begin", "https", {.pause_ms = Server::kForEver}},
      {"handshake", "https", {kRecord, "\x01", 5}},
  };
  for (const auto& peer : kPeers) {
    const Server server(peer.says, peer.scheme);
    EXPECT_LT(TimeOf([&] {
                EXPECT_THAT(Post(server.url()),
                            StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Timeout")))
                    << peer.what;
              }),
              kAtMost + kSlack)
        << peer.what;
  }
}

TEST(HttpPosts, AByteASecondIsCutOffToo) {
  constexpr std::chrono::milliseconds kSome{2'500};
  for (const auto& [scheme, start] :
       {std::pair("http", std::string(kOk) + "\r\n"), std::pair("https", kRecord)}) {
    const Server server({start, "\x01", 1'000}, scheme);
    EXPECT_LT(TimeOf([&] {
                EXPECT_THAT(Post(server.url(), kSome),
                            StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Timeout")));
              }),
              kSome + kSlack)
        << scheme;
  }
}

// As fast as the other side can. What it got rid of bounds what can have been kept.
TEST(HttpPosts, AnAnswerThatIsTooLongIsCutOff) {
  const std::string piece(4096, 'x');
  std::string lines;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&lines, "X: ", std::string(100, 'x'), "\r\n");
  const struct {
    const char* what;
    Server::Says says;
  } kPeers[] = {
      {"headers", {kOk, lines}},
      {"one header", {std::string(kOk) + "X: ", piece}},
      {"status line", {"HTTP/1.1 200 ", piece}},
      {"interim answers", {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}},
      {"body", {"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", piece}},
      {"body without a length", {"HTTP/1.1 200 OK\r\n\r\n", piece}},
      {"chunks", {kChunked, "1000\r\n" + piece + "\r\n"}},
      {"trailers", {kChunked + std::string("0\r\n"), lines}},
  };
  for (const auto& peer : kPeers) {
    const Server server(peer.says);
    EXPECT_THAT(Post(server.url(), std::chrono::seconds(60)),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("64 KiB")))
        << peer.what;
    EXPECT_LT(server.Sent(), kMuch) << peer.what;
  }
}

TEST(HttpPosts, AnAnswerOfJustTheBoundIsTaken) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const size_t body = kMaxHttpAnswerBytes - head.size() - 5 - 4;
  const auto answer_of = [&](size_t bytes) {
    return absl::StrCat(head, bytes, "\r\n\r\n", std::string(bytes, 'x'));
  };
  const Server server({.start = answer_of(body)});
  TV_ASSERT_OK_AND_ASSIGN(const HttpAnswer answer, Post(server.url(), kSlack));
  EXPECT_EQ(answer.body.size(), body);
  const Server longer({.start = answer_of(body + 1)});
  EXPECT_THAT(Post(longer.url(), kSlack), StatusIs(absl::StatusCode::kResourceExhausted));
}

// A stop of the daemon waits for no witness, whatever that one is at.
TEST(HttpPosts, EndWhenTheyAreNotToGoOn) {
  const struct {
    const char* scheme;
    Server::Says says;
  } kPeers[] = {{"http", {.pause_ms = Server::kForEver}},
                {"https", {.pause_ms = Server::kForEver}},
                {"https", {kRecord, "\x01", 100}},
                {"http", {std::string(kOk) + "\r\n", "x", 100}}};
  for (const auto& peer : kPeers) {
    const Server server(peer.says, peer.scheme);
    const MonoTime began = SystemClock().Mono();
    const auto go_on = [began] { return SystemClock().Mono() - began < kAtMost; };
    EXPECT_LT(TimeOf([&] {
                EXPECT_THAT(Post(server.url(), kHeldAtMost, go_on),
                            StatusIs(absl::StatusCode::kCancelled));
              }),
              kAtMost + kSlack)
        << peer.scheme;
  }
}

// The system's resolver takes as long as its servers do, and cannot be interrupted.
TEST(HttpPosts, ANameThatIsNotFoundInTimeIsCutOff) {
  const std::string url = absl::StrCat("http://", kHeldName, "/");
  const HeldResolver held;
  EXPECT_LT(TimeOf([&] {
              EXPECT_THAT(Post(url), StatusIs(absl::StatusCode::kUnavailable));
              EXPECT_THAT(Post(url, kHeldAtMost, [] { return false; }),
                          StatusIs(absl::StatusCode::kCancelled));
            }),
            kAtMost + kSlack);
  EXPECT_GE(HeldResolver::asked(), 1);
}

TEST(HttpPosts, NobodyThereIsUnavailable) {
  std::string url;
  { url = Server({.start = ""}).url(); }
  EXPECT_THAT(Post(url, kSlack),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("connect to server")));
}

// Offers a certificate that no authority of the system has signed.
void OfferCertificate(const Listener& listener, const TlsMaterial& material) {
  const int peer = listener.Accept();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  BIO* cert_pem = BIO_new_mem_buf(material.server_cert.data(), -1);
  BIO* key_pem = BIO_new_mem_buf(material.server_key.data(), -1);
  X509* cert = PEM_read_bio_X509(cert_pem, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_pem, nullptr, nullptr, nullptr);
  EXPECT_EQ(SSL_CTX_use_certificate(context, cert), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key), 1);
  SSL* tls = SSL_new(context);
  SSL_set_fd(tls, peer);
  if (SSL_accept(tls) == 1) {
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    std::array<char, 4096> request;
    if (SSL_read(tls, request.data(), request.size()) > 0) {
      SSL_write(tls, answer.data(), static_cast<int>(answer.size()));
    }
  }
  SSL_free(tls);
  EVP_PKEY_free(key);
  X509_free(cert);
  BIO_free(key_pem);
  BIO_free(cert_pem);
  SSL_CTX_free(context);
  ::close(peer);
}

TEST(HttpPosts, ACertificateThatNobodyVouchesForIsRefused) {
  TV_ASSERT_OK_AND_ASSIGN(const TlsMaterial material, MakeTlsMaterial({"127.0.0.1"}, 1));
  const Listener listener;
  std::thread server([&] { OfferCertificate(listener, material); });
  EXPECT_THAT(Post(absl::StrCat("https://127.0.0.1:", listener.port(), "/"), kSlack),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("certificate")));
  listener.Stop();
  server.join();
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
    EXPECT_THAT(Post(url), StatusIs(absl::StatusCode::kInvalidArgument)) << url;
  }
}

}  // namespace
}  // namespace televault::daemon

// Stands before the C library's, for the libraries too.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  using televault::daemon::HeldResolver;
  if (name != nullptr && std::string_view(name) == televault::daemon::kHeldName) {
    return HeldResolver::LookUp();
  }
  static const auto next =
      reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return next(name, service, hints, found);
}
