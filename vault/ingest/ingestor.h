#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/catalog.h"
#include "vault/store/store.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::partition {
class PartitionWriter;
}

namespace televault::ingest {

using OtlpLogsRequest = ::opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;

// A checked batch, ready for one CommitUnit together with the call's audit leaf.
// Exactly one of Committed and Abandoned of the Ingestor must be called with it.
struct PreparedAppend {
  std::vector<store::Mutation> mutations;  // empty: nothing to store (re-send)
  v1::AppendResponse response;             // without receipt
  catalog::DatasetPtr dataset;
  bool duplicate = false;
  std::string inflight;  // key of the in-flight entry; "" = none
  std::vector<std::function<void()>> on_committed;
};

// The subjects whose data was erased and must not come back; asked with the non-rotating hash.
class SubjectBlocks {
 public:
  virtual ~SubjectBlocks() = default;
  // True while the dataset has any blocked subject: spares the hash for everybody else.
  virtual bool Any(DatasetId dataset) const = 0;
  virtual bool Blocked(DatasetId dataset, const std::array<uint8_t, 16>& hash) const = 0;
};

// The door: turns a client's batch into columnar micro-batches, refusing event by event.
// Order of the checks: sizes, batch id, consent, schema, time window, subject.
// Refuses to authenticate, to look at lockdown (the service did both), to commit, to keep a raw
// subject id, to repeat a value in an error text.
// Threads: any.  Borrows: store, meta, keyring, writer, blocks.
// Invariants: (1) accepted + rejected = events of the request. (2) A batch id is stored with the
// events it stands for in one commit, or not at all. (3) While a batch id is being committed the
// same id is answered UNAVAILABLE, so that no event is stored twice.
// Failure: a status other than OK means nothing of the batch was taken.
class Ingestor {
 public:
  struct Parts {
    store::Store& store;
    const store::MetaStore& meta;
    crypto::Keyring& keyring;
    partition::PartitionWriter& writer;
    const SubjectBlocks& blocks;
    Random& random;
  };
  explicit Ingestor(const Parts& parts) : parts_(parts) {}

  // INVALID_ARGUMENT: the batch as a whole is malformed (sizes, both or neither of rows and
  // columns, an unknown source, a batch id of another length or re-sent with other content);
  // UNAVAILABLE/OVERLOADED: the same batch id is in flight, send again later.
  absl::StatusOr<PreparedAppend> Prepare(const v1::AppendRequest& request,
                                         catalog::DatasetPtr dataset, WallTime now);

  // OTLP logs of one dataset. `only`: log records whose resource names another dataset are left to
  // another call (see SplitByDataset).
  absl::StatusOr<PreparedAppend> PrepareOtlp(const OtlpLogsRequest& request,
                                             catalog::DatasetPtr dataset, WallTime now);

  // After the commit: caches are told.  After a failed commit: the batch id may be sent again.
  void Committed(PreparedAppend& prepared);
  void Abandoned(PreparedAppend& prepared);

 private:
  Parts parts_;
  std::mutex mu_;  // guards in_flight_ and counts_
  absl::flat_hash_set<std::string> in_flight_;
};

}  // namespace televault::ingest
