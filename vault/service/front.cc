#include "vault/service/front.h"

#include <algorithm>
#include <google/protobuf/message.h>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/peer.h"
#include "auth/token.h"
#include "vault/base/check.h"
#include "vault/service/log.h"

namespace televault::service {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr char kProofTrailer[] = "televault-audit-proof-bin";

// All refusals of a token look the same to the caller; the entry says which one it was.
absl::Status NotAuthenticated() {
  return WithReason(
      absl::UnauthenticatedError("no valid token: give the one made for you with --token-file or "
                                 "TELEVAULT_TOKEN_FILE; tokens expire and can be revoked"),
      reason::kUnauthenticated);
}

// Why `token` may not be used at `now`; "" when it may. A call that is no use of it is `uncounted`.
std::string_view TokenProblem(const record::v1::TokenRecord& token,
                              const record::v1::PersonRecord* person, WallTime now,
                              bool uncounted) {
  if (token.revoked()) return "TOKEN_REVOKED";
  if (token.pending()) return "TOKEN_PENDING";
  if (token.expires_at_us() <= now.micros) return "TOKEN_EXPIRED";
  if (!uncounted && token.limited_uses() && token.uses_left() == 0) return "TOKEN_USED_UP";
  if (person == nullptr || person->confirmed_by().empty()) return "PERSON_NOT_ENROLLED";
  if (person->disabled()) return "PERSON_DISABLED";
  return "";
}

auth::Principal PrincipalOf(const record::v1::TokenRecord& token,
                            const record::v1::PersonRecord& person) {
  auth::Principal principal;
  principal.person = person.name();
  principal.service = person.service();
  principal.accessor = token.accessor();
  principal.roles.assign(token.roles().begin(), token.roles().end());
  principal.purposes.assign(token.purposes().begin(), token.purposes().end());
  principal.datasets.assign(token.datasets().begin(), token.datasets().end());
  principal.enrolled_at_us = person.enrolled_at_us();
  principal.token_active_since_us = token.active_since_us();
  principal.combined_duties = token.combined_duties();
  return principal;
}

bool IsIngest(const v1::Policy& policy) { return policy.capability() == v1::CAPABILITY_APPEND; }

void SetReceipt(google::protobuf::Message& response, v1::AuditReceipt receipt) {
  const auto* field = response.GetDescriptor()->FindFieldByName("receipt");
  if (field == nullptr || field->message_type() != v1::AuditReceipt::descriptor()) return;
  auto* target = response.GetReflection()->MutableMessage(&response, field);
  static_cast<v1::AuditReceipt*>(target)->Swap(&receipt);
}

void NoteOutcome(record::v1::AuditEntry& entry, const absl::Status& outcome) {
  entry.set_status(static_cast<int>(outcome.code()));
  if (outcome.ok() || entry.reason() != "OK") return;
  const std::string why = ReasonOf(outcome);
  entry.set_reason(why.empty() ? absl::StatusCodeToString(outcome.code()) : why);
  // The roles allowed it, the case did not: a vote twice, a gate closed meanwhile.
  if (absl::IsPermissionDenied(outcome) || absl::IsUnavailable(outcome)) {
    entry.set_verdict(record::v1::VERDICT_DENY);
  }
}

// Any caller can be refused as often as they like. A stream that had begun cannot end as often: its
// intent needed ordinary room.
store::Urgency UrgencyOfRefusal(const record::v1::AuditEntry& entry) {
  return entry.has_intent() ? store::Urgency::kSecurity : store::Urgency::kTrail;
}

// Whether a recording that failed has certainly left nothing behind, and others may succeed.
bool NothingWasWritten(const absl::Status& recorded) {
  const std::string why = ReasonOf(recorded);
  return !recorded.ok() && why != reason::kOutcomeUnknown && why != reason::kControlMode;
}

constexpr char kAuthRefused[] = "auth.refused";
constexpr char kCallsRefused[] = "calls.refused";

// For many calls at once.
record::v1::AuditEntry EntryOf(const char* method, const RefusalCounts::Kind& kind) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method(method);
  entry.set_peer(kind.peer);
  entry.set_verdict(record::v1::VERDICT_DENY);
  entry.set_reason(kind.reason);
  if (!kind.token.empty()) {
    entry.mutable_principal()->set_person(kind.person);
    entry.mutable_principal()->set_token(kind.token);
  }
  return entry;
}

record::v1::AuditEntry EntryOf(const char* method, const RefusalCounts::Count& count) {
  record::v1::AuditEntry entry = EntryOf(method, count.kind);
  (*entry.mutable_details())["calls"] = absl::StrCat(count.calls);
  (*entry.mutable_details())["second"] = FormatRfc3339({count.second * 1'000'000});
  return entry;
}

// Where telemetry comes from is told nobody, but which token was tried.
RefusalCounts::Kind KindOf(const Call& call) {
  return {.peer = IsIngest(call.policy) ? "ingest" : audit::HostOfPeer(call.peer),
          .reason = call.entry.reason(),
          .person = call.entry.principal().person(),
          .token = call.entry.principal().token()};
}

}  // namespace

absl::Status ToStatus(const auth::Decision& decision) {
  const std::string text(auth::ReasonText(decision.reason));
  switch (decision.reason) {
    case auth::Reason::kOk:
      return absl::OkStatus();
    case auth::Reason::kUnauthenticated:
      return NotAuthenticated();
    case auth::Reason::kLockedDown:
      return WithReason(absl::UnavailableError(text), reason::kLockedDown);
    case auth::Reason::kGrantPending:
      return WithReason(absl::PermissionDeniedError(text), reason::kApprovalPending);
    default:
      return WithReason(absl::PermissionDeniedError(text), reason::kDenied);
  }
}

Front::Front(Parts parts) : parts_(std::move(parts)) {}

absl::Status Front::Authenticate(Call& call) {
  std::string_view header = call.metadata("authorization");
  if (header.empty()) {
    if (call.policy.capability() == v1::CAPABILITY_PUBLIC) return absl::OkStatus();
    call.entry.set_reason("TOKEN_MISSING");
    return NotAuthenticated();
  }
  if (!header.starts_with(kBearer) || !auth::ParseToken(header.substr(kBearer.size())).ok()) {
    call.entry.set_reason("TOKEN_MALFORMED");
    return NotAuthenticated();
  }
  const auto token = parts_.control.FindByVerifier(auth::VerifierOf(header.substr(kBearer.size())));
  if (!token.has_value()) {
    call.entry.set_reason("TOKEN_UNKNOWN");
    return NotAuthenticated();
  }
  const auto person = parts_.control.FindPerson(token->person());
  const bool uncounted = call.policy.uncounted();
  const auto problem =
      TokenProblem(*token, person.has_value() ? &*person : nullptr, call.now, uncounted);
  auto& principal = *call.entry.mutable_principal();
  principal.set_person(token->person());
  principal.set_token(token->accessor());
  *principal.mutable_roles() = token->roles();
  if (!problem.empty()) {
    call.entry.set_reason(std::string(problem));
    return NotAuthenticated();
  }
  call.principal = PrincipalOf(*token, *person);
  call.limited_uses = token->limited_uses() && !uncounted;
  if (call.limited_uses && !call.answered_first) {
    if (const absl::Status used = parts_.control.UseOnce(token->accessor()); !used.ok()) {
      call.entry.set_reason(absl::IsNotFound(used) ? "TOKEN_EXPIRED" : "TOKEN_USED_UP");
      return NotAuthenticated();
    }
  }
  return absl::OkStatus();
}

void Front::CountUse(Call& call) {
  if (!call.principal.authenticated()) return;
  if (const absl::Status used = parts_.control.UseOnce(call.principal.accessor); !used.ok()) {
    (*call.entry.mutable_details())["use_counted"] = "false";
  }
}

absl::Status Front::StillValid(const Call& call) const {
  if (!call.principal.authenticated()) return absl::OkStatus();
  const auto token = parts_.control.FindToken(call.principal.accessor);
  const auto person = parts_.control.FindPerson(call.principal.person);
  if (!token.has_value()) return NotAuthenticated();
  // Its last use was counted when the call came in.
  const std::string_view problem =
      TokenProblem(*token, person.has_value() ? &*person : nullptr, parts_.lockdown.SteadyTime(),
                   /*uncounted=*/true);
  if (problem.empty()) return absl::OkStatus();
  return NotAuthenticated();
}

absl::Status Front::Decide(Call& call, const auth::Request& request,
                           const auth::DatasetPolicy* dataset, const auth::GrantView* grant) {
  const std::shared_ptr<const auth::LockdownView> lockdown = parts_.lockdown.View();
  call.decision =
      auth::Decide(call.principal, request, dataset, grant, lockdown.get(), call.now.micros);
  const auth::Decision& decision = call.decision;
  record::v1::AuditEntry& entry = call.entry;
  entry.set_verdict(decision.allowed() ? record::v1::VERDICT_ALLOW : record::v1::VERDICT_DENY);
  entry.set_reason(std::string(auth::ReasonName(decision.reason)));
  entry.set_rule(decision.rule);
  entry.set_grant(decision.grant_id);
  entry.set_policy_digest(decision.policy_digest.data(), decision.policy_digest.size());
  entry.set_lockdown_level(std::string(auth::LevelName(decision.lockdown_level)));
  entry.set_lock_epoch(decision.lock_epoch);
  entry.clear_masks();
  for (const auto& [field, mask] : decision.masks) {
    entry.add_masks(absl::StrCat(field, "=", auth::FormatMask(mask)));
  }
  return ToStatus(decision);
}

absl::Status Front::DecideCall(Call& call, std::string_view dataset, std::string_view purpose) {
  auth::Request request;
  request.policy = call.policy;
  request.dataset = dataset;
  request.purpose = purpose;
  // Whether the purpose may be used is decided with the dataset's policy, by the handler.
  request.policy.set_purpose(v1::PURPOSE_RULE_NONE);
  return Decide(call, request, nullptr, nullptr);
}

absl::Status Front::Admit(const Arrival& arrival, Call& call) {
  call.method = arrival.method;
  call.peer = arrival.peer;
  call.cancelled = arrival.cancelled;
  call.metadata = arrival.metadata;
  call.started = parts_.clock.Mono();
  call.deadline = {call.started.nanos + arrival.time_left.count()};
  call.now = parts_.lockdown.SteadyTime();
  call.entry.set_kind(record::v1::ENTRY_KIND_OUTCOME);
  call.entry.set_method(arrival.method);
  call.entry.set_verdict(record::v1::VERDICT_DENY);

  const v1::Policy* policy = parts_.policies.Find(arrival.method);
  TV_CHECK(policy != nullptr);  // checked for every registered method at start
  call.policy = *policy;
  call.answer_unaudited = policy->while_sealed();
  // Where telemetry comes from is nobody's business: not even the audit trail's.
  if (!IsIngest(*policy)) call.entry.set_peer(arrival.peer);

  TV_RETURN_IF_ERROR(Authenticate(call));
  if (!arrival.has_deadline) {
    call.entry.set_reason("DEADLINE_MISSING");
    return absl::InvalidArgumentError("the call has no deadline: set one, e.g. --timeout 30s");
  }
  TV_RETURN_IF_ERROR(DecideCall(call));
  if (!policy->while_sealed()) {
    if (const absl::Status ready = parts_.ready(); !ready.ok()) {
      call.entry.set_verdict(record::v1::VERDICT_DENY);
      call.entry.set_reason(ReasonOf(ready));
      return ready;
    }
  }
  return absl::OkStatus();
}

void Front::CountOverload(std::string_view method, std::string_view peer) {
  const v1::Policy* policy = parts_.policies.Find(method);
  const bool ingest = policy != nullptr && IsIngest(*policy);
  turned_away_.Add({.peer = ingest ? "ingest" : audit::HostOfPeer(peer),
                    .reason = std::string(reason::kOverloaded)},
                   parts_.lockdown.SteadyTime());
}

void Front::RecordRefusals() { RecordCounted(parts_.lockdown.SteadyTime()); }

void Front::RecordLastRefusals() {
  RecordCounted({std::numeric_limits<int64_t>::max()});
  // Now or never: they may have the last room, too.
  uint64_t calls = 0;
  for (const LateEntries::Late& late : late_.Take()) {
    const auto recorded =
        parts_.recorder.Record(LateEntries::EntryOf(late), {.urgency = store::Urgency::kSecurity});
    if (!recorded.ok()) calls += late.calls;
  }
  if (calls == 0) return;
  Log(LogLevel::kError, "the vault stops with calls that could not be recorded",
      {{"calls", calls}});
}

void Front::RecordCounted(WallTime until) {
  std::optional<store::Urgency> full;  // the most urgent that found no room
  for (LateEntries::Late& one : late_.Take()) {
    if (full.has_value() && one.urgency <= *full) {
      late_.Add(std::move(one));
      continue;
    }
    if (parts_.recorder.Record(LateEntries::EntryOf(one), {.urgency = one.urgency}).ok()) continue;
    full = one.urgency;
    late_.Add(std::move(one));
  }
  // Told here, because those who answer may not wait for whoever reads the log.
  if (!full.has_value()) {
    late_told_ = false;
  } else if (!late_told_.exchange(true)) {
    Log(LogLevel::kError, "answered calls wait for room for their entries", {});
  }
  for (const auto& [method, counts] : {std::pair(kAuthRefused, unauthenticated_.Take(until)),
                                       std::pair(kCallsRefused, turned_away_.Take(until))}) {
    std::vector<record::v1::AuditEntry> entries;
    for (const RefusalCounts::Count& count : counts) entries.push_back(EntryOf(method, count));
    const size_t done = parts_.recorder.RecordEvents(std::move(entries), store::Urgency::kTrail);
    // Those of one kind meet in one entry while there is no room for it.
    for (const RefusalCounts::Count& count : std::span(counts).subspan(done)) {
      late_.Add({.entry = EntryOf(method, count.kind),
                 .calls = count.calls,
                 .answered = FormatRfc3339({count.second * 1'000'000})});
    }
  }
}

void Front::RefuseUnauthenticated(Call& call, const absl::Status& why) {
  if (unauthenticated_.Note(KindOf(call), call.now)) {
    (void)Conclude(call, why).status();
  }
}

absl::Status Front::RecordRefused(Call& call, const absl::Status& why) {
  if (!absl::IsUnauthenticated(why)) return Conclude(call, why).status();
  RefuseUnauthenticated(call, why);
  return absl::OkStatus();
}

absl::Status Front::Begin(const Arrival& arrival, Call& call) {
  const absl::Status admitted = Admit(arrival, call);
  if (admitted.ok()) return admitted;
  const absl::Status recorded = RecordRefused(call, admitted);
  // A refusal that finds no room for its entry is kept for later.
  const bool known = recorded.ok() || NothingWasWritten(recorded);
  return known || call.answer_unaudited ? admitted : recorded;
}

void Front::RecordWhenPossible(Call& call, const absl::Status& outcome) {
  if (absl::IsUnauthenticated(outcome) && !call.entry.has_intent()) {
    unauthenticated_.Add(KindOf(call), call.now);
    return;
  }
  NoteOutcome(call.entry, outcome);
  late_.Add({.entry = call.entry,
             .urgency = outcome.ok() ? std::max(call.urgency, store::Urgency::kTrail)
                                     : UrgencyOfRefusal(call.entry),
             .answered = FormatRfc3339(parts_.lockdown.SteadyTime())});
}

absl::StatusOr<v1::AuditReceipt> Front::Conclude(Call& call, const absl::Status& outcome) {
  record::v1::AuditEntry& entry = call.entry;
  NoteOutcome(entry, outcome);
  entry.set_duration_us((parts_.clock.Mono() - call.started).count() / 1'000);
  entry.set_response_digest(call.response_digest);

  if (!outcome.ok()) {
    call.discloses = false;
    call.urgency = UrgencyOfRefusal(entry);
  }
  Recording with;
  if (outcome.ok()) {
    with.mutations = std::move(call.mutations);
    with.events = std::move(call.events);
  }
  const absl::StatusOr<Recorder::Recorded> recorded = RecordStep(call, entry, with);
  if (!recorded.ok()) {
    if (NothingWasWritten(recorded.status())) RecordWithheld(call, outcome, recorded.status());
    return recorded.status();
  }
  if (outcome.ok()) {
    call.on_abandoned = nullptr;
    if (call.on_committed) std::exchange(call.on_committed, nullptr)();
  }
  TV_ASSIGN_OR_RETURN(v1::AuditReceipt receipt, parts_.recorder.ReceiptFor(*recorded));
  if (entry.has_intent()) receipt.set_intent_index(entry.intent_index());
  call.trailing.emplace(kProofTrailer, receipt.proof());
  return receipt;
}

absl::Status Front::Refuse(Call& call, const absl::Status& why) {
  const auto recorded = Conclude(call, why);
  // A refusal that finds no room for its entry is kept for later.
  return recorded.ok() || NothingWasWritten(recorded.status()) ? why : recorded.status();
}

// What is withheld because of its entry (no room, a lockdown in between) is a refusal, and on
// record: out of the space that is kept for it, and where even that is used up as soon as there is
// room again. Writers come back all the time: of theirs there is one entry a second.
void Front::RecordWithheld(Call& call, const absl::Status& outcome, const absl::Status& why) {
  if (outcome.ok() && IsIngest(call.policy)) {
    turned_away_.Add({.peer = "ingest", .reason = ReasonOf(why)}, call.now);
    return;
  }
  const bool withheld = outcome.ok() && !call.answer_unaudited;
  const absl::Status answered = withheld ? why : outcome;
  if (withheld) {
    call.entry.set_verdict(record::v1::VERDICT_DENY);
    if (call.on_withheld) call.on_withheld();
  }
  NoteOutcome(call.entry, answered);
  call.entry.set_response_digest(call.response_digest);
  // A refusal has had its try.
  if (outcome.ok() &&
      parts_.recorder.Record(call.entry, {.urgency = UrgencyOfRefusal(call.entry)}).ok()) {
    return;
  }
  RecordWhenPossible(call, answered);
}

absl::StatusOr<Recorder::Recorded> Front::RecordStep(Call& call,
                                                     const record::v1::AuditEntry& entry,
                                                     const Recording& with) {
  // A lockdown elsewhere moves the epoch without concerning this call: ask again, a few times.
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    record::v1::AuditEntry current = entry;
    Recording recording = with;
    recording.urgency = call.urgency;
    if (call.discloses) {
      current.set_lock_epoch(call.decision.lock_epoch);
      recording.disclosure_epoch = LockEpoch(call.decision.lock_epoch);
    }
    auto recorded = parts_.recorder.Record(std::move(current), std::move(recording));
    if (recorded.ok() || ReasonOf(recorded.status()) != reason::kStaleLockEpoch ||
        attempt == kAttempts) {
      return recorded;
    }
    TV_CHECK(call.revalidate != nullptr);
    TV_RETURN_IF_ERROR(call.revalidate());
  }
}

absl::Status Front::RunUnary(const Arrival& arrival, google::protobuf::Message* response,
                             Call& call, const std::function<absl::Status(Call&)>& handler) {
  TV_RETURN_IF_ERROR(Begin(arrival, call));
  std::unique_lock alone(exclusive_, std::defer_lock);
  absl::Status outcome;
  if (call.policy.exclusive()) outcome = EnterAlone(call, alone);
  if (outcome.ok()) outcome = handler(call);
  TV_CHECK(!outcome.ok() || call.decision.allowed());
  auto receipt = Conclude(call, outcome);
  if (!receipt.ok() || !outcome.ok()) {
    if (call.on_abandoned) call.on_abandoned();
  }
  TV_RETURN_IF_ERROR(outcome);
  if (!receipt.ok() && !call.answer_unaudited) return receipt.status();
  if (call.after_recording) TV_RETURN_IF_ERROR(FinishOutside(call));
  if (receipt.ok()) SetReceipt(*response, std::move(*receipt));
  return absl::OkStatus();
}

absl::Status Front::EnterAlone(Call& call, std::unique_lock<std::timed_mutex>& alone) {
  // The rest is for the refusal and its entry.
  if (!alone.try_lock_for((call.deadline - parts_.clock.Mono()) * 4 / 5)) {
    call.entry.set_verdict(record::v1::VERDICT_DENY);
    call.entry.set_reason(std::string(reason::kOverloaded));
    return WithReason(
        absl::UnavailableError("another change has been under way for as long as this call could "
                               "wait; try again, with a later deadline"),
        reason::kOverloaded);
  }
  // What was decided before the wait may not hold any more.
  call.now = parts_.lockdown.SteadyTime();
  if (const absl::Status valid = StillValid(call); !valid.ok()) {
    call.entry.set_verdict(record::v1::VERDICT_DENY);
    return valid;
  }
  return DecideCall(call);
}

incident::VoteCounts VotesThatCount(const control::ControlStore& control) {
  return [&control](std::string_view name) {
    const auto person = control.FindPerson(name);
    return person.has_value() && !person->confirmed_by().empty() && !person->disabled();
  };
}

absl::Status Front::FinishOutside(Call& call) {
  const absl::Status done = call.after_recording();
  if (done.ok()) return parts_.changed_outside();
  record::v1::AuditEntry entry = call.entry;
  entry.set_status(static_cast<int>(done.code()));
  entry.set_reason("NOT_CARRIED_OUT");
  // The first entry says what was to happen; this one must not be missing behind it.
  if (!parts_.recorder.Record(entry, {.urgency = store::Urgency::kSecurity}).ok()) {
    late_.Add({.entry = std::move(entry),
               .urgency = store::Urgency::kSecurity,
               .answered = FormatRfc3339(parts_.lockdown.SteadyTime())});
  }
  return done;
}

}  // namespace televault::service
