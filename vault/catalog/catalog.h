#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/catalog/dataset.h"
#include "vault/catalog/finding.h"
#include "vault/store/meta.h"
#include "vault/store/store.h"

namespace televault::catalog {

using DatasetPtr = std::shared_ptr<const Dataset>;

// What applying a manifest would do, ready to be committed.
struct PreparedApply {
  std::vector<Finding> findings;
  std::vector<std::string> changes;
  // False: an error among the findings, or `unchanged`; then there are no mutations.
  bool applicable = false;
  bool unchanged = false;  // this very manifest is in force
  std::string dataset;
  uint32_t revision = 0;
  std::string old_digest;  // raw bytes, "" for a new dataset
  std::string new_digest;
  std::optional<microseconds> ttl;  // of the manifest
  std::vector<store::Mutation> mutations;
  std::function<void()> on_committed;  // publishes the new revision; call after the commit
};

// The datasets in force, as one immutable snapshot.
// Refuses to commit, to judge who may apply, to remove a dataset.
// Threads: any; readers copy a shared_ptr under mu_. PrepareApply calls must not overlap from
// prepare to on_committed (the RPC is exclusive).
// Borrows: meta.
// Invariants: (1) a published Dataset never changes. (2) Column numbers and dataset ids are never
// reused. (3) Nothing is published before its record is durable.
// Failure: a record that cannot be read stops Load; the catalog stays empty.
class Catalog {
 public:
  explicit Catalog(const store::MetaStore& meta) : meta_(meta) {}

  // Reads every dataset record; called after each unseal.
  absl::Status Load(const store::View& view);
  // This number, and those before, are not given to a new dataset; until the next Load.
  void Reserve(DatasetId id);
  // Forgets everything; called at seal.
  void Clear();

  // NOT_FOUND/UNKNOWN_DATASET where there is none.
  absl::StatusOr<DatasetPtr> Find(std::string_view name) const;
  absl::StatusOr<DatasetPtr> Find(DatasetId id) const;
  // Ascending by name.
  std::vector<DatasetPtr> All() const;

  // Structure, lint and diff findings in one list; a manifest with errors is an answer, not a
  // status. UNAVAILABLE/SEALED; RESOURCE_EXHAUSTED where the dataset has used up its column
  // numbers.
  absl::StatusOr<PreparedApply> PrepareApply(std::string_view manifest, std::string_view person,
                                             WallTime now);

 private:
  void Publish(DatasetPtr dataset);

  const store::MetaStore& meta_;
  mutable std::mutex mu_;  // guards the two below
  absl::flat_hash_map<std::string, DatasetPtr> by_name_;
  uint32_t next_id_ = 1;
};

}  // namespace televault::catalog
