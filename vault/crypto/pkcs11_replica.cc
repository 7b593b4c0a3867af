#include "vault/crypto/pkcs11_replica.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "vault/base/bytes.h"
#include "vault/crypto/hash.h"
#include "vault/crypto/replica_mark.h"
#include "vault/crypto/secret_pass.h"

namespace televault::crypto {
namespace {

std::string Prefix(const VaultId& vault) {
  return absl::StrCat("televault ", ToHex(vault.bytes), " ");
}

// A key is asked for by its label; the id is for people who look at the token with other tools.
std::string KeyIdOf(const VaultId& vault, uint64_t slot) {
  std::string id(AsText(vault.bytes));
  PutLittleEndian(id, slot);
  return id;
}

}  // namespace

std::string Pkcs11Replica::LabelOf(uint64_t slot) const {
  return absl::StrCat(Prefix(access_.vault), "slot ", slot);
}
std::string Pkcs11Replica::MarkLabel() const { return Prefix(access_.vault) + "replica"; }

absl::Status Pkcs11Replica::OfToken(const absl::Status& status) const {
  return Annotate(status, absl::StrCat("PKCS#11 token \"", label_, "\""));
}

// --- the session ---

absl::Status Pkcs11Replica::Connect() {
  TV_RETURN_IF_ERROR(refused_);
  auto session = Pkcs11Session::Open(access_.module, label_, *access_.pin);
  const bool known = id_.has_value();
  if (absl::IsUnauthenticated(session.status())) {
    // Not tried again: a few wrong ones lock the token.
    const std::string text =
        absl::StrCat(session.status().message(), ": put the right one into ", access_.pin_file,
                     " and start again; it is not tried twice, because tokens lock");
    // Whoever wants a key made later on must not take it for the verdict on a token of his own.
    refused_ = known ? absl::FailedPreconditionError(text) : absl::UnauthenticatedError(text);
    return refused_;
  }
  if (known && absl::IsNotFound(session.status())) {
    // One that has gone is not one that lacks a slot.
    return absl::UnavailableError(session.status().message());
  }
  TV_RETURN_IF_ERROR(session.status());
  if (known) {
    const auto id = ReadMark(**session);
    if (absl::IsAborted(id.status()) || absl::IsUnavailable(id.status())) return id.status();
    if (!id.ok() || *id != *id_) {
      return absl::FailedPreconditionError(
          "another token is in its place, or it was initialised anew: put the right one back");
    }
  }
  session_ = *std::move(session);
  return absl::OkStatus();
}

absl::Status Pkcs11Replica::Run(const Work& work) {
  const std::lock_guard lock(mu_);
  absl::Status status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    status = session_ == nullptr ? Connect() : absl::OkStatus();
    if (status.ok()) status = work(*session_);
    if (status.ok()) return status;
    const bool lost = absl::IsAborted(status);
    // Tokens have many words for having gone: after an error that says nothing better the next call
    // begins anew.
    if (lost || absl::IsUnavailable(status)) session_.reset();
    if (!lost) return OfToken(status);
  }
  return OfToken(
      absl::UnavailableError(absl::StrCat("its session was lost twice (", status.message(),
                                          "): see that the token is in its place and answers")));
}

absl::StatusOr<ReplicaId> Pkcs11Replica::ReadMark(Pkcs11Session& session) {
  TV_ASSIGN_OR_RETURN(const auto marks, session.Find(TokenObject::kData, MarkLabel()));
  if (marks.empty()) {
    return absl::NotFoundError(
        "it is no key replica of this vault: make it one with `televaultd key-replica add`");
  }
  if (marks.size() > 1) return absl::FailedPreconditionError("it carries two marks of this vault");
  TV_ASSIGN_OR_RETURN(const std::string text, session.Value(marks[0]));
  const auto id = ParseReplicaMark(text, access_.vault);
  return id.ok() ? id : Annotate(id.status(), "its mark");
}

absl::Status Pkcs11Replica::CheckMark(Pkcs11Session& session) {
  TV_RETURN_IF_ERROR(session.Check());
  const auto id = ReadMark(session);
  if (absl::IsNotFound(id.status())) return absl::AbortedError("its mark is not seen any more");
  TV_RETURN_IF_ERROR(id.status());
  return *id == *id_ ? absl::OkStatus() : absl::AbortedError("it carries another mark");
}

absl::Status Pkcs11Replica::Open() {
  return Run([this](Pkcs11Session& session) -> absl::Status {
    TV_ASSIGN_OR_RETURN(const ReplicaId id, ReadMark(session));
    id_ = id;
    hardware_ = session.hardware();
    return absl::OkStatus();
  });
}

absl::Status Pkcs11Replica::OpenNew(Random& random) {
  ReplicaId id{};
  random.Fill(id);
  return Run([&](Pkcs11Session& session) -> absl::Status {
    const auto mark = ReadMark(session);
    // A session that was lost after it had stored the mark.
    const bool done = mark.ok() && *mark == id;
    if (!done) {
      TV_ASSIGN_OR_RETURN(const auto slots, ListIn(session));
      if (!absl::IsNotFound(mark.status()) || !slots.empty()) {
        if (absl::IsAborted(mark.status()) || absl::IsUnavailable(mark.status())) {
          return mark.status();
        }
        return absl::AlreadyExistsError(
            "it holds objects of this vault already: a replica that is in use, or one that was "
            "dropped, which is taken in again where it is named in keys.pkcs11.tokens");
      }
      TV_RETURN_IF_ERROR(session.CreateData(MarkLabel(), FormatReplicaMark(access_.vault, id)));
    }
    id_ = id;
    hardware_ = session.hardware();
    return CheckMark(session);
  });
}

absl::Status Pkcs11Replica::Ask() {
  return Run([this](Pkcs11Session& session) { return CheckMark(session); });
}

// --- slots ---

absl::StatusOr<std::vector<uint64_t>> Pkcs11Replica::ListIn(Pkcs11Session& session) {
  const std::string prefix = Prefix(access_.vault) + "slot ";
  std::set<uint64_t> slots;
  for (const TokenObject kind : {TokenObject::kKey, TokenObject::kData}) {
    TV_ASSIGN_OR_RETURN(const auto objects, session.Find(kind, ""));
    for (const CK_OBJECT_HANDLE object : objects) {
      const auto label = session.Label(object);
      if (absl::IsNotFound(label.status())) continue;  // another's, and just destroyed
      TV_RETURN_IF_ERROR(label.status());
      uint64_t slot = 0;
      if (label->starts_with(prefix) && absl::SimpleAtoi(label->substr(prefix.size()), &slot)) {
        slots.insert(slot);
      }
    }
  }
  return std::vector<uint64_t>(slots.begin(), slots.end());
}

absl::StatusOr<std::vector<uint64_t>> Pkcs11Replica::List() {
  std::vector<uint64_t> slots;
  const absl::Status status = Run([&](Pkcs11Session& session) -> absl::Status {
    TV_ASSIGN_OR_RETURN(slots, ListIn(session));
    return CheckMark(session);
  });
  TV_RETURN_IF_ERROR(status);
  return slots;
}

absl::StatusOr<SecretBytes> Pkcs11Replica::GetFrom(Pkcs11Session& session, uint64_t slot) {
  const std::string label = LabelOf(slot);
  const std::string identity = TokenSecretIdentity(access_.vault, slot);
  TV_ASSIGN_OR_RETURN(const auto keys, session.Find(TokenObject::kKey, label));
  TV_ASSIGN_OR_RETURN(const auto stored, session.Find(TokenObject::kData, label));
  if (keys.empty() || stored.empty()) {
    TV_RETURN_IF_ERROR(CheckMark(session));
    return absl::NotFoundError(absl::StrCat("no secret of slot ", slot));
  }
  absl::Status failure;
  for (const CK_OBJECT_HANDLE data : stored) {
    TV_ASSIGN_OR_RETURN(const std::string value, session.Value(data));
    const auto sealed = ParseTokenSecret(AsBytes(value));
    failure.Update(sealed.status());
    if (!sealed.ok()) continue;
    for (const CK_OBJECT_HANDLE key : keys) {
      auto secret = session.Decrypt(key, *sealed, identity);
      if (!secret.ok() && !absl::IsDataLoss(secret.status())) return secret.status();
      if (secret.ok() && sealed->cipher == TokenCipher::kAesCbc &&
          !EqualSecrets(AsBytes(TokenSecretCheck(*secret, identity)), AsBytes(sealed->check))) {
        secret = absl::DataLossError("a slot secret does not open");
      }
      if (secret.ok()) return secret;
      failure.Update(secret.status());
    }
  }
  return failure;
}

absl::StatusOr<SecretBytes> Pkcs11Replica::Get(uint64_t slot) {
  SecretBytes secret;
  const absl::Status status = Run([&](Pkcs11Session& session) -> absl::Status {
    TV_ASSIGN_OR_RETURN(secret, GetFrom(session, slot));
    return absl::OkStatus();
  });
  TV_RETURN_IF_ERROR(status);
  return secret;
}

absl::Status Pkcs11Replica::MakeIn(Pkcs11Session& session, uint64_t slot, const SecretBytes& secret,
                                   Random& random) {
  const std::string label = LabelOf(slot);
  const std::string identity = TokenSecretIdentity(access_.vault, slot);
  TokenSecret sealed;
  sealed.cipher = access_.cipher.value_or(session.cipher());
  sealed.iv.resize(IvBytes(sealed.cipher));
  random.Fill({reinterpret_cast<uint8_t*>(sealed.iv.data()), sealed.iv.size()});
  if (sealed.cipher == TokenCipher::kAesCbc) sealed.check = TokenSecretCheck(secret, identity);
  TV_ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE key,
                      session.GenerateKey(label, KeyIdOf(access_.vault, slot)));
  TV_ASSIGN_OR_RETURN(sealed.sealed,
                      session.Encrypt(key, sealed.cipher, sealed.iv, identity, secret));
  TV_RETURN_IF_ERROR(session.CreateData(label, EncodeTokenSecret(sealed)));
  // What the token made of it opens: whoever asked is about to seal a keyring under it, or to
  // destroy what was there before.
  TV_ASSIGN_OR_RETURN(const SecretBytes back, session.Decrypt(key, sealed, identity));
  if (!EqualSecrets(back, secret)) {
    return absl::DataLossError("a slot secret that was stored opens as another one");
  }
  return absl::OkStatus();
}

absl::Status Pkcs11Replica::PutNew(uint64_t slot, const SecretBytes& secret, Random& random) {
  TV_ASSIGN_OR_RETURN(const std::vector<uint64_t> slots, List());
  if (std::find(slots.begin(), slots.end(), slot) != slots.end()) {
    return OfToken(absl::AlreadyExistsError(
        absl::StrCat("it holds something of slot ", slot, "; a key is never overwritten")));
  }
  return Put(slot, secret, random);
}

absl::Status Pkcs11Replica::Put(uint64_t slot, const SecretBytes& secret, Random& random) {
  return Run([&](Pkcs11Session& session) -> absl::Status {
    // What is there already, also by a session that was lost, goes when the new one is there: a
    // token that only fails to open it now may hold the one good copy.
    const std::string label = LabelOf(slot);
    std::vector<CK_OBJECT_HANDLE> before;
    for (const TokenObject kind : {TokenObject::kKey, TokenObject::kData}) {
      TV_ASSIGN_OR_RETURN(const auto objects, session.Find(kind, label));
      before.insert(before.end(), objects.begin(), objects.end());
    }
    TV_RETURN_IF_ERROR(MakeIn(session, slot, secret, random));
    for (const CK_OBJECT_HANDLE object : before) TV_RETURN_IF_ERROR(session.Destroy(object));
    TV_ASSIGN_OR_RETURN(const SecretBytes back, GetFrom(session, slot));
    return EqualSecrets(back, secret)
               ? CheckMark(session)
               : absl::DataLossError("a slot secret that was stored opens as another one");
  });
}

absl::Status Pkcs11Replica::EraseFrom(Pkcs11Session& session, uint64_t slot) {
  const std::string label = LabelOf(slot);
  // The key first: without it the rest opens nothing.
  for (const TokenObject kind : {TokenObject::kKey, TokenObject::kData}) {
    TV_ASSIGN_OR_RETURN(const auto objects, session.Find(kind, label));
    for (const CK_OBJECT_HANDLE object : objects) TV_RETURN_IF_ERROR(session.Destroy(object));
  }
  for (const TokenObject kind : {TokenObject::kKey, TokenObject::kData}) {
    TV_ASSIGN_OR_RETURN(const auto left, session.Find(kind, label));
    if (!left.empty()) {
      return absl::UnavailableError(
          absl::StrCat("it still holds something of slot ", slot, " that it had destroyed"));
    }
  }
  return CheckMark(session);
}

absl::Status Pkcs11Replica::Erase(uint64_t slot) {
  return Run([&](Pkcs11Session& session) { return EraseFrom(session, slot); });
}

absl::Status Pkcs11Replica::EraseAll() {
  return Run([&](Pkcs11Session& session) -> absl::Status {
    TV_ASSIGN_OR_RETURN(const auto slots, ListIn(session));
    for (const uint64_t slot : slots) TV_RETURN_IF_ERROR(EraseFrom(session, slot));
    TV_ASSIGN_OR_RETURN(const auto marks, session.Find(TokenObject::kData, MarkLabel()));
    for (const CK_OBJECT_HANDLE mark : marks) TV_RETURN_IF_ERROR(session.Destroy(mark));
    return absl::OkStatus();
  });
}

}  // namespace televault::crypto
