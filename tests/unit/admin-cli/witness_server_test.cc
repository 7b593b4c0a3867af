#include "admin-cli/witness/witness_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "absl/strings/str_cat.h"

#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/admin-cli/raw_client.h"
#include "tests/unit/admin-cli/submitted_log.h"

namespace televault::cli {
namespace {

using televault::testing::FakeClock;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Before the library's timeout.
constexpr std::chrono::seconds kSoon(8);

class WitnessServerTest : public ::testing::Test {
 protected:
  WitnessServerTest() {
    witness_ = *Witness::Open(
        {.directory = temp_.path() + "/w", .name = "w.example/1", .logs = {log_.key()}},
        {PosixFileSystem(), clock_, random_});
    server_ = *WitnessServer::Bind(*witness_, clock_, "127.0.0.1", 0);
    serving_ = std::thread([this] { server_->Run(); });
  }
  ~WitnessServerTest() override {
    server_->Stop();
    serving_.join();
  }
  int port() const { return server_->port(); }
  static std::string Head(const std::string& headers) {
    return absl::StrCat("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n", headers, "\r\n");
  }
  static std::string Whole(const std::string& body) {
    return Head(absl::StrCat("Content-Length: ", body.size(), "\r\n")) + body;
  }
  std::string Ask(const std::string& request) const {
    const RawClient client(port());
    EXPECT_TRUE(client.Send(request));
    return client.Receive();
  }
  void ExpectStillServes(uint32_t from = INADDR_LOOPBACK) const {
    const RawClient client(port(), from);
    EXPECT_TRUE(client.Send(Whole("rubbish")));
    EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 400"));
  }

  TempDirectory temp_;
  FakeClock clock_;
  SeededRandom random_{3};
  const SubmittedLog log_{"vault.example/log"};
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<WitnessServer> server_;
  std::thread serving_;
};

TEST_F(WitnessServerTest, AnswersARequestAndCloses) {
  const std::string answer = Ask(Whole(log_.Request(0, 4)));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n— w.example/1 "));
  const std::string behind = Ask(Whole(log_.Request(0, 5)));
  EXPECT_THAT(behind, StartsWith("HTTP/1.1 409"));
  EXPECT_THAT(behind, HasSubstr("Content-Type: text/x.tlog.size"));
  // What is behind the first request is not another one.
  const std::string twice = Ask(Whole("rubbish") + Whole("rubbish"));
  EXPECT_EQ(twice.find("HTTP/1.1", 1), std::string::npos) << twice;
}

TEST_F(WitnessServerTest, DoesNothingElse) {
  EXPECT_THAT(Ask("GET /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("POST /add-checkpoint/ HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask(Head("Content-Encoding: gzip\r\nContent-Length: 9\r\n")),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(Ask(Head("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")),
              StartsWith("HTTP/1.1 415"));
  (void)Ask("rubbish\r\n\r\n");
  ExpectStillServes();
}

TEST_F(WitnessServerTest, TakesABodyOfTheBoundAndNoLongerOne) {
  EXPECT_THAT(Ask(Whole(std::string(audit::kMaxAddCheckpointBytes, 'x'))),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(
      Ask(Head(absl::StrCat("Content-Length: ", audit::kMaxAddCheckpointBytes + 1, "\r\n"))),
      StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Ask(Head("Content-Length: 18446744073709551615\r\n")), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Ask(Head("")), StartsWith("HTTP/1.1 411"));
  EXPECT_THAT(Ask(Head("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
              StartsWith("HTTP/1.1 411"));
}

// What the server took bounds what it can have kept. It does not wait for a timeout, either: until
// then some of these would take all of a processor.
TEST_F(WitnessServerTest, ARequestWithoutAnEndIsCutOff) {
  const std::string piece(4096, 'x');
  const struct {
    const char* what;
    std::string start;
    std::string rest;
  } kPeers[] = {
      {"headers", "POST /add-checkpoint HTTP/1.1\r\n", "X: " + std::string(1000, 'x') + "\r\n"},
      {"short headers", "POST /add-checkpoint HTTP/1.1\r\n", "X: y\r\nX: y\r\nX: y\r\n"},
      {"one header", "POST /add-checkpoint HTTP/1.1\r\nX: ", piece},
      {"folded header", "POST /add-checkpoint HTTP/1.1\r\nX: y\r\n", " x\r\n x\r\n x\r\n x\r\n"},
      {"request line", "POST /", piece},
      {"method", "", piece},
      {"chunks", Head("Transfer-Encoding: chunked\r\n"), "1000\r\n" + piece + "\r\n"},
      {"one chunk", Head("Transfer-Encoding: chunked\r\n") + "ffffffff\r\n", piece},
      {"head of a chunk", Head("Transfer-Encoding: chunked\r\n") + "1;", piece},
      {"trailers", Head("Transfer-Encoding: chunked\r\n") + "0\r\n", "X: y\r\nX: y\r\nX: y\r\n"},
  };
  for (const auto& peer : kPeers) {
    const MonoTime began = SystemClock().Mono();
    const RawClient client(port());
    EXPECT_TRUE(client.Send(peer.start)) << peer.what;
    EXPECT_LT(client.Flood(peer.rest), kBuffersOfTheKernel) << peer.what;
    EXPECT_LT(SystemClock().Mono() - began, kSoon) << peer.what;
    ExpectStillServes();
  }
}

// All connections are served by one thread: nobody may hold it.
TEST_F(WitnessServerTest, ThoseThatStallHoldUpNobody) {
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (const std::string& start :
       {std::string(), std::string("POST"), Head("Content-Length: 100\r\n"),
        Head("Transfer-Encoding: chunked\r\n") + "a\r\nx", std::string("GET / HTTP/1.1\r\nX: ")}) {
    for (int i = 0; i < 5; ++i) {
      stalled.push_back(std::make_unique<RawClient>(port()));
      EXPECT_TRUE(stalled.back()->Send(start));
    }
  }
  ExpectStillServes();
}

// One address does not take the place of all others.
TEST_F(WitnessServerTest, OneAddressHasAShareOfTheConnections) {
  constexpr uint32_t kOther = INADDR_LOOPBACK + 1;
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (unsigned i = 0; i < WitnessServer::kMaxConnectionsOfOneAddress; ++i) {
    stalled.push_back(std::make_unique<RawClient>(port()));
    EXPECT_TRUE(stalled.back()->Send("POST"));
  }
  const MonoTime began = SystemClock().Mono();
  EXPECT_THAT(RawClient(port()).Receive(), IsEmpty());
  EXPECT_LT(SystemClock().Mono() - began, kSoon);
  ExpectStillServes(kOther);
}

// However much it says, and however evenly.
TEST_F(WitnessServerTest, AConnectionHasItsTime) {
  const RawClient silent(port());
  const RawClient drips(port());
  const RawClient waits(port());
  EXPECT_TRUE(drips.Send("POST /add-checkpoint HTTP/1.1\r\nX: "));
  EXPECT_TRUE(waits.Send(Head("Content-Length: 100\r\n")));
  ExpectStillServes();
  const MonoTime began = SystemClock().Mono();
  clock_.Advance(WitnessServer::kMaxConnectionTime);
  for (const RawClient* client : {&silent, &drips, &waits})
    EXPECT_THAT(client->Receive(), IsEmpty());
  EXPECT_LT(SystemClock().Mono() - began, kSoon);
  ExpectStillServes();
}

TEST_F(WitnessServerTest, TwoDoNotListenOnOnePort) {
  EXPECT_THAT(WitnessServer::Bind(*witness_, clock_, "127.0.0.1", port()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("taken")));
  EXPECT_THAT(WitnessServer::Bind(*witness_, clock_, "192.0.2.1", 0),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace televault::cli
