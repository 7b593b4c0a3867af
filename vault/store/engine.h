#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "audit/merkle.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/store/anchor.h"
#include "vault/store/journal.h"
#include "vault/store/log_layout.h"
#include "vault/store/meta_sum.h"
#include "vault/store/store.h"

namespace televault::store {

// Where a store ends, to the byte of its records.
struct RecoveredEnd {
  uint64_t commits = 0;
  audit::TreeHead head;
  MetaSum meta_sum{};
  friend bool operator==(const RecoveredEnd&, const RecoveredEnd&) = default;
};

RecoveredEnd EndOf(const JournalHead& head);

struct Adoption {
  RecoveredEnd end;                   // of the store that is adopted
  std::optional<AnchorState> anchor;  // nothing: none that can be read
  bool keyring_current = false;       // it is as new as anchor and store know it
};

struct EngineOptions {
  // The opened store; OpenEngine takes the lease.
  std::unique_ptr<Store> store;
  // Opened first: it also says which keyring and control generations to expect.
  std::unique_ptr<Anchor> anchor;
  // Keys the fingerprint of every meta record; outlives the engine. Usable while sealed.
  const SecretBytes& freshness_key;
  const CheckpointSigner& signer;
  // The lock epoch in force; called by the sequencer for every unit that permits disclosure.
  std::function<LockEpoch()> lock_epoch;
  // The time that leaves are stamped with; asked by whoever commits. By default none waits too
  // long.
  std::function<WallTime()> now = [] { return WallTime(); };
  // Runs once, on the thread that commits, when the journal stops: close the data gate.
  std::function<void(std::string_view why)> on_failure;
  // What the keyring and the control file say, to be compared with the anchor.
  uint64_t keyring_generation = 0;
  uint64_t control_generation = 0;
  LockEpoch current_lock_epoch;
  // An epoch that was in use where the anchor does not know of it: after a restore.
  StoreEpoch used_epoch;
  // An operator's audited decision to go on from what is there although the anchor contradicts it
  // or is missing (restore, lost device). Never set by default.
  bool adopt_recovered_state = false;
  // Where it is set, the decision is about a store that ends here, and about no other one.
  std::optional<RecoveredEnd> adopt_only;
  // Called before a state is taken that anchor or store contradict. Unless it is OK nothing is
  // adopted.
  std::function<absl::Status(const Adoption&)> before_adoption;
};

// The opened vault state. Destroy the journal before anchor and store (members are in that order).
struct Engine {
  std::unique_ptr<Store> store;
  std::unique_ptr<Anchor> anchor;
  // Quarantined: reads and proofs answer as far as the tree verifies, Commit is CONTROL_MODE.
  std::unique_ptr<Journal> journal;
  // Why only control mode is allowed, and what to do; "" = all is well.
  std::string quarantine;
  // At or beyond everything that is known of it, or adopted. Where it is not, it must not be
  // written: its generation would grow until the old copy passes for the newest one.
  bool keyring_current = false;
  bool control_current = false;
};

// Takes the lease, recovers the tree, recomputes the meta sum and holds all of it against the
// anchor: the recovered head must be at or beyond the anchor and consistent with it.
// Errors only where nothing at all can be read; everything else comes back quarantined.
absl::StatusOr<Engine> OpenEngine(EngineOptions options);

}  // namespace televault::store
