#include "vault/service/registrar.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "auth/approval.h"
#include "auth/roles.h"
#include "auth/token.h"
#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"
#include "vault/service/paging.h"
#include "vault/service/wire_time.h"

namespace televault::service {
namespace {

constexpr char kTokenTrailer[] = "televault-token-bin";
constexpr uint64_t kDefaultTtlS = 8 * 3'600;
constexpr uint64_t kMaxTtlS = 90 * 86'400;
constexpr uint64_t kMaxMaxTtlS = 365 * 86'400;
constexpr int kMaxTokenLists = 64;

absl::Status NoSuchPerson() {
  return absl::NotFoundError("no such person; `televault person list` shows who is enrolled");
}
absl::Status NoSuchToken() {
  return absl::NotFoundError("no such token; `televault token list` shows the accessors");
}

v1::PersonState StateOf(const record::v1::PersonRecord& person) {
  if (person.disabled()) return v1::PERSON_STATE_DISABLED;
  return person.confirmed_by().empty() ? v1::PERSON_STATE_PENDING : v1::PERSON_STATE_ENROLLED;
}

v1::Person ToWire(const record::v1::PersonRecord& person) {
  v1::Person wire;
  wire.set_name(person.name());
  wire.set_state(StateOf(person));
  wire.set_proposed_by(person.proposed_by());
  wire.set_confirmed_by(person.confirmed_by());
  if (person.enrolled_at_us() != 0)
    *wire.mutable_enrolled_at() = ToWireTime(person.enrolled_at_us());
  wire.set_service(person.service());
  return wire;
}

v1::TokenState StateOf(const record::v1::TokenRecord& token, WallTime now) {
  if (token.revoked()) return v1::TOKEN_STATE_REVOKED;
  if (token.expires_at_us() <= now.micros) return v1::TOKEN_STATE_EXPIRED;
  return token.pending() ? v1::TOKEN_STATE_PENDING : v1::TOKEN_STATE_ACTIVE;
}

v1::Token ToWire(const record::v1::TokenRecord& token, WallTime now) {
  v1::Token wire;
  wire.set_accessor(token.accessor());
  wire.set_person(token.person());
  *wire.mutable_roles() = token.roles();
  *wire.mutable_purposes() = token.purposes();
  *wire.mutable_datasets() = token.datasets();
  wire.set_state(StateOf(token, now));
  *wire.mutable_created_at() = ToWireTime(token.created_at_us());
  *wire.mutable_expires_at() = ToWireTime(token.expires_at_us());
  *wire.mutable_max_expires_at() = ToWireTime(token.max_expires_at_us());
  wire.set_created_by(token.created_by());
  wire.set_parent(token.parent());
  wire.set_confirmed_by(token.confirmed_by());
  if (token.limited_uses()) wire.set_uses_left(token.uses_left());
  wire.set_combined_duties(token.combined_duties());
  return wire;
}

// A second person's confirmation: the rules of auth/ on the records of the control store.
absl::Status MayConfirm(const Call& call, auth::BallotKind kind, const std::string& proposed_by,
                        int64_t proposed_at_us) {
  auth::Ballot ballot;
  ballot.kind = kind;
  ballot.filed_at_us = proposed_at_us;
  ballot.votes.push_back({proposed_by, true, proposed_at_us});
  const auth::VoteRefusal refusal = auth::MayVote(ballot, call.principal);
  if (refusal == auth::VoteRefusal::kNone) return absl::OkStatus();
  return WithReason(absl::PermissionDeniedError(std::string(auth::VoteRefusalText(refusal))),
                    reason::kDenied);
}

// Two persons means two persons: a service proposes nothing that needs a second one.
absl::Status RefuseService(const Call& call) {
  if (!call.principal.service) return absl::OkStatus();
  return WithReason(
      absl::PermissionDeniedError("a service cannot propose this: it takes two persons"),
      reason::kDenied);
}

bool TakesTwoPersons(const std::vector<std::string>& roles) {
  return auth::NeedsConfirmation(roles) || auth::CombinesDuties(roles);
}

struct Lifetime {
  uint64_t ttl_s = 0;
  uint64_t max_ttl_s = 0;  // renewals included
};

// Defaults first: whoever gives max_ttl alone means that the token lives no longer.
absl::StatusOr<Lifetime> LifetimeOf(const v1::CreateTokenRequest& request) {
  Lifetime life{request.ttl_s(), request.max_ttl_s()};
  if (life.ttl_s == 0) {
    life.ttl_s = life.max_ttl_s == 0 ? kDefaultTtlS : std::min(kDefaultTtlS, life.max_ttl_s);
  }
  if (life.max_ttl_s == 0) life.max_ttl_s = life.ttl_s;
  if (life.ttl_s > kMaxTtlS) {
    return absl::InvalidArgumentError("ttl: at most 90d; renew the token instead");
  }
  if (life.max_ttl_s < life.ttl_s || life.max_ttl_s > kMaxMaxTtlS) {
    return absl::InvalidArgumentError(absl::StrCat("max_ttl: is ", life.max_ttl_s,
                                                   "s; it has to be at least the ttl, ", life.ttl_s,
                                                   "s, and at most 365d"));
  }
  return life;
}

absl::Status CheckTokenRequest(const v1::CreateTokenRequest& request,
                               const std::vector<std::string>& roles) {
  TV_RETURN_IF_ERROR(auth::ValidateRoles(roles));
  if (request.purposes_size() > kMaxTokenLists || request.datasets_size() > kMaxTokenLists) {
    return absl::InvalidArgumentError("a token names at most 64 purposes and 64 datasets");
  }
  if (auth::CapabilitiesOf(roles).Has(v1::CAPABILITY_APPEND) && request.datasets().empty()) {
    return absl::InvalidArgumentError("a token that writes names its datasets: add --dataset NAME");
  }
  if (auth::CombinesDuties(roles) && !request.accept_combined_duties()) {
    return absl::FailedPreconditionError(
        "these roles together do what the vault keeps apart (reading telemetry, managing tokens, "
        "reading the audit trail); make two tokens, or give --i-accept-combined-duties, which is "
        "recorded");
  }
  return absl::OkStatus();
}

}  // namespace

NewToken MakeToken(const std::vector<std::string>& roles, Random& random) {
  std::array<uint8_t, auth::kTokenSecretBytes> secret{};
  random.Fill(secret);
  NewToken made;
  made.text.resize(auth::kTokenTextBytes);
  auth::FormatToken(auth::TokenKindOf(roles), secret,
                    std::span<char, auth::kTokenTextBytes>(made.text.data(), made.text.size()));
  crypto::TakeSecret(secret);  // wipes it
  const auth::TokenVerifier verifier = auth::VerifierOf(made.text);
  made.record.set_verifier(verifier.data(), verifier.size());
  made.record.set_accessor(auth::AccessorOf(verifier));
  for (const std::string& role : roles) made.record.add_roles(role);
  return made;
}

absl::Status Registrar::Enrol(Call& call, const v1::EnrolPersonRequest& request,
                              v1::EnrolPersonResponse& response) {
  (*call.entry.mutable_details())["person"] = request.name();
  TV_RETURN_IF_ERROR(RefuseService(call));
  if (control_.FindPerson(request.name()).has_value()) {
    return absl::AlreadyExistsError("this person is known already; see `televault person list`");
  }
  record::v1::PersonRecord person;
  person.set_name(request.name());
  person.set_service(request.service());
  person.set_proposed_by(call.principal.person);
  person.set_enrolled_at_us(call.now.micros);
  TV_RETURN_IF_ERROR(auth::ValidatePersonName(request.name()));
  *response.mutable_person() = ToWire(person);
  call.after_recording = [this, person] { return control_.EnrolPerson(person); };
  return absl::OkStatus();
}

absl::Status Registrar::Confirm(Call& call, const v1::ConfirmPersonRequest& request,
                                v1::ConfirmPersonResponse& response) {
  (*call.entry.mutable_details())["person"] = request.name();
  auto person = control_.FindPerson(request.name());
  if (!person.has_value()) return NoSuchPerson();
  if (!person->confirmed_by().empty() || person->disabled()) {
    return absl::FailedPreconditionError("this person is not waiting for a confirmation");
  }
  TV_RETURN_IF_ERROR(MayConfirm(call, auth::BallotKind::kEnrolment, person->proposed_by(),
                                person->enrolled_at_us()));
  person->set_confirmed_by(call.principal.person);
  person->set_enrolled_at_us(call.now.micros);
  *response.mutable_person() = ToWire(*person);
  call.after_recording = [this, name = request.name(), by = call.principal.person, now = call.now] {
    return control_.ConfirmPerson(name, by, now);
  };
  return absl::OkStatus();
}

absl::Status Registrar::Disable(Call& call, const v1::DisablePersonRequest& request,
                                v1::DisablePersonResponse& response) {
  (*call.entry.mutable_details())["person"] = request.name();
  auto person = control_.FindPerson(request.name());
  if (!person.has_value()) return NoSuchPerson();
  if (person->disabled()) return absl::FailedPreconditionError("this person is disabled already");
  const auto tokens = control_.Tokens();
  response.set_tokens_revoked(
      static_cast<uint32_t>(std::count_if(tokens.begin(), tokens.end(), [&](const auto& token) {
        return token.person() == request.name() && !token.revoked();
      })));
  call.urgency = store::Urgency::kSecurity;
  person->set_disabled(true);
  *response.mutable_person() = ToWire(*person);
  call.after_recording = [this, name = request.name()] { return control_.DisablePerson(name); };
  return absl::OkStatus();
}

absl::Status Registrar::ListPersons(const v1::ListPersonsRequest& request,
                                    v1::ListPersonsResponse& response) const {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  response.set_next_page_token(EachOnPage(control_.Persons(), page, [&](const auto& person) {
    *response.add_persons() = ToWire(person);
  }));
  return absl::OkStatus();
}

absl::Status Registrar::CreateToken(Call& call, const v1::CreateTokenRequest& request,
                                    v1::CreateTokenResponse& response) {
  const std::vector<std::string> roles(request.roles().begin(), request.roles().end());
  auto& details = *call.entry.mutable_details();
  details["person"] = request.person();
  details["roles"] = absl::StrJoin(roles, ",");
  TV_RETURN_IF_ERROR(CheckTokenRequest(request, roles));
  if (TakesTwoPersons(roles)) TV_RETURN_IF_ERROR(RefuseService(call));
  const auto person = control_.FindPerson(request.person());
  if (!person.has_value()) return NoSuchPerson();
  if (person->disabled() || person->confirmed_by().empty()) {
    return absl::FailedPreconditionError(
        "this person is not enrolled: another operator runs `televault person confirm NAME`");
  }
  TV_ASSIGN_OR_RETURN(const Lifetime life, LifetimeOf(request));
  NewToken made = MakeToken(roles, random_);
  record::v1::TokenRecord& token = made.record;
  token.set_person(request.person());
  *token.mutable_purposes() = request.purposes();
  *token.mutable_datasets() = request.datasets();
  token.set_created_at_us(call.now.micros);
  token.set_ttl_us(static_cast<int64_t>(life.ttl_s) * 1'000'000);
  token.set_expires_at_us(call.now.micros + token.ttl_us());
  token.set_max_expires_at_us(call.now.micros + static_cast<int64_t>(life.max_ttl_s) * 1'000'000);
  token.set_created_by(call.principal.person);
  token.set_parent(call.principal.accessor);
  token.set_pending(TakesTwoPersons(roles));
  if (!token.pending()) token.set_active_since_us(call.now.micros);
  token.set_limited_uses(request.max_uses() > 0);
  token.set_uses_left(request.max_uses());
  token.set_combined_duties(auth::CombinesDuties(roles));
  details["token"] = token.accessor();
  details["pending"] = token.pending() ? "true" : "false";
  if (token.combined_duties()) details["combined_duties"] = "accepted";
  *response.mutable_token() = ToWire(token, call.now);
  call.after_recording = [this, &call, token, text = std::move(made.text)] {
    TV_RETURN_IF_ERROR(control_.AddToken(token));
    call.trailing.emplace(kTokenTrailer, text);
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

absl::Status Registrar::ConfirmToken(Call& call, const v1::ConfirmTokenRequest& request,
                                     v1::ConfirmTokenResponse& response) {
  (*call.entry.mutable_details())["token"] = Utf8Prefix(request.accessor(), limits::kMaxNameBytes);
  auto token = control_.FindToken(request.accessor());
  if (!token.has_value()) return NoSuchToken();
  if (StateOf(*token, call.now) != v1::TOKEN_STATE_PENDING) {
    return absl::FailedPreconditionError("this token is not waiting for a confirmation");
  }
  TV_RETURN_IF_ERROR(
      MayConfirm(call, auth::BallotKind::kToken, token->created_by(), token->created_at_us()));
  token->set_pending(false);
  token->set_confirmed_by(call.principal.person);
  *response.mutable_token() = ToWire(*token, call.now);
  call.after_recording = [this, accessor = request.accessor(), by = call.principal.person,
                          now = call.now] { return control_.ConfirmToken(accessor, by, now); };
  return absl::OkStatus();
}

absl::Status Registrar::RevokeToken(Call& call, const v1::RevokeTokenRequest& request,
                                    v1::RevokeTokenResponse& response) {
  (*call.entry.mutable_details())["token"] = Utf8Prefix(request.accessor(), limits::kMaxNameBytes);
  if (!control_.FindToken(request.accessor()).has_value()) return NoSuchToken();
  call.urgency = store::Urgency::kSecurity;
  call.after_recording = [this, accessor = request.accessor(), &response]() -> absl::Status {
    TV_ASSIGN_OR_RETURN(const std::vector<std::string> revoked, control_.Revoke(accessor));
    for (const std::string& name : revoked) response.add_revoked(name);
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

absl::Status Registrar::RenewToken(Call& call, v1::RenewTokenResponse& response) {
  (*call.entry.mutable_details())["token"] = call.principal.accessor;
  call.after_recording = [this, accessor = call.principal.accessor, now = call.now,
                          &response]() -> absl::Status {
    TV_RETURN_IF_ERROR(control_.Renew(accessor, now).status());
    if (const auto token = control_.FindToken(accessor)) {
      *response.mutable_token() = ToWire(*token, now);
    }
    return absl::OkStatus();
  };
  return absl::OkStatus();
}

absl::Status Registrar::ListTokens(const Call& call, const v1::ListTokensRequest& request,
                                   v1::ListTokensResponse& response) const {
  TV_ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(), request.page_token()));
  auto tokens = control_.Tokens();
  if (!request.person().empty()) {
    std::erase_if(tokens, [&](const auto& token) { return token.person() != request.person(); });
  }
  response.set_next_page_token(EachOnPage(
      tokens, page, [&](const auto& token) { *response.add_tokens() = ToWire(token, call.now); }));
  return absl::OkStatus();
}

}  // namespace televault::service
