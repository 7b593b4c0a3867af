#include "vault/store/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/store/audit_tree.h"
#include "vault/store/log_layout.h"
#include "vault/store/meta_sum.h"
#include "vault/store/sequencer.h"

namespace televault::store {
namespace {

constexpr char kWhatToDo[] =
    ". Only control mode is allowed: the audit trail can be exported and verified, and lockdown "
    "works. Put the newest data directory, keyring and anchor back and start again; or, where the "
    "loss is known and accepted, start once with `televaultd serve --adopt-recovered-state "
    "REASON`, which is audited and starts locked at `all`";

// Of the keyring and of the control file, as `init` leaves them.
constexpr uint64_t kFirstGeneration = 1;

// What the store itself says, before the anchor is asked.
struct Recovered {
  JournalHead head;
  TreeSnapshot tree;
  std::string broken;  // the log contradicts itself: nothing can be appended to it
  std::string stale;   // a record of the meta family is stale, missing or added
};

absl::StatusOr<std::string> GetOr(const View& view, std::string_view key, std::string fallback) {
  absl::StatusOr<std::string> value = view.Get(Family::kAudit, key);
  if (absl::IsNotFound(value.status())) return fallback;
  return value;
}

absl::StatusOr<bool> HasLeaf(const View& view, uint64_t from) {
  bool any = false;
  TV_RETURN_IF_ERROR(view.Scan(Family::kAudit, kLeafPrefix, LeafKey(from),
                               [&](std::string_view, std::string_view) {
                                 any = true;
                                 return false;
                               }));
  return any;
}

// A log that does not verify is reported in `broken`; errors are those of reading.
absl::StatusOr<Recovered> RecoverLog(const View& view, const SecretBytes& key) {
  Recovered out;
  TV_ASSIGN_OR_RETURN(const std::string stored, GetOr(view, kHeadKey, ""));
  if (!stored.empty()) {
    const absl::StatusOr<JournalHead> head = ParseHead(AsBytes(stored), key);
    if (!head.ok()) {
      out.broken = std::string(head.status().message());
      return out;
    }
    out.head = *head;
  } else {
    out.head.root = audit::EmptyRoot();
  }
  TV_ASSIGN_OR_RETURN(const bool beyond, HasLeaf(view, out.head.tree_size));
  if (beyond) {
    out.broken = "the audit log has entries beyond its recorded head";
    return out;
  }
  absl::StatusOr<audit::TileBuilder> builder = RebuildTree(view, out.head.tree_size);
  if (!builder.ok()) {
    out.broken = std::string(builder.status().message());
    return out;
  }
  if (builder->Root() != out.head.root) {
    out.broken = "the audit log does not hash to its recorded head";
    return out;
  }
  out.tree.builder = *std::move(builder);
  TV_ASSIGN_OR_RETURN(out.tree.checkpoint, GetOr(view, kCheckpointKey, ""));
  return out;
}

absl::StatusOr<Recovered> Recover(Store& store, const SecretBytes& key) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<View> view, store.Pin());
  TV_ASSIGN_OR_RETURN(Recovered out, RecoverLog(*view, key));
  TV_ASSIGN_OR_RETURN(const MetaSum sum, SumOfMeta(*view, key));
  if (out.broken.empty() && sum != out.head.meta_sum) {
    out.stale =
        "a record of the store is stale, missing or added: the sum over all records is not "
        "the one that was committed last";
    out.head.meta_sum = sum;  // what an operator would adopt
  }
  return out;
}

// What is known of keyring, control file and lock state from outside of them: the larger of what
// anchor and store saw, so that putting back one of the two hides nothing.
struct Known {
  uint64_t keyring = 0;
  uint64_t control = 0;
  LockEpoch lock_epoch;
};

Known KnownFrom(const AnchorState& anchor, const JournalHead& head) {
  return {.keyring = std::max(anchor.keyring_generation, head.keyring_generation),
          .control = std::max(anchor.control_generation, head.control_generation),
          .lock_epoch = std::max(anchor.lock_epoch, head.lock_epoch)};
}

// "" where the recovered state is at or beyond the anchor and continues it.
std::string Contradiction(const EngineOptions& options, const Recovered& recovered,
                          const AuditTree& tree) {
  const Anchor& anchor = *options.anchor;
  const JournalHead& head = recovered.head;
  if (!anchor.damage().ok()) return std::string(anchor.damage().message());
  if (!anchor.recovered()) {
    if (head.seq != 0) return "the anchor is missing although the store is not empty";
    // Each start of a vault writes: only one that never ran has neither store nor anchor.
    if (options.keyring_generation > kFirstGeneration ||
        options.control_generation > kFirstGeneration) {
      return "the store is empty and the anchor is missing although this vault was in use: both "
             "were lost or taken away";
    }
    return "";
  }
  const AnchorState& state = *anchor.recovered();
  if (head.seq < state.seq || head.tree_size < state.tree_size) {
    return absl::StrCat("the store is older than the anchor: it ends at entry ", head.tree_size,
                        ", commit ", head.seq, "; the anchor saw entry ", state.tree_size,
                        ", commit ", state.seq);
  }
  if (state.tree_size > 0) {
    const absl::StatusOr<audit::Hash> root = tree.RootAt(state.tree_size);
    if (!root.ok()) return std::string(root.status().message());
    if (*root != state.root) return "the audit log does not continue the one the anchor saw";
  }
  if (head.seq == state.seq &&
      (head.tree_size != state.tree_size || head.meta_sum != state.meta_sum)) {
    return "the store's last commit is not the one the anchor saw";
  }
  const Known known = KnownFrom(state, head);
  if (options.keyring_generation < known.keyring) {
    return absl::StrCat("the keyring is older than anchor or store: generation ",
                        options.keyring_generation, " instead of ", known.keyring);
  }
  if (options.control_generation < known.control) {
    return absl::StrCat("the control file is older than anchor or store: generation ",
                        options.control_generation, " instead of ", known.control);
  }
  if (options.current_lock_epoch < known.lock_epoch) {
    return "the lockdown state is older than anchor or store";
  }
  return "";
}

// Nothing where a state was recovered and the anchor that should speak of it is missing.
std::optional<Known> WhatIsKnown(const Anchor& anchor, const JournalHead& head, bool fresh) {
  if (fresh) return Known();
  if (!anchor.damage().ok() || !anchor.recovered()) return std::nullopt;
  return KnownFrom(*anchor.recovered(), head);
}

AnchorState StateToAnchor(const EngineOptions& options, const JournalHead& head, StoreEpoch epoch) {
  return {.seq = head.seq,
          .tree_size = head.tree_size,
          .root = head.root,
          .meta_sum = head.meta_sum,
          .store_epoch = epoch,
          .keyring_generation = options.keyring_generation,
          .control_generation = options.control_generation,
          .lock_epoch = options.current_lock_epoch};
}

// Whether what was recovered is taken for the state; if so, nothing is contradicted any more.
bool MayAdopt(const EngineOptions& options, const Recovered& recovered, std::string& quarantine) {
  // An inconsistent tree is never extended, whoever asks.
  if (!options.adopt_recovered_state || !recovered.broken.empty()) return false;
  const RecoveredEnd end = EndOf(recovered.head);
  if (options.adopt_only && *options.adopt_only != end) return false;
  if (quarantine.empty() || !options.before_adoption) {
    quarantine.clear();
    return true;
  }
  Adoption adoption{.end = end};
  if (options.anchor->damage().ok()) adoption.anchor = options.anchor->recovered();
  const Known known = KnownFrom(adoption.anchor.value_or(AnchorState()), recovered.head);
  adoption.keyring_current = options.keyring_generation >= known.keyring;
  const absl::Status prepared = options.before_adoption(adoption);
  if (prepared.ok()) {
    quarantine.clear();
  } else {
    absl::StrAppend(&quarantine, "; not adopted: ", prepared.message());
  }
  return prepared.ok();
}

// The anchor catches up with what was recovered. Durable when OK.
absl::Status BringAnchorForward(Anchor& anchor, const AnchorState& now) {
  TV_RETURN_IF_ERROR(anchor.RecordHead(now.seq, now.tree_size, now.root, now.meta_sum));
  TV_RETURN_IF_ERROR(anchor.RecordKeyring(now.keyring_generation));
  TV_RETURN_IF_ERROR(anchor.RecordControl(now.control_generation, now.lock_epoch));
  return anchor.RecordEpoch(now.store_epoch);
}

}  // namespace

RecoveredEnd EndOf(const JournalHead& head) {
  return {.commits = head.seq, .head = {head.tree_size, head.root}, .meta_sum = head.meta_sum};
}

absl::StatusOr<Engine> OpenEngine(EngineOptions options) {
  const std::optional<AnchorState>& anchored = options.anchor->recovered();
  const StoreEpoch above =
      std::max(anchored ? anchored->store_epoch : StoreEpoch(0), options.used_epoch);
  TV_ASSIGN_OR_RETURN(const StoreEpoch epoch, options.store->AcquireLease(above));
  TV_ASSIGN_OR_RETURN(Recovered recovered, Recover(*options.store, options.freshness_key));

  const AuditTree tree(*options.store, recovered.tree);
  std::string quarantine = recovered.broken.empty() ? recovered.stale : recovered.broken;
  if (quarantine.empty()) quarantine = Contradiction(options, recovered, tree);
  const AnchorState now = StateToAnchor(options, recovered.head, epoch);
  const bool fresh = quarantine.empty() && !anchored;
  const bool adopt = MayAdopt(options, recovered, quarantine);
  const std::optional<Known> known = WhatIsKnown(*options.anchor, recovered.head, fresh || adopt);
  if (quarantine.empty()) {
    TV_RETURN_IF_ERROR(adopt || fresh ? options.anchor->Adopt(now)
                                      : BringAnchorForward(*options.anchor, now));
    TV_ASSIGN_OR_RETURN(
        recovered.tree.checkpoint,
        options.signer.SignCheckpoint(recovered.head.tree_size, recovered.head.root));
  } else {
    quarantine += kWhatToDo;
  }

  Engine engine;
  engine.store = std::move(options.store);
  engine.anchor = std::move(options.anchor);
  engine.quarantine = quarantine;
  engine.keyring_current = known.has_value() && options.keyring_generation >= known->keyring;
  engine.control_current = known.has_value() && options.control_generation >= known->control;
  engine.journal =
      std::make_unique<Sequencer>(SequencerOptions{.store = *engine.store,
                                                   .epoch = epoch,
                                                   .anchor = *engine.anchor,
                                                   .freshness_key = options.freshness_key,
                                                   .signer = options.signer,
                                                   .lock_epoch = std::move(options.lock_epoch),
                                                   .now = std::move(options.now),
                                                   .on_failure = std::move(options.on_failure),
                                                   .head = recovered.head,
                                                   .tree = std::move(recovered.tree),
                                                   .quarantine = std::move(quarantine)});
  return engine;
}

}  // namespace televault::store
