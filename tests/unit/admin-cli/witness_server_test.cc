#include "admin-cli/witness/witness_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <gmock/gmock.h>
#include <httplib.h>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>

#include "absl/strings/escaping.h"

#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/witness.h"
#include "tests/support/fake_clock.h"
#include "tests/support/published_vectors.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/check.h"

namespace televault::cli {
namespace {

using televault::testing::FakeClock;
using televault::testing::SeededRandom;
using televault::testing::TempDirectory;
using televault::testing::Vector;
using televault::testing::Vectors;
using ::testing::HasSubstr;

constexpr const char* kPath = "/add-checkpoint";
constexpr const char* kHost = "127.0.0.1";

// A witness that serves on a port of its own.
class Served {
 public:
  Served(const std::string& directory, const audit::VerifierKey& log, const Clock& clock,
         Random& random)
      : witness_(
            Witness::Open({.directory = directory, .name = "example.com/witness", .logs = {log}},
                          {PosixFileSystem(), clock, random})
                .value()),
        server_(WitnessServer::Bind(*witness_, kHost, 0).value()),
        thread_([this] { server_->Run(); }) {}
  ~Served() {
    server_->Stop();
    thread_.join();
  }
  httplib::Client Client() const { return httplib::Client(kHost, server_->port()); }
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

class WitnessServerTest : public ::testing::Test {
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
    auto client = served_->Client();
    const httplib::Result answer = client.Post(kPath, body, "text/plain");
    ASSERT_TRUE(answer) << httplib::to_string(answer.error());
    EXPECT_EQ(answer->status, v["status"].get<int>());
    const bool conflict = v["status"] == 409;
    EXPECT_EQ(answer->get_header_value("Content-Type"),
              conflict ? "text/x.tlog.size" : "text/plain");
    EXPECT_EQ(answer->get_header_value_count("Content-Type"), 1u);
    EXPECT_THAT(answer->body, HasSubstr(v["body_contains"].get<std::string>()));
    if (conflict) {
      EXPECT_EQ(v["body_contains"], answer->body);
    }
    ASSERT_EQ(decision.accepted.has_value(), v["status"] == 200);
    if (!decision.accepted.has_value()) {
      EXPECT_EQ(answer->body, decision.body);
      return;
    }
    EXPECT_EQ(answer->body, CosignatureOf(directory_, *decision.accepted, clock_));
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

TEST_F(WitnessServerTest, AnswersThePublishedRequestsByteForByte) {
  const Vector cases = Vectors()["witness_add_checkpoint"]["cases"];
  ASSERT_EQ(cases.size(), 11u);
  Start();
  for (const auto& v : cases) {
    Answer(v);
    clock_.Advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(head_.size, 5u);
}

TEST_F(WitnessServerTest, AnswersThemAlikeAfterARestartBeforeEach) {
  for (const auto& v : Vectors()["witness_add_checkpoint"]["cases"]) {
    Start();
    Answer(v);
  }
  EXPECT_EQ(head_.size, 5u);
}

// Nothing of it reaches the witness: the first published request is still its first.
TEST_F(WitnessServerTest, RefusesWhatIsNoAddCheckpointRequest) {
  Start();
  const Vector first = Vectors()["witness_add_checkpoint"]["cases"][0];
  const std::string body = first["body"];
  const auto status = [](const httplib::Result& answer) { return answer ? answer->status : 0; };
  EXPECT_EQ(status(served_->Client().Get(kPath)), 404);
  EXPECT_EQ(status(served_->Client().Put(kPath, body, "text/plain")), 404);
  EXPECT_EQ(status(served_->Client().Post("/", body, "text/plain")), 404);
  EXPECT_EQ(status(served_->Client().Post("/add-checkpoint/", body, "text/plain")), 404);
  EXPECT_EQ(
      status(served_->Client().Post(kPath, {{"Content-Encoding", "gzip"}}, body, "text/plain")),
      415);
  Answer(first);
  EXPECT_EQ(head_.size, 1u);
}

}  // namespace
}  // namespace televault::cli
