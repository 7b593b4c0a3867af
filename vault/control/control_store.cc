#include "vault/control/control_store.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/control/control_file.h"

namespace televault::control {
namespace {

using record::v1::ControlRecord;
using record::v1::PersonRecord;
using record::v1::TokenRecord;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

PersonRecord* PersonIn(ControlRecord& record, std::string_view name) {
  for (PersonRecord& person : *record.mutable_persons()) {
    if (person.name() == name) return &person;
  }
  return nullptr;
}

TokenRecord* TokenIn(ControlRecord& record, std::string_view accessor) {
  for (TokenRecord& token : *record.mutable_tokens()) {
    if (token.accessor() == accessor) return &token;
  }
  return nullptr;
}

absl::Status NoPerson(std::string_view name) {
  return absl::NotFoundError(absl::StrCat("no person \"", View(name), "\" is enrolled"));
}
absl::Status NoToken(std::string_view accessor) {
  return absl::NotFoundError(absl::StrCat("no token ", View(accessor)));
}

bool ValidName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '@';
  };
  return !name.empty() && name.size() <= limits::kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), allowed);
}

// Revokes `roots` and everything below them; the accessors that were not revoked before.
std::vector<std::string> RevokeTrees(ControlRecord& record, std::set<std::string> roots) {
  bool grew = true;
  while (grew) {
    grew = false;
    for (const TokenRecord& token : record.tokens()) {
      if (!token.parent().empty() && roots.contains(token.parent())) {
        grew = roots.insert(token.accessor()).second || grew;
      }
    }
  }
  std::vector<std::string> revoked;
  for (TokenRecord& token : *record.mutable_tokens()) {
    if (!roots.contains(token.accessor()) || token.revoked()) continue;
    token.set_revoked(true);
    revoked.push_back(token.accessor());
  }
  return revoked;
}

uint64_t BucketOf(std::string_view verifier) {
  uint64_t bucket = 0;
  std::memcpy(&bucket, verifier.data(), std::min(sizeof bucket, verifier.size()));
  return bucket;
}

}  // namespace

struct ControlStore::Index {
  explicit Index(ControlRecord content)
      : record(std::make_shared<const ControlRecord>(std::move(content))) {
    for (const TokenRecord& token : record->tokens()) {
      by_verifier.emplace(BucketOf(token.verifier()), &token);
      by_accessor.emplace(token.accessor(), &token);
    }
    for (const PersonRecord& person : record->persons()) by_name.emplace(person.name(), &person);
  }
  std::shared_ptr<const ControlRecord> record;
  // Found by the first bytes of the hash of what the caller sent, then compared in constant time:
  // nobody can steer the prefix of a BLAKE2b hash towards one he does not know.
  std::unordered_multimap<uint64_t, const TokenRecord*> by_verifier;
  std::unordered_map<std::string, const TokenRecord*> by_accessor;
  std::unordered_map<std::string, const PersonRecord*> by_name;
};

ControlStore::ControlStore(ControlStoreOptions options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<ControlStore>> ControlStore::Create(ControlStoreOptions options,
                                                                   ControlRecord initial) {
  auto store = std::unique_ptr<ControlStore>(new ControlStore(std::move(options)));
  store->file_ = std::make_unique<ControlFile>(store->options_);
  initial.set_generation(1);
  TV_RETURN_IF_ERROR(store->file_->Create(initial));
  store->index_ = std::make_shared<const Index>(std::move(initial));
  store->Settle();
  return store;
}

absl::StatusOr<std::unique_ptr<ControlStore>> ControlStore::Open(ControlStoreOptions options) {
  auto store = std::unique_ptr<ControlStore>(new ControlStore(std::move(options)));
  store->file_ = std::make_unique<ControlFile>(store->options_);
  TV_ASSIGN_OR_RETURN(ControlRecord record, store->file_->Load());
  store->index_ = std::make_shared<const Index>(std::move(record));
  return store;
}

ControlStore::~ControlStore() = default;

// --- lookups ---

std::shared_ptr<const ControlStore::Index> ControlStore::index() const {
  const std::lock_guard lock(mu_);
  return index_;
}

std::optional<TokenRecord> ControlStore::FindByVerifier(const auth::TokenVerifier& verifier) const {
  const auto current = index();
  const auto [first, last] = current->by_verifier.equal_range(BucketOf(AsText(verifier)));
  std::optional<TokenRecord> found;
  for (auto it = first; it != last; ++it) {
    if (auth::SameVerifier(verifier, AsBytes(it->second->verifier()))) found = *it->second;
  }
  return found;
}

std::optional<TokenRecord> ControlStore::FindToken(std::string_view accessor) const {
  const auto current = index();
  const auto found = current->by_accessor.find(std::string(accessor));
  if (found == current->by_accessor.end()) return std::nullopt;
  return *found->second;
}

std::optional<PersonRecord> ControlStore::FindPerson(std::string_view name) const {
  const auto current = index();
  const auto found = current->by_name.find(std::string(name));
  if (found == current->by_name.end()) return std::nullopt;
  return *found->second;
}

std::vector<TokenRecord> ControlStore::Tokens() const {
  const auto record = index()->record;
  return {record->tokens().begin(), record->tokens().end()};
}

std::vector<PersonRecord> ControlStore::Persons() const {
  const auto record = index()->record;
  return {record->persons().begin(), record->persons().end()};
}

uint64_t ControlStore::generation() const { return index()->record->generation(); }

WallTime ControlStore::ClockHighWater() const { return {index()->record->clock_high_water_us()}; }

std::shared_ptr<const ControlRecord> ControlStore::Snapshot() const { return index()->record; }

// --- changes ---

absl::Status ControlStore::Update(const std::function<absl::Status(ControlRecord&)>& change) {
  if (!settled_) {
    // Each write would raise the generation, until the old copy passed for the newest one.
    return absl::FailedPreconditionError(
        "the control file is an old copy, or there is nothing to hold it against: it is read and "
        "not changed. Put the newest copy back and start again, or start once with `televaultd "
        "serve --adopt-recovered-state REASON`");
  }
  const std::lock_guard write_lock(write_mu_);
  ControlRecord record = *index()->record;
  TV_RETURN_IF_ERROR(change(record));
  TV_RETURN_IF_ERROR(file_->Write(record));
  TV_CRASH_POINT("control.durable");
  auto next = std::make_shared<const Index>(std::move(record));
  const std::lock_guard lock(mu_);
  index_ = std::move(next);
  return absl::OkStatus();
}

absl::Status ControlStore::EnrolPerson(PersonRecord person) {
  if (!ValidName(person.name())) {
    return absl::InvalidArgumentError("a person's name is 1 to 64 of letters, digits and . _ - @");
  }
  if (!person.confirmed_by().empty() && person.confirmed_by() == person.proposed_by()) {
    return absl::FailedPreconditionError("whoever proposes a person cannot confirm the same");
  }
  return Update([&](ControlRecord& record) -> absl::Status {
    if (PersonIn(record, person.name()) != nullptr) {
      return absl::AlreadyExistsError(
          absl::StrCat("person \"", person.name(), "\" is enrolled already"));
    }
    if (static_cast<size_t>(record.persons_size()) >= limits::kMaxPersons) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the vault holds its limit of ", limits::kMaxPersons, " persons"));
    }
    *record.add_persons() = std::move(person);
    return absl::OkStatus();
  });
}

absl::Status ControlStore::ConfirmPerson(std::string_view name, std::string_view confirmed_by,
                                         WallTime now) {
  return Update([&](ControlRecord& record) -> absl::Status {
    PersonRecord* const person = PersonIn(record, name);
    if (person == nullptr) return NoPerson(name);
    if (person->disabled()) return absl::FailedPreconditionError("the person is disabled");
    if (!person->confirmed_by().empty()) {
      return absl::FailedPreconditionError("the person is confirmed already");
    }
    if (confirmed_by.empty() || person->proposed_by() == confirmed_by || name == confirmed_by) {
      return absl::FailedPreconditionError(
          "confirming takes another person than the one who proposed it or is proposed");
    }
    person->set_confirmed_by(std::string(confirmed_by));
    person->set_enrolled_at_us(now.micros);
    return absl::OkStatus();
  });
}

absl::Status ControlStore::DisablePerson(std::string_view name) {
  return Update([&](ControlRecord& record) -> absl::Status {
    PersonRecord* const person = PersonIn(record, name);
    if (person == nullptr) return NoPerson(name);
    person->set_disabled(true);
    std::set<std::string> roots;
    for (const TokenRecord& token : record.tokens()) {
      if (token.person() == name) roots.insert(token.accessor());
    }
    RevokeTrees(record, std::move(roots));
    return absl::OkStatus();
  });
}

namespace {

// Nobody can use or renew them. A parent stays while there is a descendant to revoke with it.
void ForgetTokensExpiredBefore(ControlRecord& record, int64_t time_us) {
  std::set<std::string> parents;
  for (const TokenRecord& token : record.tokens()) parents.insert(token.parent());
  auto& tokens = *record.mutable_tokens();
  tokens.erase(std::remove_if(tokens.begin(), tokens.end(),
                              [&](const TokenRecord& token) {
                                return token.expires_at_us() <= time_us &&
                                       !parents.contains(token.accessor());
                              }),
               tokens.end());
}

void MakeRoomForToken(ControlRecord& record, int64_t now_us) {
  ForgetTokensExpiredBefore(record, now_us - limits::kDaysTokensAreListed * kMicrosPerDay);
  const auto full = [&] { return static_cast<size_t>(record.tokens_size()) >= limits::kMaxTokens; };
  if (full()) ForgetTokensExpiredBefore(record, now_us);
}

absl::Status CheckNewToken(ControlRecord& record, const TokenRecord& token) {
  if (static_cast<size_t>(record.tokens_size()) >= limits::kMaxTokens) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the vault holds its limit of ", limits::kMaxTokens,
                     " tokens that are not expired; give fewer, or shorter ones"));
  }
  for (const TokenRecord& other : record.tokens()) {
    if (other.accessor() == token.accessor() || other.verifier() == token.verifier()) {
      return absl::AlreadyExistsError("a token with this accessor or text exists");
    }
  }
  const PersonRecord* const person = PersonIn(record, token.person());
  if (person == nullptr) return NoPerson(token.person());
  if (person->disabled()) return absl::FailedPreconditionError("the person is disabled");
  if (!token.parent().empty()) {
    const TokenRecord* const parent = TokenIn(record, token.parent());
    if (parent == nullptr) return NoToken(token.parent());
    if (parent->revoked()) return absl::FailedPreconditionError("the parent token is revoked");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ControlStore::AddToken(TokenRecord token) {
  if (token.accessor().empty() || token.accessor().size() > limits::kMaxNameBytes ||
      token.verifier().size() != sizeof(auth::TokenVerifier)) {
    return absl::InvalidArgumentError("a token has an accessor and a verifier of 32 bytes");
  }
  if (token.expires_at_us() <= token.created_at_us() ||
      token.max_expires_at_us() < token.expires_at_us()) {
    return absl::InvalidArgumentError(
        "a token expires after it was made and not after its absolute maximum");
  }
  return Update([&](ControlRecord& record) -> absl::Status {
    MakeRoomForToken(record, token.created_at_us());
    TV_RETURN_IF_ERROR(CheckNewToken(record, token));
    *record.add_tokens() = std::move(token);
    return absl::OkStatus();
  });
}

absl::Status ControlStore::ConfirmToken(std::string_view accessor, std::string_view confirmed_by,
                                        WallTime now) {
  return Update([&](ControlRecord& record) -> absl::Status {
    TokenRecord* const token = TokenIn(record, accessor);
    if (token == nullptr) return NoToken(accessor);
    if (token->revoked()) return absl::FailedPreconditionError("the token is revoked");
    if (!token->pending()) return absl::FailedPreconditionError("the token is not pending");
    if (confirmed_by.empty() || token->created_by() == confirmed_by) {
      return absl::FailedPreconditionError("whoever made a token cannot confirm the same");
    }
    token->set_pending(false);
    token->set_confirmed_by(std::string(confirmed_by));
    token->set_active_since_us(now.micros);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> ControlStore::Revoke(std::string_view accessor) {
  return RevokeMany({std::string(accessor)});
}

absl::StatusOr<std::vector<std::string>> ControlStore::RevokeMany(
    const std::vector<std::string>& accessors) {
  std::vector<std::string> revoked;
  TV_RETURN_IF_ERROR(Update([&](ControlRecord& record) -> absl::Status {
    for (const std::string& accessor : accessors) {
      if (TokenIn(record, accessor) == nullptr) return NoToken(accessor);
    }
    revoked = RevokeTrees(record, {accessors.begin(), accessors.end()});
    return absl::OkStatus();
  }));
  return revoked;
}

absl::StatusOr<WallTime> ControlStore::Renew(std::string_view accessor, WallTime now) {
  WallTime expiry;
  TV_RETURN_IF_ERROR(Update([&](ControlRecord& record) -> absl::Status {
    TokenRecord* const token = TokenIn(record, accessor);
    if (token == nullptr) return NoToken(accessor);
    if (token->revoked() || token->pending() || token->expires_at_us() <= now.micros) {
      return absl::FailedPreconditionError("the token is revoked, pending or expired");
    }
    const int64_t room = token->max_expires_at_us() - now.micros;
    expiry = now + microseconds(std::min(std::max<int64_t>(token->ttl_us(), 0), room));
    // Renewing never shortens.
    expiry.micros = std::max(expiry.micros, token->expires_at_us());
    token->set_expires_at_us(expiry.micros);
    return absl::OkStatus();
  }));
  return expiry;
}

absl::Status ControlStore::UseOnce(std::string_view accessor) {
  const auto token = FindToken(accessor);
  if (!token.has_value()) return NoToken(accessor);
  if (!token->limited_uses()) return absl::OkStatus();
  return Update([&](ControlRecord& record) -> absl::Status {
    TokenRecord* const limited = TokenIn(record, accessor);
    // Forgotten meanwhile, because it expired.
    if (limited == nullptr) return NoToken(accessor);
    if (limited->uses_left() == 0) return absl::ResourceExhaustedError("the token is used up");
    limited->set_uses_left(limited->uses_left() - 1);
    return absl::OkStatus();
  });
}

absl::Status ControlStore::AdvanceClockHighWater(WallTime high_water) {
  if (high_water <= ClockHighWater()) return absl::OkStatus();
  return Update([&](ControlRecord& record) {
    record.set_clock_high_water_us(std::max(record.clock_high_water_us(), high_water.micros));
    return absl::OkStatus();
  });
}

absl::Status ControlStore::SetAuditEpoch(uint32_t epoch,
                                         const std::array<uint8_t, 32>& public_key) {
  return Update([&](ControlRecord& record) -> absl::Status {
    if (epoch < record.audit_epoch()) {
      return absl::FailedPreconditionError("an audit epoch never goes back");
    }
    record.set_audit_epoch(epoch);
    record.set_audit_epoch_public_key(std::string(AsText(public_key)));
    return absl::OkStatus();
  });
}

}  // namespace televault::control
