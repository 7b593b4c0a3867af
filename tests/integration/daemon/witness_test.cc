// Real witnesses beside the real daemon: a quorum, one that is missing, a split view, a rollback,
// kills.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "tests/support/fake_log.h"
#include "tests/support/seeded_random.h"
#include "vault/daemon/http_post.h"

namespace televault::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

uint64_t Below(Random& random, uint64_t bound) {
  std::array<uint8_t, 4> bytes{};
  random.Fill(bytes);
  uint64_t number = 0;
  for (const uint8_t byte : bytes) number = (number << 8) | byte;
  return number % bound;
}

// A random moment: nothing waits for it.
void LetPass(Random& random, std::chrono::microseconds at_most) {
  std::this_thread::sleep_for(
      std::chrono::microseconds(Below(random, static_cast<uint64_t>(at_most.count()))));
}

constexpr char kTick[] = "[witnesses]\npolicy = \"@DIRECTORY@/policy\"\ntick = \"1s\"\n";

// `televault audit witness` as a process, at the same address whenever it is started again.
class WitnessProcess {
 public:
  // `log` is the log's vkey; the witness keeps its state in `directory`/`name`.
  WitnessProcess(const std::string& directory, const std::string& name, const std::string& log)
      : directory_(directory), name_(name), log_(log) {
    Start();
  }
  void Start() {
    Launch();
    const auto key = process_->AwaitLine("witness ");
    const auto url = process_->AwaitLine("READY ");
    TV_CHECK(key.ok() && url.ok());
    TV_CHECK(vkey_.empty() || (vkey_ == *key && url_ == *url));
    vkey_ = *key;
    url_ = *url;
  }
  // Without waiting for it to be ready.
  void Launch() {
    constexpr size_t kScheme = std::string_view("http://").size();
    process_.emplace(std::vector<std::string>{TELEVAULT_BINARY, "audit", "witness", "--state",
                                              directory_ + "/" + name_, "--name",
                                              "witness.test/" + name_, "--log", log_, "--listen",
                                              url_.empty() ? "127.0.0.1:0" : url_.substr(kScheme)},
                     directory_ + "/" + name_ + ".err");
  }
  // kill -9.
  void Stop() { process_.reset(); }
  std::string PolicyLine() const {
    return absl::StrCat("witness ", name_, " ", vkey_, " ", url_, "\n");
  }
  const std::string& vkey() const { return vkey_; }
  const std::string& url() const { return url_; }

 private:
  const std::string directory_;
  const std::string name_;
  const std::string log_;
  std::optional<BackgroundProcess> process_;
  std::string vkey_;
  std::string url_;
};

class WitnessTest : public VaultTest {
 protected:
  WitnessTest() : VaultTest({.config = kTick}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.Init(), IsOk());
    for (const char* name : {"a", "b"}) witnesses_.push_back(NewWitness(name));
    WritePolicy("group g all a b\nquorum g\n");
    ASSERT_THAT(daemon_.Start(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(auditor_, daemon_.Admit("audrey", "auditor"));
  }
  void TearDown() override {}
  std::unique_ptr<WitnessProcess> NewWitness(const std::string& name) const {
    return std::make_unique<WitnessProcess>(daemon_.directory(), name, daemon_.vkey());
  }
  void WritePolicy(const std::string& quorum) {
    std::ofstream out(daemon_.directory() + "/policy");
    for (const auto& witness : witnesses_) out << witness->PolicyLine();
    out << quorum;
  }
  std::string policy() const { return daemon_.directory() + "/policy"; }
  v1::WitnessStatus Status(const Daemon& daemon) {
    const auto status = daemon.As(daemon.alice())->GetStatus({}, call_);
    TV_CHECK(status.ok());
    return status->witnesses();
  }
  bool AwaitCosigned(uint64_t size) {
    return Await([&] { return Status(daemon_).cosigned_size() >= size; });
  }
  uint64_t LogSize() { return daemon_.As(daemon_.alice())->GetStatus({}, call_)->audit_size(); }

  std::vector<std::unique_ptr<WitnessProcess>> witnesses_;
  TokenOf auditor_;
};

TEST_F(WitnessTest, AQuorumCosignsAndAnybodyChecksItOnlineAndOffline) {
  ASSERT_TRUE(AwaitCosigned(1));
  EXPECT_TRUE(Status(daemon_).quorum());
  const ProcessResult online =
      RunCli(daemon_, auditor_, {"audit", "verify", "--policy", policy(), "-o", "json"});
  EXPECT_EQ(online.exit_code, 0) << online.err;
  EXPECT_THAT(online.out, HasSubstr("\"cosigned_by\""));
  const std::string exported = daemon_.directory() + "/export";
  const ProcessResult copied =
      RunCli(daemon_, auditor_, {"audit", "export", exported, "--cosigned"});
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
  const std::vector<std::string> offline = {"audit", "verify",       "--dir",    exported,
                                            "--key", daemon_.vkey(), "--policy", policy()};
  const ProcessResult verified = RunCli(daemon_, {}, offline);
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("cosigned_by"));
  // A witness more than there is: the same log does not satisfy that.
  const auto third = NewWitness("c");
  std::ofstream(daemon_.directory() + "/policy3")
      << witnesses_[0]->PolicyLine() << third->PolicyLine() << "group g all a c\nquorum g\n";
  std::vector<std::string> stricter = offline;
  stricter.back() = daemon_.directory() + "/policy3";
  const ProcessResult refused = RunCli(daemon_, {}, stricter);
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("too few witnesses"));
}

TEST_F(WitnessTest, AMissingQuorumIsReportedAndTheVaultServesOn) {
  ASSERT_TRUE(AwaitCosigned(1));
  witnesses_[1]->Stop();
  ASSERT_THAT(RunCli(daemon_, auditor_, {"audit", "list"}).exit_code, 0);
  ASSERT_TRUE(Await([&] { return !Status(daemon_).quorum(); }));
  const ProcessResult status = RunCli(daemon_, daemon_.alice(), {"status"});
  EXPECT_THAT(status.out, HasSubstr("too few witnesses"));
  EXPECT_THAT(RunCli(daemon_, auditor_, {"audit", "list", "--method", "audit.quorum_missing"}).out,
              HasSubstr("audit.quorum_missing"));
}

// Two daemons on two copies of one vault: each client sees a history that is sound by itself.
TEST_F(WitnessTest, ASplitViewIsCaught) {
  const uint64_t size = LogSize();
  ASSERT_TRUE(AwaitCosigned(size));
  Daemon other({.config = kTick});
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(other.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  // The two histories part, and the first is cosigned.
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(RunCli(daemon_, auditor_, {"audit", "list"}).exit_code, 0);
  }
  ASSERT_TRUE(AwaitCosigned(LogSize()));
  ASSERT_THAT(other.Start(), IsOk());
  const auto refused = [&] {
    const auto status = Status(other);
    return status.witnesses_size() == 2 && status.witnesses(0).refuses() &&
           status.witnesses(1).refuses();
  };
  EXPECT_TRUE(Await(refused));
  const ProcessResult list =
      RunCli(other, auditor_, {"audit", "list", "--method", "audit.witness_refuses"},
             {{"XDG_STATE_HOME", other.directory() + "/other-client"}});
  EXPECT_THAT(list.out, HasSubstr("audit.witness_refuses"));
  EXPECT_FALSE(Status(daemon_).witnesses(0).refuses());
}

// The whole data directory, anchor and all, put back to an older copy: the vault by itself cannot
// know.
TEST_F(WitnessTest, ARollbackOfEverythingIsCaught) {
  Daemon old({.config = kTick});
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(old.InitAsCopyOf(daemon_), IsOk());
  ASSERT_THAT(daemon_.Start(), IsOk());
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(RunCli(daemon_, auditor_, {"audit", "list"}).exit_code, 0);
  }
  ASSERT_TRUE(AwaitCosigned(LogSize()));
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  ASSERT_THAT(old.Start(), IsOk());
  ASSERT_TRUE(Await([&] {
    const auto status = Status(old);
    return status.witnesses_size() == 2 && status.witnesses(0).refuses();
  }));
  EXPECT_THAT(Status(old).witnesses(0).problem(), HasSubstr("rolled back"));
}

// Killed again and again, the witnesses are where they were and the vault goes on with them.
TEST_F(WitnessTest, AVaultGoesOnWithWitnessesThatAreKilled) {
  SeededRandom random(11);
  for (int round = 0; round < 8; ++round) {
    const auto& killed = witnesses_[static_cast<size_t>(round % 2)];
    const uint64_t size = LogSize();
    LetPass(random,
            std::chrono::milliseconds(1'200));  // a round of submissions, or somewhere in it
    killed->Stop();
    killed->Start();
    ASSERT_TRUE(AwaitCosigned(size)) << round;
  }
  ASSERT_TRUE(AwaitCosigned(LogSize()));
  const auto status = Status(daemon_);
  for (const auto& witness : status.witnesses()) {
    EXPECT_FALSE(witness.refuses()) << witness.name();
  }
  EXPECT_THAT(Entries(*daemon_.As(auditor_), ByMethod("audit.witness_refuses")), IsEmpty());
  const ProcessResult verified =
      RunCli(daemon_, auditor_, {"audit", "verify", "--policy", policy()});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
}

// A log that shows its witness whatever comes: what goes on from where the witness is, older trees,
// and trees of another history under the same key.
// Threads: one calls Step(); the rest any.
class RestlessLog {
 public:
  RestlessLog(const WitnessProcess& witness, uint64_t seed)
      : url_(witness.url() + "/add-checkpoint"),
        key_(audit::VerifierKey::Parse(witness.vkey()).value()),
        random_(seed) {
    right_.Grow(kLeaves);
    wrong_.Grow(kLeaves, "another ");
  }
  static std::string vkey() { return FakeLog(kSeed).key().Text(); }

  void Step() {
    const uint64_t further = std::min(known_ + 1 + Below(random_, 4), kLeaves);
    switch (Below(random_, 4)) {
      case 0:
        return Send(right_, Below(random_, known_ + 1), 1 + Below(random_, further));
      case 1:
        return Send(wrong_, known_, further);
      default:
        return Send(right_, known_, further);
    }
  }
  // How often the witness has cosigned, and where that was last.
  uint64_t accepted() const { return accepted_; }
  uint64_t cosigned() const { return cosigned_; }
  uint64_t lost_answers() const { return lost_answers_; }

 private:
  static constexpr uint8_t kSeed = 7;
  static constexpr uint64_t kLeaves = 4'000;

  void Send(const FakeLog& log, uint64_t old_size, uint64_t size) {
    if (&log == &right_) shown_ = std::max(shown_, size);
    const auto answer = post_(url_, log.AddCheckpoint(old_size, size),
                              std::chrono::milliseconds(5'000), [] { return true; });
    if (!answer.ok()) return;  // killed, or not back yet
    if (answer->status == 200) return Cosigned(log, size, log.Checkpoint(size), answer->body);
    EXPECT_THAT(answer->status, AnyOf(400, 409, 422)) << answer->body;
    uint64_t stands_at = 0;
    if (answer->status != 409 || !absl::SimpleAtoi(answer->body, &stands_at)) {
      return;
    }
    EXPECT_GE(stands_at, cosigned_) << "the witness has forgotten what it vouched for";
    EXPECT_LE(stands_at, shown_) << "the witness vouched for what it was never shown";
    lost_answers_ += stands_at > known_;
    known_ = stands_at;
  }
  void Cosigned(const FakeLog& log, uint64_t size, const std::string& checkpoint,
                std::string_view line) {
    EXPECT_EQ(&log, &right_) << "the witness vouched for two histories";
    EXPECT_GE(size, cosigned_) << "the witness went back";
    const auto note = audit::ParseNote(checkpoint);
    line.remove_suffix(line.ends_with('\n') ? 1 : 0);
    const auto signature = audit::ParseSignatureLine(line);
    ASSERT_THAT(signature, IsOk());
    EXPECT_THAT(audit::VerifySignature(note->text, signature->signature, key_), IsOk());
    cosigned_ = known_ = size;
    ++accepted_;
  }

  const std::string url_;
  const audit::VerifierKey key_;
  const daemon::HttpPost post_ = daemon::PlainHttpPost();
  SeededRandom random_;
  FakeLog right_{kSeed};
  FakeLog wrong_{kSeed};
  uint64_t known_ = 0;  // where the witness is, as far as it has said
  uint64_t shown_ = 0;  // largest tree of the right history that it was shown
  std::atomic<uint64_t> cosigned_ = 0;
  std::atomic<uint64_t> accepted_ = 0;
  std::atomic<uint64_t> lost_answers_ = 0;
};

TEST(KilledWitnessTest, NeverCosignsAnOlderOrAnotherTreeThanBefore) {
  constexpr int kKills = 60;
  const TempDirectory directory;
  SeededRandom random(5);
  WitnessProcess witness(directory.path(), "w", RestlessLog::vkey());
  RestlessLog log(witness, 6);
  {
    std::jthread submitting([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) log.Step();
    });
    for (int kill = 0; kill < kKills; ++kill) {
      const uint64_t before = log.accepted();
      ASSERT_TRUE(Await([&] { return log.accepted() > before; })) << "it does not go on";
      LetPass(random, std::chrono::milliseconds(20));
      witness.Stop();
      if (kill % 3 == 0) {
        witness.Launch();  // and killed in the middle of its start
        LetPass(random, std::chrono::milliseconds(20));
      }
      witness.Start();
    }
  }
  std::cout << log.accepted() << " cosignatures up to size " << log.cosigned() << ", "
            << log.lost_answers() << " answers lost\n";
}

}  // namespace
}  // namespace televault::testing
