#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "vault/base/secret.h"
#include "vault/store/anchor.h"
#include "vault/store/audit_tree.h"
#include "vault/store/journal.h"
#include "vault/store/log_layout.h"
#include "vault/store/store.h"

namespace televault::store {

struct SequencerOptions {
  Store& store;
  StoreEpoch epoch;
  Anchor& anchor;
  const SecretBytes& freshness_key;
  const CheckpointSigner& signer;
  std::function<LockEpoch()> lock_epoch;
  std::function<WallTime()> now;  // what leaves are stamped with
  std::function<void(std::string_view why)> on_failure;
  // What was recovered.
  JournalHead head;
  TreeSnapshot tree;
  // Not empty: reads only, every Commit is CONTROL_MODE with this text.
  std::string quarantine;
};

// The journal. Somebody takes what is waiting, makes one batch of it, commits, signs, records the
// anchor and wakes the callers; what arrives meanwhile is the next batch. That is a thread of its
// own, but for a caller who finds the journal idle and does it for itself.
// Threads, invariants, failure: see Journal. Nobody may be inside Commit at destruction.
class Sequencer final : public Journal {
 public:
  explicit Sequencer(SequencerOptions options);
  ~Sequencer() override;

  absl::StatusOr<CommitReceipt> Commit(const CommitUnit& unit) override;
  CommitReceipt Head() const override;
  absl::StatusOr<std::vector<audit::Hash>> InclusionProof(LeafIndex index,
                                                          uint64_t tree_size) const override {
    return tree_.InclusionProof(index, tree_size);
  }
  absl::StatusOr<std::vector<audit::Hash>> ConsistencyProof(uint64_t old_size,
                                                            uint64_t new_size) const override {
    return tree_.ConsistencyProof(old_size, new_size);
  }
  absl::StatusOr<std::vector<std::string>> ReadLeaves(LeafIndex first,
                                                      size_t count) const override {
    return tree_.ReadLeaves(first, count);
  }
  void WaitForGrowth(uint64_t size, std::chrono::milliseconds at_most) const override {
    tree_.WaitForGrowth(size, at_most);
  }
  uint64_t NextUniqueId() override;

 private:
  // One caller waiting in Commit; lives on its stack.
  struct Waiting {
    const CommitUnit& unit;
    size_t bytes = 0;
    LeafIndex first_leaf;
    absl::StatusOr<CommitReceipt> result = absl::UnknownError("not decided");
    bool done = false;  // guarded by mu_
    std::condition_variable woken;
  };
  using Group = std::vector<Waiting*>;
  // A group as it will be after its commit.
  struct Prepared {
    CommitBatch batch;
    JournalHead head;
    audit::TileBuilder builder;
  };

  void Run(const std::stop_token& stop);
  bool AnybodyWaits() const;  // with mu_ held
  Group TakeGroupLocked();
  // Ends the process where it throws: half a commit is no state to go on from, and nobody else
  // would take what waits.
  void Process(Group group) noexcept;
  void RefuseStale(Group& group);
  absl::Status Stale(const CommitUnit& unit, WallTime now) const;
  void CommitGroup(Group group);
  absl::StatusOr<Prepared> Prepare(const Group& group);
  // Durable already: signs, records the anchor, publishes, hands out the receipts.
  void Complete(const Group& group, Prepared prepared);
  static Urgency LeastUrgency(const Group& group);
  void CommitMoreUrgent(Group group);
  void Fail(const Group& group, const std::string& why);
  void Wake(const Group& group);

  const SequencerOptions options_;
  AuditTree tree_;
  std::atomic<uint64_t> next_id_{1};

  // Used by whoever set busy_.
  JournalHead head_;
  audit::TileBuilder builder_;
  std::string last_checkpoint_;

  mutable std::mutex mu_;  // guards everything below
  std::condition_variable_any arrived_;
  bool busy_ = false;                     // somebody commits
  std::deque<Waiting*> security_events_;  // taken first
  std::deque<Waiting*> queue_;            // everything else, as it came
  size_t queued_bytes_ = 0;
  std::string stopped_;  // why nothing is accepted any more; "" = accepting
  std::jthread thread_;
};

}  // namespace televault::store
