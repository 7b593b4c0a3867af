#include "vault/daemon/witnesses.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/witness.h"
#include "vault/service/adapter.h"
#include "vault/service/log.h"
#include "vault/service/wire_time.h"

namespace televault::daemon {
namespace {

using service::Log;
using service::LogLevel;

constexpr int kFileMode = 0644;
constexpr int kOk = 200;
constexpr int kConflict = 409;
constexpr int kUnprocessable = 422;
// To one witness in one round, about one checkpoint.
constexpr int kMaxQuestions = 4;
constexpr std::string_view kAddCheckpoint = "add-checkpoint";
constexpr std::string_view kSizeType = "text/x.tlog.size";
// The reasons of a witness that has seen another history.
constexpr std::string_view kRollback = "ROLLBACK";
constexpr std::string_view kFork = "FORK";

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

std::string SubmissionUrl(std::string prefix) {
  if (!prefix.ends_with('/')) prefix += '/';
  return prefix + std::string(kAddCheckpoint);
}

absl::Status OtherHistory(std::string_view reason, std::string_view what) {
  return WithReason(absl::FailedPreconditionError(audit::AsAbsl(what)), reason);
}
bool IsOtherHistory(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == kRollback || reason == kFork;
}

}  // namespace

absl::StatusOr<audit::Policy> ReadWitnessPolicy(FileSystem& fs, const std::string& file,
                                                const audit::VerifierKey& log) {
  TV_ASSIGN_OR_RETURN(const std::string text, fs.ReadFile(file, audit::kMaxPolicyBytes));
  auto policy = audit::Policy::Parse(text);
  if (!policy.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", policy.status().message()));
  }
  const auto is_log = [&](const audit::PolicyLog& known) { return known.key == log; };
  if (!policy->logs().empty() &&
      std::none_of(policy->logs().begin(), policy->logs().end(), is_log)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": lists logs, but not this one: log ", log.Text()));
  }
  // The first is the log's own.
  if (policy->witnesses().size() >= audit::kMaxNoteSignatures) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": lists ", policy->witnesses().size(),
                     " witnesses; a checkpoint carries the cosignatures of ",
                     audit::kMaxNoteSignatures - 1, " at most"));
  }
  for (const audit::PolicyWitness& witness : policy->witnesses()) {
    if (const absl::Status url = CheckHttpUrl(witness.url); !url.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": witness ", witness.name, ": ", url.message()));
    }
  }
  return policy;
}

Witnesses::Witnesses(Parts parts)
    : parts_(std::move(parts)), witnesses_(parts_.policy.witnesses().size()) {
  const auto kept = parts_.fs.ReadFile(parts_.file, audit::kMaxNoteBytes);
  if (!kept.ok()) return;
  const auto check = audit::CheckPolicy(*kept, parts_.policy, &parts_.log);
  if (!check.ok() || !check->quorum) return;
  // Of a history that this log does not have (any more); its witnesses will say so.
  if (check->checkpoint.size > parts_.journal.Head().tree_size) return;
  cosigned_ = *kept;
  cosigned_size_ = check->checkpoint.size;
  quorum_ = Quorum::kReached;
}

std::string Witnesses::Cosigned() const {
  const std::lock_guard lock(mu_);
  return cosigned_;
}

v1::WitnessStatus Witnesses::Status() const {
  const std::lock_guard lock(mu_);
  v1::WitnessStatus status;
  status.set_cosigned_size(cosigned_size_);
  if (cosigned_at_ != WallTime()) *status.mutable_cosigned_at() = service::ToWireTime(cosigned_at_);
  status.set_quorum(quorum_ == Quorum::kReached);
  for (size_t i = 0; i < witnesses_.size(); ++i) {
    auto& out = *status.add_witnesses();
    out.set_name(parts_.policy.witnesses()[i].name);
    out.set_cosigned_size(witnesses_[i].cosigned_size);
    out.set_refuses(witnesses_[i].refuses);
    out.set_problem(witnesses_[i].problem);
  }
  return status;
}

absl::StatusOr<Witnesses::Newest> Witnesses::NewestCheckpoint() const {
  const std::string text = parts_.journal.Head().checkpoint;
  if (text.empty()) return absl::UnavailableError("the log has no signed tree yet");
  Newest newest;
  TV_ASSIGN_OR_RETURN(newest.note, audit::ParseNote(text));
  TV_ASSIGN_OR_RETURN(newest.checkpoint, audit::ParseCheckpointBody(newest.note.text));
  return newest;
}

// Whether there is nothing to ask for now.
bool Witnesses::Settled(const audit::Checkpoint& checkpoint) const {
  const std::lock_guard lock(mu_);
  return quorum_ == Quorum::kReached && cosigned_size_ == checkpoint.size &&
         cosigned_at_ != WallTime() && parts_.clock.Wall() - cosigned_at_ < kRefresh;
}

void Witnesses::Submit(const std::function<bool()>& go_on) {
  // Even out of memory: the vault does not depend on this.
  (void)service::Guarded([&] {
    Round(go_on);
    return absl::OkStatus();
  });
}

// Those that answered last time come first: no number of witnesses that are away keeps them from
// making a quorum. Then whoever was not asked for longest, so that all get their turn.
std::vector<Witnesses::Turn> Witnesses::Turns() const {
  const std::lock_guard lock(mu_);
  std::vector<Turn> turns;
  for (size_t i = 0; i < witnesses_.size(); ++i)
    turns.push_back({i, !witnesses_[i].problem.empty()});
  std::stable_sort(turns.begin(), turns.end(), [this](const Turn& a, const Turn& b) {
    return std::pair(a.away, witnesses_[a.index].asked_at) <
           std::pair(b.away, witnesses_[b.index].asked_at);
  });
  return turns;
}

void Witnesses::Round(const std::function<bool()>& go_on) {
  const auto newest = NewestCheckpoint();
  if (!newest.ok() || Settled(newest->checkpoint)) return;
  std::vector<audit::NoteSignature> cosignatures;
  std::vector<bool> cosigned(witnesses_.size(), false);
  bool reached = parts_.policy.IsQuorum(cosigned);
  std::optional<MonoTime> enough;
  for (const auto& [i, away] : Turns()) {
    if (!go_on()) return;
    if (away && !enough) enough = After(kForThoseAway);
    if (away && reached && parts_.clock.Mono() >= *enough) break;
    auto cosignature = Ask(i, *newest, go_on);
    // What was cut off by a stop says nothing about the witness.
    if (!go_on()) return;
    NoteAnswer(i, newest->checkpoint.size, cosignature.status());
    if (!cosignature.ok()) continue;
    cosigned[i] = true;
    cosignatures.push_back(*std::move(cosignature));
    reached = parts_.policy.IsQuorum(cosigned);
  }
  const size_t cosigners = cosignatures.size();
  if (reached) {
    if (const absl::Status kept = Keep(*newest, std::move(cosignatures)); !kept.ok()) {
      Log(LogLevel::kError, "cosigned checkpoint not kept", {{"why", MessageOf(kept)}});
      reached = false;
    }
  }
  NoteQuorum(reached, cosigners);
}

MonoTime Witnesses::After(microseconds time) const {
  return {parts_.clock.Mono().nanos + time.count() * 1'000};
}

absl::StatusOr<HttpAnswer> Witnesses::PostTo(size_t index, const Newest& newest, uint64_t old_size,
                                             const Patience& patience) const {
  audit::AddCheckpointRequest request{old_size, {}, newest.note.Text()};
  if (old_size > 0 && old_size < newest.checkpoint.size) {
    TV_ASSIGN_OR_RETURN(request.proof,
                        parts_.journal.ConsistencyProof(old_size, newest.checkpoint.size));
  }
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(patience.until - parts_.clock.Mono());
  if (left.count() <= 0) return absl::UnavailableError("no answer in time");
  return parts_.post(SubmissionUrl(parts_.policy.witnesses()[index].url),
                     audit::FormatAddCheckpoint(request), left, patience.go_on);
}

// Asks from the size the witness is known to be at; where it is at another, it says so, and is
// asked again from there. Judged is only what it answers to the size it is at: somebody else may
// have submitted between two questions.
absl::StatusOr<audit::NoteSignature> Witnesses::Ask(size_t index, const Newest& newest,
                                                    const std::function<bool()>& go_on) {
  const Patience patience{After(kTimeout), go_on};
  uint64_t old_size = 0;
  {
    const std::lock_guard lock(mu_);
    witnesses_[index].asked_at = parts_.clock.Mono();
    old_size = std::min(witnesses_[index].known_size, newest.checkpoint.size);
  }
  for (int i = 0; i < kMaxQuestions; ++i) {
    TV_ASSIGN_OR_RETURN(const HttpAnswer answer, PostTo(index, newest, old_size, patience));
    uint64_t size = old_size;
    if (answer.status == kConflict && answer.content_type.starts_with(kSizeType)) {
      std::string_view rest = answer.body;
      TV_ASSIGN_OR_RETURN(const std::string_view line, audit::TakeLine(rest));
      TV_ASSIGN_OR_RETURN(size, audit::ParseDecimal(line));
    }
    if (size > newest.checkpoint.size) return HasSeenMore(size, newest);
    if (size == old_size) return Judge(index, newest, old_size, answer);
    old_size = size;
  }
  return absl::UnavailableError("others submit to it at the same time");
}

absl::Status Witnesses::HasSeenMore(uint64_t size, const Newest& newest) const {
  // Anybody who has a checkpoint may show it to a witness; what we have asked for may be old.
  if (size <= parts_.journal.Head().tree_size) {
    return absl::UnavailableError("it has cosigned a newer tree meanwhile");
  }
  return OtherHistory(kRollback, absl::StrCat("it has seen ", size, " entries, the log has ",
                                              newest.checkpoint.size, ": the log was rolled back"));
}

// An answer of a witness that is at `old_size`.
absl::StatusOr<audit::NoteSignature> Witnesses::Judge(size_t index, const Newest& newest,
                                                      uint64_t old_size,
                                                      const HttpAnswer& answer) const {
  if (answer.status == kConflict && old_size == newest.checkpoint.size) {
    return OtherHistory(kFork, "it has seen another tree of this size: the log was forked");
  }
  // Every tree extends the empty one: where that was all it has seen, it refuses something else.
  if (answer.status == kUnprocessable && old_size > 0) {
    return OtherHistory(kFork, absl::StrCat("the log does not extend the ", old_size,
                                            " entries it has seen: the log was forked"));
  }
  if (answer.status != kOk) {
    return absl::UnavailableError(absl::StrCat("answers with HTTP status ", answer.status));
  }
  return FindSignature(index, newest, answer.body);
}

absl::StatusOr<audit::NoteSignature> Witnesses::FindSignature(size_t index, const Newest& newest,
                                                              const std::string& body) const {
  const audit::VerifierKey& key = parts_.policy.witnesses()[index].key;
  std::string_view rest = body;
  while (!rest.empty()) {
    TV_ASSIGN_OR_RETURN(const std::string_view line, audit::TakeLine(rest));
    TV_ASSIGN_OR_RETURN(audit::NoteSignature signature, audit::ParseSignatureLine(line));
    if (signature.name != key.name() || signature.key_id != key.id()) continue;
    TV_RETURN_IF_ERROR(audit::VerifySignature(newest.note.text, signature.signature, key));
    return signature;
  }
  return absl::UnavailableError("its answer holds no cosignature of its key");
}

void Witnesses::NoteAnswer(size_t index, uint64_t size, const absl::Status& status) {
  const bool refuses = IsOtherHistory(status);
  bool changed = false;
  {
    const std::lock_guard lock(mu_);
    Witness& witness = witnesses_[index];
    if (status.ok()) witness.known_size = witness.cosigned_size = size;
    witness.problem = std::string(status.message());
    changed = refuses && !witness.refuses;
    // A witness that only cannot be reached has not changed its mind.
    if (status.ok() || refuses) witness.refuses = refuses;
  }
  if (!changed) return;
  const std::string& name = parts_.policy.witnesses()[index].name;
  Log(LogLevel::kError, "a witness refuses the log",
      {{"witness", name}, {"why", MessageOf(status)}});
  if (Record("audit.witness_refuses", ReasonOf(status), {{"witness", name}})) return;
  // Said again in the next round, until it stands in the trail.
  const std::lock_guard lock(mu_);
  witnesses_[index].refuses = false;
}

absl::Status Witnesses::Keep(const Newest& newest, std::vector<audit::NoteSignature> cosignatures) {
  audit::Note note = newest.note;
  note.signatures.insert(note.signatures.end(), cosignatures.begin(), cosignatures.end());
  std::string text = note.Text();
  // What is handed out satisfies whoever checks it, and that is checked here.
  TV_ASSIGN_OR_RETURN(const audit::PolicyCheck check,
                      audit::CheckPolicy(text, parts_.policy, &parts_.log));
  if (!check.quorum) return absl::InternalError("the cosignatures are no quorum");
  if (newest.checkpoint.size < CosignedSize()) {
    return absl::FailedPreconditionError("the log is shorter than what was cosigned before");
  }
  TV_RETURN_IF_ERROR(ReplaceFile(parts_.fs, parts_.file, AsBytes(text), kFileMode));
  const std::lock_guard lock(mu_);
  cosigned_ = std::move(text);
  cosigned_size_ = newest.checkpoint.size;
  cosigned_at_ = parts_.clock.Wall();
  return absl::OkStatus();
}

void Witnesses::NoteQuorum(bool reached, size_t cosigners) {
  Quorum before = Quorum::kUnknown;
  {
    const std::lock_guard lock(mu_);
    rounds_without_ = reached ? 0 : rounds_without_ + 1;
    if (!reached && rounds_without_ < kPatience) return;
    const Quorum now = reached ? Quorum::kReached : Quorum::kMissing;
    before = std::exchange(quorum_, now);
    if (before == now) return;
  }
  const std::string count = absl::StrCat(cosigners);
  Log(reached ? LogLevel::kInfo : LogLevel::kError,
      reached ? "a quorum of witnesses cosigns the log" : "too few witnesses cosign the log",
      {{"cosigners", count}});
  if (Record(reached ? "audit.quorum_reached" : "audit.quorum_missing", "OK",
             {{"cosigners", count}})) {
    return;
  }
  const std::lock_guard lock(mu_);
  quorum_ = before;
}

uint64_t Witnesses::CosignedSize() const {
  const std::lock_guard lock(mu_);
  return cosigned_size_;
}

bool Witnesses::Record(const char* method, const std::string& reason,
                       const std::vector<std::pair<std::string, std::string>>& details) {
  record::v1::AuditEntry entry = service::EventEntry(method);
  entry.set_reason(reason);
  for (const auto& [name, value] : details) (*entry.mutable_details())[name] = value;
  return parts_.recorder.Record(std::move(entry), {.urgency = store::Urgency::kSecurity}).ok();
}

}  // namespace televault::daemon
