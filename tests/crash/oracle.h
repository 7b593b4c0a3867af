#pragma once

#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/note.h"
#include "audit/verifier.h"
#include "tests/crash/ledger.h"
#include "tests/crash/vault_under_test.h"
#include "tests/support/disclosures.h"

namespace televault::crash {

// Holds a restarted vault against the ledger: lock state first, then the audit log, then what can
// be read. Leaves the vault without a lockdown and with a live grant for row queries.
// Keeps a copy of the whole audit log, rebuilt from exported leaves alone.
// Threads: one.  Borrows: vault, ledger.
class Oracle {
 public:
  Oracle(const VaultUnderTest& vault, Ledger& ledger, audit::VerifierKey key);

  // The daemon is ready and nobody else calls it. `resend`: batches without an answer are sent
  // again; `thorough`: the log is exported from its first leaf, deletion receipts are looked at.
  absl::Status Check(bool resend, bool thorough);
  uint64_t leaves() const { return leaf_hashes_.size(); }
  uint64_t receipts_checked() const { return receipts_checked_; }
  uint64_t deliveries_checked() const { return deliveries_checked_; }
  // Those of them that had brought something when they broke off.
  uint64_t cut_short() const { return cut_short_; }

 private:
  absl::Status CheckState();
  absl::Status CheckLog();
  absl::Status Extend();
  absl::Status CheckConsistency(const audit::Checkpoint& older);
  void CheckReceipt(const Seen& seen);
  // Takes what the trail has got since the last time. Nothing is under way in it.
  absl::Status ReadTrail();
  // Every call has ended once, and covers what its client received.
  absl::Status CheckDisclosures();
  void CheckDelivery(const Delivery& got);
  absl::Status CheckWholeLog();
  absl::Status LiftAll();
  absl::Status Resend();
  absl::Status EnsureGrant();
  absl::Status CheckData();
  absl::Status CheckTokens();
  absl::Status CheckRetention();
  absl::Status CheckQueryEntries(const std::vector<Seen>& receipts);
  // Exported leaves from `first` on and the checkpoint that covers them.
  absl::StatusOr<std::string> Export(uint64_t first, std::vector<std::string>& leaves) const;

  const VaultUnderTest& vault_;
  Ledger& ledger_;
  const audit::VerifierKey key_;
  audit::LeafStreamVerifier log_{std::nullopt};
  std::vector<audit::Hash> leaf_hashes_;
  std::vector<audit::Hash> roots_;  // of the tree of i + 1 leaves
  std::optional<audit::Checkpoint> newest_;
  v1::LockdownStatus locks_;
  WallTime grant_ends_{0};
  uint64_t receipts_checked_ = 0;
  testing::Disclosures disclosures_;  // queries and streamed calls
  uint64_t trail_end_ = 0;
  uint64_t deliveries_checked_ = 0;
  uint64_t cut_short_ = 0;
};

}  // namespace televault::crash
