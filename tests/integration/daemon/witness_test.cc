// Real witnesses beside the real daemon: a quorum, one that is missing, a split view, a rollback.
#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"

namespace televault::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kTick[] = "[witnesses]\npolicy = \"@DIRECTORY@/policy\"\ntick = \"1s\"\n";

// `televault audit witness` as a process.
class WitnessProcess {
 public:
  WitnessProcess(const Daemon& daemon, const std::string& name) : name_(name) {
    process_.emplace(
        std::vector<std::string>{TELEVAULT_BINARY, "audit", "witness", "--state",
                                 daemon.directory() + "/" + name, "--name", "witness.test/" + name,
                                 "--log", daemon.vkey(), "--listen", "127.0.0.1:0"},
        daemon.directory() + "/" + name + ".err");
    const auto key = process_->AwaitLine("witness ");
    const auto url = process_->AwaitLine("READY ");
    TV_CHECK(key.ok() && url.ok());
    vkey_ = *key;
    url_ = *url;
  }
  std::string PolicyLine() const {
    return absl::StrCat("witness ", name_, " ", vkey_, " ", url_, "\n");
  }
  void Stop() { process_.reset(); }

 private:
  const std::string name_;
  std::optional<BackgroundProcess> process_;
  std::string vkey_;
  std::string url_;
};

class WitnessTest : public VaultTest {
 protected:
  WitnessTest() : VaultTest({.config = kTick}) {}
  void SetUp() override {
    ASSERT_THAT(daemon_.Init(), IsOk());
    for (const char* name : {"a", "b"})
      witnesses_.push_back(std::make_unique<WitnessProcess>(daemon_, name));
    WritePolicy("group g all a b\nquorum g\n");
    ASSERT_THAT(daemon_.Start(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(auditor_, daemon_.Admit("audrey", "auditor"));
  }
  void TearDown() override {}
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
  const WitnessProcess third(daemon_, "c");
  std::ofstream(daemon_.directory() + "/policy3")
      << witnesses_[0]->PolicyLine() << third.PolicyLine() << "group g all a c\nquorum g\n";
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

}  // namespace
}  // namespace televault::testing
