#include "vault/daemon/restore.h"

#include <algorithm>
#include <array>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vault/backup/files.h"
#include "vault/control/audit_signer.h"
#include "vault/control/control_keys.h"
#include "vault/control/control_store.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_slots.h"
#include "vault/crypto/keyring.h"
#include "vault/daemon/directory_lock.h"
#include "vault/daemon/key_replicas.h"
#include "vault/daemon/layout.h"
#include "vault/daemon/open_key_slots.h"
#include "vault/store/anchor.h"

namespace televault::daemon {
namespace {

constexpr size_t kMaxStaticFileBytes = size_t{64} << 20;
// What a data directory that is being made again may hold already: what a vault, or an earlier run,
// has put there, be it that a crash left it under the name it is written under first.
constexpr std::array kOwnNames = {
    "control",      "keyring",         "slots",    "tls",
    "store",        "store.restoring", "cosigned", "store.before-restore",
    "cosigned.new", "identity.new"};

constexpr char kWhatCopiesAre[] =
    " is missing: --static-files holds copies of identity, control and tls";

struct StaticFile {
  std::string from;
  std::string to;
};

// They are believed as they lie there: whoever could write to them would be the vault's master.
absl::StatusOr<std::string> ReadStatic(FileSystem& fs, const std::string& path) {
  TV_RETURN_IF_ERROR(backup::CheckNobodyElseWrites(path));
  return backup::ReadPlainFile(fs, path, kMaxStaticFileBytes);
}

absl::StatusOr<std::vector<StaticFile>> StaticFiles(FileSystem& fs, const Layout& layout,
                                                    const std::string& from) {
  std::vector<StaticFile> files;
  for (const char* const part : {"control", "tls"}) {
    const std::string source = absl::StrCat(from, "/", part);
    TV_RETURN_IF_ERROR(backup::CheckNobodyElseWrites(source));
    const auto names = fs.List(source);
    if (!names.ok()) return absl::NotFoundError(absl::StrCat(source, kWhatCopiesAre));
    for (const std::string& name : *names) {
      TV_RETURN_IF_ERROR(backup::CheckNobodyElseWrites(absl::StrCat(source, "/", name)));
      files.push_back(
          {absl::StrCat(source, "/", name), absl::StrCat(layout.data_dir, "/", part, "/", name)});
    }
  }
  return files;
}

// Whether it has to be written: what is there is never overwritten, for it may be the newer one.
absl::StatusOr<bool> IsMissing(FileSystem& fs, const StaticFile& file) {
  if (absl::IsNotFound(fs.OpenPlain(file.to).status())) return true;
  TV_ASSIGN_OR_RETURN(const std::string here, ReadStatic(fs, file.to));
  TV_ASSIGN_OR_RETURN(const std::string copy, ReadStatic(fs, file.from));
  if (crypto::EqualSecrets(AsBytes(here), AsBytes(copy))) return false;
  return absl::AlreadyExistsError(absl::StrCat(
      file.to, " is there and differs from ", file.from, ": nothing was overwritten, since either ",
      "may be the newer one. Move ", file.to, " away if the copy is to count, or put it in the ",
      "place of the copy if it is to stay, and run the restore again"));
}

// A data directory without `identity` that holds nothing but what is a vault's own.
absl::Status CheckIsNoVault(FileSystem& fs, const Layout& layout) {
  if (!absl::IsNotFound(fs.FileSize(layout.identity()).status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(layout.data_dir,
                     " is a vault: --static-files is for one that is lost altogether. Where it ",
                     "is to be made again all the same, move ", layout.identity(), " away first"));
  }
  TV_ASSIGN_OR_RETURN(const auto names, fs.List(layout.data_dir));
  for (const std::string& name : names) {
    if (std::find(kOwnNames.begin(), kOwnNames.end(), name) == kOwnNames.end()) {
      return absl::AlreadyExistsError(absl::StrCat(
          layout.data_dir, "/", name, " is there: give a data directory that does not exist"));
    }
  }
  return absl::OkStatus();
}

// Everything but `identity`, which makes a vault of the directory and comes last. The caller holds
// the lock of the directory.
absl::Status MakeDataDirectory(FileSystem& fs, const Layout& layout, const std::string& from) {
  TV_RETURN_IF_ERROR(CheckIsNoVault(fs, layout));
  TV_ASSIGN_OR_RETURN(const std::vector<StaticFile> files, StaticFiles(fs, layout, from));
  TV_RETURN_IF_ERROR(backup::DirectoryNobodyElseWrites(layout.data_dir).status());
  for (const std::string& directory :
       {layout.control_dir(), layout.keyring_dir(), layout.slot_dir(), layout.tls_dir()}) {
    TV_RETURN_IF_ERROR(fs.CreateDirectory(directory, 0700));
    // Who may write to the data directory may also keep a part of it on another device.
    TV_RETURN_IF_ERROR(backup::DirectoryNobodyElseWrites(directory).status());
  }
  // All of them are compared before one is written.
  std::vector<StaticFile> missing;
  for (const StaticFile& file : files) {
    TV_ASSIGN_OR_RETURN(const bool is_missing, IsMissing(fs, file));
    if (is_missing) missing.push_back(file);
  }
  for (const StaticFile& file : missing) {
    TV_ASSIGN_OR_RETURN(const std::string content, ReadStatic(fs, file.from));
    const int permissions = file.to.ends_with(".crt") ? 0644 : 0600;
    TV_RETURN_IF_ERROR(ReplaceFile(fs, file.to, AsBytes(content), permissions));
  }
  return fs.SyncDirectory(layout.data_dir);
}

// The newest keyring that there is, with the numbers it carries in the open. Writes nothing.
absl::StatusOr<std::unique_ptr<crypto::Keyring>> NewestKeyring(FileSystem& fs, Random& random,
                                                               const Config& config,
                                                               const Identity& identity,
                                                               crypto::KeySlots& slots,
                                                               const KeyReplicas& replicas) {
  std::vector<std::string> directories{Layout{config.data_dir}.keyring_dir()};
  for (const KeyReplica& replica : replicas.present()) {
    directories.push_back(replica.keyring_dir());
  }
  auto keyring = crypto::Keyring::Load({.fs = fs,
                                        .slots = slots,
                                        .random = random,
                                        .vault = identity.vault,
                                        .directories = std::move(directories),
                                        .on_new_generation = nullptr});
  if (keyring.ok()) return keyring;
  std::string why(keyring.status().message());
  for (const std::string& problem : replicas.problems()) absl::StrAppend(&why, "; ", problem);
  return absl::FailedPreconditionError(absl::StrCat(
      "no keyring opens, and without one nothing of a backup is ever read: name a key replica in ",
      "keys.replicas of --config (", why, ")"));
}

// What somebody else writes there the daemon cannot open afterwards.
absl::Status CheckOwner(const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) == 0 && info.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(directory, " belongs to the user ", info.st_uid,
                                                    ", and this is ", ::geteuid(),
                                                    ": run it as the user of the daemon"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Identity> IdentityAmong(FileSystem& fs, const std::string& copies) {
  const std::string path = Layout{copies}.identity();
  if (absl::IsNotFound(fs.FileSize(path).status())) {
    return absl::NotFoundError(absl::StrCat(path, kWhatCopiesAre));
  }
  TV_ASSIGN_OR_RETURN(const std::string text, ReadStatic(fs, path));
  return ParseIdentity(text);
}

}  // namespace

absl::StatusOr<backup::StoreRestore::Report> RestoreVault(FileSystem& fs, const Clock& clock,
                                                          Random& random,
                                                          const RestoreOptions& options) {
  const Layout layout{options.config.data_dir};
  const bool rebuilds = !options.static_files.empty();
  std::string copies;
  if (rebuilds) {
    TV_ASSIGN_OR_RETURN(copies, backup::DirectoryNobodyElseWrites(options.static_files));
  }
  TV_ASSIGN_OR_RETURN(const Identity identity,
                      rebuilds ? IdentityAmong(fs, copies) : ReadIdentity(fs, layout));
  if (rebuilds) TV_RETURN_IF_ERROR(fs.CreateDirectory(layout.data_dir, 0700));
  TV_RETURN_IF_ERROR(CheckOwner(layout.data_dir));
  TV_ASSIGN_OR_RETURN(const DirectoryLock lock, DirectoryLock::Take(layout.data_dir));
  if (rebuilds) TV_RETURN_IF_ERROR(MakeDataDirectory(fs, layout, copies));

  TV_ASSIGN_OR_RETURN(const auto keys, control::ControlKeys::Load(fs, layout.control_key()));
  TV_ASSIGN_OR_RETURN(const auto signer,
                      control::AuditSigner::Load(fs, layout.signer_key(), identity.origin));
  TV_ASSIGN_OR_RETURN(audit::VerifierKey log, audit::VerifierKey::Parse(signer->vkey()));
  TV_ASSIGN_OR_RETURN(const auto control,
                      control::ControlStore::Open({.fs = fs,
                                                   .random = random,
                                                   .key = keys->control(),
                                                   .vault = identity.vault,
                                                   .directory = layout.control_dir()}));
  const std::string anchor_file =
      options.config.anchor_file.empty() ? layout.default_anchor() : options.config.anchor_file;
  TV_ASSIGN_OR_RETURN(const auto anchor,
                      store::Anchor::Open({.path = anchor_file, .fs = fs, .key = keys->anchor()}));
  const std::optional<store::AnchorState> anchored =
      anchor->damage().ok() ? anchor->recovered() : std::nullopt;
  const KeyReplicas replicas(fs, identity.vault, options.config.key_replicas);
  TV_ASSIGN_OR_RETURN(const auto slots,
                      OpenKeySlots(fs, random, options.config, identity, replicas));
  TV_ASSIGN_OR_RETURN(const auto keyring,
                      NewestKeyring(fs, random, options.config, identity, *slots, replicas));

  const SecretBytes freshness = crypto::DeriveKey(keys->anchor(), "televault.fresh");
  const SecretBytes order_key = backup::OrderKey(keys->anchor());
  backup::StoreRestore restore({.fs = fs,
                                .clock = clock,
                                .vault = identity.vault,
                                .log = std::move(log),
                                .store_directory = layout.store_dir(),
                                .freshness_key = freshness,
                                .order_key = order_key,
                                .anchor = anchored,
                                .keyring_generation = keyring->generation(),
                                .meta_keys = keyring->MetaKeys(),
                                .control_generation = control->generation(),
                                .restores_control = rebuilds,
                                .lock_epoch = keyring->lock_epoch(),
                                .accepted = options.accepted,
                                .by = options.by});
  TV_ASSIGN_OR_RETURN(auto report, restore.Run(options.backup));
  if (rebuilds) {
    TV_RETURN_IF_ERROR(ReplaceFile(fs, layout.identity(), AsBytes(FormatIdentity(identity)), 0644));
  }
  return report;
}

}  // namespace televault::daemon
