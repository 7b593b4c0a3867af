#include "vault/ingest/vault_ports.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"

#include "vault/ingest/ingestor.h"

namespace televault::ingest {
namespace {

using store::RecordId;
using store::RecordKind;

RecordId IdOf(const RejectKey& key) {
  return RecordId(key.dataset)
      .WithName(absl::StrCat(key.source, std::string(1, '\0'), key.rule, std::string(1, '\0'),
                             key.field, std::string(1, '\0'), key.shard));
}

}  // namespace

absl::StatusOr<std::optional<record::v1::BatchRecord>> MetaLedger::FindBatch(
    DatasetId dataset, std::string_view batch_id) {
  TV_ASSIGN_OR_RETURN(const auto view, store_.Pin());
  auto found = meta_.Get<record::v1::BatchRecord>(*view, RecordKind::kBatchId,
                                                  RecordId(dataset).WithName(batch_id));
  if (found.ok()) return std::optional<record::v1::BatchRecord>(std::move(*found));
  if (absl::IsNotFound(found.status())) return std::optional<record::v1::BatchRecord>();
  return found.status();
}

absl::StatusOr<store::Mutation> MetaLedger::PutBatch(const record::v1::BatchRecord& record) {
  return meta_.Put(RecordKind::kBatchId,
                   RecordId(DatasetId(record.dataset_id())).WithName(record.batch_id()), record);
}

absl::StatusOr<uint64_t> MetaLedger::RejectCount(const RejectKey& key) {
  TV_ASSIGN_OR_RETURN(const auto view, store_.Pin());
  const auto found =
      meta_.Get<record::v1::RejectCountRecord>(*view, RecordKind::kRejectCount, IdOf(key));
  if (found.ok()) return found->events();
  if (absl::IsNotFound(found.status())) return 0;
  return found.status();
}

absl::StatusOr<store::Mutation> MetaLedger::PutRejectCount(const RejectKey& key, uint64_t events,
                                                           WallTime at) {
  record::v1::RejectCountRecord record;
  record.set_dataset_id(key.dataset.value());
  record.set_source(key.source);
  record.set_rule(key.rule);
  record.set_field(key.field);
  record.set_events(events);
  record.set_last_at_us(at.micros);
  return meta_.Put(RecordKind::kRejectCount, IdOf(key), record);
}

absl::StatusOr<std::vector<record::v1::RejectCountRecord>> ListRejectCounts(
    const store::View& view, const store::MetaStore& meta, std::optional<DatasetId> dataset) {
  using Key = std::tuple<uint32_t, std::string, std::string, std::string>;
  std::map<Key, record::v1::RejectCountRecord> sums;
  TV_RETURN_IF_ERROR(meta.Scan<record::v1::RejectCountRecord>(
      view, RecordKind::kRejectCount, dataset ? RecordId(*dataset) : RecordId(),
      [&](const record::v1::RejectCountRecord& record) {
        auto [it, is_new] = sums.try_emplace(
            Key(record.dataset_id(), record.source(), record.rule(), record.field()), record);
        if (!is_new) {
          it->second.set_events(it->second.events() + record.events());
          it->second.set_last_at_us(std::max(it->second.last_at_us(), record.last_at_us()));
        }
        return true;
      }));
  std::vector<record::v1::RejectCountRecord> counts;
  for (auto& [key, record] : sums) counts.push_back(std::move(record));
  return counts;
}

absl::StatusOr<std::vector<store::Mutation>> ForgetOldBatches(const store::View& view,
                                                              const store::MetaStore& meta,
                                                              WallTime now, size_t at_most,
                                                              std::string& cursor) {
  std::vector<store::Mutation> deletes;
  absl::Status failed;
  TV_RETURN_IF_ERROR(meta.ScanSome<record::v1::BatchRecord>(
      view, RecordKind::kBatchId, at_most, cursor, [&](const record::v1::BatchRecord& record) {
        if (WallTime{record.at_us()} + kBatchIdLife > now) return;
        auto mutation =
            meta.Delete(RecordKind::kBatchId,
                        RecordId(DatasetId(record.dataset_id())).WithName(record.batch_id()));
        if (mutation.ok()) {
          deletes.push_back(std::move(*mutation));
        } else {
          failed = mutation.status();
        }
      }));
  TV_RETURN_IF_ERROR(failed);
  return deletes;
}

}  // namespace televault::ingest
