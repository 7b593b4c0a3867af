#include "vault/daemon/config.h"

#include <chrono>

#include "tests/support/status_matchers.h"
#include "vault/base/file_system.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;
using televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Config, ReadsEverySetting) {
  TV_ASSERT_OK_AND_ASSIGN(const Config config, ParseConfig(R"(
data_dir = "/var/lib/vault"
listen = ["unix:/run/v.sock", "127.0.0.1:0"]
[anchor]
file = "/mnt/anchor"
sync = "commit"
[keys]
replicas = ["/mnt/keys"]
[keys.pkcs11]
module = "/usr/lib/module.so"
tokens = ["vault-a", "vault-b"]
pin_file = "/etc/pin"
[tls]
cert_file = "c"
key_file = "k"
[log]
format = "json"
level = "warning"
[limits]
query_memory_mib = 32
worker_threads = 8
queries_in_flight = 3
[retention]
tick = "2s"
[drain]
timeout = "1s"
)",
                                                           "f.toml"));
  EXPECT_EQ(config.data_dir, "/var/lib/vault");
  EXPECT_THAT(config.listen, ElementsAre("unix:/run/v.sock", "127.0.0.1:0"));
  EXPECT_TRUE(config.anchor_strict);
  EXPECT_THAT(config.key_replicas, ElementsAre("/mnt/keys"));
  EXPECT_EQ(config.pkcs11.module, "/usr/lib/module.so");
  EXPECT_THAT(config.pkcs11.tokens, ElementsAre("vault-a", "vault-b"));
  EXPECT_EQ(config.pkcs11.pin_file, "/etc/pin");
  EXPECT_EQ(config.query_memory_bytes, 32u << 20);
  EXPECT_EQ(config.retention_tick, std::chrono::seconds(2));
  EXPECT_THAT(CheckConfig(config), IsOk());
}

TEST(Config, UnknownKeyNamesPlaceAndNearest) {
  EXPECT_THAT(ParseConfig("[log]\nformt = \"json\"\n", "f.toml"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("f.toml:2"), HasSubstr("log.format"))));
}

TEST(Config, WrongTypesAndBoundsSayWhatWouldBeRight) {
  EXPECT_THAT(ParseConfig("[limits]\nworker_threads = 3\n", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 4 to 512")));
  EXPECT_THAT(ParseConfig("[limits]\nworker_threads = \"8\"\n", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("whole number")));
  EXPECT_THAT(ParseConfig("[retention]\ntick = \"2h\"\n", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"60s\"")));
  EXPECT_THAT(ParseConfig("[log]\nlevel = \"loud\"\n", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"warning\"")));
  EXPECT_THAT(ParseConfig("listen = \"unix:/x\"\n", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("list")));
  EXPECT_THAT(ParseConfig("data_dir = \n", "f"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Config, PlaintextTcpIsRefused) {
  Config config;
  config.data_dir = "/d";
  config.listen = {"127.0.0.1:8858"};
  EXPECT_THAT(CheckConfig(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs TLS")));
  config.listen = {"unix:"};
  EXPECT_THAT(CheckConfig(config), StatusIs(absl::StatusCode::kInvalidArgument));
  config.listen = {"nonsense"};
  EXPECT_THAT(CheckConfig(config), StatusIs(absl::StatusCode::kInvalidArgument));
  config.listen = {};
  EXPECT_THAT(CheckConfig(config), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Config, WhatIsSaidOfTokensGoesTogether) {
  Config config;
  config.data_dir = "/d";
  config.listen = {"unix:/s"};
  config.pkcs11 = {"/m.so", {"a"}, ""};
  EXPECT_THAT(CheckConfig(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("keys.pkcs11"), HasSubstr("together"))));
  config.pkcs11.pin_file = "/pin";
  EXPECT_THAT(CheckConfig(config), IsOk());
  config.key_replicas.resize(16, "/r");
  EXPECT_THAT(CheckConfig(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 16")));
}

TEST(Config, TheSampleFileIsValid) {
  TV_ASSERT_OK_AND_ASSIGN(
      const std::string sample,
      PosixFileSystem().ReadFile("deploy/config/televault.toml", size_t{1} << 20));
  TV_ASSERT_OK_AND_ASSIGN(const Config config, ParseConfig(sample, "televault.toml"));
  EXPECT_THAT(CheckConfig(config), IsOk());
}

TEST(Config, TakesTheKeyfileFromACredentialOfSystemd) {
  TV_ASSERT_OK_AND_ASSIGN(Config config, ParseConfig("[unseal]\ncredential = \"root\"\n", "f"));
  ASSERT_THAT(UseCredential(config, "/run/credentials/televaultd.service"), IsOk());
  EXPECT_EQ(config.keyfile, "/run/credentials/televaultd.service/root");
  Config none;
  ASSERT_THAT(UseCredential(none, "/run/credentials/televaultd.service"), IsOk());
  EXPECT_EQ(none.keyfile, "");
}

TEST(Config, RefusesACredentialThatIsNotThereOrBesideAKeyfile) {
  Config config;
  config.credential = "root";
  EXPECT_THAT(UseCredential(config, ""), StatusIs(absl::StatusCode::kFailedPrecondition));
  for (const char* name : {"../root", "a/b", "."}) {
    config.credential = name;
    EXPECT_THAT(UseCredential(config, "/run/c"), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  config.credential = "root";
  config.keyfile = "/etc/key";
  EXPECT_THAT(UseCredential(config, "/run/c"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace televault::daemon
