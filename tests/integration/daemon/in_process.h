#pragma once

#include <grpc/grpc.h>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_directory.h"
#include "vault/daemon/init.h"
#include "vault/daemon/served_vault.h"
#include "vault/daemon/vault.h"
#include "vault/service/registrar.h"

namespace televault::daemon {

// A vault and its server in the test's own process, on a file system and a clock of the test's.
class InProcessTest : public ::testing::Test {
 protected:
  // `fs` is used from SetUp on.
  explicit InProcessTest(FileSystem& fs) : fs_of_vault_(fs) {}

  void SetUp() override {
    InitOptions options;
    options.data_dir = config_.data_dir = directory_.Path("vault");
    options.origin = "test.example/log";
    options.operators = {"alice", "bob"};
    options.token_dir = directory_.Path("tokens");
    options.tls_hosts = {"localhost"};
    ASSERT_THAT(InitVault(fs_of_vault_, clock_, SystemRandom(), options), testing::IsOk());
    config_.listen = {"unix:" + directory_.Path("socket")};
    config_.retention_tick = config_.merge_tick = microseconds(1'000'000);
    Start();
  }
  void Start() {
    TV_ASSERT_OK_AND_ASSIGN(vault_, Vault::Open(config_, {.fs = fs_of_vault_,
                                                          .clock = clock_,
                                                          .random = SystemRandom(),
                                                          .ending = microseconds(100'000)}));
    ASSERT_THAT(vault_->UnsealWithKeyfile(), testing::IsOk());
    TV_ASSERT_OK_AND_ASSIGN(server_, Server::Start(config_, *vault_));
  }
  // Held over all servers of the process: gRPC's own end, which comes with the last of them, waits
  // up to 10 s for threads of its own.
  static void SetUpTestSuite() { grpc_init(); }
  void TearDown() override { End(); }
  // Without a word: calls that are under way stay without an outcome.
  void End() {
    if (server_ != nullptr) server_->Shutdown(microseconds(0));
    server_.reset();
    vault_.reset();
  }

  // A connection of somebody new with that role.
  std::unique_ptr<client::Vault> As(const std::string& role, uint32_t max_uses = 0,
                                    std::string* accessor = nullptr) {
    return Connect(TokenFor(role, max_uses, accessor));
  }
  std::unique_ptr<client::Vault> Connect(const std::string& token) {
    client::Options options;
    options.address = config_.listen.front();
    options.timeout = client::milliseconds(60'000);
    options.max_attempts = 1;
    auto connection = client::Vault::Dial(options, client::SecretText(token));
    EXPECT_THAT(connection, testing::IsOk());
    return *std::move(connection);
  }
  std::string TokenFor(const std::string& role, uint32_t max_uses = 0,
                       std::string* accessor = nullptr) {
    const std::string person = absl::StrCat("person", ++persons_);
    record::v1::PersonRecord enrolled;
    enrolled.set_name(person);
    enrolled.set_proposed_by("alice");
    enrolled.set_confirmed_by("bob");
    enrolled.set_enrolled_at_us(clock_.Wall().micros);
    EXPECT_THAT(vault_->control().EnrolPerson(enrolled), testing::IsOk());
    service::NewToken token = service::MakeToken({role}, SystemRandom());
    const int64_t now = clock_.Wall().micros;
    token.record.set_person(person);
    token.record.set_created_at_us(now);
    token.record.set_active_since_us(now);
    token.record.set_expires_at_us(now + 365 * kMicrosPerDay);
    token.record.set_max_expires_at_us(now + 365 * kMicrosPerDay);
    token.record.set_limited_uses(max_uses > 0);
    token.record.set_uses_left(max_uses);
    if (role == "collector") token.record.add_datasets("cli_usage");
    if (accessor != nullptr) *accessor = token.record.accessor();
    EXPECT_THAT(vault_->control().AddToken(token.record), testing::IsOk());
    return token.text;
  }

  testing::TempDirectory directory_;
  // Noon of today, so that a day's batches stay in one day.
  testing::FakeClock clock_{{EndOf(DayOf(SystemClock().Wall())).micros - kMicrosPerDay / 2}};
  Config config_;
  std::unique_ptr<Vault> vault_;
  std::unique_ptr<Server> server_;

 private:
  FileSystem& fs_of_vault_;
  int persons_ = 0;
};

}  // namespace televault::daemon
