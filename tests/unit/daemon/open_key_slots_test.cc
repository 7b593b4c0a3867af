// Vaults whose slot secrets are on tokens: SoftHSM's.
#include "vault/daemon/open_key_slots.h"

#include <filesystem>
#include <functional>
#include <map>

#include "tests/support/soft_token.h"
#include "tests/unit/daemon/vault_fixture.h"
#include "vault/crypto/pin_file.h"
#include "vault/crypto/pkcs11_key_slots.h"
#include "vault/crypto/pkcs11_session.h"

namespace televault::daemon {
namespace {

using televault::testing::IsOk;
using televault::testing::SoftTokens;
using televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenVaultTest : public ::testing::Test {
 protected:
  static constexpr PartitionId kDay{DatasetId(1), Day(1)};

  void SetUp() override {
    TV_SKIP_WITHOUT_SOFT_TOKENS();
    tokens_.emplace(std::vector<std::string>{"a", "b", "c"});
    config_.data_dir = directory_.path() + "/vault";
    layout_ = {config_.data_dir};
    config_.pkcs11 = Tokens({"a", "b"});
    TV_ASSERT_OK_AND_ASSIGN(const InitResult made, Init());
    for (const auto& [label, id] : made.slot_tokens) ids_[label] = id;
  }
  crypto::Pkcs11Settings Tokens(const std::vector<std::string>& labels) {
    return {SoftTokens::Module(), labels, tokens_->pin_file()};
  }
  absl::StatusOr<InitResult> Init() {
    InitOptions options;
    options.data_dir = config_.data_dir;
    options.origin = "test.example/log";
    options.operators = {"alice", "bob"};
    options.tls_hosts = {"localhost"};
    options.pkcs11 = config_.pkcs11;
    return InitVault(PosixFileSystem(), clock_, random_, options);
  }
  absl::StatusOr<std::unique_ptr<Vault>> Open() {
    return Vault::Open(config_, {PosixFileSystem(), clock_, random_});
  }
  static std::string Warnings(Vault& vault) {
    std::string all;
    const v1::GetStatusResponse status = vault.Status();
    for (const std::string& warning : status.warnings()) all += warning + "\n";
    return all;
  }
  VaultId Id() { return ReadIdentity(PosixFileSystem(), layout_)->vault; }
  // The vault's slots on one token while no vault is open.
  std::vector<uint64_t> SlotsOn(const std::string& label) {
    const auto slots = crypto::Pkcs11KeySlots::Open(Tokens({label}), Id(), random_);
    EXPECT_THAT(slots, IsOk());
    return slots.ok() ? (*slots)->List().value() : std::vector<uint64_t>{};
  }
  // Of any vault.
  size_t ObjectsOn(const std::string& label) {
    const auto module = crypto::Pkcs11Module::Load(SoftTokens::Module());
    const auto pin = crypto::ReadPinFile(tokens_->pin_file());
    const auto session = crypto::Pkcs11Session::Open(*module, label, *pin);
    EXPECT_THAT(session, IsOk());
    return (*session)->Find(crypto::TokenObject::kKey, "")->size() +
           (*session)->Find(crypto::TokenObject::kData, "")->size();
  }
  // Runs `work` with the keyring while no vault is open.
  void WithKeyring(const std::function<void(crypto::Keyring&)>& work) {
    TV_ASSERT_OK_AND_ASSIGN(const auto slots,
                            crypto::Pkcs11KeySlots::Open(config_.pkcs11, Id(), random_));
    TV_ASSERT_OK_AND_ASSIGN(const auto keyring,
                            crypto::Keyring::Load({.fs = PosixFileSystem(),
                                                   .slots = *slots,
                                                   .random = random_,
                                                   .vault = Id(),
                                                   .directories = {layout_.keyring_dir()},
                                                   .on_new_generation = nullptr}));
    keyring->Settle();
    TV_ASSERT_OK_AND_ASSIGN(const SecretBytes root,
                            crypto::ReadRootKeyFile(PosixFileSystem(), layout_.default_keyfile()));
    ASSERT_THAT(keyring->Unseal(root), IsOk());
    work(*keyring);
  }
  void MakeADueKey() {
    WithKeyring([this](crypto::Keyring& keyring) {
      EXPECT_THAT(keyring.EnsureDataKey(kDay, clock_.Wall() - microseconds(1)), IsOk());
    });
  }
  size_t DueKeys() {
    size_t keys = 0;
    WithKeyring([&](crypto::Keyring& keyring) { keys = keyring.DataKeys(kDay).size(); });
    return keys;
  }

  testing::TempDirectory directory_;
  std::optional<SoftTokens> tokens_;
  testing::FakeClock clock_;
  testing::SeededRandom random_{3};
  Config config_;
  Layout layout_;
  std::map<std::string, crypto::ReplicaId> ids_;
};

TEST_F(TokenVaultTest, OpensUnsealsAndSaysHowManyReplicasThereAre) {
  EXPECT_FALSE(std::filesystem::exists(layout_.slot_dir()));
  EXPECT_THAT(SlotsOn("a"), ElementsAre(1));
  EXPECT_THAT(SlotsOn("b"), ElementsAre(1));
  const std::string copy = directory_.path() + "/copy";
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
    EXPECT_EQ(vault->Status().slot_kind(), "best_effort");
    // Two tokens, but one keyring.
    EXPECT_EQ(vault->Status().slot_replicas(), 1u);
    EXPECT_THAT(Warnings(*vault),
                AllOf(HasSubstr("one copy of the keyring only"), Not(HasSubstr("one token only"))));
  }
  ASSERT_THAT(MarkKeyReplica(PosixFileSystem(), random_, Id(), copy), IsOk());
  config_.key_replicas = {copy};
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_EQ(vault->Status().slot_replicas(), 2u);
  EXPECT_EQ(Warnings(*vault), "");
  EXPECT_TRUE(std::filesystem::exists(copy + "/keyring/keyring.1"));
  EXPECT_TRUE(std::filesystem::is_empty(copy + "/slots"));
}

TEST_F(TokenVaultTest, AConfigurationForTheOtherPlaceIsRefusedAndNothingIsTouched) {
  MakeADueKey();
  const crypto::Pkcs11Settings right = config_.pkcs11;
  config_.pkcs11 = {};
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("[keys.pkcs11]"), HasSubstr("Nothing was changed"))));
  EXPECT_TRUE(std::filesystem::exists(layout_.keyring_dir() + "/keyring.1"));
  EXPECT_FALSE(std::filesystem::exists(layout_.slot_dir()));
  config_.pkcs11 = right;
  EXPECT_THAT(SlotsOn("a"), ElementsAre(1));
  EXPECT_EQ(DueKeys(), 1u);

  // A vault with its slots in files, and tokens of another one in the configuration.
  config_.data_dir += ".files";
  config_.pkcs11 = {};
  ASSERT_THAT(Init(), IsOk());
  config_.pkcs11 = right;
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in files")));
  EXPECT_TRUE(std::filesystem::exists(Layout{config_.data_dir}.slot_dir() + "/slot.1"));
  config_.pkcs11 = {};
  EXPECT_THAT(Open(), IsOk());
}

// Even where the identity was tampered with: what does not open destroys nothing.
TEST_F(TokenVaultTest, AnIdentityThatLiesDestroysNothing) {
  Identity identity = *ReadIdentity(PosixFileSystem(), layout_);
  const Identity right = identity;
  identity.slots = SlotBackend::kFile;
  ASSERT_THAT(
      ReplaceFile(PosixFileSystem(), layout_.identity(), AsBytes(FormatIdentity(identity)), 0644),
      IsOk());
  std::filesystem::create_directory(layout_.slot_dir());
  const crypto::Pkcs11Settings settings = std::exchange(config_.pkcs11, {});
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(
      ReplaceFile(PosixFileSystem(), layout_.identity(), AsBytes(FormatIdentity(right)), 0644),
      IsOk());
  config_.pkcs11 = settings;
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
}

TEST_F(TokenVaultTest, AnInitThatFailsLeavesNothingOnTheTokens) {
  config_.data_dir += ".other";
  config_.pkcs11 = Tokens({"c"});
  tokens_->WritePin("wrong");
  EXPECT_THAT(Init(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_FALSE(std::filesystem::exists(config_.data_dir)) << "tokens are asked first";
  tokens_->WritePin(SoftTokens::kPin);
  std::filesystem::create_directory(config_.data_dir + ".keyfile");
  EXPECT_THAT(Init(), Not(IsOk()));
  std::filesystem::remove(config_.data_dir + ".keyfile");
  std::filesystem::remove_all(config_.data_dir);
  const auto left = ObjectsOn("c");
  EXPECT_EQ(left, 0u);
}

// Promise 2: a token that was merely left out would still open what is "shredded".
TEST_F(TokenVaultTest, OneThatIsLeftOutIsMissedAndHoldsUpEveryShred) {
  { ASSERT_THAT(Open(), IsOk()); }
  MakeADueKey();
  config_.pkcs11 = Tokens({"a"});
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(Warnings(*vault), HasSubstr("key replica " + ToHex(ids_["b"]) + " was not there"));
    EXPECT_THAT(Warnings(*vault), HasSubstr("one token only"));
    EXPECT_THAT(vault->UnsealWithKeyfile(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nothing is shredded")));
  }
  EXPECT_THAT(SlotsOn("a"), ElementsAre(1));
  EXPECT_THAT(SlotsOn("b"), ElementsAre(1));
  config_.pkcs11 = Tokens({"b", "a"});
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
  }
  EXPECT_EQ(DueKeys(), 0u);
  EXPECT_THAT(SlotsOn("b"), ElementsAre(2));
}

TEST_F(TokenVaultTest, AnAbsentOneIsNamedAndReadingGoesOnWithoutIt) {
  tokens_->TakeOut("a");
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
    EXPECT_THAT(Warnings(*vault), HasSubstr("keys.pkcs11.tokens: \"a\" is not used"));
    EXPECT_EQ(vault->Status().slot_replicas(), 1u);
  }
  tokens_->PutBack("a");
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(Warnings(*vault), Not(HasSubstr("is not used")));
}

TEST_F(TokenVaultTest, ALostOneIsDroppedByItsIdUnderANewSlot) {
  { ASSERT_THAT(Open(), IsOk()); }
  MakeADueKey();
  tokens_->TakeOut("b");
  config_.pkcs11 = Tokens({"a"});
  config_.drop_key_replica = ToHex(ids_["b"]);
  { ASSERT_THAT(Open(), IsOk()); }
  config_.drop_key_replica.clear();
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(Warnings(*vault), Not(HasSubstr(ToHex(ids_["b"]))));
    EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
  }
  EXPECT_EQ(DueKeys(), 0u);
  // It comes back, and is not taken for a replica that knows anything new.
  tokens_->PutBack("b");
  EXPECT_THAT(SlotsOn("b"), ElementsAre(1));
  EXPECT_THAT(crypto::Pkcs11KeySlots::Mark(Tokens({"b"}), Id(), random_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("dropped")));
  // Named again it is a replica again, and loses what it had kept.
  config_.pkcs11 = Tokens({"b", "a"});
  { ASSERT_THAT(Open(), IsOk()); }
  const std::vector<uint64_t> slots = SlotsOn("a");
  EXPECT_THAT(slots, ElementsAre(::testing::Gt(1u)));
  EXPECT_EQ(SlotsOn("b"), slots);
}

TEST_F(TokenVaultTest, OneThatIsAddedIsFilledAndKnownFromThenOn) {
  { ASSERT_THAT(Open(), IsOk()); }
  config_.pkcs11 = Tokens({"a", "b", "c"});
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(Warnings(*vault), HasSubstr("key-replica add"));
  }
  crypto::ReplicaId added{};
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto marked,
                            crypto::Pkcs11KeySlots::Mark(Tokens({"c"}), Id(), random_));
    added = marked->marked().front();
  }
  { ASSERT_THAT(Open(), IsOk()); }
  EXPECT_THAT(SlotsOn("c"), ElementsAre(1));
  config_.pkcs11 = Tokens({"a", "b"});
  TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  EXPECT_THAT(Warnings(*vault), HasSubstr(ToHex(added)));
}

TEST_F(TokenVaultTest, EitherTokenAloneOpensTheVault) {
  for (const std::string lost : {"a", "b"}) {
    tokens_->TakeOut(lost);
    TV_ASSERT_OK_AND_ASSIGN(const auto vault, Open());
    EXPECT_THAT(vault->UnsealWithKeyfile(), IsOk());
    tokens_->PutBack(lost);
  }
  tokens_->TakeOut("a");
  tokens_->TakeOut("b");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"a\"")));
}

}  // namespace
}  // namespace televault::daemon
