#include "vault/daemon/crash_recovery.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"

namespace televault::daemon {
namespace {

constexpr uint64_t kLeavesPerRead = 256;
constexpr char kStart[] = "daemon.start";
// Both name where the next look may end. The first is written when every intent of earlier runs has
// an outcome.
constexpr char kRecovered[] = "daemon.recovered";
constexpr char kMark[] = "daemon.mark";
constexpr char kOpenFrom[] = "open_from";
constexpr char kSince[] = "since_us";

struct OpenIntents {
  std::map<uint64_t, record::v1::AuditEntry> intents;  // by index, without an outcome so far
  std::set<uint64_t> closed;                           // intents whose outcome was seen
  std::set<std::string> lockdowns;                     // that an entry speaks of
  bool earlier_run = false;                            // the start of this run was seen
  bool marked = false;                                 // the newest mark was seen: it says
  uint64_t open_from = 0;                              // no intent before is open
  int64_t since_us = 0;                                // no lockdown before lacks its entry
};

// Back to front: an outcome is seen before its intent. Calls of this run end by themselves, so only
// intents before its start count.
void Note(uint64_t index, const record::v1::AuditEntry& entry, OpenIntents& open) {
  const auto& details = entry.details();
  if (!open.marked && (entry.method() == kRecovered || entry.method() == kMark)) {
    const auto from = details.find(kOpenFrom);
    const auto since = details.find(kSince);
    open.marked = from != details.end() && since != details.end() &&
                  absl::SimpleAtoi(from->second, &open.open_from) &&
                  absl::SimpleAtoi(since->second, &open.since_us);
    if (!open.marked) open.open_from = open.since_us = 0;
  }
  if (const auto found = details.find("lockdown"); found != details.end()) {
    open.lockdowns.insert(found->second);
  }
  if (entry.method() == kStart) open.earlier_run = true;
  if (entry.kind() == record::v1::ENTRY_KIND_OUTCOME && entry.has_intent()) {
    open.closed.insert(entry.intent_index());
  }
  // Further windows of a stream are intents that carry the index of the first.
  if (open.earlier_run && entry.kind() == record::v1::ENTRY_KIND_INTENT && !entry.has_intent() &&
      !open.closed.contains(index)) {
    open.intents.emplace(index, entry);
  }
}

absl::Status RecordGaps(const OpenIntents& open, const v1::LockdownStatus& lockdowns,
                        service::Recorder& recorder) {
  for (const v1::Lockdown& lockdown : lockdowns.lockdowns()) {
    const int64_t engaged_us =
        lockdown.engaged_at().seconds() * 1'000'000 + lockdown.engaged_at().nanos() / 1'000;
    if (engaged_us < open.since_us || open.lockdowns.contains(lockdown.id())) continue;
    record::v1::AuditEntry gap = service::EventEntry("audit.gap");
    gap.set_reason("LOCKDOWN_NOT_RECORDED");
    auto& details = *gap.mutable_details();
    details["lockdown"] = lockdown.id();
    details["engaged_by"] = lockdown.engaged_by();
    details["engaged_at"] = FormatRfc3339({engaged_us});
    TV_RETURN_IF_ERROR(
        recorder.Record(std::move(gap), {.urgency = store::Urgency::kSecurity}).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CrashRecovery::CloseOpenIntents(const std::function<absl::Status()>& go_on) {
  const std::lock_guard lock(mu_);
  const Moment now = Now();
  OpenIntents open;
  uint64_t unreadable = 0;
  uint64_t end = now.log_size;
  while (end > open.open_from) {
    TV_RETURN_IF_ERROR(go_on());
    const uint64_t begin =
        std::max(open.open_from, end > kLeavesPerRead ? end - kLeavesPerRead : uint64_t{0});
    TV_ASSIGN_OR_RETURN(const auto leaves, service::ReadLeafRange(parts_.journal, begin, end));
    for (uint64_t index = end; index-- > std::max(begin, open.open_from);) {
      TV_ASSIGN_OR_RETURN(const auto entry,
                          parts_.entries.Open(LeafIndex(index), leaves[index - begin]));
      if (entry.has_value()) {
        Note(index, *entry, open);
      } else if (service::IsSealedEntry(leaves[index - begin])) {
        ++unreadable;  // whatever it is, the vault has to be unsealed all the same
      }
    }
    end = begin;
  }
  for (auto& [index, intent] : open.intents) {
    record::v1::AuditEntry outcome = std::move(intent);
    outcome.set_kind(record::v1::ENTRY_KIND_OUTCOME);
    outcome.set_reason("UNKNOWN_CRASH");
    outcome.set_status(static_cast<int>(absl::StatusCode::kUnknown));
    outcome.set_intent_index(index);
    outcome.set_has_intent(true);
    outcome.clear_rows_debited();  // the intents say that, each row once
    TV_RETURN_IF_ERROR(
        parts_.recorder.Record(std::move(outcome), {.urgency = store::Urgency::kSecurity})
            .status());
  }
  TV_RETURN_IF_ERROR(RecordGaps(open, lockdowns_at_start_, parts_.recorder));
  record::v1::AuditEntry recovered = service::EventEntry(kRecovered);
  auto& details = *recovered.mutable_details();
  details["unknown_outcomes"] = absl::StrCat(open.intents.size());
  details["unreadable"] = absl::StrCat(unreadable);
  details["looked_at"] = absl::StrCat(now.log_size - open.open_from);
  return RecordMark(std::move(recovered), last_.value_or(start_), now);
}

absl::Status CrashRecovery::Mark() {
  const std::lock_guard lock(mu_);
  const Moment now = Now();
  if (!last_.has_value() || now.log_size == marked_size_) return absl::OkStatus();
  return RecordMark(service::EventEntry(kMark), *last_, now);
}

CrashRecovery::Moment CrashRecovery::Now() const {
  return {parts_.journal.Head().tree_size, parts_.lockdown.SteadyTime()};
}

absl::Status CrashRecovery::RecordMark(record::v1::AuditEntry entry, const Moment& since,
                                       const Moment& now) {
  auto& details = *entry.mutable_details();
  details[kOpenFrom] =
      absl::StrCat(std::min(parts_.recorder.OldestOpenIntent().value(), since.log_size));
  details[kSince] = absl::StrCat(since.time.micros);
  TV_ASSIGN_OR_RETURN(
      const auto recorded,
      parts_.recorder.Record(std::move(entry), {.urgency = store::Urgency::kSecurity}));
  last_ = now;
  marked_size_ = recorded.index.value() + 1;
  return absl::OkStatus();
}

absl::Status ShredWhileSealed(crypto::Keyring& keyring, const incident::LockdownManager& lockdown) {
  // Also where nothing is due: what an earlier run took out may still open with an old slot secret.
  return keyring.ShredDue(lockdown.SteadyTime()).status();
}

absl::StatusOr<std::vector<store::AuditLeaf>> SealMerge(service::Recorder& recorder,
                                                        const partition::MergeEvent& event,
                                                        const std::string& dataset) {
  record::v1::AuditEntry entry = service::EventEntry("partition.merge");
  entry.set_dataset(dataset);
  auto& details = *entry.mutable_details();
  details["day"] = FormatDay(event.partition.day);
  details["micro_batches"] = absl::StrCat(event.micro_batches);
  details["rows"] = absl::StrCat(event.rows);
  if (event.erased_rows > 0) details["erased_rows"] = absl::StrCat(event.erased_rows);
  std::string roots;
  for (size_t i = 0; i < event.blocks.size() && i < event.tag_roots.size(); ++i) {
    absl::StrAppend(&roots, i == 0 ? "" : " ", event.blocks[i], ":",
                    ToHex(AsBytes(event.tag_roots[i])));
  }
  details["tag_roots"] = roots;
  TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, recorder.Seal(std::move(entry)));
  std::vector<store::AuditLeaf> leaves;
  leaves.push_back(std::move(leaf));
  return leaves;
}

}  // namespace televault::daemon
