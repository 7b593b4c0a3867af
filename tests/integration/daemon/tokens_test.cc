// The real daemon with its slot secrets on PKCS#11 tokens, those of SoftHSM.
#include <filesystem>
#include <poll.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "tests/integration/daemon/scenario.h"
#include "tests/support/seeded_random.h"
#include "tests/support/soft_token.h"
#include "vault/base/clock.h"
#include "vault/crypto/keyring.h"
#include "vault/crypto/pin_file.h"
#include "vault/crypto/pkcs11_key_slots.h"
#include "vault/crypto/pkcs11_session.h"
#include "vault/daemon/layout.h"

namespace televault::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kCount[] = "SELECT command, count(*) FROM cli_usage GROUP BY command";

// Made before the daemon, which is told of it.
class TokensFirst {
 protected:
  DaemonOptions Options() {
    return {.config = absl::StrCat("[log]\nlevel = \"debug\"\n[retention]\ntick = \"1s\"\n",
                                   "[keys]\nreplicas = [\"@DIRECTORY@/copy\"]\n[keys.pkcs11]\n",
                                   "module = \"", SoftTokens::Module(),
                                   "\"\ntokens = [\"vault-a\", \"vault-b\"]\npin_file = \"",
                                   tokens_.pin_file(), "\"\n"),
            .listen = {"127.0.0.1:0"},
            .environment = {{"SOFTHSM2_CONF", tokens_.configuration()}},
            .init_flags = {"--slots", "pkcs11", "--pkcs11-module", SoftTokens::Module(),
                           "--pkcs11-token", "vault-a", "--pkcs11-token", "vault-b",
                           "--pkcs11-pin-file", tokens_.pin_file()}};
  }
  SoftTokens tokens_{{"vault-a", "vault-b"}};
};

class TokensTest : protected TokensFirst, public VaultTest {
 protected:
  TokensTest() : VaultTest(Options()) {}
  void SetUp() override {
    TV_SKIP_WITHOUT_SOFT_TOKENS();
    ASSERT_THAT(daemon_.Init(), IsOk());
    const auto added = RunProcess({daemon_.binary(), "key-replica", "add", "--data-dir",
                                   daemon_.data_dir(), daemon_.directory() + "/copy"},
                                  daemon_.directory());
    ASSERT_THAT(added, IsOk());
    ASSERT_EQ(added->exit_code, 0) << added->err;
    ASSERT_THAT(daemon_.Start(), IsOk());
    TV_ASSERT_OK_AND_ASSIGN(cast_, AdmitEverybody(daemon_, {"cli_usage"}));
  }
  void TearDown() override {
    if (SoftTokens::Module().empty()) return;
    VaultTest::TearDown();
    EXPECT_THAT(daemon_.Output(), Not(HasSubstr(SoftTokens::kPin)));
  }

  crypto::Pkcs11Settings Settings(const std::vector<std::string>& labels) {
    return {SoftTokens::Module(), labels, tokens_.pin_file()};
  }
  VaultId Id() {
    return daemon::ReadIdentity(PosixFileSystem(), daemon::Layout{daemon_.data_dir()})->vault;
  }
  std::unique_ptr<crypto::KeySlots> Slots(const std::string& label) {
    auto slots = crypto::Pkcs11KeySlots::Open(Settings({label}), Id(), random_);
    EXPECT_THAT(slots, IsOk());
    return *std::move(slots);
  }
  // The number of the one slot that is left on both tokens.
  uint64_t TheSlot() {
    const auto a = Slots("vault-a")->List();
    const auto b = Slots("vault-b")->List();
    EXPECT_THAT(*a, SizeIs(1));
    EXPECT_EQ(*a, *b);
    return a->front();
  }
  std::unique_ptr<crypto::Pkcs11Session> Session(const std::string& label) {
    const auto module = crypto::Pkcs11Module::Load(SoftTokens::Module());
    const auto pin = crypto::ReadPinFile(tokens_.pin_file());
    auto session = crypto::Pkcs11Session::Open(*module, label, *pin);
    EXPECT_THAT(session, IsOk());
    return *std::move(session);
  }
  std::string WarningsNow() {
    const auto status = As(daemon_.alice())->GetStatus({}, call_);
    EXPECT_THAT(status, IsOk());
    std::string all;
    for (const std::string& warning : status->warnings()) absl::StrAppend(&all, warning, "\n");
    return all;
  }
  // Yesterday's day with its deadline `seconds` from now, and rows in it.
  WallTime StoreWithDeadline(int seconds) {
    const WallTime noon = Yesterday(0);
    const WallTime end = EndOf(DayOf(noon));
    const auto since = (SystemClock().Wall() - end).count() / 1'000'000;
    EXPECT_THAT(Apply(*As(cast_.steward),
                      SampleManifest("cli_usage",
                                     {{"ttl: 90d", absl::StrCat("ttl: ", since + seconds, "s")}})),
                IsOk());
    const auto stored = Append(*As(cast_.collector), BulkColumns("cli_usage", noon, 100, 50));
    EXPECT_THAT(stored, IsOk());
    return end + microseconds((since + seconds) * 1'000'000);
  }
  static void AwaitTime(WallTime deadline) {
    // Nothing but time makes it pass.
    while (SystemClock().Wall() <= deadline) ::poll(nullptr, 0, 50);
  }

  SeededRandom random_{9};
};

TEST_F(TokensTest, ADayGoesInIsReadExpiresAndIsShreddedOnBothTokens) {
  const WallTime deadline = StoreWithDeadline(6);
  TV_ASSERT_OK_AND_ASSIGN(const auto today,
                          Append(*As(cast_.collector),
                                 BulkColumns("cli_usage", {SystemClock().Wall().micros}, 40, 40)));
  ASSERT_EQ(today.accepted(), 40u);
  EXPECT_THAT(Ask(*As(cast_.analyst), kCount, "usage").rows, SizeIs(2));
  TV_ASSERT_OK_AND_ASSIGN(const auto status, As(daemon_.alice())->GetStatus({}, call_));
  EXPECT_EQ(status.slot_kind(), "best_effort");
  EXPECT_EQ(status.slot_replicas(), 2u);
  EXPECT_EQ(WarningsNow(), "");
  // TLS, for which the process and the module use one library.
  const ProcessResult tls =
      RunCli(daemon_, daemon_.alice(),
             {"--addr", daemon_.listener(0), "--cacert", daemon_.data_dir() + "/tls/ca.crt",
              "--timeout", "20s", "status"});
  EXPECT_EQ(tls.exit_code, 0) << tls.err;

  // What a thief of before the shred has: keyring and root key.
  const std::string stolen = daemon_.directory() + "/stolen";
  std::filesystem::copy(daemon_.data_dir() + "/keyring", stolen);
  const uint64_t old_slot = TheSlot();
  AwaitTime(deadline);
  ASSERT_TRUE(
      Await([&] { return !Entries(*As(cast_.auditor), ByMethod("retention.purge")).empty(); }));
  TV_ASSERT_OK_AND_ASSIGN(const auto receipts, As(cast_.steward)->ListReceipts({}, call_));
  ASSERT_EQ(receipts.receipts_size(), 1);
  EXPECT_EQ(receipts.receipts(0).destruction(), "best_effort");
  EXPECT_GT(TheSlot(), old_slot);
  ASSERT_THAT(daemon_.Restart(), IsOk());
  EXPECT_THAT(Ask(*As(cast_.analyst), kCount, "usage").rows, SizeIs(2)) << "of today";

  // Nothing on either token opens the old keyring.
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  for (const std::string label : {"vault-a", "vault-b"}) {
    const auto slots = Slots(label);
    EXPECT_THAT(crypto::Keyring::Load({.fs = PosixFileSystem(),
                                       .slots = *slots,
                                       .random = random_,
                                       .vault = Id(),
                                       .directories = {stolen},
                                       .on_new_generation = nullptr}),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  ASSERT_THAT(daemon_.Start(), IsOk());
}

TEST_F(TokensTest, AKillAtAnyStepOfAShredIsMadeGoodByTheNextStart) {
  const WallTime deadline = StoreWithDeadline(4);
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  const uint64_t old_slot = TheSlot();
  AwaitTime(deadline);
  // Each start goes on from where the last one was ended; from the second on the new generation is
  // in force.
  for (const char* point : {"keyring.slot_ready", "keyring.replica_written", "keyring.anchored",
                            "keyring.slot_destroyed"}) {
    EXPECT_THAT(daemon_.Start({{"TELEVAULT_CRASH_POINT", point}}), Not(IsOk())) << point;
    ASSERT_FALSE(daemon_.running());
  }
  ASSERT_THAT(daemon_.Start(), IsOk());
  EXPECT_THAT(Ask(*As(cast_.analyst), kCount, "usage").rows, IsEmpty());
  EXPECT_THAT(AwaitEntry(*As(cast_.auditor), "retention.shred"), IsOk());
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  EXPECT_GT(TheSlot(), old_slot);
  ASSERT_THAT(daemon_.Start(), IsOk());
}

TEST_F(TokensTest, ATokenThatGoesAwayIsMissedHoldsUpNewDaysAndIsFoundAgain) {
  ASSERT_THAT(Apply(*As(cast_.steward), SampleManifest("cli_usage")), IsOk());
  ASSERT_THAT(Append(*As(cast_.collector), BulkColumns("cli_usage", Yesterday(0), 100, 50)),
              IsOk());
  // Another token under its label looks like this.
  const auto session = Session("vault-b");
  const std::string label = absl::StrCat("televault ", ToHex(Id().bytes), " replica");
  TV_ASSERT_OK_AND_ASSIGN(const auto marks, session->Find(crypto::TokenObject::kData, label));
  ASSERT_THAT(marks, SizeIs(1));
  TV_ASSERT_OK_AND_ASSIGN(const std::string mark, session->Value(marks[0]));
  ASSERT_THAT(session->Destroy(marks[0]), IsOk());
  ASSERT_TRUE(Await([&] { return absl::StrContains(WarningsNow(), "\"vault-b\""); }));
  EXPECT_THAT(daemon_.Output(), HasSubstr("key replica is missing"));
  EXPECT_THAT(Ask(*As(cast_.analyst), kCount, "usage").rows, SizeIs(2));
  const WallTime before = Yesterday(0) - microseconds(kMicrosPerDay);
  EXPECT_EQ(Refusal(Append(*As(cast_.collector), BulkColumns("cli_usage", before, 10, 10))),
            "FAILED_PRECONDITION ");

  ASSERT_THAT(session->CreateData(label, mark), IsOk());
  ASSERT_TRUE(Await([&] { return WarningsNow().empty(); }));
  EXPECT_THAT(Append(*As(cast_.collector), BulkColumns("cli_usage", before, 10, 10)), IsOk());
}

TEST_F(TokensTest, AWrongPinEndsTheStartWithAnExitCodeThatIsNotTriedAgain) {
  ASSERT_THAT(daemon_.Terminate(), IsOk());
  tokens_.WritePin("of-another-token");
  TV_ASSERT_OK_AND_ASSIGN(
      const ProcessResult refused,
      RunProcess({daemon_.binary(), "serve", "--config", daemon_.directory() + "/televault.toml",
                  "--data-dir", daemon_.data_dir(), "--listen", "unix:" + daemon_.socket()},
                 daemon_.directory(), {{"SOFTHSM2_CONF", tokens_.configuration()}}));
  EXPECT_EQ(refused.exit_code, 78);
  EXPECT_THAT(refused.err, HasSubstr("does not take the PIN"));
  EXPECT_THAT(refused.err, Not(HasSubstr("of-another-token")));
  tokens_.WritePin(SoftTokens::kPin);
  ASSERT_THAT(daemon_.Start(), IsOk());
}

}  // namespace
}  // namespace televault::testing
