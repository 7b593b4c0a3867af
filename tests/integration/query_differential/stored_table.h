#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/query_differential/table.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_directory.h"
#include "vault/daemon/vault.h"
#include "vault/query/plan.h"

namespace televault::testing {

// One table, stored in four ways in four datasets of one vault: the daemon's own, opened in this
// process, on RocksDB in a temporary directory.
// Refuses nothing: whatever fails is an error of the run.
// Threads: one.
class StoredTable {
 public:
  // What one dataset consists of, by days of which it is made.
  struct Layout {
    std::string dataset;
    catalog::DatasetPtr schema;
    size_t micro_batches = 0;
    size_t blocks = 0;
    size_t rows = 0;
    int hot_days = 0;     // micro-batches alone
    int merged_days = 0;  // blocks alone
    int mixed_days = 0;
  };

  // Generates, ingests and merges.
  static absl::StatusOr<std::unique_ptr<StoredTable>> Open(uint64_t seed);

  // Hot, merged, mixed, and merged with one encoding after the other where it can hold the values.
  const std::vector<Layout>& layouts() const { return layouts_; }
  absl::Status WriteCsv(const std::string& path);

  const Clock& clock() const { return clock_; }
  const Gate& gate() { return vault_->lockdown(); }
  service::DataPlane& data() { return *data_; }

 private:
  StoredTable() = default;

  absl::Status Start();
  absl::Status Fill(uint64_t seed);
  absl::Status Apply(uint32_t revision);
  absl::Status Append(ingest::Ingestor& ingestor, const SentBatch& batch);
  absl::Status MergeAfter(int stage);
  absl::Status Record(const char* method, std::vector<store::Mutation> mutations);
  absl::Status Describe();

  TempDirectory directory_;
  FakeClock clock_;
  SeededRandom random_{11};
  std::unique_ptr<daemon::Vault> vault_;
  std::shared_ptr<service::DataPlane> data_;
  std::vector<SentBatch> batches_;
  std::vector<Layout> layouts_;
};

}  // namespace televault::testing
