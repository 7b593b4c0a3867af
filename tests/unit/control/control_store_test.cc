#include "vault/control/control_store.h"

#include <chrono>
#include <future>

#include "absl/strings/str_cat.h"

#include "tests/support/fault_file_system.h"
#include "tests/support/lossy_file_system.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/base/limits.h"
#include "vault/control/audit_signer.h"
#include "vault/control/control_keys.h"
#include "vault/crypto/hash.h"

namespace televault::control {
namespace {

using record::v1::ControlRecord;
using record::v1::PersonRecord;
using record::v1::TokenRecord;
using testing::IsOk;
using testing::LossyFileSystem;
using testing::SeededRandom;
using testing::StatusIs;
using testing::TempDirectory;
using ::testing::UnorderedElementsAre;

constexpr VaultId kVault{{4}};
constexpr WallTime kNow{1'000'000};

TokenRecord Token(const std::string& accessor, const std::string& person,
                  const std::string& parent = "") {
  TokenRecord token;
  token.set_accessor(accessor);
  token.set_verifier(std::string(AsText(auth::VerifierOf("text of " + accessor))));
  token.set_person(person);
  token.set_parent(parent);
  token.set_created_at_us(kNow.micros);
  token.set_ttl_us(100);
  token.set_expires_at_us(kNow.micros + 100);
  token.set_max_expires_at_us(kNow.micros + 250);
  return token;
}

PersonRecord Person(const std::string& name, const std::string& proposed_by = "alice") {
  PersonRecord person;
  person.set_name(name);
  person.set_proposed_by(proposed_by);
  return person;
}

class ControlStoreTest : public ::testing::Test {
 protected:
  ControlStoreOptions Options() { return {fs_, random_, key_, kVault, dir_.path()}; }
  std::unique_ptr<ControlStore> Create() {
    ControlRecord initial;
    *initial.add_persons() = Person("alice", "init");
    *initial.add_persons() = Person("bob", "init");
    auto store = ControlStore::Create(Options(), initial);
    TV_CHECK(store.ok());
    return *std::move(store);
  }
  // Opened and found current.
  absl::StatusOr<std::unique_ptr<ControlStore>> Open() {
    auto store = ControlStore::Open(Options());
    if (store.ok()) (*store)->Settle();
    return store;
  }

  TempDirectory dir_;
  LossyFileSystem fs_;
  SeededRandom random_{1};
  const SecretBytes key_ = crypto::NewKey(random_);
};

TEST_F(ControlStoreTest, FindsTokensByTheirTextAfterAPowerCut) {
  ASSERT_THAT(Create()->AddToken(Token("t1", "alice")), IsOk());
  fs_.PowerCut();
  TV_ASSERT_OK_AND_ASSIGN(const auto store, Open());
  const auto found = store->FindByVerifier(auth::VerifierOf("text of t1"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->accessor(), "t1");
  EXPECT_FALSE(store->FindByVerifier(auth::VerifierOf("text of t2")).has_value());
  // The same bucket, another verifier.
  auth::TokenVerifier close = auth::VerifierOf("text of t1");
  close[31] ^= 1;
  EXPECT_FALSE(store->FindByVerifier(close).has_value());
  EXPECT_TRUE(store->FindPerson("bob").has_value());
}

TEST_F(ControlStoreTest, TokensAndPersonsAreUniqueAndComplete) {
  auto store = Create();
  ASSERT_THAT(store->AddToken(Token("t1", "alice")), IsOk());
  EXPECT_THAT(store->AddToken(Token("t1", "bob")), StatusIs(absl::StatusCode::kAlreadyExists));
  TokenRecord same_text = Token("t2", "bob");
  same_text.set_verifier(Token("t1", "alice").verifier());
  EXPECT_THAT(store->AddToken(same_text), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(store->AddToken(Token("t3", "nobody")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store->AddToken(Token("t3", "bob", "none")), StatusIs(absl::StatusCode::kNotFound));
  TokenRecord eternal = Token("t4", "bob");
  eternal.set_max_expires_at_us(eternal.expires_at_us() - 1);
  EXPECT_THAT(store->AddToken(eternal), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store->EnrolPerson(Person("bob")), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(store->EnrolPerson(Person("no spaces")),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TokenRecord TokenOf(const std::string& accessor, WallTime made, const std::string& parent = "") {
  TokenRecord token = Token(accessor, "alice", parent);
  token.set_created_at_us(made.micros);
  token.set_expires_at_us(made.micros + 100);
  token.set_max_expires_at_us(made.micros + 250);
  return token;
}

std::vector<std::string> AccessorsOf(const ControlStore& store) {
  std::vector<std::string> accessors;
  for (const TokenRecord& token : store.Tokens()) accessors.push_back(token.accessor());
  return accessors;
}

// Expired tokens used to stay for ever and to count, until no token could be made any more.
TEST_F(ControlStoreTest, TokensAreForgottenAMonthAfterTheirExpiryDescendantsFirst) {
  auto store = Create();
  const WallTime month = kNow + microseconds(limits::kDaysTokensAreListed * kMicrosPerDay + 100);
  ASSERT_THAT(store->AddToken(Token("old", "alice")), IsOk());
  ASSERT_THAT(store->AddToken(Token("parent", "alice")), IsOk());
  ASSERT_THAT(store->AddToken(TokenOf("child", month - microseconds(1), "parent")), IsOk());
  EXPECT_THAT(AccessorsOf(*store), UnorderedElementsAre("old", "parent", "child"))
      << "not yet a month";
  ASSERT_THAT(store->AddToken(TokenOf("new", month)), IsOk());
  EXPECT_THAT(AccessorsOf(*store), UnorderedElementsAre("parent", "child", "new"));
  const WallTime later = month + microseconds(limits::kDaysTokensAreListed * kMicrosPerDay + 200);
  ASSERT_THAT(store->AddToken(TokenOf("newer", later)), IsOk());
  ASSERT_THAT(store->AddToken(TokenOf("newest", later)), IsOk());
  EXPECT_THAT(AccessorsOf(*store), UnorderedElementsAre("newer", "newest"));
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Open());
  EXPECT_THAT(AccessorsOf(*again), UnorderedElementsAre("newer", "newest"));
}

TEST_F(ControlStoreTest, AFullVaultForgetsWhatIsExpiredAndNothingElse) {
  ControlRecord initial;
  *initial.add_persons() = Person("alice", "init");
  for (size_t i = 0; i < limits::kMaxTokens; ++i) {
    *initial.add_tokens() = TokenOf(absl::StrCat("t", i), i == 7 ? kNow : kNow + microseconds(50));
  }
  TV_ASSERT_OK_AND_ASSIGN(const auto store, ControlStore::Create(Options(), initial));
  EXPECT_THAT(store->AddToken(TokenOf("early", kNow + microseconds(99))),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_THAT(store->AddToken(TokenOf("late", kNow + microseconds(100))), IsOk());
  EXPECT_FALSE(store->FindToken("t7").has_value());
  EXPECT_TRUE(store->FindToken("t8").has_value());
}

TEST_F(ControlStoreTest, ConfirmingTakesAnotherPerson) {
  auto store = Create();
  ASSERT_THAT(store->EnrolPerson(Person("carol", "alice")), IsOk());
  EXPECT_THAT(store->ConfirmPerson("carol", "alice", kNow),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store->ConfirmPerson("carol", "carol", kNow),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(store->ConfirmPerson("carol", "bob", kNow), IsOk());
  EXPECT_EQ(store->FindPerson("carol")->enrolled_at_us(), kNow.micros);
  EXPECT_THAT(store->ConfirmPerson("carol", "bob", kNow),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  TokenRecord pending = Token("t1", "carol");
  pending.set_pending(true);
  pending.set_created_by("alice");
  ASSERT_THAT(store->AddToken(pending), IsOk());
  EXPECT_THAT(store->ConfirmToken("t1", "alice", kNow),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(store->ConfirmToken("t1", "bob", kNow), IsOk());
  EXPECT_FALSE(store->FindToken("t1")->pending());
}

TEST_F(ControlStoreTest, RevokingTakesAllDescendantsAndIsForEver) {
  auto store = Create();
  ASSERT_THAT(store->AddToken(Token("root", "alice")), IsOk());
  ASSERT_THAT(store->AddToken(Token("child", "alice", "root")), IsOk());
  ASSERT_THAT(store->AddToken(Token("grandchild", "bob", "child")), IsOk());
  ASSERT_THAT(store->AddToken(Token("other", "alice")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto revoked, store->Revoke("root"));
  EXPECT_THAT(revoked, UnorderedElementsAre("root", "child", "grandchild"));
  EXPECT_FALSE(store->FindToken("other")->revoked());
  EXPECT_THAT(store->Renew("child", kNow), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store->AddToken(Token("child2", "alice", "root")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store->AddToken(Token("root", "alice")), StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_THAT(store->DisablePerson("alice"), IsOk());
  EXPECT_TRUE(store->FindToken("other")->revoked());
  EXPECT_THAT(store->AddToken(Token("late", "alice")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ControlStoreTest, RenewingStopsAtTheAbsoluteMaximum) {
  auto store = Create();
  ASSERT_THAT(store->AddToken(Token("t", "alice")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(WallTime expiry, store->Renew("t", kNow + microseconds(50)));
  EXPECT_EQ(expiry, kNow + microseconds(150));
  TV_ASSERT_OK_AND_ASSIGN(expiry, store->Renew("t", kNow + microseconds(149)));
  TV_ASSERT_OK_AND_ASSIGN(expiry, store->Renew("t", kNow + microseconds(240)));
  EXPECT_EQ(expiry, kNow + microseconds(250));
  EXPECT_THAT(store->Renew("t", kNow + microseconds(250)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ControlStoreTest, CountsLimitedUsesDurably) {
  auto store = Create();
  TokenRecord token = Token("t", "alice");
  token.set_limited_uses(true);
  token.set_uses_left(2);
  ASSERT_THAT(store->AddToken(token), IsOk());
  ASSERT_THAT(store->UseOnce("t"), IsOk());
  fs_.PowerCut();
  TV_ASSERT_OK_AND_ASSIGN(store, Open());
  ASSERT_THAT(store->UseOnce("t"), IsOk());
  EXPECT_THAT(store->UseOnce("t"), StatusIs(absl::StatusCode::kResourceExhausted));
}

// The daemon ended when a token was forgotten between the look for it and the write.
TEST_F(ControlStoreTest, AUseOfATokenThatIsForgottenMeanwhileIsRefused) {
  ASSERT_THAT(Create()->AddToken(Token("kept", "alice")), IsOk());
  testing::FaultFileSystem fs(fs_);
  TV_ASSERT_OK_AND_ASSIGN(const auto store,
                          ControlStore::Open({fs, random_, key_, kVault, dir_.path()}));
  store->Settle();
  TokenRecord limited = Token("t", "alice");
  limited.set_limited_uses(true);
  limited.set_uses_left(2);
  ASSERT_THAT(store->AddToken(limited), IsOk());
  TokenRecord later = Token("later", "alice");
  later.set_created_at_us(kNow.micros + (limits::kDaysTokensAreListed + 1) * kMicrosPerDay);
  later.set_expires_at_us(later.created_at_us() + 1);
  later.set_max_expires_at_us(later.created_at_us() + 1);
  fs.Hang(dir_.path());
  auto added = std::async(std::launch::async, [&] { return store->AddToken(later); });
  fs.AwaitHanging();
  auto used = std::async(std::launch::async, [&] { return store->UseOnce("t"); });
  // It has found the token and waits for the write; where it has not yet, it will not find it.
  EXPECT_EQ(used.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  fs.Release();
  EXPECT_THAT(added.get(), IsOk());
  EXPECT_THAT(used.get(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ControlStoreTest, TheClockAndTheAuditEpochNeverGoBack) {
  auto store = Create();
  ASSERT_THAT(store->AdvanceClockHighWater({500}), IsOk());
  ASSERT_THAT(store->AdvanceClockHighWater({400}), IsOk());
  ASSERT_THAT(store->SetAuditEpoch(2, {1}), IsOk());
  EXPECT_THAT(store->SetAuditEpoch(1, {1}), StatusIs(absl::StatusCode::kFailedPrecondition));
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Open());
  EXPECT_EQ(again->ClockHighWater(), WallTime{500});
}

TEST_F(ControlStoreTest, APowerCutAtAnyStepKeepsWhatWasAcknowledged) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (uint64_t step = 0;; ++step) {
      const TempDirectory dir;
      LossyFileSystem fs;
      const ControlStoreOptions options{fs, random_, key_, kVault, dir.path()};
      ControlRecord initial;
      *initial.add_persons() = Person("alice", "init");
      TV_ASSERT_OK_AND_ASSIGN(const auto store, ControlStore::Create(options, initial));
      ASSERT_THAT(store->AddToken(Token("t1", "alice")), IsOk());
      fs.StopAfter(step);
      const bool revoked = store->Revoke("t1").ok();
      fs.PowerCut(seed);
      const auto again = ControlStore::Open(options);
      ASSERT_THAT(again, IsOk()) << "step " << step << " seed " << seed;
      ASSERT_GE((*again)->generation(), store->generation());
      if (revoked) {
        EXPECT_TRUE((*again)->FindToken("t1")->revoked());
        break;
      }
    }
  }
}

TEST_F(ControlStoreTest, NoSyncCanBeLeftOut) {
  for (const uint64_t skipped : {1, 2}) {
    const TempDirectory dir;
    LossyFileSystem fs;
    const ControlStoreOptions options{fs, random_, key_, kVault, dir.path()};
    ControlRecord initial;
    *initial.add_persons() = Person("alice", "init");
    TV_ASSERT_OK_AND_ASSIGN(const auto store, ControlStore::Create(options, initial));
    ASSERT_THAT(store->AddToken(Token("t1", "alice")), IsOk());
    fs.SkipSync(skipped);
    ASSERT_THAT(store->Revoke("t1"), IsOk());
    fs.PowerCut();
    const auto again = ControlStore::Open(options);
    EXPECT_FALSE(again.ok() && (*again)->FindToken("t1")->revoked()) << skipped;
  }
}

TEST_F(ControlStoreTest, AFailedWriteChangesNothingAndTheNextOneWorks) {
  auto store = Create();
  ASSERT_THAT(store->AddToken(Token("t1", "alice")), IsOk());
  fs_.FailWrite(2, absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(store->Revoke("t1"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(store->FindToken("t1")->revoked());
  ASSERT_THAT(store->Revoke("t1"), IsOk());
  fs_.PowerCut();
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Open());
  EXPECT_TRUE(again->FindToken("t1")->revoked());
}

// A revoked token must not come back because the file that knows of it is gone or damaged.
TEST_F(ControlStoreTest, ADamagedOrMissingNewestFileIsNotPassedOver) {
  auto store = Create();
  ASSERT_THAT(store->AddToken(Token("t1", "alice")), IsOk());  // control.1, generation 2
  ASSERT_THAT(store->Revoke("t1"), IsOk());                    // control.0, generation 3
  TV_ASSERT_OK_AND_ASSIGN(const std::string newest, fs_.ReadFile(dir_.Path("control.0"), 1 << 20));
  for (size_t i = 0; i < newest.size(); ++i) {
    std::string changed = newest;
    changed[i] = static_cast<char>(changed[i] ^ 0x80);
    for (const std::string& bytes : {changed, newest.substr(0, i)}) {
      ASSERT_THAT(ReplaceFile(fs_, dir_.Path("control.0"), AsBytes(bytes), 0600), IsOk());
      ASSERT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss)) << i;
    }
  }
  ASSERT_THAT(fs_.Remove(dir_.Path("control.0")), IsOk());
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(ReplaceFile(fs_, dir_.Path("control.0"), AsBytes(newest), 0600), IsOk());
  EXPECT_THAT(Open(), IsOk());
  // The older one damaged is harmless: it says itself that it is older.
  TV_ASSERT_OK_AND_ASSIGN(std::string older, fs_.ReadFile(dir_.Path("control.1"), 1 << 20));
  older.back() ^= 1;
  ASSERT_THAT(ReplaceFile(fs_, dir_.Path("control.1"), AsBytes(older), 0600), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto again, Open());
  EXPECT_TRUE(again->FindToken("t1")->revoked());
}

// Whatever an old copy is asked to write would make it look newer.
TEST_F(ControlStoreTest, WhatWasOpenedIsReadOnlyUntilItIsSettled) {
  ASSERT_THAT(Create()->AddToken(Token("t1", "alice")), IsOk());
  TV_ASSERT_OK_AND_ASSIGN(const auto store, ControlStore::Open(Options()));
  const uint64_t generation = store->generation();
  EXPECT_TRUE(store->FindToken("t1").has_value());
  EXPECT_THAT(store->Revoke("t1"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store->AdvanceClockHighWater(kNow), StatusIs(absl::StatusCode::kFailedPrecondition));
  TV_ASSERT_OK_AND_ASSIGN(const auto again, ControlStore::Open(Options()));
  EXPECT_EQ(again->generation(), generation);
  again->Settle();
  EXPECT_THAT(again->Revoke("t1"), IsOk());
}

TEST_F(ControlStoreTest, NoNameStandsInTheFile) {
  ASSERT_THAT(Create()->EnrolPerson(Person("MARKERNAME")), IsOk());
  for (const char* const name : {"control.0", "control.1"}) {
    TV_ASSERT_OK_AND_ASSIGN(const std::string bytes, fs_.ReadFile(dir_.Path(name), 1 << 20));
    EXPECT_EQ(bytes.find("MARKERNAME"), std::string::npos);
  }
}

TEST(ControlKeys, AreTheSameAfterLoadingAndAllDifferent) {
  const TempDirectory dir;
  SeededRandom random(2);
  TV_ASSERT_OK_AND_ASSIGN(const auto made,
                          ControlKeys::Create(PosixFileSystem(), dir.Path("c"), random));
  TV_ASSERT_OK_AND_ASSIGN(const auto loaded, ControlKeys::Load(PosixFileSystem(), dir.Path("c")));
  EXPECT_TRUE(crypto::EqualSecrets(made->anchor(), loaded->anchor()));
  EXPECT_TRUE(crypto::EqualSecrets(made->lock(), loaded->lock()));
  EXPECT_FALSE(crypto::EqualSecrets(made->control(), made->lock()));
  EXPECT_FALSE(crypto::EqualSecrets(made->anchor(), made->tickets()));
}

TEST(AuditSigner, HasTheVkeyOfTheSignedNoteFormat) {
  const TempDirectory dir;
  SeededRandom random(2);
  FileSystem& fs = PosixFileSystem();
  TV_ASSERT_OK_AND_ASSIGN(const auto made,
                          AuditSigner::Create(fs, dir.Path("s"), "vault.example/log", random));
  TV_ASSERT_OK_AND_ASSIGN(const auto signer,
                          AuditSigner::Load(fs, dir.Path("s"), "vault.example/log"));
  EXPECT_EQ(signer->vkey(), made->vkey());
  EXPECT_EQ(signer->vkey().substr(0, 17), "vault.example/log");
  EXPECT_EQ(signer->vkey().substr(18, 8), ToHex(signer->key_id()));
  EXPECT_TRUE(crypto::Verify(signer->public_key(), AsBytes("note"), signer->Sign(AsBytes("note"))));
  EXPECT_THAT(AuditSigner::Create(fs, dir.Path("x"), "a+b", random),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(AuditSigner::Create(fs, dir.Path("s"), "other", random),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

}  // namespace
}  // namespace televault::control
