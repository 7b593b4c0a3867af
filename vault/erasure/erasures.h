#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "televault/record/v1/state.pb.h"
#include "vault/base/ids.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/hash.h"
#include "vault/partition/partition_catalog.h"
#include "vault/partition/subjects.h"
#include "vault/store/journal.h"
#include "vault/store/store.h"

namespace televault::crypto {
class Keyring;
}
namespace televault::store {
class MetaStore;
}

namespace televault::erasure {

using Record = record::v1::ErasureRecord;

// Every erasure that was ever asked for: whose events ingest refuses, and whose rows nobody may see
// until they are gone.
// Refuses to keep a raw subject id, to forget that a subject was erased, to commit anything.
// Threads: any. Ask() by one at a time (the call is exclusive). Borrows: everything handed in.
// Invariants: (1) numbers rise in the order in which erasures take effect. (2) A subject is blocked
// before its pseudonyms are looked for, and no batch that was checked before is under way by then.
// (3) What was asked for is hidden from before its answer until every key of its rows is destroyed.
class Erasures final : public partition::PendingErasures {
 public:
  struct Parts {
    const store::MetaStore& meta;
    crypto::Keyring& keyring;
    store::Journal& journal;
    partition::PartitionCatalog& catalog;
    Random& random;
    // Waits for the batches that are under way at ingest; false if `give_up` said so first.
    std::function<bool(const std::function<bool()>& give_up)> await_batches;
  };
  explicit Erasures(Parts parts) : parts_(std::move(parts)) {}

  absl::Status Load(const store::View& view);

  // Whether any subject of the dataset is blocked, and whether the one of that non-rotating hash
  // is.
  bool Any(DatasetId dataset) const;
  bool Blocked(DatasetId dataset, const crypto::Hash16& hash) const;
  // --- partition::PendingErasures ---
  uint64_t Newest(DatasetId dataset) const override;
  partition::SubjectListRef Hidden(DatasetId dataset) const override;

  // --- asking ---
  struct Asked {
    Record record;
    bool known = false;  // it was asked for before: there is nothing to commit
    std::optional<store::Mutation> mutation;
    // Exactly one of them is called, once the mutation is durable or given up.
    std::function<void()> on_committed;
    std::function<void()> on_abandoned;
  };
  struct Request {
    DatasetId dataset;
    std::string_view subject;  // raw; not kept
    std::string by;
    WallTime now;
    microseconds within;  // until it has to be settled
  };
  // RESOURCE_EXHAUSTED at limits::kMaxErasures; UNAVAILABLE: sealed, or given up.
  absl::StatusOr<Asked> Ask(const Request& request, const store::View& view,
                            const std::function<bool()>& give_up);

  // --- settling ---
  std::vector<DatasetId> Datasets() const;  // with an erasure, settled or not
  struct Work {
    uint64_t newest = 0;            // as Newest()
    std::vector<Record> unsettled;  // all that are not settled up to there, rising
  };
  Work WorkOn(DatasetId dataset) const;
  // Of all datasets, without pseudonyms, rising.
  std::vector<Record> UnsettledWithoutSubjects() const;
  // How many are past their deadline and not settled.
  size_t Overdue(WallTime now) const;
  // What of the record was committed; a settled one is forgotten but for its block.
  void OnChanged(const Record& record);

 private:
  struct OfDataset {
    std::map<crypto::Hash16, uint64_t> blocked;  // number of the erasure; 0 = asked for just now
    std::map<uint64_t, Record> unsettled;
    mutable partition::SubjectListRef hidden;  // of all unsettled ones, as of the last look
    mutable bool hidden_is_stale = false;
    uint64_t newest = 0;
  };

  static void RenewHidden(const OfDataset& of);
  void TellCatalog(DatasetId dataset, const OfDataset& of);
  absl::StatusOr<Record> MakeRecord(const Request& request, const crypto::Hash16& blocked);
  void Unblock(DatasetId dataset, const crypto::Hash16& hash);

  const Parts parts_;
  mutable std::mutex mu_;  // guards everything below
  std::map<DatasetId, OfDataset> datasets_;
  size_t count_ = 0;
};

}  // namespace televault::erasure
