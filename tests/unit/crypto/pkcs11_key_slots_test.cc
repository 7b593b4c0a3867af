// What is particular to slot secrets on tokens. The tokens are SoftHSM's.
#include "vault/crypto/pkcs11_key_slots.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"

#include "tests/support/pkcs11_faults.h"
#include "tests/unit/crypto/slot_backends.h"
#include "vault/crypto/pkcs11_replica.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

using televault::testing::IsOk;
using televault::testing::Pkcs11Faults;
using televault::testing::SeededRandom;
using televault::testing::SoftTokens;
using televault::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr VaultId kVault = TokenBackend::kVault;

class Pkcs11KeySlotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TV_SKIP_WITHOUT_SOFT_TOKENS();
    backend_ = std::make_unique<TokenBackend>();
  }
  absl::StatusOr<std::unique_ptr<Pkcs11KeySlots>> Open(const Pkcs11Settings& settings) {
    return Pkcs11KeySlots::Open(settings, kVault, random_);
  }
  // Token "a" alone, with `faults_` in between.
  std::unique_ptr<Pkcs11Replica> Faulty(std::optional<TokenCipher> cipher = std::nullopt) {
    auto module = Pkcs11Module::Load(SoftTokens::Module());
    TV_CHECK(module.ok());
    faults_.Install(**module);
    auto pin = ReadPinFile(backend_->tokens().pin_file());
    TV_CHECK(pin.ok());
    return std::make_unique<Pkcs11Replica>(
        Pkcs11Replica::Access{*module, std::make_shared<const SecretBytes>(*std::move(pin)),
                              backend_->tokens().pin_file(), kVault, cipher},
        "a");
  }

  std::unique_ptr<TokenBackend> backend_;
  SeededRandom random_{1};
  Pkcs11Faults faults_;
};

TEST_F(Pkcs11KeySlotsTest, KeepTheKeyOnTheTokenAndStoreNothingInTheOpen) {
  const auto slots = backend_->Open();
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots->Create(1, random_));
  const auto session = backend_->Session("a");
  TV_ASSERT_OK_AND_ASSIGN(const auto keys, session->Find(TokenObject::kKey, ""));
  ASSERT_EQ(keys.size(), 1u);
  // Its value cannot be asked for.
  EXPECT_THAT(session->Value(keys[0]), Not(IsOk()));
  const std::string stored = TokenBackend::Value(*session, 1);
  EXPECT_THAT(ParseTokenSecret(AsBytes(stored)), IsOk());
  EXPECT_NE(stored, TokenBackend::Value(*backend_->Session("b"), 1));
  std::string plain;
  for (const uint8_t byte : secret.Read(MintSecretPass())) plain.push_back(static_cast<char>(byte));
  EXPECT_THAT(stored, Not(HasSubstr(plain)));
}

TEST_F(Pkcs11KeySlotsTest, ASecretOpensInItsOwnSlotOnly) {
  const auto slots = backend_->Open();
  ASSERT_THAT(slots->Create(1, random_), IsOk());
  backend_->Steal(1);
  ASSERT_THAT(slots->Destroy(1), IsOk());
  // Its number is given to nothing else; a key that was made for it later does not open it.
  backend_->PutBackStolen(1);
  EXPECT_THAT(slots->Load(1), StatusIs(absl::StatusCode::kNotFound));
  backend_->HalfMake(0, 1);
  EXPECT_THAT(slots->Load(1), StatusIs(absl::StatusCode::kNotFound));
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, slots->List());
  EXPECT_THAT(listed, ElementsAre(1));
}

TEST_F(Pkcs11KeySlotsTest, EveryHalfStateOfATokenIsListedAndGoes) {
  const auto slots = backend_->Open();
  for (const TokenObject lost : {TokenObject::kKey, TokenObject::kData}) {
    for (const std::string token : {"a", "b"}) {
      ASSERT_THAT(slots->Create(4, random_), IsOk());
      TokenBackend::Erase(*backend_->Session(token), lost, 4);
      // The other one has it all the same.
      EXPECT_THAT(slots->Load(4), IsOk());
      ASSERT_THAT(slots->Destroy(4), IsOk());
      EXPECT_EQ(backend_->Objects("a"), 1u) << "the mark only";
      EXPECT_EQ(backend_->Objects("b"), 1u);
    }
  }
  // Two of one kind, as a Repair that was cut short twice might leave.
  backend_->HalfMake(0, 4);
  backend_->HalfMake(0, 4);
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, slots->List());
  EXPECT_THAT(listed, ElementsAre(4));
  ASSERT_THAT(slots->Destroy(4), IsOk());
  EXPECT_EQ(backend_->Objects("a"), 1u);
}

TEST_F(Pkcs11KeySlotsTest, AWrongPinIsSaidAndTriedOnce) {
  backend_->tokens().WritePin("wrong-0001");
  EXPECT_THAT(Open(backend_->settings()),
              StatusIs(absl::StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("\"a\""), HasSubstr("does not take the PIN"),
                             HasSubstr(backend_->tokens().pin_file()), Not(HasSubstr("0001")))));
  const auto replica = Faulty();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(replica->Open(), StatusIs(absl::StatusCode::kUnauthenticated));
  }
  EXPECT_EQ(faults_.logins, 1u);
  backend_->tokens().WritePin(SoftTokens::kPin);
  EXPECT_THAT(Open(backend_->settings()), IsOk());
}

TEST_F(Pkcs11KeySlotsTest, APinThatOneTokenRefusedIsNotTriedOnTheNext) {
  Pkcs11Settings settings = backend_->settings();
  backend_->tokens().Add("c", "another-pin");
  settings.tokens = {"a", "c", "b"};
  TV_ASSERT_OK_AND_ASSIGN(const auto slots, Open(settings));
  EXPECT_EQ(slots->replicas(), 1u);
  ASSERT_EQ(slots->problems().size(), 2u);
  EXPECT_THAT(slots->problems()[1],
              AllOf(HasSubstr("\"b\" is not used"), HasSubstr("token \"c\": it does not take")));
}

TEST_F(Pkcs11KeySlotsTest, NoPinIsTriedOnATokenThatIsLockedOrNearlySo) {
  for (const CK_FLAGS flag : {CKF_USER_PIN_LOCKED, CKF_USER_PIN_FINAL_TRY, CKF_WRITE_PROTECTED}) {
    faults_.token_flags = flag;
    EXPECT_THAT(Faulty()->Open(), StatusIs(absl::StatusCode::kFailedPrecondition));
  }
  EXPECT_EQ(faults_.logins, 0u);
  faults_.token_flags = 0;
  EXPECT_THAT(Faulty()->Open(), IsOk());
  // Some tokens say so to a login only.
  faults_.logins = 0;
  faults_.at_login = CKR_PIN_LOCKED;
  const auto locked = Faulty();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(locked->Open(),
                StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("is locked")));
  }
  EXPECT_EQ(faults_.logins, 1u);
}

TEST_F(Pkcs11KeySlotsTest, OnlyItsOwnerMayReadThePinFile) {
  backend_->tokens().WritePin(SoftTokens::kPin, 0640);
  EXPECT_THAT(Open(backend_->settings()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("chmod 600")));
  backend_->tokens().WritePin("", 0600);
  EXPECT_THAT(Open(backend_->settings()), StatusIs(absl::StatusCode::kInvalidArgument));
  backend_->tokens().WritePin("1234\r");
  EXPECT_THAT(Open(backend_->settings()), StatusIs(absl::StatusCode::kInvalidArgument));
  backend_->tokens().WritePin(std::string(256, '1'), 0600);
  EXPECT_THAT(Open(backend_->settings()), StatusIs(absl::StatusCode::kInvalidArgument));
  Pkcs11Settings settings = backend_->settings();
  settings.pin_file += ".none";
  EXPECT_THAT(Open(settings), StatusIs(absl::StatusCode::kNotFound));
  settings.pin_file = "/dev/null";
  EXPECT_THAT(Open(settings), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(Pkcs11KeySlotsTest, AModuleThatIsNoneIsSaid) {
  Pkcs11Settings settings = backend_->settings();
  settings.module = "/nowhere/module.so";
  EXPECT_THAT(Open(settings),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/nowhere/module.so")));
}

TEST_F(Pkcs11KeySlotsTest, WhatSettingsMustBe) {
  const Pkcs11Settings good{"/m.so", {"a"}, "/pin"};
  EXPECT_THAT(CheckPkcs11Settings({}), IsOk());
  EXPECT_THAT(CheckPkcs11Settings(good), IsOk());
  for (const Pkcs11Settings& bad :
       {Pkcs11Settings{"", {"a"}, "/pin"}, Pkcs11Settings{"/m.so", {}, "/pin"},
        Pkcs11Settings{"/m.so", {"a"}, ""}, Pkcs11Settings{"m.so", {"a"}, "/pin"},
        Pkcs11Settings{"/m.so", {"a", "a"}, "/pin"}, Pkcs11Settings{"/m.so", {""}, "/pin"},
        Pkcs11Settings{"/m.so", {std::string(33, 'a')}, "/pin"},
        Pkcs11Settings{"/m.so", {"1", "2", "3", "4", "5", "6", "7", "8", "9"}, "/pin"}}) {
    EXPECT_THAT(CheckPkcs11Settings(bad), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(Pkcs11KeySlotsTest, AnAbsentTokenIsAProblemAndNothingIsMadeOnIt) {
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, backend_->Open()->Create(1, random_));
  backend_->tokens().TakeOut("b");
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto slots, Open(backend_->settings()));
    EXPECT_EQ(slots->replicas(), 1u);
    EXPECT_THAT(slots->marked(), ElementsAre(backend_->marked()[0]));
    ASSERT_EQ(slots->problems().size(), 1u);
    EXPECT_THAT(slots->problems()[0], AllOf(HasSubstr("\"b\""), HasSubstr("not there")));
    EXPECT_THAT(slots->Load(1), IsOk());
  }
  // Another one in its place is not taken for it.
  backend_->tokens().Add("c");
  Pkcs11Settings settings = backend_->settings();
  settings.tokens = {"a", "c"};
  {
    TV_ASSERT_OK_AND_ASSIGN(const auto slots, Open(settings));
    EXPECT_THAT(slots->problems()[0], HasSubstr("key-replica add"));
  }
  settings.tokens = {"b"};
  EXPECT_THAT(Open(settings), StatusIs(absl::StatusCode::kNotFound));
  backend_->tokens().PutBack("b");
  EXPECT_EQ(backend_->Open()->replicas(), 2u);
}

TEST_F(Pkcs11KeySlotsTest, OneLabelMeansOneToken) {
  backend_->tokens().Add("a");
  EXPECT_THAT(Open({SoftTokens::Module(), {"a"}, backend_->tokens().pin_file()}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2 tokens")));
}

TEST_F(Pkcs11KeySlotsTest, TwoVaultsShareATokenAndDoNotMeet) {
  constexpr VaultId kOther{{8}};
  const Pkcs11Settings shared{SoftTokens::Module(), {"a"}, backend_->tokens().pin_file()};
  EXPECT_THAT(Pkcs11KeySlots::Open(shared, kOther, random_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no key replica")));
  TV_ASSERT_OK_AND_ASSIGN(const auto other, Pkcs11KeySlots::Mark(shared, kOther, random_));
  const auto slots = backend_->Open();
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes ours, slots->Create(1, random_));
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes theirs, other->Create(1, random_));
  ASSERT_THAT(other->Create(2, random_), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, slots->List());
  EXPECT_THAT(listed, ElementsAre(1));
  ASSERT_THAT(slots->Destroy(1), IsOk());
  ASSERT_THAT(slots->Destroy(2), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes still, other->Load(1));
  EXPECT_TRUE(EqualSecrets(still, theirs));
  other->Abandon();
  EXPECT_THAT(backend_->Open()->List(), IsOk());
  EXPECT_EQ(backend_->Objects("a"), 1u);
}

TEST_F(Pkcs11KeySlotsTest, ATokenIsMarkedOnceAndOnlyWhereNothingOfTheVaultIs) {
  EXPECT_THAT(Pkcs11KeySlots::Mark(backend_->settings(), kVault, random_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  // Of several all are marked, or none.
  backend_->tokens().Add("c");
  Pkcs11Settings settings = backend_->settings();
  settings.tokens = {"c", "b"};
  EXPECT_THAT(Pkcs11KeySlots::Mark(settings, kVault, random_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(backend_->Objects("c"), 0u);
  EXPECT_EQ(backend_->Objects("b"), 1u);
}

TEST_F(Pkcs11KeySlotsTest, ALostSessionIsOpenedOnceMore) {
  const auto replica = Faulty();
  ASSERT_THAT(replica->Open(), IsOk());
  const SecretBytes secret = NewKey(random_);
  faults_.lose_session_once = true;
  ASSERT_THAT(replica->PutNew(1, secret, random_), IsOk());
  faults_.lose_session_once = true;
  ASSERT_THAT(replica->Get(1), IsOk());
  faults_.lose_session_once = true;
  ASSERT_THAT(replica->Erase(1), IsOk());
  EXPECT_EQ(faults_.logins, 4u);
  EXPECT_EQ(backend_->Objects("a"), 1u);
  // A device that stays away is not called again and again.
  const uint64_t before = faults_.calls;
  faults_.stop_after = faults_.calls;
  for (const absl::Status& status :
       {replica->Ask(), replica->Erase(1), replica->Get(1).status(), replica->List().status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                 AllOf(HasSubstr("\"a\""), HasSubstr("in its place"))));
  }
  EXPECT_LT(faults_.calls, before + 16);
  // And found again when it is back.
  faults_.stop_after = UINT64_MAX;
  EXPECT_THAT(replica->Ask(), IsOk());
}

// A token that lacks a slot says NOT_FOUND, and so does the search for a token: the one is replaced
// by Repair, the other must not be.
TEST_F(Pkcs11KeySlotsTest, ATokenThatHasGoneLacksNothing) {
  std::vector<std::unique_ptr<Pkcs11Replica>> replicas;
  replicas.push_back(Faulty());
  ASSERT_THAT(replicas[0]->Open(), IsOk());
  Pkcs11KeySlots slots(std::move(replicas), {}, random_);
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots.Create(1, random_));
  faults_.token_gone = true;
  faults_.lose_session_once = true;
  EXPECT_THAT(slots.Load(1), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not there")));
  EXPECT_THAT(slots.Repair(1, secret), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(slots.Destroy(1), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(slots.List(), StatusIs(absl::StatusCode::kUnavailable));
  faults_.token_gone = false;
  EXPECT_THAT(slots.Load(1), IsOk());
}

// What a caller is told who only wanted a new day must not look like a verdict on his own token.
TEST_F(Pkcs11KeySlotsTest, APinThatIsRefusedLaterOnIsNoRefusalOfTheCaller) {
  const auto replica = Faulty();
  ASSERT_THAT(replica->Open(), IsOk());
  faults_.at_login = CKR_PIN_INCORRECT;
  faults_.lose_session_once = true;
  EXPECT_THAT(replica->Get(1), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("PIN")));
  EXPECT_THAT(replica->Erase(1), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(faults_.logins, 2u);
}

// Private objects are not seen without a login, and a search for them is no error: everything
// counted as destroyed.
TEST_F(Pkcs11KeySlotsTest, WhatIsNotSeenForLackOfALoginIsNotGone) {
  const auto slots = backend_->Open();
  ASSERT_THAT(slots->Create(1, random_), IsOk());
  const auto log_out = [&] {
    // The login is the whole process's.
    auto module = Pkcs11Module::Load(SoftTokens::Module());
    std::vector<CK_SLOT_ID> places(8);
    CK_ULONG count = places.size();
    ASSERT_EQ((*module)->calls().C_GetSlotList(CK_TRUE, places.data(), &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_SESSION_HANDLE session = 0;
      if ((*module)->calls().C_OpenSession(places[i], CKF_SERIAL_SESSION, nullptr, nullptr,
                                           &session) == CKR_OK) {
        (*module)->calls().C_Logout(session);
      }
    }
  };
  log_out();
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, slots->List());
  EXPECT_THAT(listed, ElementsAre(1));
  log_out();
  EXPECT_THAT(slots->Load(1), IsOk());
  log_out();
  ASSERT_THAT(slots->Destroy(1), IsOk());
  EXPECT_EQ(backend_->Objects("a"), 1u);
  EXPECT_EQ(backend_->Objects("b"), 1u);
}

TEST_F(Pkcs11KeySlotsTest, ATokenThatWasInitialisedAnewIsNotTheSame) {
  const auto replica = Faulty();
  ASSERT_THAT(replica->Open(), IsOk());
  const auto session = backend_->Session("a");
  TV_ASSERT_OK_AND_ASSIGN(const auto marks, session->Find(TokenObject::kData, ""));
  ASSERT_EQ(marks.size(), 1u);
  ASSERT_THAT(session->Destroy(marks[0]), IsOk());
  for (const absl::Status& status :
       {replica->Erase(1), replica->List().status(), replica->Ask(), replica->Get(1).status()}) {
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another token")));
  }
}

TEST_F(Pkcs11KeySlotsTest, AreHardwareOnlyWhereEverySlotSaysSo) {
  EXPECT_EQ(backend_->Open()->kind(), SlotKind::kBestEffort);
  faults_.slot_flags = CKF_HW_SLOT;
  auto hard = Faulty();
  ASSERT_THAT(hard->Open(), IsOk());
  EXPECT_TRUE(hard->hardware());
  faults_.slot_flags = 0;
  auto soft = Faulty();
  ASSERT_THAT(soft->Open(), IsOk());
  std::vector<std::unique_ptr<Pkcs11Replica>> both;
  both.push_back(std::move(hard));
  EXPECT_EQ(Pkcs11KeySlots(std::move(both), {}, random_).kind(), SlotKind::kHardware);
  std::vector<std::unique_ptr<Pkcs11Replica>> mixed;
  mixed.push_back(std::move(soft));
  EXPECT_EQ(Pkcs11KeySlots(std::move(mixed), {}, random_).kind(), SlotKind::kBestEffort);
}

TEST_F(Pkcs11KeySlotsTest, WithoutGcmTheTokenEncryptsWithCbcAndChangesAreNoticed) {
  faults_.missing = CKM_AES_GCM;
  const SecretBytes secret = NewKey(random_);
  {
    const auto replica = Faulty();
    ASSERT_THAT(replica->Open(), IsOk());
    ASSERT_THAT(replica->PutNew(1, secret, random_), IsOk());
  }
  TV_ASSERT_OK_AND_ASSIGN(
      const TokenSecret stored,
      ParseTokenSecret(AsBytes(TokenBackend::Value(*backend_->Session("a"), 1))));
  EXPECT_EQ(stored.cipher, TokenCipher::kAesCbc);
  // Whatever the token offers now, what was written under CBC opens.
  faults_.missing = 0;
  const auto replica = Faulty();
  ASSERT_THAT(replica->Open(), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes loaded, replica->Get(1));
  EXPECT_TRUE(EqualSecrets(loaded, secret));
  const std::string whole = EncodeTokenSecret(stored);
  const auto session = backend_->Session("a");
  for (size_t i = 0; i < whole.size(); i += 5) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    TokenBackend::Erase(*session, TokenObject::kData, 1);
    ASSERT_THAT(session->CreateData(TokenBackend::Label(1), changed), IsOk());
    EXPECT_THAT(replica->Get(1), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
}

TEST_F(Pkcs11KeySlotsTest, ATokenWithoutACipherIsRefused) {
  faults_.no_mechanism = true;
  EXPECT_THAT(Faulty()->Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("CKM_AES_KEY_GEN")));
}

TEST_F(Pkcs11KeySlotsTest, AFullTokenIsSaidAndLeavesNothingThatOpens) {
  const auto replica = Faulty();
  ASSERT_THAT(replica->Open(), IsOk());
  faults_.at_create = CKR_DEVICE_MEMORY;
  EXPECT_THAT(replica->PutNew(1, NewKey(random_), random_),
              StatusIs(absl::StatusCode::kResourceExhausted));
  faults_.at_create = CKR_OK;
  TV_ASSERT_OK_AND_ASSIGN(const auto listed, replica->List());
  EXPECT_THAT(listed, ElementsAre(1));
  ASSERT_THAT(replica->Erase(1), IsOk());
}

TEST_F(Pkcs11KeySlotsTest, RepairTakesNothingFromATokenThatDoesNotAnswer) {
  std::vector<std::unique_ptr<Pkcs11Replica>> replicas;
  replicas.push_back(Faulty());
  ASSERT_THAT(replicas[0]->Open(), IsOk());
  Pkcs11KeySlots slots(std::move(replicas), {}, random_);
  TV_ASSERT_OK_AND_ASSIGN(const SecretBytes secret, slots.Create(1, random_));
  faults_.stop_after = faults_.calls;
  faults_.error = CKR_DEVICE_ERROR;
  EXPECT_THAT(slots.Repair(1, secret), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(slots.Load(1), StatusIs(absl::StatusCode::kUnavailable)) << "it may have it";
  EXPECT_THAT(slots.Destroy(1), StatusIs(absl::StatusCode::kUnavailable));
  const ReplicaId id = slots.marked()[0];
  EXPECT_THAT(slots.LastAnswer(id), IsOk());
  EXPECT_THAT(slots.Ask(id), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(slots.LastAnswer(id), StatusIs(absl::StatusCode::kFailedPrecondition));
  faults_.stop_after = UINT64_MAX;
  EXPECT_THAT(slots.Load(1), IsOk());
}

}  // namespace
}  // namespace televault::crypto
