#include "vault/crypto/keyring_files.h"

#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/crash_point.h"
#include "vault/base/limits.h"

namespace televault::crypto {
namespace {

constexpr std::string_view kPrefix = "keyring.";

std::string PathOf(const std::string& directory, uint64_t slot) {
  return absl::StrCat(directory, "/keyring.", slot);
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> KeyringFiles::Slots() {
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> listed, options_.slots.List());
  std::set<uint64_t> slots(listed.begin(), listed.end());
  for (const std::string& directory : options_.directories) {
    TV_ASSIGN_OR_RETURN(const std::vector<std::string> names, options_.fs.List(directory));
    for (std::string name : names) {
      if (name.ends_with(".new")) name.resize(name.size() - 4);
      uint64_t slot = 0;
      if (name.starts_with(kPrefix) && absl::SimpleAtoi(name.substr(kPrefix.size()), &slot)) {
        slots.insert(slot);
      }
    }
  }
  return std::vector<uint64_t>(slots.begin(), slots.end());
}

absl::StatusOr<bool> KeyringFiles::Exist() {
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots, Slots());
  return !slots.empty();
}

absl::StatusOr<KeyringContent> KeyringFiles::ReadReplica(const std::string& directory,
                                                         uint64_t slot, const SecretBytes& secret) {
  TV_ASSIGN_OR_RETURN(const std::string sealed,
                      options_.fs.ReadFile(PathOf(directory, slot), limits::kMaxKeyringBytes));
  TV_ASSIGN_OR_RETURN(
      const WipedBuffer plain,
      Open(secret, Use::kKeyring, AsBytes(KeyringIdentity(slot)), AsBytes(sealed), options_.vault));
  TV_ASSIGN_OR_RETURN(KeyringContent content, ParseKeyring(plain));
  if (content.slot != slot) return absl::DataLossError("keyring: sealed under another slot");
  return content;
}

absl::StatusOr<KeyringContent> KeyringFiles::LoadNewest() {
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots, Slots());
  if (slots.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no keyring in ", options_.directories.front(), ": initialise the vault"));
  }
  for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
    const auto secrets = options_.slots.LoadAll(*slot);
    if (!secrets.ok()) continue;
    std::optional<KeyringContent> newest;
    for (const SecretBytes& secret : *secrets) {
      for (const std::string& directory : options_.directories) {
        auto content = ReadReplica(directory, *slot, secret);
        if (!content.ok()) continue;
        if (!newest.has_value() || content->generation > newest->generation) {
          newest = *std::move(content);
        }
      }
    }
    if (newest.has_value()) return *std::move(newest);
  }
  return absl::DataLossError(absl::StrCat(
      "no keyring in ", options_.directories.front(),
      " opens with a slot secret that is left; put back another replica of the key directory"));
}

absl::Status KeyringFiles::Write(const KeyringContent& content, bool new_slot) {
  auto secret = new_slot ? options_.slots.Create(content.slot, options_.random)
                         : options_.slots.Load(content.slot);
  if (!secret.ok()) return secret.status();
  TV_CRASH_POINT("keyring.slot_ready");
  const std::string sealed =
      crypto::Seal(*secret, Use::kKeyring, AsBytes(KeyringIdentity(content.slot)),
                   EncodeKeyring(content), options_.vault, options_.random);
  for (const std::string& directory : options_.directories) {
    TV_RETURN_IF_ERROR(
        ReplaceFile(options_.fs, PathOf(directory, content.slot), AsBytes(sealed), 0600));
    TV_CRASH_POINT("keyring.replica_written");
  }
  return absl::OkStatus();
}

absl::Status KeyringFiles::RepairReplicas(const KeyringContent& content) {
  TV_ASSIGN_OR_RETURN(const std::vector<SecretBytes> secrets, options_.slots.LoadAll(content.slot));
  for (const SecretBytes& secret : secrets) {
    size_t current = 0;
    for (const std::string& directory : options_.directories) {
      const auto replica = ReadReplica(directory, content.slot, secret);
      if (replica.ok() && replica->generation == content.generation) ++current;
    }
    // Only the secret that opens what is in force goes to the other replicas.
    if (current == 0) continue;
    TV_RETURN_IF_ERROR(options_.slots.Repair(content.slot, secret));
    return current == options_.directories.size() ? absl::OkStatus()
                                                  : Write(content, /*new_slot=*/false);
  }
  return absl::DataLossError(
      absl::StrCat("no secret of slot ", content.slot, " opens the keyring that is in force"));
}

absl::Status KeyringFiles::DestroyOthers(uint64_t slot) {
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots, Slots());
  absl::Status first_error;
  for (const uint64_t other : slots) {
    if (other != slot) first_error.Update(DestroySlot(other));
  }
  return first_error;
}

absl::Status KeyringFiles::DestroySlot(uint64_t slot) {
  absl::Status first_error = options_.slots.Destroy(slot);
  TV_CRASH_POINT("keyring.slot_destroyed");
  for (const std::string& directory : options_.directories) {
    for (const std::string& path :
         {PathOf(directory, slot), absl::StrCat(PathOf(directory, slot), ".new")}) {
      const absl::Status removed = options_.fs.Remove(path);
      if (!absl::IsNotFound(removed)) first_error.Update(removed);
    }
    first_error.Update(options_.fs.SyncDirectory(directory));
  }
  return first_error;
}

}  // namespace televault::crypto
