#include "admin-cli/commands/audit_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "admin-cli/arguments.h"
#include "admin-cli/commands/audit_entries.h"
#include "admin-cli/exported_log.h"
#include "admin-cli/log_export.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pinning.h"
#include "admin-cli/secret_file.h"
#include "audit/encoding.h"
#include "audit/entry.h"
#include "audit/policy.h"
#include "audit/proof_file.h"
#include "audit/verifier.h"
#include "vault/base/clock.h"
#include "vault/base/file_system.h"
#include "vault/base/random.h"
#include "vault/base/time.h"
#include "vault/crypto/audit_key_file.h"

namespace televault::cli {
namespace {

// Of one call: a log that does not pass within it takes several.
constexpr client::milliseconds kExportTimeout{30 * 60'000};
// The vault has its checkpoint cosigned anew every hour.
constexpr microseconds kUsualMaxAge{kMicrosPerDay};
constexpr microseconds kNoLimit = microseconds::max();
constexpr microseconds kClockError{600'000'000};  // between a witness's clock and this one
// 9999-12-31: a witness may sign any number.
constexpr uint64_t kLastSecond = 253'402'300'799;

struct VerifyArgs {
  std::string directory;
  std::string key;
  std::string policy;
  std::string max_age;
  std::string receipt;
};
struct ExportArgs {
  std::string directory;
  bool cosigned = false;
  std::string key_file;
  std::string reason;
};

void DeclareVerify(CLI::App& verb, VerifyArgs& args) {
  CLI::Option* const directory =
      verb.add_option("--dir", args.directory, "Exported log; needs no vault and no token");
  verb.add_option("--key", args.key, "Key the log must be signed with (vkey); default: the pinned")
      ->needs(directory);
  CLI::Option* const policy = verb.add_option(
      "--policy", args.policy, "Witnesses that must have cosigned the log (C2SP tlog-policy)");
  verb.add_option(
          "--max-age", args.max_age,
          "How long ago they may have cosigned, e.g. 36h; default: 24h, with --dir no limit")
      ->needs(policy);
  verb.add_option("--receipt", args.receipt,
                  "Only that the log holds the entry of this receipt (.tlog-proof)")
      ->excludes(policy);
}

absl::StatusOr<audit::Policy> ReadPolicy(const std::string& path) {
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(path, audit::kMaxPolicyBytes));
  auto policy = audit::Policy::Parse(text);
  if (policy.ok()) return policy;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", policy.status().message()));
}

absl::StatusOr<microseconds> MaxAge(const VerifyArgs& args, microseconds usual) {
  if (args.max_age.empty()) return usual;
  auto age = ParseDuration(args.max_age);
  return age.ok() ? age : Annotate(age.status(), "--max-age");
}

// Puts into `result` which of the policy's witnesses cosigned `note`, and when enough of them had.
// VERIFICATION_FAILED where they are too few, or that is longer ago than `max_age`: a vault that
// has left the history they know could show the last checkpoint they cosigned for ever.
absl::Status CheckWitnesses(std::string_view note, const audit::Policy& policy,
                            const audit::VerifierKey& key, microseconds max_age, Json& result) {
  const auto check = audit::CheckPolicy(note, policy, &key);
  if (!check.ok()) return VerificationFailed(check.status());
  Json names = Json::array();
  for (const audit::Cosigner& cosigner : check->cosigners) names.push_back(cosigner.name);
  if (!check->quorum) {
    return VerificationFailed(absl::StrCat("too few witnesses have cosigned: ", names.size(),
                                           " of ", policy.witnesses().size(),
                                           ", which is no quorum"));
  }
  result["cosigned_by"] = names;
  if (!check->quorum_at_s.has_value()) return absl::OkStatus();
  const auto at = static_cast<int64_t>(std::min(*check->quorum_at_s, kLastSecond));
  const WallTime cosigned{at * 1'000'000};
  result["cosigned_at"] = FormatRfc3339(cosigned);
  const WallTime now = SystemClock().Wall();
  if (cosigned - now > kClockError) {
    return VerificationFailed(absl::StrCat("witnesses cosigned at ", FormatRfc3339(cosigned),
                                           ", which is still to come: their clocks or this one"));
  }
  if (now - cosigned <= max_age) return absl::OkStatus();
  return VerificationFailed(
      absl::StrCat("witnesses last cosigned at ", FormatRfc3339(cosigned), ", longer ago than ",
                   FormatDuration(max_age),
                   " (--max-age): either they were not reached since, or the vault has ",
                   "left the history that they know"));
}

absl::StatusOr<audit::ProofFile> ReadProof(const std::string& path) {
  constexpr size_t kMaxProofBytes = audit::kMaxNoteBytes + 128 * 1024;
  TV_ASSIGN_OR_RETURN(const std::string text, ReadText(path, kMaxProofBytes));
  auto proof = audit::ParseProofFile(text);
  if (proof.ok()) return proof;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", proof.status().message()));
}

absl::StatusOr<ExitCode> ReportReceipt(Context& context, const audit::ProofFile& proof,
                                       const audit::Checkpoint& checkpoint) {
  EmitObject(context, Json{{"origin", checkpoint.origin},
                           {"verified", true},
                           {"index", proof.index},
                           {"size", checkpoint.size}});
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> VerifyDirectory(Context& context, const VerifyArgs& args) {
  TV_ASSIGN_OR_RETURN(const microseconds max_age, MaxAge(args, kNoLimit));
  TV_ASSIGN_OR_RETURN(const CheckedExport checked, CheckExport(context, args.directory, args.key));
  const audit::VerifyReport& report = checked.report;
  Json result{{"origin", checked.key.name()}, {"verified", true},
              {"entries", report.entries},    {"entry_bytes", report.entry_bytes},
              {"tiles", report.tiles},        {"extends_pin", checked.extends_pin}};
  if (!args.policy.empty()) {
    TV_ASSIGN_OR_RETURN(const audit::Policy policy, ReadPolicy(args.policy));
    TV_RETURN_IF_ERROR(CheckWitnesses(checked.exported.note, policy, checked.key, max_age, result));
  }
  EmitObject(context, result);
  return ExitCode::kOk;
}

using TakeLeaf = std::function<absl::Status(std::span<const uint8_t>)>;

// Hands the leaves that one call brings to `take` and counts `next` on. `checkpoint` gets the one
// that covers them; a stream that ends in order without it was cut.
absl::Status ExportOnce(Context& context, bool cosigned, const TakeLeaf& take, uint64_t& next,
                        std::string& checkpoint) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ExportLeavesRequest request;
  request.set_first_index(next);
  request.set_cosigned(cosigned);
  client::Call call = context.NewCall(kExportTimeout);
  TV_ASSIGN_OR_RETURN(const auto stream, vault->ExportLeaves(request, call));
  v1::ExportLeavesResponse part;
  for (;;) {
    TV_ASSIGN_OR_RETURN(const bool more, stream->Next(part));
    if (!more) break;
    if (!part.leaves().empty() && part.first_index() != next) {
      return VerificationFailed(absl::StrCat("the vault left out entries from ", next, " on"));
    }
    for (const std::string& leaf : part.leaves()) {
      TV_RETURN_IF_ERROR(take(audit::AsBytes(leaf)));
      ++next;
    }
    if (!part.checkpoint().empty()) checkpoint = part.checkpoint();
  }
  if (!checkpoint.empty()) return absl::OkStatus();
  if (next == request.first_index()) {
    return VerificationFailed("the export ended without a checkpoint");
  }
  return absl::DeadlineExceededError("the vault ended the export before its last entry");
}

// Hands every leaf from `first` on to `take`; answers the checkpoint that covers them.
absl::StatusOr<std::string> Export(Context& context, uint64_t first, bool cosigned,
                                   const TakeLeaf& take) {
  uint64_t next = first;
  std::string checkpoint;
  TV_RETURN_IF_ERROR(ReadThrough([&](bool& progress) {
    const uint64_t before = next;
    const absl::Status status = ExportOnce(context, cosigned, take, next, checkpoint);
    progress = next > before;
    return status;
  }));
  context.Observe(checkpoint);
  return checkpoint;
}

// The log as the vault has it, once it was held against the pin.
struct PinnedLog {
  audit::VerifierKey key;
  uint64_t size = 0;
  std::string cosigned;  // the newest checkpoint that witnesses cosigned, "" = none
};

// Pins on first use, so that there is a key and a head to hold the log against.
absl::StatusOr<PinnedLog> AskForLog(Context& context) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto head, vault->GetCheckpoint({}, call));
  context.Observe(head.checkpoint());
  TV_RETURN_IF_ERROR(CheckPins(context));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key,
                      KnownLogKey(context, OriginOf(head.checkpoint())));
  const auto checkpoint = audit::OpenCheckpoint(head.checkpoint(), key);
  if (!checkpoint.ok()) return VerificationFailed(checkpoint.status());
  return PinnedLog{key, checkpoint->size, head.cosigned()};
}

// The receipt of a call against an exported log: its proof, and that the export goes on from the
// very tree the receipt was given for.
absl::StatusOr<ExitCode> VerifyReceiptOffline(Context& context, const VerifyArgs& args) {
  TV_ASSIGN_OR_RETURN(const Exported directory, OpenExported(args.directory));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, OfflineKey(context, args.key, directory.note));
  TV_RETURN_IF_ERROR(PinnedHead(key).status());
  TV_ASSIGN_OR_RETURN(const audit::ProofFile proof, ReadProof(args.receipt));
  const auto exported = audit::OpenCheckpoint(directory.note, key);
  if (!exported.ok()) return VerificationFailed(exported.status());
  if (proof.index >= exported->size) {
    return absl::InvalidArgumentError(
        absl::StrCat(args.directory, " ends before entry ", proof.index, ": export again"));
  }
  const auto leaf = ReadExportedLeaf(args.directory, proof.index, exported->size);
  if (!leaf.ok()) return VerificationFailed(leaf.status());
  const auto receipt = audit::VerifyProofFile(proof, audit::LeafHash(audit::AsBytes(*leaf)), key);
  if (!receipt.ok()) return VerificationFailed(receipt.status());
  if (receipt->size > exported->size) {
    return absl::InvalidArgumentError(absl::StrCat(args.directory, " has ", exported->size,
                                                   " entries, the receipt is one of ",
                                                   receipt->size, ": export again"));
  }
  TV_RETURN_IF_ERROR(
      VerifyExported(args.directory, directory.note, {.key = key, .pinned = *receipt}).status());
  return ReportReceipt(context, proof, *receipt);
}

absl::StatusOr<ExitCode> VerifyReceiptOnline(Context& context, const VerifyArgs& args) {
  TV_ASSIGN_OR_RETURN(const audit::ProofFile proof, ReadProof(args.receipt));
  TV_ASSIGN_OR_RETURN(const PinnedLog log, AskForLog(context));
  const audit::VerifierKey& key = log.key;
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::GetInclusionProofRequest request;
  request.set_index(proof.index);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->GetInclusionProof(request, call));
  const auto leaf_hash = audit::HashFromBytes(audit::AsBytes(response.leaf_hash()));
  if (!leaf_hash.ok()) return VerificationFailed(leaf_hash.status());
  const auto newest = audit::ParseProofFile(response.proof());
  if (!newest.ok() || newest->index != proof.index) {
    return VerificationFailed("the vault's proof is not one of this entry");
  }
  if (const auto held = audit::VerifyProofFile(*newest, *leaf_hash, key); !held.ok()) {
    return VerificationFailed(held.status());
  }
  const auto receipt = audit::VerifyProofFile(proof, *leaf_hash, key);
  if (!receipt.ok()) return VerificationFailed(receipt.status());
  // Both trees are held against the pin, and so against each other, when the command ends.
  context.Observe(proof.checkpoint);
  context.Observe(newest->checkpoint);
  TV_RETURN_IF_ERROR(CheckPins(context));
  return ReportReceipt(context, proof, *receipt);
}

// How many entries witnesses have cosigned, as the vault shows it; 0 where it shows none.
absl::StatusOr<uint64_t> CosignedSize(const PinnedLog& log) {
  if (log.cosigned.empty()) return 0;
  const auto cosigned = audit::OpenCheckpoint(log.cosigned, log.key);
  if (!cosigned.ok()) return VerificationFailed(cosigned.status());
  return cosigned->size;
}

// What the vault has cosigned is what it hands out: it showed at least that much a moment ago.
absl::Status CheckAnnounced(const PinnedLog& log, const audit::Checkpoint& exported) {
  TV_ASSIGN_OR_RETURN(const uint64_t announced, CosignedSize(log));
  if (exported.size >= announced) return absl::OkStatus();
  return VerificationFailed(absl::StrCat("the vault shows ", announced,
                                         " cosigned entries and hands out ", exported.size));
}

absl::StatusOr<ExitCode> VerifyOnline(Context& context, const VerifyArgs& args) {
  std::optional<audit::Policy> policy;
  if (!args.policy.empty()) {
    TV_ASSIGN_OR_RETURN(policy, ReadPolicy(args.policy));
  }
  TV_ASSIGN_OR_RETURN(const microseconds max_age, MaxAge(args, kUsualMaxAge));
  TV_ASSIGN_OR_RETURN(const PinnedLog log, AskForLog(context));
  const audit::VerifierKey& key = log.key;
  TV_ASSIGN_OR_RETURN(const auto pinned, PinnedHead(key));
  std::optional<audit::TreeHead> head;
  // What witnesses cosigned is older than the pin; the two are compared by CheckPins.
  if (pinned.has_value() && !policy.has_value()) head = pinned->Head();
  audit::LeafStreamVerifier verifier(head);
  uint64_t bytes = 0;
  TV_ASSIGN_OR_RETURN(
      const std::string note,
      Export(context, 0, policy.has_value(), [&](std::span<const uint8_t> leaf) -> absl::Status {
        bytes += leaf.size();
        const absl::Status status = verifier.Append(leaf);
        return status.ok() ? status : VerificationFailed(status);
      }));
  const auto checkpoint = audit::OpenCheckpoint(note, key);
  if (!checkpoint.ok()) return VerificationFailed(checkpoint.status());
  if (const absl::Status status = verifier.Finish(*checkpoint); !status.ok()) {
    return VerificationFailed(status);
  }
  // Here and not only when the command ends: what is printed below is read as the result.
  TV_RETURN_IF_ERROR(CheckPins(context));
  Json result{{"origin", checkpoint->origin},
              {"verified", true},
              {"entries", checkpoint->size},
              {"entry_bytes", bytes},
              {"extends_pin", pinned.has_value()}};
  if (policy.has_value()) {
    result["log_entries"] = log.size;
    TV_RETURN_IF_ERROR(CheckWitnesses(note, *policy, key, max_age, result));
    TV_RETURN_IF_ERROR(CheckAnnounced(log, *checkpoint));
  }
  EmitObject(context, result);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunVerify(Context& context, const VerifyArgs& args) {
  if (!args.receipt.empty()) {
    return args.directory.empty() ? VerifyReceiptOnline(context, args)
                                  : VerifyReceiptOffline(context, args);
  }
  return args.directory.empty() ? VerifyOnline(context, args) : VerifyDirectory(context, args);
}

void DeclareExport(CLI::App& verb, ExportArgs& args) {
  verb.add_option("dir", args.directory, "Directory; an earlier export is continued")->required();
  verb.add_flag(
      "--cosigned", args.cosigned,
      "Up to the newest checkpoint that witnesses have cosigned, with their cosignatures");
  CLI::Option* const reason =
      verb.add_option("--reason", args.reason, "What the keys are for; kept in the trail");
  verb.add_option("--key-file", args.key_file,
                  "New file for the keys that read the log, for `audit decrypt`; whoever has it "
                  "reads unseen")
      ->needs(reason);
}

// Asks for the keys of the trail, sealed to a pair made for this one call.
absl::Status ExportKeys(Context& context, const ExportArgs& args) {
  // Before anything is asked for: what comes must have a place to go.
  TV_ASSIGN_OR_RETURN(const auto file, SecretFile::Create(args.key_file));
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  const crypto::AuditKeyRecipient recipient(SystemRandom());
  v1::ExportAuditKeysRequest request;
  request.set_recipient_public_key(recipient.public_key().data(), recipient.public_key().size());
  request.set_reason(args.reason);
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto response, vault->ExportAuditKeys(request, call));
  context.Observe(response.receipt());
  VaultId id;
  if (response.vault_id().size() != id.bytes.size()) {
    return VerificationFailed("the vault's id is not 16 bytes long");
  }
  std::copy(response.vault_id().begin(), response.vault_id().end(), id.bytes.begin());
  crypto::ExportedAuditKeys keys(id);
  for (const v1::SealedAuditKey& sealed : response.keys()) {
    crypto::AuditEpochInfo info{.epoch = sealed.epoch()};
    if (sealed.public_key().size() != info.public_key.size()) {
      return VerificationFailed("the public half of an audit epoch is not 32 bytes long");
    }
    std::copy(sealed.public_key().begin(), sealed.public_key().end(), info.public_key.begin());
    auto opened = recipient.Open(televault::AsBytes(sealed.sealed_private_key()));
    if (!opened.ok()) return VerificationFailed(opened.status());
    if (const absl::Status added = keys.Add(info, *std::move(opened)); !added.ok()) {
      return VerificationFailed(added);
    }
  }
  return file->WriteBytes(keys.Format());
}

// Whether the directory holds more entries than witnesses have cosigned: there is nothing to add
// then. Both are held against the pin, and so against each other.
absl::StatusOr<bool> AheadOfWitnesses(Context& context, const PinnedLog& log,
                                      const std::string& directory, uint64_t exported) {
  if (log.cosigned.empty()) return false;  // the vault says so better
  TV_ASSIGN_OR_RETURN(const uint64_t cosigned, CosignedSize(log));
  if (exported <= cosigned) return false;
  TV_ASSIGN_OR_RETURN(const std::string note,
                      ReadLogFile(directory, std::string(audit::kCheckpointPath)));
  context.Observe(note);
  context.Observe(log.cosigned);
  TV_RETURN_IF_ERROR(CheckPins(context));
  context.Note(absl::StrCat("Nothing new: witnesses have cosigned ", cosigned, " entries, and ",
                            directory, " holds ", exported, "."));
  return true;
}

absl::StatusOr<ExitCode> RunExport(Context& context, const ExportArgs& args) {
  TV_ASSIGN_OR_RETURN(PinnedLog log, AskForLog(context));
  TV_ASSIGN_OR_RETURN(const auto exporter,
                      LogExporter::Open(PosixFileSystem(), args.directory, log.key));
  const uint64_t first = exporter->next_index();
  if (first > log.size) {
    // Another export may have come between the two.
    TV_ASSIGN_OR_RETURN(log, AskForLog(context));
  }
  if (first > log.size) {
    return VerificationFailed(absl::StrCat(
        args.directory, " holds ", first, " entries of the log \"", log.key.name(),
        "\" and the vault has only ", log.size, ": it was rolled back behind this export"));
  }
  bool ahead = false;
  if (args.cosigned) {
    TV_ASSIGN_OR_RETURN(ahead, AheadOfWitnesses(context, log, args.directory, first));
  }
  if (!ahead) {
    TV_ASSIGN_OR_RETURN(const std::string note,
                        Export(context, first, args.cosigned, [&](std::span<const uint8_t> leaf) {
                          return exporter->Append(leaf);
                        }));
    TV_RETURN_IF_ERROR(exporter->Finish(note));
  }
  if (!args.key_file.empty()) TV_RETURN_IF_ERROR(ExportKeys(context, args));
  EmitObject(context, Json{{"origin", log.key.name()},
                           {"directory", args.directory},
                           {"entries", exporter->next_index()},
                           {"new_entries", exporter->next_index() - first},
                           {"vkey", log.key.Text()}});
  return ExitCode::kOk;
}

struct DecryptArgs {
  std::string directory;
  std::string key_file;
  FilterArgs filter;
};

void DeclareDecrypt(CLI::App& verb, DecryptArgs& args) {
  verb.add_option("--dir", args.directory, "Exported log")->required();
  verb.add_option("--key-file", args.key_file, "Keys that `audit export --key-file` wrote")
      ->required();
  DeclareFilter(verb, args.filter);
}

// Reads what it is given: whether the log is whole is for `audit verify` to say.
// VERIFICATION_FAILED, after all that can be read, where an entry has lost the leaf of its key.
absl::StatusOr<ExitCode> RunDecrypt(Context& context, const DecryptArgs& args) {
  TV_ASSIGN_OR_RETURN(const v1::EntryFilter filter, ToFilter(args.filter));
  TV_RETURN_IF_ERROR(audit::CheckFilter(filter));
  TV_ASSIGN_OR_RETURN(const crypto::ExportedAuditKeys keys, ReadAuditKeyFile(args.key_file));
  // Not locked: whoever reads page by page would hold up the next export.
  TV_ASSIGN_OR_RETURN(const std::string note,
                      ReadLogFile(args.directory, std::string(audit::kCheckpointPath)));
  TV_ASSIGN_OR_RETURN(const audit::Checkpoint checkpoint, audit::ReadUnverified(note));
  uint64_t unreadable = 0;
  uint64_t keyless = 0;
  uint64_t first_keyless = 0;
  const auto visit = [&](const ExportedLeaf& leaf) -> absl::StatusOr<bool> {
    if (leaf.kind == ExportedLeaf::Kind::kUnreadable) ++unreadable;
    if (leaf.kind == ExportedLeaf::Kind::kKeyless && keyless++ == 0) first_keyless = leaf.index;
    if (leaf.entry == nullptr || !audit::Matches(filter, *leaf.entry)) return true;
    v1::IndexedEntry entry;
    entry.set_index(leaf.index);
    *entry.mutable_entry() = *leaf.entry;
    PrintEntry(context, entry);
    return static_cast<bool>(context.out());
  };
  TV_RETURN_IF_ERROR(ReadExportedEntries(args.directory, checkpoint.size, keys, visit));
  if (!context.out()) return ExitCode::kOk;
  if (unreadable > 0) {
    context.Note(absl::StrCat(unreadable, " leaves are sealed to audit epochs without a key here"));
  }
  // The vault commits the leaf with a key before any entry under it.
  if (keyless > 0) return KeylessEntries(args.directory, keyless, first_keyless);
  return ExitCode::kOk;
}

}  // namespace

void AddAuditLog(CLI::App& audit, Choice& choice) {
  AddVerb(audit, choice, "verify",
          "Hash every entry again and hold the log against its checkpoint and the pin; exit 3",
          &DeclareVerify, &RunVerify);
  AddVerb(audit, choice, "export", "Copy the log as a tlog-tiles directory", &DeclareExport,
          &RunExport);
  AddVerb(audit, choice, "decrypt", "Read an exported log with its keys, without a vault",
          &DeclareDecrypt, &RunDecrypt);
}

}  // namespace televault::cli
