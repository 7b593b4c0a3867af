#include "vault/store/sequencer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/crash_point.h"
#include "vault/base/limits.h"

namespace televault::store {
namespace {

// A unique id is the writer's epoch and a counter: no number is ever handed out again, and none
// needs to be stored.
constexpr int kCounterBits = 40;

absl::Status ControlMode(std::string_view why) {
  return WithReason(absl::UnavailableError(absl::StrCat("the journal accepts nothing: ",
                                                        absl::string_view(why.data(), why.size()))),
                    reason::kControlMode);
}

absl::Status Validate(const CommitUnit& unit) {
  if (unit.leaves.empty()) {
    return absl::InvalidArgumentError("a commit needs at least one audit entry");
  }
  if (unit.leaves.size() > limits::kMaxLeavesPerCommit || unit.Bytes() > limits::kMaxUnitBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a commit of ", unit.leaves.size(), " entries and ", unit.Bytes(),
                     " bytes is too large; allowed are ", limits::kMaxLeavesPerCommit, " and ",
                     limits::kMaxUnitBytes));
  }
  for (const AuditLeaf& leaf : unit.leaves) {
    if (leaf.data.empty() || leaf.data.size() > limits::kMaxAuditLeafBytes) {
      return absl::InvalidArgumentError(absl::StrCat("an audit entry of ", leaf.data.size(),
                                                     " bytes; allowed are 1 to ",
                                                     limits::kMaxAuditLeafBytes));
    }
  }
  for (const Mutation& mutation : unit.mutations) {
    if (mutation.family != Family::kMeta && mutation.family != Family::kHot) {
      return absl::InvalidArgumentError("a commit changes the meta and hot families only");
    }
  }
  return absl::OkStatus();
}

}  // namespace

size_t CommitUnit::Bytes() const {
  size_t bytes = 0;
  for (const AuditLeaf& leaf : leaves) bytes += leaf.data.size();
  for (const Mutation& mutation : mutations) {
    bytes += mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
  }
  return bytes;
}

Sequencer::Sequencer(SequencerOptions options)
    : options_(std::move(options)),
      tree_(options_.store, options_.tree),
      head_(options_.head),
      builder_(options_.tree.builder),
      last_checkpoint_(options_.tree.checkpoint),
      stopped_(options_.quarantine) {
  if (stopped_.empty()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
}

Sequencer::~Sequencer() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  TV_CHECK(queue_.empty() && security_events_.empty());
}

absl::StatusOr<CommitReceipt> Sequencer::Commit(const CommitUnit& unit) {
  TV_RETURN_IF_ERROR(Validate(unit));
  Waiting waiting{.unit = unit, .bytes = unit.Bytes()};
  const bool security = waiting.unit.urgency == Urgency::kSecurity;
  const size_t bound =
      limits::kMaxJournalQueueBytes + (security ? limits::kJournalSecurityQueueBytes : 0);

  std::unique_lock lock(mu_);
  if (!stopped_.empty()) return ControlMode(stopped_);
  if (queued_bytes_ + waiting.bytes > bound) {
    return WithReason(absl::ResourceExhaustedError("the journal's queue is full; retry later"),
                      reason::kOverloaded);
  }
  if (!busy_ && !AnybodyWaits()) {
    // Alone: on this thread, which saves handing it over and back.
    Group alone{&waiting};
    busy_ = true;
    lock.unlock();
    Process(std::move(alone));
    lock.lock();
    busy_ = false;
    if (AnybodyWaits()) arrived_.notify_one();
    return std::move(waiting.result);
  }
  queued_bytes_ += waiting.bytes;
  (security ? security_events_ : queue_).push_back(&waiting);
  if (!busy_) arrived_.notify_one();
  waiting.woken.wait(lock, [&] { return waiting.done; });
  return std::move(waiting.result);
}

CommitReceipt Sequencer::Head() const {
  const std::shared_ptr<const TreeSnapshot> tree = tree_.snapshot();
  CommitReceipt head;
  head.tree_size = tree->builder.size();
  head.first_leaf = LeafIndex(head.tree_size);
  head.root = tree->builder.Root();
  head.checkpoint = tree->checkpoint;
  return head;
}

uint64_t Sequencer::NextUniqueId() {
  const uint64_t counter = next_id_.fetch_add(1, std::memory_order_relaxed);
  TV_CHECK(counter >> kCounterBits == 0);
  return (options_.epoch.value() << kCounterBits) | counter;
}

void Sequencer::Run(const std::stop_token& stop) {
  std::unique_lock lock(mu_);
  while (arrived_.wait(lock, stop, [this] { return !busy_ && AnybodyWaits(); })) {
    busy_ = true;
    Group group = TakeGroupLocked();
    lock.unlock();
    Process(std::move(group));
    lock.lock();
    busy_ = false;
  }
}

bool Sequencer::AnybodyWaits() const { return !queue_.empty() || !security_events_.empty(); }

void Sequencer::Process(Group group) noexcept {
  RefuseStale(group);
  if (!group.empty()) CommitGroup(std::move(group));
}

Sequencer::Group Sequencer::TakeGroupLocked() {
  Group group;
  size_t bytes = 0;
  size_t leaves = 0;
  for (std::deque<Waiting*>* source : {&security_events_, &queue_}) {
    while (!source->empty()) {
      Waiting* const next = source->front();
      bytes += next->bytes;
      leaves += next->unit.leaves.size();
      const bool fits = bytes <= limits::kMaxUnitBytes && leaves <= limits::kMaxLeavesPerCommit;
      if (!group.empty() && !fits) return group;
      source->pop_front();
      queued_bytes_ -= next->bytes;
      group.push_back(next);
    }
  }
  return group;
}

absl::Status Sequencer::Stale(const CommitUnit& unit, WallTime now) const {
  if (unit.disclosure_epoch.has_value() && *unit.disclosure_epoch != options_.lock_epoch()) {
    return WithReason(
        absl::FailedPreconditionError(
            "the lockdown state changed while the call was under way; nothing was disclosed"),
        reason::kStaleLockEpoch);
  }
  for (const AuditLeaf& leaf : unit.leaves) {
    if (now > leaf.stamped && now - leaf.stamped > kMaxLeafWait) {
      return WithReason(absl::AbortedError("the entry waited too long for the disk"),
                        reason::kStaleEntryTime);
    }
  }
  return absl::OkStatus();
}

void Sequencer::RefuseStale(Group& group) {
  const WallTime now = options_.now();
  Group stale;
  std::erase_if(group, [&](Waiting* waiting) {
    absl::Status status = Stale(waiting->unit, now);
    if (status.ok()) return false;
    waiting->result = std::move(status);
    stale.push_back(waiting);
    return true;
  });
  Wake(stale);
}

void Sequencer::CommitGroup(Group group) {
  absl::StatusOr<Prepared> prepared = Prepare(group);
  if (!prepared.ok()) {
    // Nothing was written, but a store that cannot be read is no base for further commits.
    return Fail(group, std::string(prepared.status().message()));
  }
  TV_CRASH_POINT("journal.prepared");
  switch (options_.store.Commit(options_.epoch, prepared->batch)) {
    case CommitOutcome::kOk:
      return Complete(group, std::move(*prepared));
    case CommitOutcome::kFull:
      return CommitMoreUrgent(std::move(group));
    case CommitOutcome::kFenced:
      return Fail(group, "another writer took over the store");
    case CommitOutcome::kCorrupt:
      return Fail(group, "the engine found its own files broken; restart to check them");
    case CommitOutcome::kUnknown:
      return Fail(group, "a write failed and may or may not be durable; restart to recover");
  }
}

absl::StatusOr<Sequencer::Prepared> Sequencer::Prepare(const Group& group) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, options_.store.Pin());
  MetaSumUpdate sum(*view, options_.freshness_key, head_.meta_sum);
  Prepared prepared;
  prepared.builder = builder_;
  prepared.batch.urgency = LeastUrgency(group);
  std::vector<Mutation>& mutations = prepared.batch.mutations;
  std::vector<audit::Tile> tiles;
  for (Waiting* waiting : group) {
    waiting->first_leaf = LeafIndex(prepared.builder.size());
    for (const AuditLeaf& leaf : waiting->unit.leaves) {
      mutations.push_back({Family::kAudit, LeafKey(prepared.builder.size()), leaf.data});
      prepared.builder.Append(leaf.hash, tiles);
    }
    TV_RETURN_IF_ERROR(sum.Apply(waiting->unit.mutations, mutations));
  }
  for (audit::Tile& tile : tiles) {
    mutations.push_back(
        {Family::kAudit, TileKey(tile.id.level, tile.id.index), std::move(tile.bytes)});
  }
  const AnchorState anchored = options_.anchor.state();
  prepared.head = {.seq = head_.seq + 1,
                   .tree_size = prepared.builder.size(),
                   .root = prepared.builder.Root(),
                   .meta_sum = sum.sum(),
                   .keyring_generation = anchored.keyring_generation,
                   .control_generation = anchored.control_generation,
                   .lock_epoch = anchored.lock_epoch};
  mutations.push_back(
      {Family::kAudit, kHeadKey, EncodeHead(prepared.head, options_.freshness_key)});
  // Signed after its tree was durable; stored one commit later, for a start that may not sign.
  if (!last_checkpoint_.empty()) {
    mutations.push_back({Family::kAudit, kCheckpointKey, last_checkpoint_});
  }
  return prepared;
}

void Sequencer::Complete(const Group& group, Prepared prepared) {
  TV_CRASH_POINT("journal.committed");
  const JournalHead& head = prepared.head;
  absl::StatusOr<std::string> checkpoint =
      options_.signer.SignCheckpoint(head.tree_size, head.root);
  if (!checkpoint.ok()) {
    return Fail(group, absl::StrCat("the tree head could not be signed: ",
                                    std::string(checkpoint.status().message())));
  }
  const absl::Status anchored =
      options_.anchor.RecordHead(head.seq, head.tree_size, head.root, head.meta_sum);
  if (!anchored.ok()) {
    return Fail(group,
                absl::StrCat("the anchor could not be written: ", std::string(anchored.message())));
  }
  TV_CRASH_POINT("journal.anchored");
  head_ = head;
  builder_ = std::move(prepared.builder);
  last_checkpoint_ = *std::move(checkpoint);
  tree_.Publish({builder_, last_checkpoint_});
  for (Waiting* waiting : group) {
    waiting->result =
        CommitReceipt{waiting->first_leaf, head_.tree_size, head_.root, last_checkpoint_};
  }
  Wake(group);
}

Urgency Sequencer::LeastUrgency(const Group& group) {
  const auto least = std::min_element(group.begin(), group.end(), [](const auto* a, const auto* b) {
    return a->unit.urgency < b->unit.urgency;
  });
  return (*least)->unit.urgency;
}

// The disk is full for the least urgent of the group. The others are tried again without them, out
// of the space the store keeps.
void Sequencer::CommitMoreUrgent(Group group) {
  const Urgency least = LeastUrgency(group);
  Group refused;
  std::erase_if(group, [&](Waiting* waiting) {
    if (waiting->unit.urgency > least) return false;
    waiting->result = WithReason(
        absl::ResourceExhaustedError(
            "the disk is full: nothing was written; free space on the data directory's disk"),
        reason::kDiskFull);
    refused.push_back(waiting);
    return true;
  });
  Wake(refused);
  if (!group.empty()) CommitGroup(std::move(group));
}

void Sequencer::Fail(const Group& group, const std::string& why) {
  Group waiting_behind;
  {
    const std::lock_guard lock(mu_);
    TV_CHECK(stopped_.empty());
    stopped_ = why;
    for (std::deque<Waiting*>* source : {&security_events_, &queue_}) {
      waiting_behind.insert(waiting_behind.end(), source->begin(), source->end());
      source->clear();
    }
    queued_bytes_ = 0;
  }
  // The data gate closes before anybody learns of it.
  if (options_.on_failure) options_.on_failure(why);
  for (Waiting* waiting : group) {
    waiting->result =
        WithReason(absl::UnavailableError(absl::StrCat("the outcome is unknown: ", why)),
                   reason::kOutcomeUnknown);
  }
  for (Waiting* waiting : waiting_behind) waiting->result = ControlMode(why);
  Wake(group);
  Wake(waiting_behind);
}

void Sequencer::Wake(const Group& group) {
  const std::lock_guard lock(mu_);
  for (Waiting* waiting : group) {
    waiting->done = true;
    waiting->woken.notify_one();
  }
}

}  // namespace televault::store
