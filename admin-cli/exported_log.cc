#include "admin-cli/exported_log.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "admin-cli/context.h"
#include "admin-cli/exit_code.h"
#include "admin-cli/pin_store.h"
#include "admin-cli/pinning.h"
#include "audit/checkpoint.h"
#include "audit/tiles.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"
#include "vault/crypto/audit_sealer.h"

namespace televault::cli {

absl::StatusOr<std::optional<audit::Checkpoint>> PinnedHead(const audit::VerifierKey& key) {
  const auto directory = PinDirectory();
  if (absl::IsNotFound(directory.status())) return std::nullopt;
  TV_RETURN_IF_ERROR(directory.status());
  TV_ASSIGN_OR_RETURN(const auto kept, ReadPin(*directory, key.name()));
  if (!kept.has_value()) return std::nullopt;
  if (kept->vkey != key.Text()) {
    return VerificationFailed(absl::StrCat("this machine has pinned another key for the log ",
                                           key.name(), ": ", kept->vkey));
  }
  const auto pin = audit::LogPin::Parse(kept->checkpoint, key);
  if (!pin.ok()) {
    return Annotate(pin.status(), absl::StrCat("the pin of the log ", key.name()));
  }
  if (!pin->pinned().has_value() || pin->pinned()->size == 0) return std::nullopt;
  return pin->pinned();
}

absl::StatusOr<audit::VerifierKey> OfflineKey(const Context& context, const std::string& vkey,
                                              const std::string& note) {
  if (!vkey.empty()) return audit::VerifierKey::Parse(vkey);
  return KnownLogKey(context, OriginOf(note));
}

absl::StatusOr<audit::VerifyReport> VerifyExported(const std::string& directory,
                                                   const std::string& note,
                                                   const audit::VerifyOptions& options) {
  audit::VerifyReport report = audit::VerifyLog(
      [&](const std::string& path) -> absl::StatusOr<std::string> {
        return path == audit::kCheckpointPath ? note : ReadLogFile(directory, path);
      },
      options);
  if (report.status.ok()) return report;
  const std::string where = report.first_bad_index.has_value()
                                ? absl::StrCat(" (first at entry ", *report.first_bad_index, ")")
                                : "";
  return VerificationFailed(absl::StrCat(directory, ": ", report.status.message(), where));
}

absl::StatusOr<CheckedExport> CheckExport(const Context& context, const std::string& directory,
                                          const std::string& vkey) {
  TV_ASSIGN_OR_RETURN(Exported exported, OpenExported(directory));
  TV_ASSIGN_OR_RETURN(const audit::VerifierKey key, OfflineKey(context, vkey, exported.note));
  audit::VerifyOptions options{.key = key};
  const auto checkpoint = audit::OpenCheckpoint(exported.note, key);
  TV_ASSIGN_OR_RETURN(const auto pinned, PinnedHead(key));
  if (pinned.has_value() && checkpoint.ok() && pinned->size <= checkpoint->size) {
    options.pinned = pinned;
  }
  TV_ASSIGN_OR_RETURN(audit::VerifyReport report,
                      VerifyExported(directory, exported.note, options));
  return CheckedExport{std::move(exported), key, std::move(report), options.pinned.has_value()};
}

absl::StatusOr<crypto::ExportedAuditKeys> ReadAuditKeyFile(const std::string& path) {
  WipedBuffer text(crypto::kMaxAuditKeyFileBytes);
  TV_ASSIGN_OR_RETURN(const size_t size, PosixFileSystem().ReadInto(path, 0, text));
  text.resize(size);
  auto keys = crypto::ExportedAuditKeys::Parse(televault::AsText(text));
  if (keys.ok()) return keys;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", keys.status().message()));
}

absl::Status ReadExportedEntries(
    const std::string& directory, uint64_t size, const crypto::ExportedAuditKeys& keys,
    const std::function<absl::StatusOr<bool>(const ExportedLeaf& leaf)>& visit) {
  crypto::AuditOpener opener(keys.vault(), keys);
  for (uint64_t first = 0; first < size; first += audit::kTileWidth) {
    TV_ASSIGN_OR_RETURN(const std::vector<std::string> leaves,
                        ReadExportedLeaves(directory, first, size));
    for (size_t i = 0; i < leaves.size(); ++i) {
      ExportedLeaf leaf{.index = first + i, .bytes = leaves[i]};
      audit::AuditEntry entry;
      const auto opened = opener.OpenLeaf(televault::AsBytes(leaves[i]));
      if (ReasonOf(opened.status()) == reason::kExpired) {
        leaf.kind = ExportedLeaf::Kind::kUnreadable;
      } else if (absl::IsFailedPrecondition(opened.status())) {
        leaf.kind = ExportedLeaf::Kind::kKeyless;
      } else if (!opened.ok()) {
        return VerificationFailed(
            absl::StrCat("entry ", leaf.index, " does not open: ", opened.status().message()));
      } else if (opened->kind == crypto::AuditOpener::LeafKind::kKey) {
        leaf.kind = ExportedLeaf::Kind::kKey;
      } else if (entry.ParseFromString(opened->entry)) {
        leaf.entry = &entry;
      } else {
        return VerificationFailed(absl::StrCat("entry ", leaf.index, " opened but cannot be read"));
      }
      TV_ASSIGN_OR_RETURN(const bool more, visit(leaf));
      if (!more) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status KeylessEntries(const std::string& directory, uint64_t count, uint64_t first) {
  return VerificationFailed(absl::StrCat(
      count, " entries cannot be read, the first of them ", first,
      ": its key leaf is not before it. Verify the export: `televault audit verify --dir ",
      directory, "`"));
}

}  // namespace televault::cli
