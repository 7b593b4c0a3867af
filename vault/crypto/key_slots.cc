#include "vault/crypto/key_slots.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/key_file.h"

namespace televault::crypto {
namespace {

constexpr std::string_view kPrefix = "slot.";

std::string PathOf(const std::string& directory, uint64_t slot) {
  return absl::StrCat(directory, "/slot.", slot);
}

}  // namespace

std::string ToString(SlotKind kind) {
  return kind == SlotKind::kHardware ? "hardware" : "best_effort";
}

void KeySlots::AddDifferent(SecretBytes secret, std::vector<SecretBytes>& secrets) {
  const bool known = std::any_of(secrets.begin(), secrets.end(), [&](const SecretBytes& other) {
    return EqualSecrets(other, secret);
  });
  if (!known) secrets.push_back(std::move(secret));
}

absl::StatusOr<SecretBytes> KeySlots::Load(uint64_t slot) {
  TV_ASSIGN_OR_RETURN(std::vector<SecretBytes> secrets, LoadAll(slot));
  if (secrets.size() == 1) return std::move(secrets.front());
  return absl::DataLossError(absl::StrCat("key replicas hold different secrets of slot ", slot));
}

absl::Status KeySlots::Ask(const ReplicaId&) { return absl::NotFoundError("no such replica"); }

absl::Status KeySlots::LastAnswer(const ReplicaId&) const {
  return absl::NotFoundError("no such replica");
}

FileKeySlots::FileKeySlots(FileSystem& fs, std::vector<std::string> directories)
    : fs_(fs), directories_(std::move(directories)) {
  TV_CHECK(!directories_.empty());
}

absl::StatusOr<SecretBytes> FileKeySlots::Create(uint64_t slot, Random& random) {
  SecretBytes secret = NewKey(random);
  for (const std::string& directory : directories_) {
    TV_RETURN_IF_ERROR(CreateKeyFile(fs_, PathOf(directory, slot), KeyFileKind::kSlot, secret));
  }
  return secret;
}

absl::StatusOr<std::vector<SecretBytes>> FileKeySlots::LoadAll(uint64_t slot) {
  std::vector<SecretBytes> secrets;
  for (const std::string& directory : directories_) {
    auto secret = ReadKeyFile(fs_, PathOf(directory, slot), KeyFileKind::kSlot);
    if (secret.ok()) AddDifferent(*std::move(secret), secrets);
  }
  if (secrets.empty()) {
    return absl::NotFoundError(absl::StrCat("no readable replica of slot ", slot));
  }
  return secrets;
}

absl::Status FileKeySlots::Repair(uint64_t slot, const SecretBytes& secret) {
  for (const std::string& directory : directories_) {
    const std::string path = PathOf(directory, slot);
    const auto there = ReadKeyFile(fs_, path, KeyFileKind::kSlot);
    // Another secret under the number of this one opens nothing here, and may be somebody's who
    // waits for the keyring to be sealed under it.
    if (there.ok() && EqualSecrets(*there, secret)) continue;
    const absl::Status shredded = fs_.Shred(path);
    if (!absl::IsNotFound(shredded)) TV_RETURN_IF_ERROR(shredded);
    TV_RETURN_IF_ERROR(CreateKeyFile(fs_, path, KeyFileKind::kSlot, secret));
  }
  return absl::OkStatus();
}

absl::Status FileKeySlots::Destroy(uint64_t slot) {
  absl::Status first_error;
  for (const std::string& directory : directories_) {
    // An interrupted Create leaves the temporary file, which holds the secret just the same.
    for (const std::string& path :
         {PathOf(directory, slot), absl::StrCat(PathOf(directory, slot), ".new")}) {
      // Only NOT_FOUND says that it is gone: what cannot be looked at may still be there.
      const absl::Status shredded = fs_.Shred(path);
      if (!absl::IsNotFound(shredded)) first_error.Update(shredded);
    }
  }
  return first_error;
}

absl::StatusOr<std::vector<uint64_t>> FileKeySlots::List() {
  std::set<uint64_t> slots;
  for (const std::string& directory : directories_) {
    TV_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(directory));
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

}  // namespace televault::crypto
