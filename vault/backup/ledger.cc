#include "vault/backup/ledger.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"
#include "vault/crypto/keyring.h"
#include "vault/partition/shred_record.h"
#include "vault/store/meta.h"

namespace televault::backup {
namespace {

constexpr size_t kRecordsPerPage = 256;
// Entries and their mutations stay far below the bounds of a commit.
constexpr size_t kEntriesPerCommit = 128;
constexpr size_t kBytesPerCommit = limits::kMaxUnitBytes / 2;
constexpr char kRule[] = "restore";

record::v1::AuditEntry Event(const char* method) {
  record::v1::AuditEntry entry;
  entry.set_kind(record::v1::ENTRY_KIND_EVENT);
  entry.set_method(method);
  entry.set_verdict(record::v1::VERDICT_ALLOW);
  entry.set_reason("OK");
  entry.set_rule(kRule);
  return entry;
}

template <class Record>
PartitionId PartitionOf(const Record& record) {
  return {DatasetId(record.dataset_id()), Day(record.day())};
}

// Waits for votes, or grants something.
bool IsOpen(const record::v1::AccessRequestRecord& record, WallTime now) {
  const int64_t ends =
      record.approved_at_us() == 0
          ? record.lapses_at_us()
          : record.approved_at_us() + static_cast<int64_t>(record.grant_s()) * 1'000'000;
  return !record.revoked() && ends > now.micros;
}

}  // namespace

struct ShredLedger::Rows {
  std::map<PartitionId, uint64_t> of_keyless;  // what partitions without a key hold
  std::set<PartitionId> kept;                  // they have rows that open
};

// What is committed at one time.
struct ShredLedger::Batch {
  Entries entries;
  std::vector<store::Mutation> mutations;
  size_t bytes = 0;
  void Add(record::v1::AuditEntry entry) {
    bytes += entry.ByteSizeLong();
    entries.push_back(std::move(entry));
  }
  void Add(store::Mutation mutation) {
    bytes += mutation.key.size() + (mutation.value.has_value() ? mutation.value->size() : 0);
    mutations.push_back(std::move(mutation));
  }
  bool Full() const { return entries.size() >= kEntriesPerCommit || bytes >= kBytesPerCommit; }
};

absl::Status ShredLedger::Commit(Batch& batch) {
  if (batch.entries.empty() && batch.mutations.empty()) return absl::OkStatus();
  Batch full = std::exchange(batch, {});
  return parts_.commit(std::move(full.entries), std::move(full.mutations));
}

absl::StatusOr<LedgerReport> ShredLedger::Apply() {
  LedgerReport report;
  TV_RETURN_IF_ERROR(ListHolds());
  TV_RETURN_IF_ERROR(EndGrants(report));
  TV_ASSIGN_OR_RETURN(const Rows rows, SortUnits(report));
  TV_RETURN_IF_ERROR(SettlePartitions(rows, report));
  return report;
}

// Before anything that is recorded of a day, which may name them.
absl::Status ShredLedger::ListHolds() {
  Batch batch;
  for (const crypto::LegalHold& hold : parts_.keyring.Holds()) {
    record::v1::AuditEntry entry = Event("backup.restore.hold");
    entry.set_dataset(parts_.name_of(hold.dataset));
    auto& details = *entry.mutable_details();
    details["hold"] = ToHex(hold.id);
    details["first_day"] = hold.FirstDayText();
    details["last_day"] = hold.LastDayText();
    details["placed_at"] = FormatRfc3339(hold.placed_at);
    details["until"] = FormatRfc3339(hold.until);
    if (hold.ended_at.micros != 0) details["ended_at"] = FormatRfc3339(hold.ended_at);
    batch.Add(std::move(entry));
    if (batch.Full()) TV_RETURN_IF_ERROR(Commit(batch));
  }
  return Commit(batch);
}

absl::Status ShredLedger::EndGrants(LedgerReport& report) {
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  Batch batch;
  std::string cursor;
  do {
    TV_RETURN_IF_ERROR(parts_.may_go_on());
    std::vector<record::v1::AccessRequestRecord> page;
    TV_RETURN_IF_ERROR(parts_.meta.ScanSome<record::v1::AccessRequestRecord>(
        *view, store::RecordKind::kAccessRequest, kRecordsPerPage, cursor, [&](const auto& record) {
          if (IsOpen(record, parts_.now)) page.push_back(record);
        }));
    for (record::v1::AccessRequestRecord& record : page) {
      record.set_revoked(true);
      TV_ASSIGN_OR_RETURN(store::Mutation mutation,
                          parts_.meta.Put(store::RecordKind::kAccessRequest,
                                          store::RecordId::Named(record.id()), record));
      record::v1::AuditEntry entry = Event("access.revoke");
      entry.set_dataset(record.dataset());
      (*entry.mutable_details())["request"] = record.id();
      batch.Add(std::move(entry));
      batch.Add(std::move(mutation));
      ++report.grants_ended;
      if (batch.Full()) TV_RETURN_IF_ERROR(Commit(batch));
    }
  } while (!cursor.empty());
  return Commit(batch);
}

// Looks at every block and micro-batch: how many rows go with a partition that has no key, and
// which are sealed under a key that another one took the place of.
absl::StatusOr<ShredLedger::Rows> ShredLedger::SortUnits(LedgerReport& report) {
  std::map<PartitionId, std::set<KeyId>> keys;
  for (const crypto::DataKeyInfo& key : parts_.keyring.AllDataKeys()) {
    keys[key.partition].insert(key.id);
  }
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  Rows rows;
  Batch batch;
  const auto look = [&](const auto& record, store::RecordKind kind, uint64_t number) {
    const PartitionId id = PartitionOf(record);
    const auto known = keys.find(id);
    if (known == keys.end()) {
      rows.of_keyless[id] += record.rows();
      return absl::OkStatus();
    }
    if (known->second.contains(KeyId(record.key_id()))) {
      rows.kept.insert(id);
      return absl::OkStatus();
    }
    TV_ASSIGN_OR_RETURN(store::Mutation gone,
                        parts_.meta.Delete(kind, store::RecordId(BlockId{id, number})));
    batch.Add(std::move(gone));
    ++report.units_dropped;
    report.events_dropped += record.rows();
    return absl::OkStatus();
  };
  // The bytes of a block without a record are swept, those of a micro-batch lie in the hot family.
  const auto commit = [&]() -> absl::Status {
    if (batch.mutations.empty()) return absl::OkStatus();
    record::v1::AuditEntry entry = Event("backup.restore.drop");
    (*entry.mutable_details())["records"] = absl::StrCat(batch.mutations.size());
    (*entry.mutable_details())["why"] = "sealed under a key that was replaced since the backup";
    batch.Add(std::move(entry));
    return Commit(batch);
  };
  std::string cursor;
  do {
    TV_RETURN_IF_ERROR(parts_.may_go_on());
    std::vector<record::v1::BlockRecord> page;
    TV_RETURN_IF_ERROR(parts_.meta.ScanSome<record::v1::BlockRecord>(
        *view, store::RecordKind::kBlock, kRecordsPerPage, cursor,
        [&](const auto& record) { page.push_back(record); }));
    for (const auto& record : page) {
      TV_RETURN_IF_ERROR(look(record, store::RecordKind::kBlock, record.block()));
      if (batch.Full()) TV_RETURN_IF_ERROR(commit());
    }
  } while (!cursor.empty());
  do {
    TV_RETURN_IF_ERROR(parts_.may_go_on());
    std::vector<record::v1::MicroBatchRecord> page;
    TV_RETURN_IF_ERROR(parts_.meta.ScanSome<record::v1::MicroBatchRecord>(
        *view, store::RecordKind::kMicroBatch, kRecordsPerPage, cursor,
        [&](const auto& record) { page.push_back(record); }));
    for (const auto& record : page) {
      const uint64_t dropped = report.units_dropped;
      TV_RETURN_IF_ERROR(look(record, store::RecordKind::kMicroBatch, record.batch()));
      if (report.units_dropped > dropped) {
        batch.Add({.family = store::Family::kHot,
                   .key = store::HotKey(PartitionOf(record), record.batch())});
      }
      if (batch.Full()) TV_RETURN_IF_ERROR(commit());
    }
  } while (!cursor.empty());
  TV_RETURN_IF_ERROR(commit());
  return rows;
}

// When the key went, nobody knows any more.
void ShredLedger::Shred(record::v1::PartitionRecord& record, const Rows& rows) const {
  const auto held = rows.of_keyless.find(PartitionOf(record));
  const uint64_t events = held == rows.of_keyless.end() ? 0 : held->second;
  // Its deadline of the time of the backup may have been brought forward since.
  const WallTime deadline{std::min(record.deadline_us(), parts_.now.micros)};
  record.set_deadline_us(deadline.micros);
  record.set_quarantined(false);
  partition::SetShredded(parts_.keyring, events, deadline, parts_.now, record);
}

// Changes the record to what the keyring says of it; the names of the entries, none where there is
// nothing to do.
std::vector<const char*> ShredLedger::Settle(record::v1::PartitionRecord& record, const Rows& rows,
                                             LedgerReport& report) const {
  const PartitionId id = PartitionOf(record);
  const std::vector<crypto::DataKeyInfo> keys = parts_.keyring.DataKeys(id);
  if (keys.empty()) {
    Shred(record, rows);
    ++report.shredded;
    return {"retention.shred"};
  }
  const auto newest = std::max_element(keys.begin(), keys.end(),
                                       [](const auto& a, const auto& b) { return a.id < b.id; });
  const auto earliest =
      std::min_element(keys.begin(), keys.end(),
                       [](const auto& a, const auto& b) { return a.deadline < b.deadline; });
  std::vector<const char*> methods;
  if (std::none_of(keys.begin(), keys.end(),
                   [&](const auto& key) { return key.id.value() == record.key_id(); })) {
    record.set_key_id(newest->id.value());
    // Sealed under the key of before, as all rows of then are: nobody is left to be left out. But
    // where the backup fell into a rewrite: rows under the new key stay, and who is to be left out
    // of them nobody knows any more.
    if (!record.left_out_sealed().empty() && rows.kept.contains(id)) record.set_withheld(true);
    record.clear_left_out_sealed();
    record.clear_left_out_key_id();
    methods.push_back("backup.restore.key");
  }
  if (earliest->deadline.micros < record.deadline_us()) {
    record.set_deadline_us(earliest->deadline.micros);
    methods.push_back("retention.shorten");
    ++report.shortened;
  }
  return methods;
}

absl::Status ShredLedger::SettlePartitions(const Rows& rows, LedgerReport& report) {
  TV_ASSIGN_OR_RETURN(const auto view, parts_.store.Pin());
  Batch batch;
  std::string cursor;
  do {
    TV_RETURN_IF_ERROR(parts_.may_go_on());
    std::vector<record::v1::PartitionRecord> page;
    TV_RETURN_IF_ERROR(parts_.meta.ScanSome<record::v1::PartitionRecord>(
        *view, store::RecordKind::kPartition, kRecordsPerPage, cursor, [&](const auto& record) {
          if (record.state() == record::v1::PARTITION_STATE_LIVE) page.push_back(record);
        }));
    for (record::v1::PartitionRecord& record : page) {
      const std::vector<const char*> methods = Settle(record, rows, report);
      if (methods.empty()) continue;
      TV_ASSIGN_OR_RETURN(store::Mutation mutation,
                          parts_.meta.Put(store::RecordKind::kPartition,
                                          store::RecordId(PartitionOf(record)), record));
      const DatasetId dataset(record.dataset_id());
      for (const char* const method : methods) {
        record::v1::AuditEntry entry = Event(method);
        entry.set_dataset(parts_.name_of(dataset));
        partition::Describe(record, parts_.pseudonym_of(dataset), entry);
        batch.Add(std::move(entry));
      }
      batch.Add(std::move(mutation));
      if (batch.Full()) TV_RETURN_IF_ERROR(Commit(batch));
    }
  } while (!cursor.empty());
  return Commit(batch);
}

}  // namespace televault::backup
