#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "televault/v1/ingest_service.pb.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/dataset.h"
#include "vault/ingest/field_check.h"
#include "vault/ingest/ports.h"
#include "vault/ingest/rules.h"
#include "vault/store/store.h"

namespace televault::ingest {

using DatasetPtr = std::shared_ptr<const catalog::Dataset>;
using OtlpLogsRequest = ::opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest;

// How long a batch id answers with the first answer.
inline constexpr microseconds kBatchIdLife = std::chrono::hours(24 * 7);

// A checked batch, ready for one CommitUnit together with the call's audit leaf.
// Exactly one of Committed and Abandoned of the Ingestor must be called with it.
struct PreparedAppend {
  std::vector<store::Mutation> mutations;  // empty: a re-send, nothing to store
  // Make the records of the partitions that it opens: see partition::PreparedBatch::open.
  std::vector<std::function<absl::StatusOr<partition::Opening>()>> openings;
  v1::AppendResponse response;  // without receipt; absent where accepted is 0
  DatasetPtr dataset;
  bool duplicate = false;

  // The ingestor's own.
  std::shared_ptr<const void> passage;  // while it lives the batch counts as under way
  std::vector<std::function<void()>> on_committed;
  std::string in_flight;
  std::optional<uint32_t> shard;
  std::vector<std::pair<RejectKey, uint64_t>> totals;
};

// The door: turns a client's batch into columnar micro-batches, refusing event by event.
// Order of the checks: sizes, batch id, consent, schema, time window, subject.
// Refuses to authenticate, to look at lockdown (the service did both), to commit, to keep a raw
// subject id, to repeat a value in an error text.
// Threads: any.  Borrows: all parts.
// Invariants: (1) accepted + rejected = events of the request. (2) A batch id is stored with the
// events it stands for in one commit, or not at all. (3) While a batch id is being committed the
// same id is answered UNAVAILABLE, so that no event is stored twice. (4) Every refused event is in
// a reject count that is committed with the batch.
// Failure: a status other than OK means nothing of the batch was taken.
class Ingestor {
 public:
  struct Parts {
    BatchSink& sink;
    SubjectKeys& keys;
    const SubjectBlocks& blocks;
    Ledger& ledger;
    Random& random;
  };
  explicit Ingestor(const Parts& parts) : parts_(parts) {}

  // INVALID_ARGUMENT: the batch as a whole is malformed (sizes, both or neither of rows and
  // columns, an unknown source, a batch id of another length); ALREADY_EXISTS: the batch id was
  // used for other content; FAILED_PRECONDITION: the review of the dataset is overdue, or the clock
  // is before 1970; UNAVAILABLE/OVERLOADED: the same batch id is in flight, or too many batches
  // are: send again later; RESOURCE_EXHAUSTED: does not fit one commit, send smaller batches.
  absl::StatusOr<PreparedAppend> Prepare(const v1::AppendRequest& request, DatasetPtr dataset,
                                         WallTime now);

  // The log records of `request` that belong to `dataset`: named by televault.dataset, or unnamed
  // where `take_unnamed`. The response counts those; its rejects are numbered over all records of
  // the request.
  absl::StatusOr<PreparedAppend> PrepareOtlp(const OtlpLogsRequest& request,
                                             const DatasetPtr& dataset, bool take_unnamed,
                                             WallTime now);

  // Waits until every batch whose Prepare began before this call is committed or given up and let
  // go of; false if `give_up` said so first. For whoever changed what batches are checked against.
  bool AwaitBatches(const std::function<bool()>& give_up);

  // After the commit: caches are told.
  void Committed(PreparedAppend& prepared);
  // After a failed commit, also one of unknown outcome: the batch id may be sent again.
  void Abandoned(PreparedAppend& prepared);

 private:
  using SchemaPtr = std::shared_ptr<const CompiledSchema>;

  SchemaPtr SchemaOf(const catalog::Dataset& dataset);
  absl::Status EnterBatch(const v1::AppendRequest& request, WallTime now, PreparedAppend& prepared,
                          std::string& digest);
  absl::Status Store(Draft draft, const CompiledSchema& schema, std::string_view source,
                     WallTime now, Verdicts& verdicts, PreparedAppend& prepared);
  absl::Status StoreDays(const block::ColumnBatch& batch, const catalog::Dataset& dataset,
                         Verdicts& verdicts, PreparedAppend& prepared);
  absl::StatusOr<block::Column> Pseudonyms(const Draft& draft, const catalog::Dataset& dataset,
                                           Verdicts& verdicts);
  absl::Status CountRejects(const Verdicts& verdicts, std::string_view source, WallTime now,
                            PreparedAppend& prepared);
  absl::StatusOr<uint32_t> LeaseShard();
  void Release(PreparedAppend& prepared);
  std::shared_ptr<const void> Enter();

  Parts parts_;
  std::mutex mu_;  // guards everything below
  std::set<std::string> in_flight_;
  std::vector<bool> shards_;  // leased
  std::map<RejectKey, uint64_t> totals_;
  std::map<DatasetId, std::pair<std::string, SchemaPtr>> schemas_;  // by manifest digest
  uint64_t next_passage_ = 0;
  std::set<uint64_t> passages_;  // of batches under way
  std::condition_variable left_;
};

// What of one export goes to one dataset.
struct OtlpShare {
  std::string dataset;        // "": records without a name, and there is no default
  bool take_unnamed = false;  // also the records without televault.dataset
};

// The datasets of the request's log records, each once, so that no record is in two shares. Records
// without televault.dataset go to `default_dataset`, also where others name it.
std::vector<OtlpShare> OtlpShares(const OtlpLogsRequest& request,
                                  const std::string& default_dataset);

}  // namespace televault::ingest
