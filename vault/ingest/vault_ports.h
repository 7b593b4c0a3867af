#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/crypto/keyring.h"
#include "vault/ingest/ports.h"
#include "vault/store/meta.h"

namespace televault::ingest {

// The ports over partition writer, keyring and meta records.
// Threads: any.  Borrows: everything handed in.  Invariants and failure: those of the ports.
class WriterSink final : public BatchSink {
 public:
  explicit WriterSink(partition::PartitionWriter& writer) : writer_(writer) {}
  absl::StatusOr<partition::PreparedBatch> Prepare(PartitionId id, const catalog::Schema& schema,
                                                   const block::ColumnBatch& batch,
                                                   WallTime deadline) override {
    return writer_.Prepare(id, schema, batch, deadline);
  }

 private:
  partition::PartitionWriter& writer_;
};

class KeyringSubjectKeys final : public SubjectKeys {
 public:
  explicit KeyringSubjectKeys(crypto::Keyring& keyring) : keyring_(keyring) {}
  absl::StatusOr<Ref> Salt(DatasetId dataset, int64_t period) override {
    return keyring_.SubjectSalt(dataset, period);
  }
  absl::StatusOr<Ref> BlockedKey(DatasetId dataset) override {
    return keyring_.BlockedSubjectKey(dataset);
  }

 private:
  crypto::Keyring& keyring_;
};

class MetaLedger final : public Ledger {
 public:
  MetaLedger(store::Store& store, const store::MetaStore& meta) : store_(store), meta_(meta) {}
  absl::StatusOr<std::optional<record::v1::BatchRecord>> FindBatch(
      DatasetId dataset, std::string_view batch_id) override;
  absl::StatusOr<store::Mutation> PutBatch(const record::v1::BatchRecord& record) override;
  absl::StatusOr<uint64_t> RejectCount(const RejectKey& key) override;
  absl::StatusOr<store::Mutation> PutRejectCount(const RejectKey& key, uint64_t events,
                                                 WallTime at) override;

 private:
  store::Store& store_;
  const store::MetaStore& meta_;
};

// Reject counts of one dataset (or of all: no dataset), shards added up, ascending by dataset,
// source, rule and field. For ListRejects.
absl::StatusOr<std::vector<record::v1::RejectCountRecord>> ListRejectCounts(
    const store::View& view, const store::MetaStore& meta, std::optional<DatasetId> dataset);

// Deletes of batch ids older than kBatchIdLife, of the `at_most` that stand from `cursor` on: their
// order says nothing of their age. Moves `cursor` on, and round. For a background job.
absl::StatusOr<std::vector<store::Mutation>> ForgetOldBatches(const store::View& view,
                                                              const store::MetaStore& meta,
                                                              WallTime now, size_t at_most,
                                                              std::string& cursor);

}  // namespace televault::ingest
