// The requests that C2SP publishes for witnesses, against the served one.

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <gmock/gmock.h>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "admin-cli/witness/witness_server.h"
#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/witness.h"
#include "tests/support/fake_clock.h"
#include "tests/support/published_vectors.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/admin-cli/raw_client.h"
#include "vault/base/check.h"

namespace televault::cli {
namespace {

using televault::testing::FakeClock;
using televault::testing::SeededRandom;
using televault::testing::TempDirectory;
using televault::testing::Vector;
using televault::testing::Vectors;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kContentType = "Content-Type: ";

struct HttpAnswer {
  int status = 0;
  std::vector<std::string> content_types;
  std::string body;
};

HttpAnswer Post(int port, const std::string& body) {
  const RawClient client(port);
  EXPECT_TRUE(client.Send(absl::StrCat("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n",
                                       "Content-Length: ", body.size(), "\r\n\r\n", body)));
  const std::string all = client.Receive();
  const size_t end = all.find("\r\n\r\n");
  HttpAnswer answer;
  if (!all.starts_with("HTTP/1.1 ") || end == std::string::npos) return answer;
  EXPECT_TRUE(absl::SimpleAtoi(all.substr(9, 3), &answer.status));
  answer.body = all.substr(end + 4);
  std::istringstream head(all.substr(0, end + 2));
  for (std::string line; std::getline(head, line);) {
    if (!line.starts_with(kContentType)) continue;
    answer.content_types.push_back(line.substr(kContentType.size()));
    answer.content_types.back().pop_back();  // the \r
  }
  return answer;
}

// A witness that serves on a port of its own.
class Served {
 public:
  Served(const std::string& directory, const audit::VerifierKey& log, const Clock& clock,
         Random& random)
      : witness_(
            Witness::Open({.directory = directory, .name = "example.com/witness", .logs = {log}},
                          {PosixFileSystem(), clock, random})
                .value()),
        server_(WitnessServer::Bind(*witness_, clock, "127.0.0.1", 0).value()),
        thread_([this] { server_->Run(); }) {}
  ~Served() {
    server_->Stop();
    thread_.join();
  }
  int port() const { return server_->port(); }
  const audit::VerifierKey& key() const { return witness_->key(); }

 private:
  const std::unique_ptr<Witness> witness_;
  const std::unique_ptr<WitnessServer> server_;
  std::thread thread_;
};

// What the witness of this directory must answer to an accepted checkpoint.
std::string CosignatureOf(const std::string& directory, const audit::Checkpoint& checkpoint,
                          const Clock& clock) {
  std::ifstream file(directory + "/witness.key");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::array<uint8_t, audit::kSigningKeyBytes> secret;
  const auto key = audit::ParseSignerKey(text, secret);
  TV_CHECK(key.ok());
  const auto seconds = static_cast<uint64_t>(clock.Wall().micros / 1'000'000);
  return audit::CosignText(audit::CheckpointBody(checkpoint), seconds, *key, secret)->Line();
}

audit::VerifierKey PublishedLog(const Vector& v) {
  const std::string bytes = absl::HexStringToBytes(v["log_ed25519_pub_hex"].get<std::string>());
  audit::PublicKey key;
  TV_CHECK(bytes.size() == key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return audit::VerifierKey::Create(v["log_origin"].get<std::string>(), audit::KeyType::kEd25519,
                                    key)
      .value();
}

class PublishedRequestsTest : public ::testing::Test {
 protected:
  void Start() {
    served_.reset();
    served_.emplace(directory_, log_, clock_, random_);
  }
  // Sends a published request and holds the whole answer against the vector and against what the
  // core decides from the same state.
  void Answer(const Vector& v) {
    SCOPED_TRACE(v["name"].get<std::string>());
    const std::string body = v["body"];
    const audit::WitnessDecision decision = audit::DecideAddCheckpoint(
        body, [&](const std::string& origin) -> std::optional<audit::WitnessedLog> {
          if (origin != log_.name()) return std::nullopt;
          return audit::WitnessedLog{log_, head_};
        });
    const HttpAnswer answer = Post(served_->port(), body);
    EXPECT_EQ(answer.status, v["status"].get<int>());
    const bool conflict = v["status"] == 409;
    EXPECT_THAT(answer.content_types, ElementsAre(conflict ? "text/x.tlog.size" : "text/plain"));
    EXPECT_THAT(answer.body, HasSubstr(v["body_contains"].get<std::string>()));
    if (conflict) {
      EXPECT_EQ(v["body_contains"], answer.body);
    }
    ASSERT_EQ(decision.accepted.has_value(), v["status"] == 200);
    if (!decision.accepted.has_value()) {
      EXPECT_EQ(answer.body, decision.body);
      return;
    }
    EXPECT_EQ(answer.body, CosignatureOf(directory_, *decision.accepted, clock_));
    head_ = decision.accepted->Head();
  }

  const TempDirectory temp_;
  const std::string directory_ = temp_.Path("witness");
  FakeClock clock_;
  SeededRandom random_{3};
  const audit::VerifierKey log_ = PublishedLog(Vectors()["witness_add_checkpoint"]);
  audit::TreeHead head_;
  std::optional<Served> served_;
};

TEST_F(PublishedRequestsTest, AnswersThePublishedRequestsByteForByte) {
  const Vector cases = Vectors()["witness_add_checkpoint"]["cases"];
  ASSERT_EQ(cases.size(), 11u);
  Start();
  for (const auto& v : cases) {
    Answer(v);
    clock_.Advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(head_.size, 5u);
}

TEST_F(PublishedRequestsTest, AnswersThemAlikeAfterARestartBeforeEach) {
  for (const auto& v : Vectors()["witness_add_checkpoint"]["cases"]) {
    Start();
    Answer(v);
  }
  EXPECT_EQ(head_.size, 5u);
}

}  // namespace
}  // namespace televault::cli
