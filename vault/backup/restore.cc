#include "vault/backup/restore.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/backup/backup.h"
#include "vault/base/bytes.h"
#include "vault/base/crash_point.h"
#include "vault/store/audit_tree.h"
#include "vault/store/engine.h"
#include "vault/store/log_layout.h"
#include "vault/store/rocks_store.h"

namespace televault::backup {
namespace {

constexpr size_t kCacheBytes = size_t{8} << 20;
constexpr int kOpenFiles = 128;
// Without an anchor nothing says how many starts there were after the backup. Numbers are never
// handed out twice: more are left out than there can have been.
constexpr uint64_t kEpochsLeftOut = 4'096;

constexpr char kAccept[] = "; where that is known, give --accept-lost-history REASON";

absl::Status NeverStops() { return absl::OkStatus(); }

absl::StatusOr<std::unique_ptr<store::Store>> LookAt(FileSystem& fs, const std::string& directory) {
  return store::OpenRocksStoreReadOnly(
      {.directory = directory, .fs = fs, .cache_bytes = kCacheBytes, .max_open_files = kOpenFiles});
}

// The log of a store that is only looked at.
absl::StatusOr<std::unique_ptr<store::AuditTree>> TreeOf(store::Store& store, uint64_t size) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, store.Pin());
  TV_ASSIGN_OR_RETURN(audit::TileBuilder builder, store::RebuildTree(*view, size));
  return std::make_unique<store::AuditTree>(store, store::TreeSnapshot{std::move(builder), ""});
}

absl::StatusOr<bool> HasRoot(const store::AuditTree& tree, const audit::TreeHead& head) {
  if (head.size == 0) return true;
  TV_ASSIGN_OR_RETURN(const audit::Hash root, tree.RootAt(head.size));
  return root == head.root;
}

absl::StatusOr<store::JournalHead> HeadOf(store::Store& store, const SecretBytes& key) {
  TV_ASSIGN_OR_RETURN(const std::unique_ptr<store::View> view, store.Pin());
  return ReadHead(*view, key);
}

uint64_t LessThan(uint64_t there, uint64_t known) { return known > there ? known - there : 0; }

absl::Status Fork(std::string_view of) {
  return absl::DataLossError(absl::StrCat(
      "the backup's log is another one than that of ", ToAbsl(of),
      ": one of the two is a fork. Nothing was changed, and nothing makes this vault take it"));
}

absl::Status Lost(uint64_t size, uint64_t known, std::string_view who) {
  return absl::DataLossError(absl::StrCat("the backup is older than ", ToAbsl(who),
                                          ", which saw entry ", known, ": it ends at entry ", size,
                                          ". What came after would be lost", kAccept));
}

}  // namespace

std::string StoreRestore::StagingOf(const std::string& store_directory) {
  return store_directory + ".restoring";
}
std::string StoreRestore::KeptOf(const std::string& store_directory) {
  return store_directory + ".before-restore";
}

// What a restore left that was cut short: a copy, which goes, or the old store, which had lost its
// name already.
absl::Status StoreRestore::FinishEarlier() {
  FileSystem& fs = parts_.fs;
  const std::string staging = StagingOf(parts_.store_directory);
  if (!fs.Exists(staging)) return absl::OkStatus();
  if (IsUnderWay(staging) || IsOnlyACopy(staging)) return RemoveTree(fs, staging);
  const std::string kept = KeptOf(parts_.store_directory);
  if (fs.Exists(kept)) {
    return absl::FailedPreconditionError(
        absl::StrCat(staging, " is the store of before a restore that was cut short, and ", kept,
                     " is there already: move one of them away"));
  }
  TV_RETURN_IF_ERROR(fs.Rename(staging, kept));
  return fs.SyncDirectory(ParentOf(kept));
}

// A copy that has no order yet. Its mark alone says nothing: a store that was put in its place and
// started has it, too, until it is taken in, and may be here for having been replaced.
bool StoreRestore::IsUnderWay(const std::string& staging) const {
  const auto is_missing = [&](std::string_view name) {
    return absl::IsNotFound(parts_.fs.FileSize(absl::StrCat(staging, "/", ToAbsl(name))).status());
  };
  if (is_missing("db")) return true;
  return !is_missing(kStagingMark) && is_missing(kOrderFile);
}

// Nothing is worth keeping of a store that came from a backup and has not grown since. Where that
// cannot be found out it is another one. That no start is noted in its order proves nothing: what a
// start commits comes before the note.
bool StoreRestore::IsOnlyACopy(const std::string& directory) const {
  const auto order = ReadOrder(parts_.fs, directory, parts_.order_key);
  if (!order.ok() || !order->has_value() || (*order)->started || (*order)->adopted) return false;
  const auto store = LookAt(parts_.fs, directory);
  if (!store.ok()) return false;
  const auto head = HeadOf(**store, parts_.freshness_key);
  return head.ok() && store::EndOf(*head) == (*order)->End();
}

absl::StatusOr<StoreRestore::Report> StoreRestore::Run(const std::string& backup) {
  const MonoTime start = parts_.clock.Mono();
  if (parts_.anchor.has_value()) {
    TV_RETURN_IF_ERROR(CheckControl(parts_.anchor->control_generation, "the anchor"));
  }
  TV_RETURN_IF_ERROR(FinishEarlier());
  const bool keeps =
      parts_.fs.Exists(parts_.store_directory) && !IsOnlyACopy(parts_.store_directory);
  if (const std::string kept = KeptOf(parts_.store_directory); keeps && parts_.fs.Exists(kept)) {
    return absl::FailedPreconditionError(
        absl::StrCat(kept, " is left of an earlier restore, and the store of now is to be kept ",
                     "there: move it away or remove it"));
  }
  Report report;
  TV_RETURN_IF_ERROR(Stage(backup, report.manifest));
  TV_CRASH_POINT("restore.staged");
  TV_RETURN_IF_ERROR(CheckCopy(report.manifest));
  TV_RETURN_IF_ERROR(Order(report.manifest));
  TV_CRASH_POINT("restore.ordered");
  TV_ASSIGN_OR_RETURN(report.kept, Swap(keeps));
  if (parts_.anchor.has_value()) {
    const store::AnchorState& anchor = *parts_.anchor;
    report.lost_entries = LessThan(report.manifest.head.size, anchor.tree_size);
    report.lost_control = LessThan(parts_.control_generation, anchor.control_generation);
  }
  report.seconds = std::chrono::duration<double>(parts_.clock.Mono() - start).count();
  return report;
}

absl::Status StoreRestore::Stage(const std::string& backup, Manifest& manifest) {
  FileSystem& fs = parts_.fs;
  const std::string staging = StagingOf(parts_.store_directory);
  const std::string database = staging + "/db";
  TV_RETURN_IF_ERROR(fs.CreateNewDirectory(staging, 0700));
  TV_RETURN_IF_ERROR(ReplaceFile(fs, absl::StrCat(staging, "/", kStagingMark),
                                 AsBytes("a copy of a backup that is not in its place yet\n"),
                                 0600));
  TV_RETURN_IF_ERROR(fs.CreateNewDirectory(database, 0700));
  const std::string from = absl::StrCat(backup, "/", kDatabaseDirectory);
  const auto take = [&](const std::string& name) -> absl::StatusOr<FileEntry> {
    if (name == kCheckpointFile) return HashFile(fs, backup, name, NeverStops);
    TV_ASSIGN_OR_RETURN(FileEntry entry,
                        CopyFile(fs, from, database, name.substr(name.rfind('/') + 1), NeverStops));
    entry.name = name;
    return entry;
  };
  const auto checked = CheckFiles(fs, backup, parts_.log, parts_.vault, take);
  if (!checked.ok()) {
    RemoveTree(fs, staging).IgnoreError();
    return checked.status();
  }
  manifest = *checked;
  TV_RETURN_IF_ERROR(fs.SyncDirectory(database));
  return fs.SyncDirectory(staging);
}

absl::Status StoreRestore::CheckCopy(const Manifest& manifest) {
  const std::string staging = StagingOf(parts_.store_directory);
  const auto check = [&]() -> absl::Status {
    TV_ASSIGN_OR_RETURN(const auto copy, LookAt(parts_.fs, staging));
    ContentCheck content({*copy, parts_.freshness_key, NeverStops});
    TV_ASSIGN_OR_RETURN(const Content found, content.CheckSealed());
    if (found.head.tree_size != manifest.head.size || found.head.root != manifest.head.root ||
        found.head.seq != manifest.commits || found.head.meta_sum != manifest.meta_sum) {
      return absl::DataLossError("the backup does not end where its manifest says");
    }
    // An anchor beyond the backup also knows what was put back on record since.
    if (!parts_.anchor.has_value() || parts_.anchor->seq < manifest.commits) {
      TV_RETURN_IF_ERROR(CheckControl(found.head.control_generation, "the backup"));
    }
    TV_RETURN_IF_ERROR(CheckKeyring(found.head.keyring_generation));
    TV_RETURN_IF_ERROR(CheckMetaKey(manifest, parts_.meta_keys));
    TV_RETURN_IF_ERROR(CheckAgainstAnchor(manifest, *copy));
    return CheckAgainstOldStore(manifest);
  };
  const absl::Status status = check();
  if (!status.ok()) RemoveTree(parts_.fs, staging).IgnoreError();
  return status;
}

absl::Status StoreRestore::CheckKeyring(uint64_t known) const {
  if (parts_.keyring_generation >= known) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the keyring here is of generation ", parts_.keyring_generation, ", and generation ", known,
      " was in use: put the newest keyring back, or name the key replica that has it. ",
      "An older one would bring back what was shredded"));
}

// Who may do what stands in the control files, which are in no backup: that they are older than
// somebody knows is nothing that came after the backup, but a rollback of rights. Only the restore
// that puts them back itself can lose what is in no file any more.
absl::Status StoreRestore::CheckControl(uint64_t known, std::string_view who) const {
  if (parts_.control_generation >= known) return absl::OkStatus();
  if (parts_.restores_control && !parts_.accepted.empty()) return absl::OkStatus();
  const std::string older = absl::StrCat(
      "the control files are of generation ", parts_.control_generation, ", and ", ToAbsl(who),
      " saw generation ", known, ": persons, tokens and revocations since would be undone");
  if (parts_.restores_control) return absl::DataLossError(absl::StrCat(older, kAccept));
  return absl::DataLossError(absl::StrCat(
      older, ". No restore into a vault that is there accepts that: put the newest control files ",
      "back; where they are lost, make the data directory again with --static-files"));
}

absl::Status StoreRestore::CheckAgainstAnchor(const Manifest& manifest, store::Store& copy) {
  TV_RETURN_IF_ERROR(CheckKeyring(
      std::max(manifest.keyring_generation,
               parts_.anchor.has_value() ? parts_.anchor->keyring_generation : uint64_t{0})));
  if (!parts_.anchor.has_value()) {
    if (!parts_.accepted.empty()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("there is no anchor that can be read: nothing says how much history came "
                     "after this backup",
                     kAccept));
  }
  const store::AnchorState& anchor = *parts_.anchor;
  const bool older = manifest.head.size < anchor.tree_size || manifest.commits < anchor.seq;
  if (older) {
    if (!parts_.accepted.empty()) return absl::OkStatus();
    return Lost(manifest.head.size, anchor.tree_size, "the anchor");
  }
  TV_ASSIGN_OR_RETURN(const auto tree, TreeOf(copy, manifest.head.size));
  TV_ASSIGN_OR_RETURN(const bool continues, HasRoot(*tree, {anchor.tree_size, anchor.root}));
  const bool same_commit = manifest.commits == anchor.seq;
  if (!continues || (same_commit && (manifest.head.size != anchor.tree_size ||
                                     manifest.meta_sum != anchor.meta_sum))) {
    return Fork("the anchor");
  }
  return absl::OkStatus();
}

// The store that is replaced may be what a restore is made for: what does not open or add up says
// nothing. What does, and continues the anchor, is this vault's history.
absl::Status StoreRestore::CheckAgainstOldStore(const Manifest& manifest) {
  if (!parts_.fs.Exists(parts_.store_directory + "/db/CURRENT")) return absl::OkStatus();
  const auto old = LookAt(parts_.fs, parts_.store_directory);
  if (!old.ok()) return absl::OkStatus();
  const auto head = HeadOf(**old, parts_.freshness_key);
  if (!head.ok()) return absl::OkStatus();
  const auto tree = TreeOf(**old, head->tree_size);
  if (!tree.ok() || (*tree)->snapshot()->builder.Root() != head->root) return absl::OkStatus();
  if (parts_.anchor.has_value()) {
    const store::AnchorState& anchor = *parts_.anchor;
    if (head->tree_size < anchor.tree_size) return absl::OkStatus();
    const auto continues = HasRoot(**tree, {anchor.tree_size, anchor.root});
    if (!continues.ok() || !*continues) return absl::OkStatus();
  }
  TV_RETURN_IF_ERROR(CheckControl(head->control_generation, "the store that is here"));
  TV_RETURN_IF_ERROR(CheckKeyring(head->keyring_generation));
  if (head->tree_size >= manifest.head.size) {
    const auto prefix = HasRoot(**tree, manifest.head);
    if (prefix.ok() && !*prefix) return Fork("the store that is here");
    if (head->tree_size > manifest.head.size && parts_.accepted.empty()) {
      return Lost(manifest.head.size, head->tree_size, "the store that is here");
    }
    return absl::OkStatus();
  }
  TV_ASSIGN_OR_RETURN(const auto copy, LookAt(parts_.fs, StagingOf(parts_.store_directory)));
  TV_ASSIGN_OR_RETURN(const auto newer, TreeOf(*copy, manifest.head.size));
  TV_ASSIGN_OR_RETURN(const bool continues, HasRoot(*newer, {head->tree_size, head->root}));
  return continues ? absl::OkStatus() : Fork("the store that is here");
}

// An earlier restore whose first start was cut short when the anchor had taken its store: the
// anchor says no more what was lost, and this restore was asked to accept nothing.
void StoreRestore::TakeOver(RestoreOrder& order) const {
  const auto earlier = ReadOrder(parts_.fs, parts_.store_directory, parts_.order_key);
  if (!earlier.ok() || !earlier->has_value() || (*earlier)->started) return;
  const RestoreOrder& taken = **earlier;
  if (!taken.LosesHistory() || !IsTaken(taken, parts_.anchor)) return;
  if (order.head.size < order.anchor.size) return;  // loses more, and that is accepted by itself
  if (order.accepted.empty()) order.accepted = taken.accepted;
  order.anchored = taken.anchored;
  order.anchor_commits = taken.anchor_commits;
  order.anchor = taken.anchor;
  order.anchor_control_generation = taken.anchor_control_generation;
}

absl::Status StoreRestore::Order(const Manifest& manifest) {
  RestoreOrder order{.vault = parts_.vault,
                     .made_at = manifest.created_at,
                     .head = manifest.head,
                     .commits = manifest.commits,
                     .meta_sum = manifest.meta_sum,
                     .control_generation = parts_.control_generation,
                     .store_epoch = StoreEpoch(manifest.store_epoch.value() + kEpochsLeftOut),
                     .lock_epoch = std::max(manifest.lock_epoch, parts_.lock_epoch),
                     .keyring_generation = parts_.keyring_generation,
                     .accepted = parts_.accepted,
                     .by = parts_.by};
  order.TakeAnchor(parts_.anchor);
  if (parts_.anchor.has_value()) {
    const store::AnchorState& anchor = *parts_.anchor;
    order.store_epoch = std::max(manifest.store_epoch, anchor.store_epoch);
    order.lock_epoch = std::max(order.lock_epoch, anchor.lock_epoch);
    TakeOver(order);
  }
  return WriteOrder(parts_.fs, StagingOf(parts_.store_directory), order, parts_.order_key);
}

absl::StatusOr<std::string> StoreRestore::Swap(bool keeps) {
  FileSystem& fs = parts_.fs;
  const std::string& store = parts_.store_directory;
  const std::string staging = StagingOf(store);
  const bool replaces = fs.Exists(store);
  const absl::Status swapped = replaces ? fs.Exchange(store, staging) : fs.Rename(staging, store);
  if (absl::IsUnimplemented(swapped)) {
    return absl::FailedPreconditionError(absl::StrCat(std::string(swapped.message()), ": move ",
                                                      store,
                                                      " away by hand and run the restore again"));
  }
  TV_RETURN_IF_ERROR(swapped);
  TV_RETURN_IF_ERROR(fs.SyncDirectory(ParentOf(store)));
  TV_CRASH_POINT("restore.swapped");
  if (!replaces) return std::string();
  const std::string kept = KeptOf(store);
  if (!keeps) {
    TV_RETURN_IF_ERROR(RemoveTree(fs, staging));
    return fs.Exists(kept) ? kept : std::string();
  }
  TV_RETURN_IF_ERROR(fs.Rename(staging, kept));
  TV_CRASH_POINT("restore.kept");
  TV_RETURN_IF_ERROR(fs.SyncDirectory(ParentOf(store)));
  return kept;
}

}  // namespace televault::backup
