#include "vault/service/registrar.h"

#include "auth/token.h"
#include "tests/support/seeded_random.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "vault/crypto/hash.h"

namespace televault::service {
namespace {

using televault::testing::HasReason;
using televault::testing::IsOk;
using televault::testing::SeededRandom;
using televault::testing::StatusIs;
using televault::testing::TempDirectory;

constexpr WallTime kNow{1'800'000'000'000'000};

class RegistrarTest : public ::testing::Test {
 protected:
  RegistrarTest() {
    record::v1::ControlRecord first;
    for (const char* name : {"alice", "bob"}) {
      auto& person = *first.add_persons();
      person.set_name(name);
      person.set_proposed_by("init");
      person.set_confirmed_by("init");
      person.set_enrolled_at_us(1);
      auto& token = *first.add_tokens();
      token.set_accessor("tva_of_" + person.name());
      token.set_verifier(std::string(32, person.name()[0]));
      token.set_person(person.name());
      token.add_roles("operator");
      token.set_expires_at_us(kNow.micros + 365 * kMicrosPerDay);
    }
    control_ = control::ControlStore::Create({.fs = PosixFileSystem(),
                                              .random = random_,
                                              .key = key_,
                                              .vault = {},
                                              .directory = directory_.path()},
                                             first)
                   .value();
    registrar_ = std::make_unique<Registrar>(*control_, random_);
  }

  Call CallBy(const std::string& person, WallTime now = kNow) {
    Call call;
    call.now = now;
    call.principal.person = person;
    call.principal.accessor = "tva_of_" + person;
    call.principal.roles = {"operator"};
    call.principal.enrolled_at_us = 1;
    call.principal.token_active_since_us = 1;
    return call;
  }
  void Enrol(const std::string& name) {
    Call proposal = CallBy("alice");
    v1::EnrolPersonRequest request;
    request.set_name(name);
    v1::EnrolPersonResponse response;
    ASSERT_THAT(registrar_->Enrol(proposal, request, response), IsOk());
    ASSERT_THAT(proposal.after_recording(), IsOk());
    Call confirmation = CallBy("bob");
    v1::ConfirmPersonRequest confirm;
    confirm.set_name(name);
    v1::ConfirmPersonResponse confirmed;
    ASSERT_THAT(registrar_->Confirm(confirmation, confirm, confirmed), IsOk());
    ASSERT_THAT(confirmation.after_recording(), IsOk());
  }
  v1::CreateTokenRequest TokenFor(const std::string& person, const std::string& role) {
    v1::CreateTokenRequest request;
    request.set_person(person);
    request.add_roles(role);
    return request;
  }

  TempDirectory directory_;
  SeededRandom random_{5};
  SecretBytes key_ = crypto::NewKey(random_);
  std::unique_ptr<control::ControlStore> control_;
  std::unique_ptr<Registrar> registrar_;
};

TEST_F(RegistrarTest, NothingChangesBeforeTheEntryIsRecorded) {
  Call call = CallBy("alice");
  v1::EnrolPersonRequest request;
  request.set_name("carol");
  v1::EnrolPersonResponse response;
  ASSERT_THAT(registrar_->Enrol(call, request, response), IsOk());
  EXPECT_FALSE(control_->FindPerson("carol").has_value());
  ASSERT_THAT(call.after_recording(), IsOk());
  EXPECT_TRUE(control_->FindPerson("carol").has_value());
}

TEST_F(RegistrarTest, OneOperatorAloneEnrolsNobody) {
  Call call = CallBy("alice");
  v1::EnrolPersonRequest request;
  request.set_name("carol");
  v1::EnrolPersonResponse response;
  ASSERT_THAT(registrar_->Enrol(call, request, response), IsOk());
  ASSERT_THAT(call.after_recording(), IsOk());

  v1::ConfirmPersonRequest confirm;
  confirm.set_name("carol");
  v1::ConfirmPersonResponse confirmed;
  Call again = CallBy("alice");
  EXPECT_THAT(registrar_->Confirm(again, confirm, confirmed), HasReason(reason::kDenied));
  Call token = CallBy("alice");
  v1::CreateTokenResponse made;
  EXPECT_THAT(registrar_->CreateToken(token, TokenFor("carol", "analyst"), made),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RegistrarTest, TheTokenTextTravelsInMetadataOnly) {
  Enrol("dave");
  Call call = CallBy("alice");
  v1::CreateTokenResponse response;
  ASSERT_THAT(registrar_->CreateToken(call, TokenFor("dave", "analyst"), response), IsOk());
  EXPECT_TRUE(call.trailing.empty());
  ASSERT_THAT(call.after_recording(), IsOk());
  ASSERT_EQ(call.trailing.count("televault-token-bin"), 1u);
  const std::string text = call.trailing.find("televault-token-bin")->second;
  EXPECT_TRUE(auth::ParseToken(text).ok());
  EXPECT_EQ(response.SerializeAsString().find(text), std::string::npos);
  EXPECT_EQ(call.entry.SerializeAsString().find(text), std::string::npos);
  EXPECT_EQ(response.token().accessor(), auth::AccessorOf(auth::VerifierOf(text)));
}

TEST_F(RegistrarTest, GuardedRolesWaitForASecondOperator) {
  Enrol("gina");
  Call call = CallBy("alice");
  v1::CreateTokenResponse made;
  ASSERT_THAT(registrar_->CreateToken(call, TokenFor("gina", "responder"), made), IsOk());
  ASSERT_THAT(call.after_recording(), IsOk());
  EXPECT_EQ(made.token().state(), v1::TOKEN_STATE_PENDING);

  v1::ConfirmTokenRequest confirm;
  confirm.set_accessor(made.token().accessor());
  v1::ConfirmTokenResponse confirmed;
  Call same = CallBy("alice", kNow + microseconds(5));
  EXPECT_THAT(registrar_->ConfirmToken(same, confirm, confirmed), HasReason(reason::kDenied));
  Call other = CallBy("bob", kNow + microseconds(5));
  ASSERT_THAT(registrar_->ConfirmToken(other, confirm, confirmed), IsOk());
  ASSERT_THAT(other.after_recording(), IsOk());
  EXPECT_FALSE(control_->FindToken(made.token().accessor())->pending());
}

TEST_F(RegistrarTest, RefusesCombinedDutiesUnboundWritersAndLongLives) {
  Enrol("dave");
  v1::CreateTokenResponse made;
  v1::CreateTokenRequest combined = TokenFor("dave", "analyst");
  combined.add_roles("auditor");
  combined.add_roles("operator");
  Call call = CallBy("alice");
  EXPECT_THAT(registrar_->CreateToken(call, combined, made),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  combined.set_accept_combined_duties(true);
  EXPECT_THAT(registrar_->CreateToken(call, combined, made), IsOk());
  EXPECT_TRUE(made.token().combined_duties());
  EXPECT_EQ(made.token().state(), v1::TOKEN_STATE_PENDING);

  EXPECT_THAT(registrar_->CreateToken(call, TokenFor("dave", "collector"), made),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::CreateTokenRequest eternal = TokenFor("dave", "analyst");
  eternal.set_ttl_s(91 * 86'400);
  EXPECT_THAT(registrar_->CreateToken(call, eternal, made),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(registrar_->CreateToken(call, TokenFor("dave", "emperor"), made),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// --max-ttl 1h alone made a token of 8 h.
TEST_F(RegistrarTest, ATokenLivesNoLongerThanTheMaximumGivenAlone) {
  Enrol("dave");
  const auto seconds_of = [&](uint64_t ttl_s, uint64_t max_ttl_s) {
    v1::CreateTokenRequest request = TokenFor("dave", "analyst");
    request.set_ttl_s(ttl_s);
    request.set_max_ttl_s(max_ttl_s);
    v1::CreateTokenResponse made;
    Call call = CallBy("alice");
    EXPECT_THAT(registrar_->CreateToken(call, request, made), IsOk());
    return std::pair(made.token().expires_at().seconds() - kNow.micros / 1'000'000,
                     made.token().max_expires_at().seconds() - kNow.micros / 1'000'000);
  };
  EXPECT_EQ(seconds_of(0, 0), std::pair(28'800L, 28'800L));
  EXPECT_EQ(seconds_of(0, 3'600), std::pair(3'600L, 3'600L));
  EXPECT_EQ(seconds_of(0, 86'400), std::pair(28'800L, 86'400L));
  EXPECT_EQ(seconds_of(60, 0), std::pair(60L, 60L));
  v1::CreateTokenRequest crossed = TokenFor("dave", "analyst");
  crossed.set_ttl_s(7'200);
  crossed.set_max_ttl_s(3'600);
  v1::CreateTokenResponse made;
  Call call = CallBy("alice");
  const absl::Status refused = registrar_->CreateToken(call, crossed, made);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("3600s")));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("7200s")));
}

// One person with a service's token would be two persons otherwise.
TEST_F(RegistrarTest, AServiceProposesNothingThatTakesTwoPersons) {
  Enrol("gina");
  Call call = CallBy("alice");
  call.principal.service = true;
  v1::EnrolPersonRequest enrol;
  enrol.set_name("mallory");
  v1::EnrolPersonResponse enrolled;
  EXPECT_THAT(registrar_->Enrol(call, enrol, enrolled), HasReason(reason::kDenied));
  v1::CreateTokenResponse made;
  EXPECT_THAT(registrar_->CreateToken(call, TokenFor("gina", "responder"), made),
              HasReason(reason::kDenied));
}

TEST_F(RegistrarTest, RevokingTakesTheChildrenAlong) {
  Enrol("dave");
  v1::CreateTokenResponse made;
  Call first = CallBy("alice");
  ASSERT_THAT(registrar_->CreateToken(first, TokenFor("dave", "analyst"), made), IsOk());
  ASSERT_THAT(first.after_recording(), IsOk());
  Call second = CallBy("alice");
  second.principal.accessor = made.token().accessor();
  v1::CreateTokenResponse child;
  ASSERT_THAT(registrar_->CreateToken(second, TokenFor("dave", "analyst"), child), IsOk());
  ASSERT_THAT(second.after_recording(), IsOk());

  Call revoke = CallBy("alice");
  v1::RevokeTokenRequest request;
  request.set_accessor(made.token().accessor());
  v1::RevokeTokenResponse revoked;
  ASSERT_THAT(registrar_->RevokeToken(revoke, request, revoked), IsOk());
  ASSERT_THAT(revoke.after_recording(), IsOk());
  EXPECT_EQ(revoked.revoked_size(), 2);
  EXPECT_TRUE(control_->FindToken(child.token().accessor())->revoked());
}

}  // namespace
}  // namespace televault::service
