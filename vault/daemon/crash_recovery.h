#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "vault/base/status.h"
#include "vault/crypto/keyring.h"
#include "vault/incident/lockdown_manager.h"
#include "vault/partition/merger.h"
#include "vault/service/entry_reader.h"
#include "vault/service/recorder.h"
#include "vault/store/journal.h"

namespace televault::daemon {

// Finds the intents of earlier runs that have no outcome and records an UNKNOWN_CRASH outcome for
// each: what they announced may have been disclosed. Lockdowns that were engaged since the last
// marks and have no entry, because nothing could be written, get an `audit.gap` entry.
// Refuses to touch calls of this run: they end by themselves.
// Threads: any; one step at a time.  Borrows: everything handed in.
// Invariants: (1) a mark names an index before which every intent has its outcome, and a time
// before which every lockdown has its entry: the look back ends there. (2) There is no mark before
// the first complete look of this run.
// Failure: a look that failed is repeated whole by the next unseal.
class CrashRecovery {
 public:
  struct Parts {
    const store::Journal& journal;
    service::EntryReader& entries;
    service::Recorder& recorder;
    const incident::LockdownManager& lockdown;
  };
  // Before anybody is served: a lockdown of this run is recorded by the call that engages it.
  explicit CrashRecovery(const Parts& parts)
      : parts_(parts), start_(Now()), lockdowns_at_start_(parts.lockdown.Status()) {}

  // `go_on` is asked every few hundred entries; an error ends the look with it.
  absl::Status CloseOpenIntents(const std::function<absl::Status()>& go_on);
  // Marks how far the next look has to go: to the last mark before this one, so that what was
  // answered before it was recorded has had its time, or to the oldest intent that is still open.
  // Nothing where nothing was written since.
  absl::Status Mark();

 private:
  struct Moment {
    uint64_t log_size = 0;
    WallTime time;
  };
  Moment Now() const;
  absl::Status RecordMark(record::v1::AuditEntry entry, const Moment& since, const Moment& now);

  const Parts parts_;
  const Moment start_;  // of this run
  const v1::LockdownStatus lockdowns_at_start_;
  std::mutex mu_;               // guards all below; held over reads and commits
  std::optional<Moment> last_;  // of the last mark; none: this run has not looked back yet
  uint64_t marked_size_ = 0;    // of the log, right after it
};

// Destroys the keys that are due while the datasets are closed, and what an earlier run left of old
// ones. The entries and records follow at
// the first retention run after the unseal.
absl::Status ShredWhileSealed(crypto::Keyring& keyring, const incident::LockdownManager& lockdown);

// The audit leaf of a merge.
absl::StatusOr<std::vector<store::AuditLeaf>> SealMerge(service::Recorder& recorder,
                                                        const partition::MergeEvent& event,
                                                        const std::string& dataset);

}  // namespace televault::daemon
