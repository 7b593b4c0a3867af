#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "televault/record/v1/audit.pb.h"
#include "televault/v1/types.pb.h"
#include "vault/base/random.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/crypto/audit_sealer.h"
#include "vault/service/open_intents.h"
#include "vault/store/journal.h"

namespace televault::service {

// What becomes durable together with an entry.
struct Recording {
  std::vector<store::Mutation> mutations;
  // Entries that stand directly behind it.
  std::vector<record::v1::AuditEntry> events;
  std::optional<LockEpoch> disclosure_epoch;  // see store::CommitUnit
  store::Urgency urgency = store::Urgency::kOrdinary;
};

// The entry of something that happened without a call and is as it should be: allowed, OK.
record::v1::AuditEntry EventEntry(const std::string& method);

// Turns audit entries into sealed leaves and commits them with the state they speak of.
// Refuses to decide what is recorded.
// Threads: any. Borrows: sealer, journal, random.
// Invariants: (1) the leaf that carries an entry key is durable before any entry under it is handed
// out, so that every entry in the log can be read by whoever reads the log from the front.
class Recorder {
 public:
  // `now` must not go back over restarts.
  Recorder(crypto::AuditSealer& sealer, store::Journal& journal, std::function<WallTime()> now,
           Random& random)
      : sealer_(sealer),
        journal_(journal),
        now_(std::move(now)),
        random_(random),
        open_intents_([this] { return journal_.Head().tree_size; }) {}

  // Fills id and time, cuts what is too long, seals. Times never go back, whatever the clock does.
  // Once an hour and after each start it also commits the leaf of a new entry key; then errors are
  // those of Journal::Commit.
  absl::StatusOr<store::AuditLeaf> Seal(record::v1::AuditEntry entry);

  struct Recorded {
    LeafIndex index;  // of the entry
    store::CommitReceipt receipt;
  };
  // Durable when OK; errors are those of Journal::Commit.
  absl::StatusOr<Recorded> Record(record::v1::AuditEntry entry, Recording recording = {});

  // Events that change nothing, in one commit or as few as hold them. How many, from the front, are
  // durable: fewer than all where the journal takes no more.
  size_t RecordEvents(std::vector<record::v1::AuditEntry> events, store::Urgency urgency);

  // Every intent of this run before this index has its outcome in the log.
  LeafIndex OldestOpenIntent() const { return LeafIndex(open_intents_.Oldest()); }

  // The receipt a client gets, with a `.tlog-proof` of the entry against the newest checkpoint.
  absl::StatusOr<v1::AuditReceipt> ReceiptFor(const Recorded& recorded) const;

 private:
  // Seals `entry` and the events into `unit` and commits it, again where that waited so long that
  // its time would stand too far behind those of others.
  absl::StatusOr<store::CommitReceipt> Commit(record::v1::AuditEntry entry,
                                              const std::vector<record::v1::AuditEntry>& events,
                                              store::CommitUnit& unit);

  crypto::AuditSealer& sealer_;
  store::Journal& journal_;
  const std::function<WallTime()> now_;
  Random& random_;
  OpenIntents open_intents_;
  std::mutex mu_;  // held from a new entry key to the commit of its leaf; guards last_
  WallTime last_;  // time of the newest entry
};

}  // namespace televault::service
