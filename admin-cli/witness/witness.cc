#include "admin-cli/witness/witness.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "admin-cli/pin_store.h"
#include "audit/checkpoint.h"
#include "audit/encoding.h"
#include "audit/signer_key.h"
#include "audit/witness.h"

namespace televault::cli {
namespace {

constexpr std::string_view kHeader = "televault-witness/v1\n";
constexpr std::string_view kKeyFile = "/witness.key";
constexpr std::string_view kLockFile = "/lock";
// No log's file is called like one of the above: it ends in this.
constexpr std::string_view kLogSuffix = ".log";
constexpr int kDirectoryMode = 0700;
constexpr int kSecretMode = 0600;
constexpr size_t kMaxStateBytes = audit::kMaxNoteBytes + 1'024;
constexpr int kInternalError = 500;

absl::Status MakeKey(const std::string& path, const std::string& name,
                     const Witness::Surroundings& around) {
  WipedBuffer seed(audit::kSigningSeedBytes);
  around.random.Fill(seed);
  auto text = audit::FormatSignerKey(
      name, audit::KeyType::kCosignatureV1,
      std::span<const uint8_t, audit::kSigningSeedBytes>(seed.data(), seed.size()));
  TV_RETURN_IF_ERROR(text.status());
  const WipedBuffer line(text->begin(), text->end());
  audit::WipeText(*text);
  return ReplaceFile(around.fs, path, line, kSecretMode);
}

struct LoadedKey {
  audit::VerifierKey key;
  WipedBuffer secret;
};

absl::StatusOr<LoadedKey> LoadKey(const std::string& path, const Witness::Surroundings& around) {
  WipedBuffer text(audit::kMaxSignerKeyTextBytes);
  TV_ASSIGN_OR_RETURN(const size_t size, around.fs.ReadInto(path, 0, text));
  text.resize(size);
  WipedBuffer secret(audit::kSigningKeyBytes);
  auto key = audit::ParseSignerKey(
      AsText(text), std::span<uint8_t, audit::kSigningKeyBytes>(secret.data(), secret.size()));
  if (!key.ok()) return absl::DataLossError(absl::StrCat(path, ": ", key.status().message()));
  if (key->type() != audit::KeyType::kCosignatureV1) {
    return absl::DataLossError(path + ": is not the key of a witness (type 04)");
  }
  return LoadedKey{*std::move(key), std::move(secret)};
}

}  // namespace

std::string FormatWitnessedState(const WitnessedState& state) {
  return absl::StrCat(audit::AsAbsl(kHeader), state.vkey, "\n", state.checkpoint);
}

absl::StatusOr<WitnessedState> ParseWitnessedState(std::string_view text) {
  if (!text.starts_with(kHeader)) {
    return absl::InvalidArgumentError(
        "not a witness's state: the first line is not televault-witness/v1");
  }
  text.remove_prefix(kHeader.size());
  TV_ASSIGN_OR_RETURN(const std::string_view vkey, audit::TakeLine(text));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, audit::VerifierKey::Parse(vkey));
  TV_RETURN_IF_ERROR(audit::OpenCheckpoint(text, key).status());
  return WitnessedState{key.Text(), std::string(text)};
}

absl::StatusOr<std::unique_ptr<Witness>> Witness::Open(const Options& options,
                                                       const Surroundings& surroundings) {
  TV_RETURN_IF_ERROR(surroundings.fs.CreateDirectory(options.directory, kDirectoryMode));
  TV_RETURN_IF_ERROR(surroundings.fs.SyncDirectory(ParentOf(options.directory)));
  TV_ASSIGN_OR_RETURN(
      FileLock lock,
      FileLock::Try(absl::StrCat(options.directory, audit::AsAbsl(kLockFile)), kSecretMode,
                    absl::StrCat("another witness serves from ", options.directory,
                                 "; two would cosign two histories")));
  const std::string key_path = absl::StrCat(options.directory, audit::AsAbsl(kKeyFile));
  auto loaded = LoadKey(key_path, surroundings);
  // Only where there certainly is none: a key that cannot be read now is not replaced.
  if (absl::IsNotFound(loaded.status())) {
    const absl::Status made =
        options.name.empty()
            ? absl::InvalidArgumentError(absl::StrCat(
                  options.directory, " holds no witness yet; --name names the new one"))
            : MakeKey(key_path, options.name, surroundings);
    loaded = made.ok() ? LoadKey(key_path, surroundings) : absl::StatusOr<LoadedKey>(made);
  }
  TV_RETURN_IF_ERROR(loaded.status());
  std::unique_ptr<Witness> witness(new Witness(surroundings, std::move(lock),
                                               std::move(loaded->key), std::move(loaded->secret)));
  if (!options.name.empty() && options.name != witness->key_.name()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the witness in ", options.directory, " is called ", witness->key_.name()));
  }
  for (const audit::VerifierKey& log : options.logs) {
    TV_RETURN_IF_ERROR(witness->AddLog(options.directory, log));
  }
  return witness;
}

absl::Status Witness::AddLog(const std::string& directory, const audit::VerifierKey& key) {
  if (key.type() != audit::KeyType::kEd25519) {
    return absl::InvalidArgumentError(key.name() + ": a log's key must be of type 01");
  }
  Log log{key, absl::StrCat(directory, "/", FileNameOf(key.name(), kLogSuffix)), {}};
  // Not Exists: that is false also where it cannot be found out.
  const auto text = around_.fs.ReadFile(log.path, kMaxStateBytes);
  if (text.ok()) {
    const auto state = ParseWitnessedState(*text);
    if (!state.ok()) {
      return absl::DataLossError(absl::StrCat(log.path, ": ", state.status().message()));
    }
    if (state->vkey != key.Text()) {
      return absl::FailedPreconditionError(
          absl::StrCat(key.name(),
                       ": the witness knows this log under another key; a log with a new "
                       "key is a new log and needs a name of its own"));
    }
    TV_ASSIGN_OR_RETURN(const audit::Checkpoint checkpoint,
                        audit::OpenCheckpoint(state->checkpoint, key));
    log.head = checkpoint.Head();
  } else if (!absl::IsNotFound(text.status())) {
    return Annotate(text.status(), log.path);
  }
  if (!logs_.emplace(key.name(), std::move(log)).second) {
    return absl::InvalidArgumentError(key.name() + ": is given twice");
  }
  return absl::OkStatus();
}

Witness::Answer Witness::AddCheckpoint(std::string_view body) {
  const std::lock_guard lock(mu_);
  Log* found = nullptr;
  const audit::WitnessDecision decision = audit::DecideAddCheckpoint(
      body, [&](const std::string& origin) -> std::optional<audit::WitnessedLog> {
        const auto log = logs_.find(origin);
        if (log == logs_.end()) return std::nullopt;
        found = &log->second;
        return audit::WitnessedLog{log->second.key, log->second.head};
      });
  if (!decision.accepted.has_value()) {
    return {decision.http_status, decision.content_type, decision.body};
  }
  const Answer failed{kInternalError, "text/plain",
                      "the witness could not keep the checkpoint; its operator must look\n"};
  if (found->unknown) return failed;
  // Accepted requests parse.
  const std::string note = audit::ParseAddCheckpoint(body)->checkpoint;
  const std::string state = FormatWitnessedState({found->key.Text(), note});
  if (!ReplaceFile(around_.fs, found->path, televault::AsBytes(state), kSecretMode).ok()) {
    found->unknown = true;
    return failed;
  }
  found->head = decision.accepted->Head();
  const auto cosignature = audit::CosignText(
      audit::CheckpointBody(*decision.accepted),
      static_cast<uint64_t>(std::max<int64_t>(around_.clock.Wall().micros / 1'000'000, 0)), key_,
      std::span<const uint8_t, audit::kSigningKeyBytes>(secret_.data(), secret_.size()));
  if (!cosignature.ok()) return failed;
  return {decision.http_status, decision.content_type, cosignature->Line()};
}

}  // namespace televault::cli
