#include "vault/erasure/eraser.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "audit/deletion_receipt.h"
#include "vault/base/bytes.h"
#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"
#include "vault/partition/sealing.h"
#include "vault/store/meta.h"

namespace televault::erasure {
namespace {

using partition::PartitionInfo;
using partition::SubjectList;
using partition::SubjectListRef;

constexpr char kBegun[] = "erasure.begin";
constexpr char kRewritten[] = "erasure.rewrite";
constexpr char kHeld[] = "erasure.held";
constexpr char kSettled[] = "erasure.settled";
constexpr char kUnrecorded[] = "erasure.unrecorded_key";
// For more subjects than that a unit is read instead of asking its filter for each.
constexpr size_t kWorthAsking = 64;
constexpr Day kFirstDay(std::numeric_limits<int32_t>::min());
constexpr Day kLastDay(std::numeric_limits<int32_t>::max());
// How long before the deadline of an erasure the keys go that nobody claimed until then.
constexpr int64_t kUnclaimedMicros = 3'600'000'000;
// Old keys destroyed in one new generation of the keyring.
constexpr size_t kKeysPerShred = 64;
// Of records in one commit; an erasure's may have an entry for each day.
constexpr size_t kBytesPerCommit = limits::kMaxUnitBytes / 4;
constexpr char kKeptByHold[] = "a legal hold keeps it from being rewritten";

bool HasDay(const Record& record, Day day) {
  return std::any_of(record.days().begin(), record.days().end(),
                     [&](const auto& one) { return one.day() == day.value(); });
}

uint64_t EventsOf(const Record& record) {
  uint64_t events = 0;
  for (const auto& day : record.days()) events += day.events();
  return events;
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) absl::StrAppend(&joined, joined.empty() ? "" : ",", text);
  return joined;
}

}  // namespace

// One run over one dataset: what is asked for as it was when the run began.
struct Eraser::Run {
  const std::function<bool()>& enough;
  EraserReport& report;
  DatasetId dataset;
  uint64_t newest = 0;
  std::vector<Record> erasures;                         // not settled, up to `newest`
  SubjectListRef hidden;                                // their pseudonyms
  std::vector<std::pair<PartitionId, KeyId>> old_keys;  // nothing is sealed under them any more
};

// Rows of erased subjects in one partition, by pseudonym.
struct Eraser::Found {
  std::map<crypto::Hash16, uint64_t> rows;
  KeyId newest_key;  // of those under which there are some
};

std::string ReceiptText(const Record& record, std::string_view pseudonym) {
  return audit::ErasureReceiptText({.dataset = std::string(pseudonym),
                                    .id = record.id(),
                                    .requested_at = FormatRfc3339({record.requested_at_us()}),
                                    .deadline = FormatRfc3339({record.deadline_us()}),
                                    .settled_at = FormatRfc3339({record.settled_at_us()}),
                                    .partitions = record.days_rewritten(),
                                    .events = record.events_removed(),
                                    .destruction = record.destruction(),
                                    .holds = Join(record.holds())});
}

absl::StatusOr<EraserReport> Eraser::RunOnce(const std::function<bool()>& enough) {
  const std::unique_lock lock(mu_, std::try_to_lock);
  if (!lock.owns_lock()) return absl::UnavailableError("a run over the erasures is under way");
  EraserReport report;
  const bool asked = !parts_.erasures.UnsettledWithoutSubjects().empty();
  if (!asked && clean_) return report;
  // What a batch opens that was prepared before the last erasure was settled is seen by this run.
  clean_ = !asked && parts_.await_batches(enough);
  for (const DatasetId dataset : parts_.erasures.Datasets()) {
    Run run{.enough = enough,
            .report = report,
            .dataset = dataset,
            .erasures = {},
            .hidden = nullptr,
            .old_keys = {}};
    if (const absl::Status status = RunDataset(run, dataset); !status.ok()) {
      report.pending.push_back(
          absl::StrCat(parts_.name_of(dataset), ": ", std::string(status.message())));
    }
    if (enough()) break;
  }
  clean_ = clean_ && report.pending.empty() && !enough();
  const std::lock_guard reported(pending_mu_);
  pending_ = report.pending;
  return report;
}

std::vector<std::string> Eraser::Pending() const {
  const std::lock_guard lock(pending_mu_);
  return pending_;
}

Eraser::Waiting Eraser::WaitingFor(const Record& record) const {
  const DatasetId dataset(record.dataset_id());
  Waiting waiting;
  const auto count = [&](PartitionId partition) {
    ++waiting.partitions;
    waiting.held = (waiting.partitions == 1 || waiting.held) && IsHeld(partition);
  };
  for (const PartitionInfo& info : parts_.catalog.List(dataset, kFirstDay, kLastDay)) {
    if (info.state != partition::State::kLive) continue;
    const size_t keys = parts_.keyring.DataKeys(info.id).size();
    if (keys > 1 || (keys == 1 && info.erased.erased_up_to < record.number())) count(info.id);
  }
  for (const crypto::DataKeyInfo& key : Unrecorded(dataset)) count(key.partition);
  return waiting;
}

absl::Status Eraser::RunDataset(Run& run, DatasetId dataset) {
  Erasures::Work work = parts_.erasures.WorkOn(dataset);
  run.newest = work.newest;
  run.erasures = std::move(work.unsettled);
  std::vector<crypto::Hash16> hidden;
  for (const Record& record : run.erasures) {
    for (const std::string& pseudonym : record.pseudonyms()) {
      crypto::Hash16 hash{};
      TV_CHECK(pseudonym.size() == hash.size());
      std::copy(pseudonym.begin(), pseudonym.end(), hash.begin());
      hidden.push_back(hash);
    }
  }
  run.hidden = std::make_shared<const SubjectList>(std::move(hidden));
  for (const PartitionInfo& info : parts_.catalog.List(dataset, kFirstDay, kLastDay)) {
    if (info.state != partition::State::kLive) continue;
    const bool rekeyed = parts_.keyring.DataKeys(info.id).size() > 1;
    if (info.erased.erased_up_to >= run.newest && !rekeyed) continue;
    if (parts_.gate.ReadTime() >= info.deadline) {
      // Nobody reads it, and its key is going, unless a hold keeps that.
      if (const absl::Status held = NoteHeld(run, info.id); !held.ok()) {
        run.report.pending.push_back(std::string(held.message()));
      }
      continue;
    }
    if (run.enough()) return absl::UnavailableError("put off to the next run");
    if (const absl::Status status = Settle(run, info); !status.ok()) {
      run.report.pending.push_back(absl::StrCat(parts_.name_of(dataset), "/",
                                                FormatDay(info.id.day), ": ",
                                                std::string(status.message())));
    }
    if (run.old_keys.size() >= kKeysPerShred) TV_RETURN_IF_ERROR(DestroyOldKeys(run));
  }
  TV_RETURN_IF_ERROR(DestroyOldKeys(run));
  TV_RETURN_IF_ERROR(DestroyUnrecorded(run));
  const std::vector<Record> unsettled = parts_.erasures.WorkOn(dataset).unsettled;
  const uint64_t done = unsettled.empty() ? 0 : DoneUpTo(run);
  for (const Record& record : unsettled) {
    if (record.number() > done) break;
    TV_RETURN_IF_ERROR(SettleErasure(record));
    ++run.report.settled;
  }
  return absl::OkStatus();
}

bool Eraser::IsHeld(PartitionId partition) const {
  return !parts_.keyring.HoldsOn(partition, parts_.gate.SteadyTime()).empty();
}

absl::Status Eraser::Settle(Run& run, const PartitionInfo& info) {
  if (info.quarantined) {
    return absl::FailedPreconditionError("it is quarantined and cannot be read");
  }
  const auto lock = parts_.catalog.TryLock(info.id);
  if (!lock.has_value()) return absl::UnavailableError("it is being maintained");
  TV_ASSIGN_OR_RETURN(const Found found, Look(run, info.id));
  const std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(info.id);
  if (keys.empty()) return absl::OkStatus();  // shredded meanwhile
  // A key of before a restore opens what this store does not know, in the store of then.
  const bool opens_others = keys.back().id < parts_.keyring.first_key_since_restore();
  if (found.rows.empty() && keys.size() == 1 && !opens_others) {
    TV_RETURN_IF_ERROR(CommitSettled(run, info, std::nullopt, info.erased));
    ++run.report.partitions;
    return absl::OkStatus();
  }
  if (IsHeld(info.id)) {
    TV_RETURN_IF_ERROR(NoteHeld(run, info.id));
    return absl::FailedPreconditionError(kKeptByHold);
  }
  TV_RETURN_IF_ERROR(Rewrite(run, info, found, *lock));
  ++run.report.partitions;
  return absl::OkStatus();
}

absl::StatusOr<Eraser::Found> Eraser::Look(const Run& run, PartitionId partition) const {
  Found found;
  if (run.hidden->empty()) return found;
  TV_ASSIGN_OR_RETURN(const auto snapshot, parts_.reader.Pin());
  TV_ASSIGN_OR_RETURN(const std::vector<partition::Unit> units, snapshot->Units(partition));
  constexpr uint16_t kColumns[] = {block::kSubjectColumn};
  for (const partition::Unit& unit : units) {
    bool may = run.hidden->size() > kWorthAsking;
    for (const crypto::Hash16& subject : run.hidden->all()) {
      if (may) break;
      TV_ASSIGN_OR_RETURN(may, snapshot->MayContainSubject(unit, AsText(subject)));
    }
    if (!may) continue;
    TV_ASSIGN_OR_RETURN(const block::ColumnBatch batch, snapshot->Read(unit, kColumns));
    const block::Column* const subjects = batch.Find(block::kSubjectColumn);
    if (subjects == nullptr) continue;
    for (size_t row = 0; row < subjects->rows; ++row) {
      if (subjects->IsNull(row)) continue;
      const std::string_view subject = subjects->dictionary.at(subjects->codes[row]);
      if (!run.hidden->Contains(subject)) continue;
      crypto::Hash16 hash{};
      std::copy(subject.begin(), subject.end(), hash.begin());
      ++found.rows[hash];
      found.newest_key = std::max(found.newest_key, KeyOf(unit));
    }
  }
  return found;
}

// What is going to be removed, before anything is: a run that resumes this one finds less.
absl::Status Eraser::NoteFound(Run& run, PartitionId partition, const Found& found) {
  std::vector<store::Mutation> mutations;
  uint64_t events = 0;
  const std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(partition);
  if (keys.empty()) return absl::UnavailableError("its key is being destroyed");
  const KeyId old_key = keys.front().id;
  for (Record& record : run.erasures) {
    if (HasDay(record, partition.day)) continue;
    uint64_t rows = 0;
    for (const std::string& pseudonym : record.pseudonyms()) {
      crypto::Hash16 hash{};
      std::copy(pseudonym.begin(), pseudonym.end(), hash.begin());
      if (const auto at = found.rows.find(hash); at != found.rows.end()) rows += at->second;
    }
    if (rows == 0) continue;
    record::v1::ErasedDayRecord& day = *record.add_days();
    day.set_day(partition.day.value());
    day.set_events(rows);
    day.set_old_key_id(old_key.value());
    events += rows;
    TV_ASSIGN_OR_RETURN(
        store::Mutation mutation,
        parts_.meta.Put(store::RecordKind::kErasure, store::RecordId(record.number()), record));
    mutations.push_back(std::move(mutation));
  }
  if (mutations.empty()) return absl::OkStatus();
  record::v1::AuditEntry entry = EventOf(partition.dataset, kBegun);
  auto& details = *entry.mutable_details();
  details["day"] = FormatDay(partition.day);
  details["events"] = absl::StrCat(events);
  details["key_id"] = absl::StrCat(old_key.value());
  TV_RETURN_IF_ERROR(CommitInParts(entry, std::move(mutations)));
  for (const Record& record : run.erasures) parts_.erasures.OnChanged(record);
  return absl::OkStatus();
}

absl::Status Eraser::NoteHeld(Run& run, PartitionId partition, bool say) {
  std::set<std::string> ids;
  for (const crypto::LegalHold& hold :
       parts_.keyring.HoldsOn(partition, parts_.gate.SteadyTime())) {
    ids.insert(ToHex(hold.id));
  }
  std::vector<store::Mutation> mutations;
  for (Record& record : run.erasures) {
    std::set<std::string> all(record.holds().begin(), record.holds().end());
    const size_t before = all.size();
    all.insert(ids.begin(), ids.end());
    if (all.size() == before) continue;
    record.mutable_holds()->Assign(all.begin(), all.end());
    TV_ASSIGN_OR_RETURN(
        store::Mutation mutation,
        parts_.meta.Put(store::RecordKind::kErasure, store::RecordId(record.number()), record));
    mutations.push_back(std::move(mutation));
  }
  if (mutations.empty() && !say) return absl::OkStatus();
  record::v1::AuditEntry entry = EventOf(partition.dataset, kHeld);
  (*entry.mutable_details())["day"] = FormatDay(partition.day);
  (*entry.mutable_details())["holds"] = absl::StrCat(ids.size());
  TV_RETURN_IF_ERROR(mutations.empty() ? Commit(std::move(entry), {}).status()
                                       : CommitInParts(entry, std::move(mutations)));
  for (const Record& record : run.erasures) parts_.erasures.OnChanged(record);
  return absl::OkStatus();
}

absl::Status Eraser::Rewrite(Run& run, const PartitionInfo& info, const Found& found,
                             const partition::PartitionCatalog::MaintenanceLock& lock) {
  TV_RETURN_IF_ERROR(NoteFound(run, info.id, found));
  TV_CRASH_POINT("erasure.noted");
  const std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(info.id);
  if (keys.empty()) return absl::UnavailableError("its key is being destroyed");
  KeyId key = keys.back().id;
  // An interrupted rewrite goes on under its own key, unless there are rows under that, too: of
  // somebody who was asked for since.
  if (keys.size() == 1 || found.newest_key == key ||
      key < parts_.keyring.first_key_since_restore()) {
    TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef fresh, parts_.keyring.RotateDataKey(info.id));
    key = fresh->id;
  }
  parts_.catalog.OnRekeyed(info.id, key);
  TV_CRASH_POINT("erasure.rekeyed");
  // What was sealed under the old key before is committed, or given up, after this.
  if (!parts_.await_batches(run.enough)) return absl::UnavailableError("put off to the next run");
  while (true) {
    if (IsHeld(info.id)) return absl::FailedPreconditionError(kKeptByHold);
    TV_ASSIGN_OR_RETURN(const bool more, parts_.merger.Rewrite(lock, info.id, key, *run.hidden));
    if (!more) break;
    if (run.enough()) return absl::UnavailableError("put off to the next run");
  }
  TV_ASSIGN_OR_RETURN(const Found left, Look(run, info.id));
  if (!left.rows.empty()) return absl::UnavailableError("rows are left; next run");
  TV_ASSIGN_OR_RETURN(const LeftOut left_out, ChooseLeftOut(run, info));
  partition::ErasedState state{.withheld = left_out.everybody};
  if (!left_out.subjects.empty()) {
    TV_ASSIGN_OR_RETURN(const crypto::DataKeyRef sealing, parts_.keyring.DataKeyFor(info.id, key));
    state.left_out = SealSubjects({.key = *sealing, .vault = parts_.vault}, info.id,
                                  left_out.subjects, parts_.random);
    state.left_out_key = key;
  }
  TV_RETURN_IF_ERROR(CommitSettled(run, info, key, std::move(state)));
  TV_CRASH_POINT("erasure.rewritten");
  for (const crypto::DataKeyInfo& one : parts_.keyring.DataKeys(info.id)) {
    if (one.id != key) run.old_keys.emplace_back(info.id, one.id);
  }
  return absl::OkStatus();
}

// Whoever holds an answer from before and one from after sees what all those changed together who
// were in the first alone: the erased whom it showed, and those that are left out from now on. Who
// is left out once stays so: came they back, a third answer would tell the one group from the
// other.
absl::StatusOr<Eraser::LeftOut> Eraser::ChooseLeftOut(const Run& run,
                                                      const PartitionInfo& info) const {
  if (info.erased.withheld) return LeftOut{.subjects = {}, .everybody = true};
  // Who was left out cannot be read any more: nobody is shown, rather than that somebody comes
  // back.
  const std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(info.id);
  const auto opens = [&](const auto& key) { return key.id == info.erased.left_out_key; };
  if (!info.erased.left_out.empty() && std::none_of(keys.begin(), keys.end(), opens)) {
    return LeftOut{.subjects = {}, .everybody = true};
  }
  TV_ASSIGN_OR_RETURN(const auto snapshot, parts_.reader.Pin());
  TV_ASSIGN_OR_RETURN(const SubjectListRef listed, snapshot->LeftOut(info.id, info.erased));
  const SubjectList none;
  const SubjectList& before = listed == nullptr ? none : *listed;
  size_t shown = 0;  // erased subjects that aggregates had
  for (const Record& record : run.erasures) {
    // Of one that was settled here before, in a run that ended then, nothing changes any more.
    if (!HasDay(record, info.id.day) || record.number() <= info.erased.erased_up_to) continue;
    shown += std::none_of(record.pseudonyms().begin(), record.pseudonyms().end(),
                          [&](const std::string& one) { return before.Contains(one); });
  }
  std::vector<crypto::Hash16> left_out;
  for (const crypto::Hash16& subject : before.all()) {
    if (!run.hidden->Contains(AsText(subject))) left_out.push_back(subject);
  }
  const size_t k = parts_.k_of(info.id.dataset);
  const size_t wanted = shown == 0 || shown >= k ? 0 : k - shown;
  if (wanted > 0) {
    TV_ASSIGN_OR_RETURN(const std::vector<crypto::Hash16> chosen,
                        ChooseOthers(*snapshot, info.id, before, wanted));
    const bool enough = chosen.size() == wanted && left_out.size() + wanted <= limits::kMaxLeftOut;
    if (!enough) return LeftOut{.subjects = {}, .everybody = true};
    left_out.insert(left_out.end(), chosen.begin(), chosen.end());
  }
  return LeftOut{.subjects = SubjectList(std::move(left_out)), .everybody = false};
}

// Up to `wanted` subjects of the partition that are not in `before`: those that are smallest under
// a key that is used once, so that nobody can foresee them.
absl::StatusOr<std::vector<crypto::Hash16>> Eraser::ChooseOthers(
    const partition::Snapshot& snapshot, PartitionId partition, const SubjectList& before,
    size_t wanted) const {
  const SecretBytes key = crypto::NewKey(parts_.random);
  std::map<crypto::Hash16, crypto::Hash16> chosen;
  TV_ASSIGN_OR_RETURN(const std::vector<partition::Unit> units, snapshot.Units(partition));
  constexpr uint16_t kColumns[] = {block::kSubjectColumn};
  for (const partition::Unit& unit : units) {
    TV_ASSIGN_OR_RETURN(const block::ColumnBatch batch, snapshot.Read(unit, kColumns));
    const block::Column* const subjects = batch.Find(block::kSubjectColumn);
    if (subjects == nullptr) continue;
    for (size_t code = 0; code < subjects->dictionary.size(); ++code) {
      const std::string_view subject = subjects->dictionary.at(static_cast<uint32_t>(code));
      crypto::Hash16 hash{};
      if (subject.size() != hash.size() || before.Contains(subject)) continue;
      std::copy(subject.begin(), subject.end(), hash.begin());
      chosen.emplace(crypto::KeyedHash16(key, "tv.leftout", AsBytes(subject)), hash);
      if (chosen.size() > wanted) chosen.erase(std::prev(chosen.end()));
    }
  }
  std::vector<crypto::Hash16> others;
  for (const auto& [rank, subject] : chosen) others.push_back(subject);
  return others;
}

absl::Status Eraser::CommitSettled(Run& run, const PartitionInfo& info,
                                   std::optional<KeyId> rewritten, partition::ErasedState state) {
  const auto records = parts_.catalog.LockRecords();
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  TV_ASSIGN_OR_RETURN(auto record,
                      parts_.meta.Get<record::v1::PartitionRecord>(
                          *view, store::RecordKind::kPartition, store::RecordId(info.id)));
  // Rewritten for nobody new, by a run that could not destroy the old key: it is on record.
  if (record.erased_up_to() >= run.newest &&
      rewritten.value_or(KeyId()) == KeyId(record.key_id())) {
    return absl::OkStatus();
  }
  // Where the old key is left of a rewrite that is on record, nothing is sealed anew.
  const bool has_new_key = rewritten.has_value() && rewritten != KeyId(record.key_id());
  if (has_new_key) record.set_key_id(rewritten->value());
  state.erased_up_to = std::max(record.erased_up_to(), run.newest);
  SetErasedState(state, record);
  TV_ASSIGN_OR_RETURN(store::Mutation mutation, parts_.meta.Put(store::RecordKind::kPartition,
                                                                store::RecordId(info.id), record));
  record::v1::AuditEntry entry = EventOf(info.id.dataset, kRewritten);
  auto& details = *entry.mutable_details();
  details["day"] = FormatDay(info.id.day);
  details["rewritten"] = has_new_key ? "yes" : "no";
  details["key_id"] = absl::StrCat(record.key_id());
  details["erased_up_to"] = absl::StrCat(record.erased_up_to());
  std::vector<store::Mutation> mutations;
  mutations.push_back(std::move(mutation));
  TV_RETURN_IF_ERROR(Commit(std::move(entry), std::move(mutations)).status());
  parts_.catalog.OnErased(info.id, std::move(state));
  return absl::OkStatus();
}

absl::Status Eraser::DestroyOldKeys(Run& run) {
  if (run.old_keys.empty()) return absl::OkStatus();
  crypto::ShredRequest request;
  request.keys = run.old_keys;
  request.unless_held_at = parts_.gate.SteadyTime();
  TV_RETURN_IF_ERROR(parts_.keyring.Shred(request).status());
  TV_CRASH_POINT("erasure.keys_destroyed");
  for (const auto& [partition, key] : run.old_keys) parts_.reader.Forget(partition);
  run.old_keys.clear();
  return parts_.merger.EraseReplaced();
}

std::vector<crypto::DataKeyInfo> Eraser::Unrecorded(DatasetId dataset) const {
  std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(dataset);
  std::erase_if(keys, [&](const crypto::DataKeyInfo& key) {
    return parts_.catalog.Find(key.partition).has_value();
  });
  return keys;
}

// A key without a record of its day: of an opening that was given up, or of a day that a restored
// store does not know. In other copies there may be rows of erased subjects under it, and whoever
// puts such a copy back needs it: it stays until the earliest deadline is near, and then the
// promise to the subject comes first.
absl::Status Eraser::DestroyUnrecorded(Run& run) {
  if (run.erasures.empty() || Unrecorded(run.dataset).empty()) return absl::OkStatus();
  WallTime due{std::numeric_limits<int64_t>::max()};
  for (const Record& record : run.erasures) {
    due.micros = std::min(due.micros, record.deadline_us() - kUnclaimedMicros);
  }
  const WallTime now = parts_.gate.SteadyTime();
  // Nobody opens a day meanwhile; who has prepared to finds no key any more.
  const auto records = parts_.catalog.LockRecords();
  for (const crypto::DataKeyInfo& key : Unrecorded(run.dataset)) {
    const std::string day =
        absl::StrCat(parts_.name_of(run.dataset), "/", FormatDay(key.partition.day));
    if (now < due) {
      run.report.pending.push_back(
          absl::StrCat(day, ": there is a key of that day and no record of it; it is destroyed at ",
                       FormatRfc3339(due)));
      continue;
    }
    if (IsHeld(key.partition)) {
      // Nothing else in the trail tells of this day, and the erasure waits for it.
      TV_RETURN_IF_ERROR(NoteHeld(run, key.partition, !said_held_.contains(key.id)));
      said_held_.insert(key.id);
      run.report.pending.push_back(absl::StrCat(day, ": ", kKeptByHold));
      continue;
    }
    record::v1::AuditEntry entry = EventOf(run.dataset, kUnrecorded);
    (*entry.mutable_details())["day"] = FormatDay(key.partition.day);
    (*entry.mutable_details())["key_id"] = absl::StrCat(key.id.value());
    TV_RETURN_IF_ERROR(Commit(std::move(entry), {}).status());
    run.old_keys.emplace_back(key.partition, key.id);
  }
  return DestroyOldKeys(run);
}

// The newest erasure that is carried out everywhere: each partition of the dataset was looked
// through for it, and has one key.
uint64_t Eraser::DoneUpTo(Run& run) const {
  uint64_t done = run.newest;
  for (const PartitionInfo& info : parts_.catalog.List(run.dataset, kFirstDay, kLastDay)) {
    if (info.state != partition::State::kLive) continue;
    const size_t keys = parts_.keyring.DataKeys(info.id).size();
    if (keys == 0) continue;
    done = keys > 1 ? 0 : std::min(done, info.erased.erased_up_to);
  }
  return Unrecorded(run.dataset).empty() ? done : 0;
}

absl::Status Eraser::SettleErasure(Record record) {
  // A key may be gone from the keyring while the slot secret of before is left: finishes that.
  TV_RETURN_IF_ERROR(parts_.keyring.Shred(crypto::ShredRequest()).status());
  record.set_settled_at_us(parts_.gate.SteadyTime().micros);
  record.set_destruction(crypto::ToString(parts_.keyring.slot_kind()));
  record.set_days_rewritten(static_cast<uint32_t>(record.days_size()));
  record.set_events_removed(EventsOf(record));
  record.clear_pseudonyms();
  record.clear_days();
  const DatasetId dataset(record.dataset_id());
  TV_ASSIGN_OR_RETURN(const std::string note,
                      parts_.sign(ReceiptText(record, parts_.pseudonym_of(dataset))));
  record.set_receipt_note(note);
  TV_ASSIGN_OR_RETURN(
      store::Mutation mutation,
      parts_.meta.Put(store::RecordKind::kErasure, store::RecordId(record.number()), record));
  record::v1::AuditEntry entry = EventOf(dataset, kSettled);
  auto& details = *entry.mutable_details();
  details["erasure"] = record.id();
  details["deadline"] = FormatRfc3339({record.deadline_us()});
  details["partitions"] = absl::StrCat(record.days_rewritten());
  details["settled_at"] = FormatRfc3339({record.settled_at_us()});
  details["events"] = absl::StrCat(record.events_removed());
  details["destruction"] = record.destruction();
  if (record.holds_size() > 0) details["holds"] = Join(record.holds());
  details["receipt"] = note;
  std::vector<store::Mutation> mutations;
  mutations.push_back(std::move(mutation));
  TV_RETURN_IF_ERROR(Commit(std::move(entry), std::move(mutations)).status());
  TV_CRASH_POINT("erasure.settled");
  parts_.erasures.OnChanged(record);
  return absl::OkStatus();
}

record::v1::AuditEntry Eraser::EventOf(DatasetId dataset, const char* method) const {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method(method);
  entry.set_dataset(parts_.name_of(dataset));
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  entry.set_rule("erasure");
  return entry;
}

// Each with the entry: the records have nothing to do with each other.
absl::Status Eraser::CommitInParts(const record::v1::AuditEntry& entry,
                                   std::vector<store::Mutation> mutations) {
  std::vector<store::Mutation> part;
  size_t bytes = 0;
  for (store::Mutation& mutation : mutations) {
    bytes += mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
    part.push_back(std::move(mutation));
    if (bytes < kBytesPerCommit) continue;
    TV_RETURN_IF_ERROR(Commit(entry, std::exchange(part, {})).status());
    bytes = 0;
  }
  return part.empty() ? absl::OkStatus() : Commit(entry, std::move(part)).status();
}

absl::StatusOr<store::CommitReceipt> Eraser::Commit(record::v1::AuditEntry entry,
                                                    std::vector<store::Mutation> mutations) {
  store::CommitUnit unit;
  TV_ASSIGN_OR_RETURN(store::AuditLeaf leaf, parts_.make_leaf(std::move(entry)));
  unit.leaves.push_back(std::move(leaf));
  unit.mutations = std::move(mutations);
  unit.urgency = store::Urgency::kSecurity;
  return parts_.journal.Commit(unit);
}

}  // namespace televault::erasure
