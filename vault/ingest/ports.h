#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/block/column.h"
#include "vault/catalog/schema.h"
#include "vault/crypto/hash.h"
#include "vault/partition/partition_writer.h"
#include "vault/store/store.h"

// What the door needs of the rest of the vault. vault_ports.h has the implementations over the real
// store and keyring.
namespace televault::ingest {

// Where rows go. See partition::PartitionWriter::Prepare.
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  virtual absl::StatusOr<partition::PreparedBatch> Prepare(PartitionId id,
                                                           const catalog::Schema& schema,
                                                           const block::ColumnBatch& batch,
                                                           WallTime deadline) = 0;
};

// Keys that hash subjects. UNAVAILABLE/SEALED while sealed.
class SubjectKeys {
 public:
  using Ref = std::shared_ptr<const SecretBytes>;
  virtual ~SubjectKeys() = default;
  virtual absl::StatusOr<Ref> Salt(DatasetId dataset, int64_t period) = 0;
  virtual absl::StatusOr<Ref> BlockedKey(DatasetId dataset) = 0;
};

// The subjects whose data was erased and must not come back; asked with the non-rotating hash.
class SubjectBlocks {
 public:
  virtual ~SubjectBlocks() = default;
  // True while the dataset has any blocked subject: spares the hash for everybody else.
  virtual bool Any(DatasetId dataset) const = 0;
  virtual bool Blocked(DatasetId dataset, const crypto::Hash16& hash) const = 0;
};

// What is refused, how often: one counter per key. A shard belongs to one batch from Prepare to
// Committed, so that totals are exact whatever order batches are committed in.
struct RejectKey {
  DatasetId dataset;
  std::string source;
  std::string rule;
  std::string field;
  uint32_t shard = 0;
  friend auto operator<=>(const RejectKey&, const RejectKey&) = default;
};

// Batch ids and reject counts on disk.
class Ledger {
 public:
  virtual ~Ledger() = default;
  virtual absl::StatusOr<std::optional<record::v1::BatchRecord>> FindBatch(
      DatasetId dataset, std::string_view batch_id) = 0;
  virtual absl::StatusOr<store::Mutation> PutBatch(const record::v1::BatchRecord& record) = 0;
  virtual absl::StatusOr<uint64_t> RejectCount(const RejectKey& key) = 0;
  virtual absl::StatusOr<store::Mutation> PutRejectCount(const RejectKey& key, uint64_t events,
                                                         WallTime at) = 0;
};

}  // namespace televault::ingest
