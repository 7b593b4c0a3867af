#include "admin-cli/commands/audit_log.h"

#include "absl/strings/str_cat.h"

#include "admin-cli/log_export.h"
#include "admin-cli/output/emit.h"
#include "admin-cli/output/text.h"
#include "admin-cli/pin_store.h"
#include "admin-cli/pinning.h"
#include "audit/encoding.h"
#include "audit/verifier.h"

namespace televault::cli {
namespace {

// Half an hour of leaves; a longer log is exported in steps, which is what export does anyway.
constexpr client::milliseconds kExportTimeout{30 * 60'000};

struct VerifyArgs {
  std::string directory;
  std::string key;
};
struct ExportArgs {
  std::string directory;
};

void DeclareVerify(CLI::App& verb, VerifyArgs& args) {
  CLI::Option* const directory =
      verb.add_option("--dir", args.directory, "Exported log; needs no vault and no token");
  verb.add_option("--key", args.key, "Key the log must be signed with (vkey); default: the pinned")
      ->needs(directory);
}

// The pinned head of the log `key`, where this machine has one for this very key.
absl::StatusOr<std::optional<audit::Checkpoint>> PinnedHead(const audit::VerifierKey& key) {
  TV_ASSIGN_OR_RETURN(const std::string directory, PinDirectory());
  TV_ASSIGN_OR_RETURN(const auto file, PinFile::Open(directory, key.name()));
  if (!file->pin().has_value() || file->pin()->vkey != key.Text()) return std::nullopt;
  TV_ASSIGN_OR_RETURN(const audit::LogPin pin, audit::LogPin::Parse(file->pin()->checkpoint, key));
  if (!pin.pinned().has_value() || pin.pinned()->size == 0) return std::nullopt;
  return pin.pinned();
}

absl::StatusOr<audit::VerifierKey> OfflineKey(const Context& context, const VerifyArgs& args) {
  if (!args.key.empty()) return audit::VerifierKey::Parse(args.key);
  TV_ASSIGN_OR_RETURN(const std::string note,
                      ReadLogFile(args.directory, std::string(audit::kCheckpointPath)));
  return KnownLogKey(context, OriginOf(note));
}

absl::StatusOr<ExitCode> VerifyDirectory(Context& context, const VerifyArgs& args) {
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, OfflineKey(context, args));
  audit::VerifyOptions options{.key = key};
  TV_ASSIGN_OR_RETURN(const std::string note,
                      ReadLogFile(args.directory, std::string(audit::kCheckpointPath)));
  // A pin that is newer than the export says nothing about it; an older one must be a part of it.
  const auto checkpoint = audit::OpenCheckpoint(note, key);
  if (const auto pinned = PinnedHead(key); pinned.ok() && pinned->has_value() && checkpoint.ok() &&
                                           (*pinned)->size <= checkpoint->size) {
    options.pinned = **pinned;
  }
  const audit::VerifyReport report = audit::VerifyLog(
      [&](const std::string& path) { return ReadLogFile(args.directory, path); }, options);
  if (!report.status.ok()) {
    const std::string where = report.first_bad_index.has_value()
                                  ? absl::StrCat(" (first at entry ", *report.first_bad_index, ")")
                                  : "";
    return VerificationFailed(absl::StrCat(args.directory, ": ", report.status.message(), where));
  }
  EmitObject(context, Json{{"origin", key.name()},
                           {"verified", true},
                           {"entries", report.entries},
                           {"entry_bytes", report.entry_bytes},
                           {"tiles", report.tiles},
                           {"extends_pin", options.pinned.has_value()}});
  return ExitCode::kOk;
}

// Hands every leaf from `first` on to `take`; answers the checkpoint that covers them.
absl::StatusOr<std::string> Export(
    Context& context, uint64_t first,
    const std::function<absl::Status(std::span<const uint8_t>)>& take) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  v1::ExportLeavesRequest request;
  request.set_first_index(first);
  client::Call call = context.NewCall(kExportTimeout);
  TV_ASSIGN_OR_RETURN(const auto stream, vault->ExportLeaves(request, call));
  uint64_t next = first;
  std::string checkpoint;
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
  if (checkpoint.empty()) return VerificationFailed("the export ended without a checkpoint");
  context.Observe(checkpoint);
  return checkpoint;
}

// Pins on first use, so that there is a key and a head to hold the log against.
absl::StatusOr<audit::VerifierKey> PinnedKey(Context& context) {
  TV_ASSIGN_OR_RETURN(client::Vault* const vault, context.Connect());
  client::Call call = context.NewCall();
  TV_ASSIGN_OR_RETURN(const auto head, vault->GetCheckpoint({}, call));
  context.Observe(head.checkpoint());
  TV_RETURN_IF_ERROR(CheckPins(context));
  return KnownLogKey(context, OriginOf(head.checkpoint()));
}

absl::StatusOr<ExitCode> VerifyOnline(Context& context) {
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, PinnedKey(context));
  TV_ASSIGN_OR_RETURN(const auto pinned, PinnedHead(key));
  std::optional<audit::TreeHead> head;
  if (pinned.has_value()) head = pinned->Head();
  audit::LeafStreamVerifier verifier(head);
  uint64_t bytes = 0;
  TV_ASSIGN_OR_RETURN(const std::string note,
                      Export(context, 0, [&](std::span<const uint8_t> leaf) -> absl::Status {
                        bytes += leaf.size();
                        const absl::Status status = verifier.Append(leaf);
                        return status.ok() ? status : VerificationFailed(status);
                      }));
  const auto checkpoint = audit::OpenCheckpoint(note, key);
  if (!checkpoint.ok()) return VerificationFailed(checkpoint.status());
  if (const absl::Status status = verifier.Finish(*checkpoint); !status.ok()) {
    return VerificationFailed(status);
  }
  EmitObject(context, Json{{"origin", checkpoint->origin},
                           {"verified", true},
                           {"entries", checkpoint->size},
                           {"entry_bytes", bytes},
                           {"extends_pin", head.has_value()}});
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunVerify(Context& context, const VerifyArgs& args) {
  return args.directory.empty() ? VerifyOnline(context) : VerifyDirectory(context, args);
}

void DeclareExport(CLI::App& verb, ExportArgs& args) {
  verb.add_option("dir", args.directory, "Directory; an earlier export is continued")->required();
}

absl::StatusOr<ExitCode> RunExport(Context& context, const ExportArgs& args) {
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, PinnedKey(context));
  TV_ASSIGN_OR_RETURN(const auto exporter, LogExporter::Open(args.directory, key));
  const uint64_t first = exporter->next_index();
  TV_ASSIGN_OR_RETURN(const std::string note,
                      Export(context, first, [&](std::span<const uint8_t> leaf) {
                        return exporter->Append(leaf);
                      }));
  TV_RETURN_IF_ERROR(exporter->Finish(note));
  EmitObject(context, Json{{"origin", key.name()},
                           {"directory", args.directory},
                           {"entries", exporter->next_index()},
                           {"new_entries", exporter->next_index() - first},
                           {"vkey", key.Text()}});
  return ExitCode::kOk;
}

}  // namespace

void AddAuditLog(CLI::App& audit, Choice& choice) {
  AddVerb(audit, choice, "verify",
          "Hash every entry again and hold the log against its checkpoint and the pin; exit 3",
          &DeclareVerify, &RunVerify);
  AddVerb(audit, choice, "export", "Copy the log as a tlog-tiles directory", &DeclareExport,
          &RunExport);
}

}  // namespace televault::cli
