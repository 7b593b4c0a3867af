#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/ledger.h"
#include "tests/crash/vault_under_test.h"

namespace televault::crash {

// What came of a call on a vault that may be killed or locked at any moment.
enum class Fate { kOk, kRefused, kGone };

// Refused: by lockdown, sealing, a day that ended on the way or a state that changed meanwhile.
// Anything that neither a kill nor a lockdown explains is a breach, an answer that never came above
// all.
Fate FateOf(const absl::Status& status, const std::string& what, Ledger& ledger);

// Sums of every batch and day, by an aggregate query of `anna` or, with a grant, a row query of
// `ines`. Notes receipts and indices.
absl::StatusOr<Answer> ReadBatches(client::Vault& vault, bool rows, Ledger& ledger);

// The query that a grant of `ines` names.
const std::string& RowSql();

// `now`: after the answer came.
void NoteAppended(const Batch& batch, const v1::AppendResponse& response, WallTime now,
                  Ledger& ledger);
// Sends `batch` and notes the answer.
absl::Status SendBatch(client::Vault& vault, const Batch& batch, const VaultUnderTest& clock,
                       Ledger& ledger);

// Lifts `id` by two responders, none of whom engaged it.
absl::Status Lift(client::Vault& proposer, client::Vault& approver, const std::string& id,
                  Ledger& ledger);

// Clients of every kind at work on the running daemon, until it goes away or they are stopped.
// Threads: starts its own, one a client.  Borrows: vault, ledger.
class Load {
 public:
  struct Options {
    uint64_t seed = 0;
    // Without them queries are hardly ever refused, and long answers are under way all the time.
    bool lockdowns = true;
  };
  Load(const VaultUnderTest& vault, Ledger& ledger, const Options& options);
  ~Load() { Stop(); }
  // Waits for every client.
  void Stop();

 private:
  using Random = std::mt19937_64;
  void Run(void (Load::*work)(Random&));
  bool Going() const { return !stop_.load(); }
  Batch NewBatch(Random& random);

  void Append(Random& random);
  void AppendStream(Random& random);
  void Query(Random& random);
  void QueryRows(Random& random);
  void Respond(Random& random);
  void Administer(Random& random);
  void Audit(Random& random);

  const VaultUnderTest& vault_;
  Ledger& ledger_;
  uint64_t seed_;
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> clients_;
};

}  // namespace televault::crash
