#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/merkle.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/secret.h"
#include "vault/base/status.h"
#include "vault/base/time.h"
#include "vault/store/anchor.h"
#include "vault/store/engine.h"
#include "vault/store/meta_sum.h"

namespace televault::backup {

// What lies in a restored store until its vault has taken it in (docs/formats/backup-v1.md): what
// the next starts have to do, and why.
struct RestoreOrder {
  VaultId vault;
  WallTime made_at;  // of the backup
  // Where the store ends, and what the anchor said when it was put in place.
  audit::TreeHead head;
  uint64_t commits = 0;
  store::MetaSum meta_sum{};
  bool anchored = false;  // there was an anchor that could be read
  uint64_t anchor_commits = 0;
  audit::TreeHead anchor;
  // Of the control files that were there, or were put back, and what the anchor said of them.
  uint64_t control_generation = 0;
  uint64_t anchor_control_generation = 0;
  // The least that may be in force from now on.
  StoreEpoch store_epoch;
  LockEpoch lock_epoch;
  uint64_t keyring_generation = 0;
  // History after the backup is known to be lost, and this is why that is accepted; "" = it is not.
  std::string accepted;
  std::string by;  // who ran the restore, as the machine knows them
  // A start has locked the vault and recorded the restore; the keyring has not been followed yet.
  bool started = false;
  // A start went on from a store that its anchor contradicted.
  bool adopted = false;
  // A backup was put back before that, and is not on record yet.
  bool put_back = false;
  // The keyring is no older than the store: what it has no key of is destroyed.
  bool follows = true;
  friend bool operator==(const RestoreOrder&, const RestoreOrder&) = default;

  store::RecoveredEnd End() const { return {commits, head, meta_sum}; }
  // Notes what the anchor says; nothing where there is none, or none that can be read.
  void TakeAnchor(const std::optional<store::AnchorState>& state);
  // Whether there was more than the store has.
  bool LosesHistory() const {
    return !accepted.empty() && (adopted || !anchored || anchor.size > head.size);
  }
};

// What a start finds.
struct FoundAtStart {
  std::optional<store::AnchorState> anchor;  // nothing: none that can be read
  uint64_t keyring_generation = 0;
  uint64_t control_generation = 0;
};

// A start that was cut short had the anchor take the end of this store already.
bool IsTaken(const RestoreOrder& order, const std::optional<store::AnchorState>& anchor);

// Whether the order accepts that the store it came with goes on from its end. What was accepted is
// the loss of what the anchor knew of at that time, once, and of nothing else: never an older
// keyring; older control files only where the restore itself put exactly these back.
bool AcceptsLostHistory(const RestoreOrder& order, const FoundAtStart& found);

// With a MAC of `key`: whoever can write the data directory but has not its control key makes none.
std::string FormatOrder(const RestoreOrder& order, const SecretBytes& key);
// DATA_LOSS unless it is what FormatOrder writes under `key`.
absl::StatusOr<RestoreOrder> ParseOrder(std::string_view text, const SecretBytes& key);

// The key of the MAC, out of the anchor's.
SecretBytes OrderKey(const SecretBytes& anchor_key);

// The order in a store's directory; nothing where it was not restored, or was taken in since.
absl::StatusOr<std::optional<RestoreOrder>> ReadOrder(FileSystem& fs,
                                                      const std::string& store_directory,
                                                      const SecretBytes& key);
// Durable when OK.
absl::Status WriteOrder(FileSystem& fs, const std::string& store_directory,
                        const RestoreOrder& order, const SecretBytes& key);
absl::Status RemoveOrder(FileSystem& fs, const std::string& store_directory);

// Names in the store's directory beside the engine's: the order, and the mark of a copy that is not
// in its place yet.
inline constexpr char kOrderFile[] = "restored";
inline constexpr char kStagingMark[] = "restoring";

}  // namespace televault::backup
