#include "vault/crypto/pkcs11_key_slots.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

#include "vault/base/check.h"
#include "vault/base/limits.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/pin_file.h"
#include "vault/crypto/pkcs11_replica.h"

namespace televault::crypto {
namespace {

using Replicas = std::vector<std::unique_ptr<Pkcs11Replica>>;

absl::StatusOr<Replicas> Named(const Pkcs11Settings& settings, const VaultId& vault) {
  TV_RETURN_IF_ERROR(CheckPkcs11Settings(settings));
  if (settings.module.empty()) {
    return absl::InvalidArgumentError("no PKCS#11 module is named");
  }
  TV_ASSIGN_OR_RETURN(SecretBytes pin, ReadPinFile(settings.pin_file));
  TV_ASSIGN_OR_RETURN(const auto module, Pkcs11Module::Load(settings.module));
  const Pkcs11Replica::Access access{.module = module,
                                     .pin = std::make_shared<const SecretBytes>(std::move(pin)),
                                     .pin_file = settings.pin_file,
                                     .vault = vault,
                                     .cipher = {}};
  Replicas replicas;
  for (const std::string& label : settings.tokens) {
    replicas.push_back(std::make_unique<Pkcs11Replica>(access, label));
  }
  return replicas;
}

SlotKind KindOf(const Replicas& replicas) {
  return std::all_of(replicas.begin(), replicas.end(),
                     [](const auto& replica) { return replica->hardware(); })
             ? SlotKind::kHardware
             : SlotKind::kBestEffort;
}

}  // namespace

absl::Status CheckPkcs11Settings(const Pkcs11Settings& settings) {
  if (settings.module.empty() && settings.tokens.empty() && settings.pin_file.empty()) {
    return absl::OkStatus();
  }
  if (settings.module.empty() || settings.tokens.empty() || settings.pin_file.empty()) {
    return absl::InvalidArgumentError("PKCS#11 module, tokens and PIN file go together");
  }
  if (!settings.module.starts_with('/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("the PKCS#11 module ", settings.module, " must be an absolute path"));
  }
  if (settings.tokens.size() > limits::kMaxSlotTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", limits::kMaxSlotTokens, " PKCS#11 tokens can be named"));
  }
  for (const std::string& label : settings.tokens) {
    if (label.empty() || label.size() > limits::kMaxTokenLabelBytes) {
      return absl::InvalidArgumentError(absl::StrCat("the label of a PKCS#11 token has 1 to ",
                                                     limits::kMaxTokenLabelBytes, " bytes"));
    }
    if (std::count(settings.tokens.begin(), settings.tokens.end(), label) > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("the PKCS#11 token \"", label, "\" is named twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Pkcs11KeySlots>> Pkcs11KeySlots::Open(const Pkcs11Settings& settings,
                                                                     const VaultId& vault,
                                                                     Random& random) {
  TV_ASSIGN_OR_RETURN(Replicas named, Named(settings, vault));
  Replicas opened;
  std::vector<std::string> problems;
  std::set<ReplicaId> ids;
  absl::Status first_error;
  absl::Status refused;
  for (std::unique_ptr<Pkcs11Replica>& replica : named) {
    // They have one PIN: what one token refused is not tried on the next.
    absl::Status status = refused.ok() ? replica->Open() : refused;
    if (absl::IsUnauthenticated(status)) refused = status;
    if (status.ok() && !ids.insert(replica->id()).second) {
      status = absl::FailedPreconditionError(absl::StrCat(
          "PKCS#11 token \"", replica->label(), "\": it carries the mark of another key replica"));
    }
    first_error.Update(status);
    if (status.ok()) {
      opened.push_back(std::move(replica));
    } else {
      problems.push_back(
          absl::StrCat("\"", replica->label(), "\" is not used: ", status.message()));
    }
  }
  if (opened.empty()) return first_error;
  return std::make_unique<Pkcs11KeySlots>(std::move(opened), std::move(problems), random);
}

absl::StatusOr<std::unique_ptr<Pkcs11KeySlots>> Pkcs11KeySlots::Mark(const Pkcs11Settings& settings,
                                                                     const VaultId& vault,
                                                                     Random& random) {
  TV_ASSIGN_OR_RETURN(Replicas named, Named(settings, vault));
  for (size_t i = 0; i < named.size(); ++i) {
    if (const absl::Status status = named[i]->OpenNew(random); !status.ok()) {
      // A mark that could not be taken back names a vault, or a replica, that nobody knows.
      for (size_t j = 0; j < i; ++j) named[j]->EraseAll().IgnoreError();
      return status;
    }
  }
  return std::make_unique<Pkcs11KeySlots>(std::move(named), std::vector<std::string>(), random);
}

Pkcs11KeySlots::Pkcs11KeySlots(Replicas opened, std::vector<std::string> problems, Random& random)
    : replicas_(std::move(opened)),
      problems_(std::move(problems)),
      kind_(KindOf(replicas_)),
      random_(random) {
  TV_CHECK(!replicas_.empty());
  for (const auto& replica : replicas_) answers_[replica->id()] = absl::OkStatus();
}
Pkcs11KeySlots::~Pkcs11KeySlots() = default;

void Pkcs11KeySlots::Abandon() {
  for (const auto& replica : replicas_) replica->EraseAll().IgnoreError();
}

absl::StatusOr<SecretBytes> Pkcs11KeySlots::Create(uint64_t slot, Random& random) {
  SecretBytes secret = NewKey(random);
  for (const auto& replica : replicas_) {
    TV_RETURN_IF_ERROR(replica->PutNew(slot, secret, random));
  }
  return secret;
}

absl::StatusOr<std::vector<SecretBytes>> Pkcs11KeySlots::LoadAll(uint64_t slot) {
  std::vector<SecretBytes> secrets;
  absl::Status unreachable;
  for (const auto& replica : replicas_) {
    auto secret = replica->Get(slot);
    if (secret.ok()) {
      AddDifferent(*std::move(secret), secrets);
    } else if (!absl::IsNotFound(secret.status()) && !absl::IsDataLoss(secret.status())) {
      // One that was not asked may have it.
      unreachable.Update(secret.status());
    }
  }
  if (!secrets.empty()) return secrets;
  TV_RETURN_IF_ERROR(unreachable);
  return absl::NotFoundError(absl::StrCat("no readable replica of slot ", slot));
}

absl::Status Pkcs11KeySlots::Repair(uint64_t slot, const SecretBytes& secret) {
  for (const auto& replica : replicas_) {
    const auto there = replica->Get(slot);
    // Only what was looked at and found wanting is replaced: nothing, damage, another secret.
    if (there.ok() && EqualSecrets(*there, secret)) continue;
    if (!there.ok() && !absl::IsNotFound(there.status()) && !absl::IsDataLoss(there.status())) {
      return there.status();
    }
    TV_RETURN_IF_ERROR(replica->Put(slot, secret, random_));
  }
  return absl::OkStatus();
}

absl::Status Pkcs11KeySlots::Destroy(uint64_t slot) {
  absl::Status first_error;
  for (const auto& replica : replicas_) first_error.Update(replica->Erase(slot));
  return first_error;
}

absl::StatusOr<std::vector<uint64_t>> Pkcs11KeySlots::List() {
  std::set<uint64_t> slots;
  for (const auto& replica : replicas_) {
    TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> listed, replica->List());
    slots.insert(listed.begin(), listed.end());
  }
  return std::vector<uint64_t>(slots.begin(), slots.end());
}

std::vector<ReplicaId> Pkcs11KeySlots::marked() const {
  std::vector<ReplicaId> ids;
  for (const auto& replica : replicas_) ids.push_back(replica->id());
  return ids;
}

absl::Status Pkcs11KeySlots::Ask(const ReplicaId& id) {
  const auto found = std::find_if(replicas_.begin(), replicas_.end(),
                                  [&](const auto& replica) { return replica->id() == id; });
  if (found == replicas_.end()) return KeySlots::Ask(id);
  absl::Status answer = (*found)->Ask();
  // Whatever it is: a caller who has nothing to do with tokens must not take it for its own.
  if (!answer.ok()) answer = absl::FailedPreconditionError(answer.message());
  const std::lock_guard lock(answers_mu_);
  answers_[id] = answer;
  return answer;
}

absl::Status Pkcs11KeySlots::LastAnswer(const ReplicaId& id) const {
  const std::lock_guard lock(answers_mu_);
  const auto found = answers_.find(id);
  return found == answers_.end() ? KeySlots::LastAnswer(id) : found->second;
}

}  // namespace televault::crypto
