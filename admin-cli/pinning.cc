#include "admin-cli/pinning.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/context.h"
#include "admin-cli/pin_store.h"
#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "vault/client/error.h"

namespace televault::cli {
namespace {

using audit::Checkpoint;
using audit::LogPin;
using audit::PinVerdict;
using audit::VerifierKey;

absl::Status Disputed(const LogPin& pin, const Checkpoint& seen, std::string_view what) {
  return VerificationFailed(absl::StrCat(
      "the audit log \"", seen.origin, "\" ", audit::AsAbsl(what), ": this machine had pinned ",
      pin.pinned()->size, " entries and the vault now shows a history of ", seen.size,
      " entries that does not contain them"));
}

absl::StatusOr<Checkpoint> Open(std::string_view note, const VerifierKey& key) {
  auto checkpoint = audit::OpenCheckpoint(note, key);
  if (checkpoint.ok()) return checkpoint;
  return VerificationFailed(absl::StrCat("the vault's checkpoint is not signed by the pinned key ",
                                         key.name(), ": ", checkpoint.status().message()));
}

// Moves the pin to `note`, whose size is at least the pin's.
absl::Status Advance(LogPin& pin, const Checkpoint& seen, std::string_view note,
                     const LogSource& source) {
  std::vector<audit::Hash> proof;
  if (const uint64_t from = pin.ProofNeededFrom(seen); from > 0) {
    TV_ASSIGN_OR_RETURN(proof, source.consistency(from, seen.size));
  }
  const auto verdict = pin.Advance(note, proof);
  // No proof where one is needed is as bad as a wrong one.
  if (!verdict.ok()) return VerificationFailed(verdict.status());
  if (*verdict == PinVerdict::kFork) return Disputed(pin, seen, "was forked");
  if (*verdict == PinVerdict::kRollback) return Disputed(pin, seen, "was rolled back");
  return absl::OkStatus();
}

absl::Status CheckOlder(LogPin& pin, const Checkpoint& seen, const VerifierKey& key,
                        const LogSource& source) {
  TV_ASSIGN_OR_RETURN(const std::string note, source.newest());
  TV_ASSIGN_OR_RETURN(const Checkpoint newest, Open(note, key));
  if (newest.size < pin.pinned()->size) return Disputed(pin, newest, "was rolled back");
  TV_RETURN_IF_ERROR(Advance(pin, newest, note, source));
  // Every log extends the empty tree.
  if (seen.size == 0) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(const auto proof, source.consistency(seen.size, pin.pinned()->size));
  if (!audit::VerifyConsistency(seen.Head(), pin.pinned()->Head(), proof).ok()) {
    return Disputed(pin, seen, "was forked");
  }
  return absl::OkStatus();
}

// The vault has signed both sizes. That it is not reached, has no time or fails says nothing; that
// it knows no such sizes is as bad as a wrong proof.
absl::Status NoProof(const absl::Status& why) {
  const client::Error error = client::ErrorOf(why);
  if (!error.from_call) return why;
  switch (error.code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return VerificationFailed(
          absl::StrCat("the vault does not prove that its history is one: ", error.message));
    default:
      return why;
  }
}

LogSource FromVault(Context& context, client::Vault& vault) {
  LogSource source;
  source.consistency = [&context, &vault](
                           uint64_t old_size,
                           uint64_t new_size) -> absl::StatusOr<std::vector<audit::Hash>> {
    v1::GetConsistencyProofRequest request;
    request.set_old_size(old_size);
    request.set_new_size(new_size);
    client::Call call = context.NewCall();
    const auto response = vault.GetConsistencyProof(request, call);
    if (!response.ok()) return NoProof(response.status());
    std::vector<audit::Hash> hashes;
    for (const std::string& bytes : response->hashes()) {
      const auto hash = audit::HashFromBytes(audit::AsBytes(bytes));
      if (!hash.ok()) return VerificationFailed(hash.status());
      hashes.push_back(*hash);
    }
    return hashes;
  };
  source.newest = [&context, &vault]() -> absl::StatusOr<std::string> {
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault.GetCheckpoint({}, call));
    return response.checkpoint();
  };
  return source;
}

// The key that a first use trusts: the one the vault names itself.
absl::StatusOr<std::string> AskForKey(Context& context, client::Vault& vault) {
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault.GetCheckpoint({}, call));
  return response.vkey();
}

absl::StatusOr<VerifierKey> ChooseKey(Context& context, client::Vault& vault,
                                      const std::optional<Pin>& pin) {
  const std::string& given = context.options().log_key;
  if (!given.empty()) {
    TV_ASSIGN_OR_RETURN(const VerifierKey key, VerifierKey::Parse(given));
    if (pin.has_value() && key.Text() != pin->vkey) {
      return VerificationFailed(
          "the key given with --log-key is not the one this machine pinned for the log");
    }
    return key;
  }
  if (pin.has_value()) return VerifierKey::Parse(pin->vkey);
  TV_ASSIGN_OR_RETURN(const std::string vkey, AskForKey(context, vault));
  const auto key = VerifierKey::Parse(vkey);
  if (key.ok()) return key;
  return VerificationFailed(
      absl::StrCat("the vault names no key of its log: ", key.status().message()));
}

absl::Status CheckLog(Context& context, client::Vault& vault, const std::string& origin,
                      const std::vector<std::string>& notes) {
  TV_ASSIGN_OR_RETURN(const std::string directory, PinDirectory());
  const std::string address = PlainAddress(context.address());
  // Who gives the key has it from elsewhere, and the signature below proves the log.
  TV_RETURN_IF_ERROR(CheckOrigin(directory, address, origin, !context.options().log_key.empty()));
  TV_ASSIGN_OR_RETURN(const auto file, PinFile::Open(directory, origin));
  TV_ASSIGN_OR_RETURN(const VerifierKey key, ChooseKey(context, vault, file->pin()));
  LogPin pin(key);
  const std::string before = file->pin().has_value() ? file->pin()->checkpoint : "";
  if (!before.empty()) {
    auto kept = LogPin::Parse(before, key);
    if (!kept.ok()) return Annotate(kept.status(), file->path());
    pin = *std::move(kept);
  }
  const LogSource source = FromVault(context, vault);
  for (const std::string& note : notes) {
    TV_RETURN_IF_ERROR(CheckAgainstPin(pin, key, note, source));
  }
  if (pin.Text() != before) TV_RETURN_IF_ERROR(file->Store({key.Text(), pin.Text()}));
  if (before.empty() && context.options().log_key.empty()) {
    context.Note(
        absl::StrCat("First use of this log: its key is now pinned. Compare it with what the "
                     "operators published: ",
                     key.Text()));
  }
  TV_ASSIGN_OR_RETURN(const std::string known, OriginAt(directory, address));
  return known == origin ? absl::OkStatus() : RememberOrigin(directory, address, origin);
}

}  // namespace

absl::Status CheckAgainstPin(LogPin& pin, const VerifierKey& key, std::string_view checkpoint,
                             const LogSource& source) {
  TV_ASSIGN_OR_RETURN(const Checkpoint seen, Open(checkpoint, key));
  if (pin.pinned().has_value() && seen.size < pin.pinned()->size) {
    return CheckOlder(pin, seen, key, source);
  }
  return Advance(pin, seen, checkpoint, source);
}

absl::Status CheckPins(Context& context) {
  if (!context.connected()) return absl::OkStatus();
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  if (context.checkpoints().empty()) {
    client::Call call = context.NewCall();
    TV_ASSIGN_OR_RETURN(const auto response, vault->GetCheckpoint({}, call));
    context.Observe(response.checkpoint());
  }
  if (context.checkpoints().empty()) {
    return VerificationFailed("the vault shows no checkpoint of its log");
  }
  const std::string origin = OriginOf(context.checkpoints().front());
  if (origin.empty()) return VerificationFailed("the vault sent a checkpoint without a log's name");
  TV_RETURN_IF_ERROR(CheckLog(context, *vault, origin, context.checkpoints()));
  context.ForgetCompared();
  return absl::OkStatus();
}

absl::Status CheckOrigin(const std::string& directory, const std::string& address,
                         const std::string& origin, bool accept_change) {
  TV_ASSIGN_OR_RETURN(const std::string known, OriginAt(directory, address));
  if (known.empty() || known == origin || accept_change) return absl::OkStatus();
  return VerificationFailed(absl::StrCat(
      address, " was the vault of the log \"", known, "\" and now names the log \"", origin,
      "\": it is another vault, or one that wants to leave its history behind. If the operators "
      "announced the change, give the key they published once with --log-key, or remove ",
      AddressFile(directory, address)));
}

std::string OriginOf(std::string_view note) {
  const size_t end = note.find('\n');
  return end == std::string_view::npos ? "" : std::string(note.substr(0, end));
}

absl::StatusOr<VerifierKey> KnownLogKey(const Context& context, std::string_view origin) {
  if (!context.options().log_key.empty()) return VerifierKey::Parse(context.options().log_key);
  TV_ASSIGN_OR_RETURN(const std::string directory, PinDirectory());
  TV_ASSIGN_OR_RETURN(const auto pin, ReadPin(directory, origin));
  if (!pin.has_value()) {
    return absl::NotFoundError("this log's key is not pinned here yet: give it with --log-key");
  }
  return VerifierKey::Parse(pin->vkey);
}

}  // namespace televault::cli
