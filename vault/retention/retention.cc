#include "vault/retention/retention.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "audit/deletion_receipt.h"
#include "audit/entry.h"
#include "vault/base/bytes.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/partition_reader.h"
#include "vault/partition/purge.h"
#include "vault/partition/shred_record.h"
#include "vault/store/meta.h"

namespace televault::retention {
namespace {

constexpr char kShortened[] = "retention.shorten";
constexpr char kShredded[] = "retention.shred";
constexpr char kPurging[] = "retention.purge.begin";
constexpr char kPurged[] = "retention.purge";
constexpr char kPurgedAgain[] = "retention.purge.late";
constexpr char kHoldLapsed[] = "retention.hold_lapsed";
// Leaves room for the leaf and the record beside the deletes.
constexpr size_t kDeletesPerCommit = limits::kMaxCommitBytes / 2;

// The receipt stands in the trail as it was signed: ids of 32 digits and a comma, and the rest of
// it.
static_assert(limits::kMaxLegalHolds * 33 + 1'024 <= audit::kMaxEntryLongDetailBytes);

std::string DayText(PartitionId id) { return FormatDay(id.day); }

}  // namespace

std::string ReceiptText(const record::v1::PartitionRecord& record, std::string_view pseudonym) {
  return audit::DeletionReceiptText({.dataset = std::string(pseudonym),
                                     .day = FormatDay(Day(record.day())),
                                     .key_id = record.key_id(),
                                     .events = record.events(),
                                     .deadline = FormatRfc3339({record.deadline_us()}),
                                     .shredded_at = FormatRfc3339({record.shredded_at_us()}),
                                     .purged_at = FormatRfc3339({record.purged_at_us()}),
                                     .shredded_leaf = record.shredded_leaf(),
                                     .destruction = record.destruction(),
                                     .holds = absl::StrJoin(record.holds(), ",")});
}

absl::StatusOr<RunReport> RetentionManager::RunOnce(const RunOptions& options) {
  const std::unique_lock lock(mu_, options.wait);
  if (!lock.owns_lock()) {
    return absl::UnavailableError(
        "a retention run is under way; see `televault retention status`, or try again later");
  }
  RunReport report;
  if (!parts_.keyring.sealed()) TV_RETURN_IF_ERROR(AlignDeadlines(report));
  // Where it fails nothing is recorded as shredded; what was recorded before is purged.
  const absl::Status shred = Shred(report);
  if (parts_.keyring.sealed()) TV_RETURN_IF_ERROR(shred);
  if (parts_.keyring.sealed()) return report;
  const WallTime now = parts_.gate.SteadyTime();
  TV_RETURN_IF_ERROR(EndLapsedHolds(now));
  for (const partition::PartitionInfo& info : parts_.catalog.All()) {
    if (const absl::Status status = Advance(info, now, options, report); !status.ok()) {
      report.pending.push_back(absl::StrCat(parts_.name_of(info.id.dataset), "/", DayText(info.id),
                                            ": ", std::string(status.message())));
    }
  }
  TV_RETURN_IF_ERROR(shred);
  TV_RETURN_IF_ERROR(ShredSalts(now));
  return report;
}

absl::Status RetentionManager::Advance(const partition::PartitionInfo& info, WallTime now,
                                       const RunOptions& options, RunReport& report) {
  const bool waits = info.deadline <= now && info.state != partition::State::kPurged;
  if (waits && !parts_.keyring.HoldsOn(info.id, now).empty()) {
    for (const crypto::LegalHold& hold : parts_.keyring.HoldsOn(info.id, now)) {
      report.held.push_back(absl::StrCat(parts_.name_of(info.id.dataset), "/", DayText(info.id),
                                         ": legal hold ", ToHex(hold.id), " until ",
                                         FormatRfc3339(hold.until)));
    }
    return absl::OkStatus();
  }
  if (info.state == partition::State::kLive) {
    // Its key is gone: shredded in this run, or by ShredDue, or by a run that could not record it.
    if (info.deadline > now || !parts_.keyring.DataKeys(info.id).empty()) return absl::OkStatus();
    parts_.reader.Forget(info.id);
    // The keyring may not know a key any more while the slot secret that opens an old copy of it
    // is left: after a crash, or in a shred that runs beside this. Waits for it, and finishes it.
    TV_RETURN_IF_ERROR(parts_.keyring.Shred(std::vector<PartitionId>()).status());
    // The key may have gone since the run began, when a legal hold on it ended: not before that.
    now = parts_.gate.SteadyTime();
    TV_RETURN_IF_ERROR(RecordShredded(info, now));
    ++report.shredded;
  }
  // A batch that was prepared before the deadline may be committed after the purge.
  if (info.state == partition::State::kPurged && info.rows() == 0) return absl::OkStatus();
  if (options.enough && options.enough()) {
    return absl::UnavailableError("put off to the next run");
  }
  TV_RETURN_IF_ERROR(Purge(info, now));
  ++report.purged;
  return absl::OkStatus();
}

absl::Status RetentionManager::ShredDue() {
  RunReport report;
  return Shred(report);
}

// A shorter TTL moves the deadline in the partition's record when it is applied; here follow the
// days that a batch opened which was prepared under the longer one.
absl::Status RetentionManager::AlignDeadlines(RunReport& report) {
  for (const partition::PartitionInfo& info : parts_.catalog.All()) {
    const auto ttl = parts_.ttl_of(info.id.dataset);
    if (info.state != partition::State::kLive || !ttl.has_value()) continue;
    const WallTime deadline = EndOf(info.id.day) + *ttl;
    if (deadline >= info.deadline) continue;
    if (const absl::Status status = Shorten(info.id, deadline); !status.ok()) {
      report.pending.push_back(absl::StrCat(parts_.name_of(info.id.dataset), "/", DayText(info.id),
                                            ": ", std::string(status.message())));
    }
  }
  return AlignKeys();
}

absl::Status RetentionManager::AlignKeys() {
  std::vector<std::pair<PartitionId, WallTime>> earlier;
  for (const crypto::DataKeyInfo& key : parts_.keyring.AllDataKeys()) {
    const auto info = parts_.catalog.Find(key.partition);
    if (!info.has_value() || info->deadline >= key.deadline) continue;
    earlier.emplace_back(key.partition, info->deadline);
  }
  return earlier.empty() ? absl::OkStatus() : parts_.keyring.SetDeadlines(earlier);
}

absl::Status RetentionManager::Shorten(PartitionId partition, WallTime deadline) {
  const auto records = parts_.catalog.LockRecords();
  // The apply that made the TTL shorter may have come here first.
  if (const auto info = parts_.catalog.Find(partition);
      !info.has_value() || info->deadline <= deadline) {
    return absl::OkStatus();
  }
  TV_ASSIGN_OR_RETURN(record::v1::PartitionRecord record, ReadRecord(partition));
  record.set_deadline_us(std::min(record.deadline_us(), deadline.micros));
  TV_ASSIGN_OR_RETURN(
      store::Mutation mutation,
      parts_.meta.Put(store::RecordKind::kPartition, store::RecordId(partition), record));
  std::vector<store::Mutation> mutations;
  mutations.push_back(std::move(mutation));
  TV_RETURN_IF_ERROR(Commit(record, kShortened, std::move(mutations)).status());
  parts_.catalog.OnDeadline(partition, deadline);
  return absl::OkStatus();
}

absl::Status RetentionManager::Shred(RunReport& report) {
  const std::lock_guard lock(shred_mu_);
  const WallTime now = parts_.gate.SteadyTime();
  std::set<PartitionId> due;
  for (const crypto::DataKeyInfo& key : parts_.keyring.Due(now)) due.insert(key.partition);
  report.expired = static_cast<uint32_t>(due.size());
  if (!due.empty()) TV_CRASH_POINT("retention.before_shred");
  TV_ASSIGN_OR_RETURN(const crypto::ShredReport shredded, parts_.keyring.ShredDue(now));
  if (!due.empty()) TV_CRASH_POINT("retention.after_shred");
  for (const crypto::DataKeyInfo& key : shredded.keys) parts_.reader.Forget(key.partition);
  return absl::OkStatus();
}

absl::StatusOr<record::v1::PartitionRecord> RetentionManager::ReadRecord(
    PartitionId partition) const {
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  return parts_.meta.Get<record::v1::PartitionRecord>(*view, store::RecordKind::kPartition,
                                                      store::RecordId(partition));
}

record::v1::AuditEntry RetentionManager::EventOf(const record::v1::PartitionRecord& record,
                                                 const char* method) const {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method(method);
  entry.set_dataset(parts_.name_of(DatasetId(record.dataset_id())));
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  entry.set_rule("deadline");
  partition::Describe(record, parts_.pseudonym_of(DatasetId(record.dataset_id())), entry);
  if (record.receipt_note().empty()) return entry;
  auto& details = *entry.mutable_details();
  details["purged_at"] = FormatRfc3339({record.purged_at_us()});
  details["shredded_leaf"] = absl::StrCat(record.shredded_leaf());
  details["receipt"] = record.receipt_note();
  return entry;
}

absl::StatusOr<LeafIndex> RetentionManager::Commit(const record::v1::PartitionRecord& record,
                                                   const char* method,
                                                   std::vector<store::Mutation> mutations) {
  store::CommitUnit unit;
  TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, parts_.make_leaf(EventOf(record, method)));
  unit.leaves.push_back(std::move(leaf));
  unit.mutations = std::move(mutations);
  unit.urgency = store::Urgency::kSecurity;
  TV_ASSIGN_OR_RETURN(const store::CommitReceipt receipt, parts_.journal.Commit(unit));
  return receipt.first_leaf;
}

absl::Status RetentionManager::RecordShredded(const partition::PartitionInfo& info, WallTime now) {
  const auto records = parts_.catalog.LockRecords();
  TV_ASSIGN_OR_RETURN(record::v1::PartitionRecord record, ReadRecord(info.id));
  partition::SetShredded(parts_.keyring, info.rows(), info.deadline, now, record);
  // The leaf's index is known only after the commit; the purge writes it into the record.
  TV_ASSIGN_OR_RETURN(store::Mutation mutation, parts_.meta.Put(store::RecordKind::kPartition,
                                                                store::RecordId(info.id), record));
  std::vector<store::Mutation> mutations;
  mutations.push_back(std::move(mutation));
  TV_ASSIGN_OR_RETURN(const LeafIndex leaf, Commit(record, kShredded, std::move(mutations)));
  shredded_leaves_[info.id] = leaf;
  parts_.catalog.OnState(info.id, partition::State::kShredded);
  TV_CRASH_POINT("retention.after_shred_recorded");
  return absl::OkStatus();
}

absl::Status RetentionManager::Purge(const partition::PartitionInfo& info, WallTime now) {
  const auto lock = parts_.catalog.TryLock(info.id);
  if (!lock.has_value()) return absl::UnavailableError("a merge is running on it; next tick");
  TV_ASSIGN_OR_RETURN(record::v1::PartitionRecord record, ReadRecord(info.id));
  // The run that recorded the shred ended before the purge, and where its entry stands went with
  // it: one more entry, for the receipt to name.
  const bool again = info.state == partition::State::kPurged;
  if (!again && !shredded_leaves_.contains(info.id)) {
    TV_ASSIGN_OR_RETURN(shredded_leaves_[info.id], Commit(record, kShredded, {}));
  }
  TV_ASSIGN_OR_RETURN(partition::PurgePlan plan,
                      partition::PlanPurge(parts_.store, parts_.meta, info.id));
  if (!plan.mutations.empty()) {
    TV_RETURN_IF_ERROR(DeleteRecords(record, std::move(plan.mutations)));
  }
  TV_CRASH_POINT("retention.after_purge_deletes");
  TV_ASSIGN_OR_RETURN(const store::EraseReport erased, parts_.store.ErasePartition(info.id));
  if (!erased.complete) return absl::UnavailableError("bytes remain: " + erased.remaining);
  TV_CRASH_POINT("retention.after_erase");

  const auto records = parts_.catalog.LockRecords();
  // Erasing took its time: what others wrote into the record meanwhile stays.
  TV_ASSIGN_OR_RETURN(record, ReadRecord(info.id));
  // Rows that came late were never readable: the key was gone. The receipt speaks of those before.
  if (again) {
    TV_RETURN_IF_ERROR(Commit(record, kPurgedAgain, {}).status());
    parts_.catalog.OnState(info.id, partition::State::kPurged);
    return absl::OkStatus();
  }
  record.set_shredded_leaf(shredded_leaves_.at(info.id).value());
  record.set_state(record::v1::PARTITION_STATE_PURGED);
  record.set_purged_at_us(now.micros);
  TV_ASSIGN_OR_RETURN(std::string note,
                      parts_.sign(ReceiptText(record, parts_.pseudonym_of(info.id.dataset))));
  record.set_receipt_note(std::move(note));
  TV_ASSIGN_OR_RETURN(store::Mutation mutation, parts_.meta.Put(store::RecordKind::kPartition,
                                                                store::RecordId(info.id), record));
  std::vector<store::Mutation> mutations;
  mutations.push_back(std::move(mutation));
  TV_RETURN_IF_ERROR(Commit(record, kPurged, std::move(mutations)).status());
  shredded_leaves_.erase(info.id);
  parts_.catalog.OnState(info.id, partition::State::kPurged);
  return absl::OkStatus();
}

absl::Status RetentionManager::DeleteRecords(const record::v1::PartitionRecord& record,
                                             std::vector<store::Mutation> mutations) {
  std::vector<store::Mutation> part;
  size_t bytes = 0;
  const auto flush = [&]() -> absl::Status {
    if (part.empty()) return absl::OkStatus();
    bytes = 0;
    return Commit(record, kPurging, std::exchange(part, {})).status();
  };
  for (store::Mutation& mutation : mutations) {
    bytes += mutation.key.size() + 64;
    part.push_back(std::move(mutation));
    if (bytes >= kDeletesPerCommit) TV_RETURN_IF_ERROR(flush());
  }
  return flush();
}

absl::StatusOr<std::vector<record::v1::PartitionRecord>> RetentionManager::Receipts() const {
  std::vector<record::v1::PartitionRecord> receipts;
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  TV_RETURN_IF_ERROR(parts_.meta.Scan<record::v1::PartitionRecord>(
      *view, store::RecordKind::kPartition, store::RecordId(),
      [&](const record::v1::PartitionRecord& record) {
        if (record.state() != record::v1::PARTITION_STATE_LIVE) receipts.push_back(record);
        return true;
      }));
  return receipts;
}

// --- legal holds ---

std::vector<crypto::LegalHold> RetentionManager::Holds() const { return parts_.keyring.Holds(); }

std::vector<crypto::LegalHold> RetentionManager::HoldsOn(PartitionId partition,
                                                         WallTime now) const {
  return parts_.keyring.HoldsOn(partition, now);
}

absl::Status RetentionManager::PlaceHold(const crypto::LegalHold& hold) {
  return parts_.keyring.PlaceHold(hold);
}

absl::Status RetentionManager::EndHold(const std::array<uint8_t, 16>& id, WallTime at) {
  return parts_.keyring.EndHold(id, at);
}

// A hold that has run out has its end in the trail. It is forgotten when nothing is left of the
// days it covered, whose receipts name it.
absl::Status RetentionManager::EndLapsedHolds(WallTime now) {
  for (const crypto::LegalHold& hold : parts_.keyring.Holds()) {
    if (hold.ended_at.micros != 0 || hold.InForce(now)) continue;
    record::v1::AuditEntry entry;
    entry.set_kind(record::v1::ENTRY_KIND_EVENT);
    entry.set_method(kHoldLapsed);
    entry.set_dataset(parts_.name_of(hold.dataset));
    entry.set_verdict(record::v1::VERDICT_ALLOW);
    entry.set_reason("OK");
    entry.set_rule("hold");
    auto& details = *entry.mutable_details();
    details["hold"] = ToHex(hold.id);
    details["first_day"] = hold.FirstDayText();
    details["last_day"] = hold.LastDayText();
    details["until"] = FormatRfc3339(hold.until);
    store::CommitUnit unit;
    TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, parts_.make_leaf(std::move(entry)));
    unit.leaves.push_back(std::move(leaf));
    unit.urgency = store::Urgency::kSecurity;
    TV_RETURN_IF_ERROR(parts_.journal.Commit(unit).status());
    TV_RETURN_IF_ERROR(parts_.keyring.EndHold(hold.id, hold.until));
  }
  return parts_.keyring.ForgetHolds([&](const crypto::LegalHold& hold) {
    if (hold.ended_at.micros == 0) return false;
    const auto covered = parts_.catalog.List(hold.dataset, hold.first_day, hold.last_day);
    return std::all_of(covered.begin(), covered.end(), [&](const partition::PartitionInfo& info) {
      // Of a day that was not due before the hold ended it says nothing.
      return info.state == partition::State::kPurged || info.deadline >= hold.ended_at;
    });
  });
}

// --- salts ---

// A salt is needed while a day of its period has rows, to find a subject's there, and while events
// of the period may come. What a period is, each revision of the manifest says for its days.
absl::Status RetentionManager::ShredSalts(WallTime now) {
  crypto::ShredRequest request;
  std::map<DatasetId, std::vector<Day>> days;
  for (const partition::PartitionInfo& info : parts_.catalog.All()) {
    std::vector<Day>& of = days[info.id.dataset];
    if (info.state == partition::State::kLive) of.push_back(info.id.day);
  }
  for (const auto& [dataset, live] : days) {
    const std::vector<int64_t> periods = parts_.keyring.LiveSaltPeriods(dataset);
    if (periods.size() < 2) continue;  // the present one
    TV_ASSIGN_OR_RETURN(const catalog::SaltRules rules, parts_.salt_rules_of(dataset));
    // A batch on its way may have been hashed under what was needed when it came.
    const std::set<int64_t> needed = rules.PeriodsOf(live, now - std::chrono::hours(1));
    for (const int64_t period : periods) {
      if (!needed.contains(period)) request.salts.emplace_back(dataset, period);
    }
  }
  if (request.salts.empty()) return absl::OkStatus();
  return parts_.keyring.Shred(request).status();
}

}  // namespace televault::retention
