#include "vault/daemon/key_replicas.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/crypto/replica_mark.h"

namespace televault::daemon {
namespace {

constexpr size_t kMaxMarkBytes = 1'024;

absl::StatusOr<crypto::ReplicaId> ReadMark(FileSystem& fs, const VaultId& vault,
                                           const KeyReplica& replica) {
  const auto text = fs.ReadFile(replica.mark(), kMaxMarkBytes);
  if (!text.ok() || !fs.Exists(replica.slot_dir()) || !fs.Exists(replica.keyring_dir())) {
    return absl::NotFoundError(
        absl::StrCat(replica.directory,
                     " is no key replica: mount its device, or make one there with "
                     "`televaultd key-replica add`"));
  }
  const auto id = crypto::ParseReplicaMark(*text, vault);
  return id.ok() ? id : Annotate(id.status(), replica.mark());
}

}  // namespace

absl::StatusOr<crypto::ReplicaId> MarkKeyReplica(FileSystem& fs, Random& random,
                                                 const VaultId& vault,
                                                 const std::string& directory) {
  KeyReplica replica{.directory = directory};
  random.Fill(replica.id);
  TV_RETURN_IF_ERROR(fs.CreateDirectory(directory, 0700));
  TV_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  if (!names.empty()) {
    return absl::AlreadyExistsError(
        absl::StrCat(directory, " is not empty: give a directory of its own to a key replica"));
  }
  TV_RETURN_IF_ERROR(fs.CreateDirectory(replica.slot_dir(), 0700));
  TV_RETURN_IF_ERROR(fs.CreateDirectory(replica.keyring_dir(), 0700));
  TV_RETURN_IF_ERROR(
      ReplaceFile(fs, replica.mark(), AsBytes(crypto::FormatReplicaMark(vault, replica.id)), 0600));
  return replica.id;
}

KeyReplicas::KeyReplicas(FileSystem& fs, const VaultId& vault,
                         const std::vector<std::string>& directories, size_t most)
    : fs_(fs), vault_(vault) {
  for (const std::string& directory : directories) {
    KeyReplica replica{.directory = directory};
    const auto id = ReadMark(fs_, vault_, replica);
    if (!id.ok()) {
      problems_.emplace_back(id.status().message());
      continue;
    }
    replica.id = *id;
    const bool twice = std::any_of(present_.begin(), present_.end(),
                                   [&](const KeyReplica& other) { return other.id == *id; });
    if (twice) {
      problems_.push_back(absl::StrCat(directory, " carries the mark of another key replica"));
      continue;
    }
    if (present_.size() == most) {
      problems_.push_back(absl::StrCat(directory, " is not used: there are ",
                                       crypto::kMaxKeyReplicas, " key replicas already"));
      continue;
    }
    present_.push_back(std::move(replica));
  }
}

absl::Status KeyReplicas::Check(std::span<const crypto::ReplicaId> required,
                                crypto::KeySlots& slots) const {
  for (const crypto::ReplicaId& id : required) {
    TV_RETURN_IF_ERROR(CheckOne(id, slots.Ask(id)));
  }
  return absl::OkStatus();
}

absl::Status KeyReplicas::CheckAsLastSeen(std::span<const crypto::ReplicaId> required,
                                          const crypto::KeySlots& slots) const {
  for (const crypto::ReplicaId& id : required) {
    TV_RETURN_IF_ERROR(CheckOne(id, slots.LastAnswer(id)));
  }
  return absl::OkStatus();
}

absl::Status KeyReplicas::CheckOne(const crypto::ReplicaId& id,
                                   const absl::Status& of_slots) const {
  if (of_slots.ok()) return absl::OkStatus();
  if (!absl::IsNotFound(of_slots)) {
    return absl::FailedPreconditionError(absl::StrCat("key replica ", ToHex(id),
                                                      " does not answer: ", of_slots.message(),
                                                      ". Until then no key is made or shredded"));
  }
  const auto found = std::find_if(present_.begin(), present_.end(),
                                  [&](const KeyReplica& replica) { return replica.id == id; });
  if (found == present_.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "key replica ", ToHex(id),
        " was not there at the start: mount it or put the token in, name it in keys.replicas or "
        "keys.pkcs11.tokens and restart; or, where it is lost, start once with `televaultd serve "
        "--drop-key-replica ",
        ToHex(id), "`. Until then nothing is shredded"));
  }
  const auto now = ReadMark(fs_, vault_, *found);
  if (!now.ok() || *now != id) {
    return absl::FailedPreconditionError(
        absl::StrCat("key replica ", ToHex(id), " has gone from ", found->directory,
                     ": mount it again and restart. Until then no key is made or shredded"));
  }
  return absl::OkStatus();
}

}  // namespace televault::daemon
