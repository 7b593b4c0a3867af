#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "admin-cli/log_export.h"
#include "audit/entry.h"
#include "audit/verifier.h"
#include "vault/base/status.h"
#include "vault/crypto/audit_key_file.h"

// Checking and reading an exported log, without a vault.
namespace televault::cli {

class Context;

// The pinned head of the log `key`; absent only where this machine has seen nothing of that log.
// VERIFICATION_FAILED where it has pinned another key for it.
absl::StatusOr<std::optional<audit::Checkpoint>> PinnedHead(const audit::VerifierKey& key);

// The key that the log of `note` must be signed with: `vkey`, or where that is "" the known one.
absl::StatusOr<audit::VerifierKey> OfflineKey(const Context& context, const std::string& vkey,
                                              const std::string& note);

// `note` is the directory's checkpoint: what was decided by it must be what is verified.
// VERIFICATION_FAILED names the first wrong entry.
absl::StatusOr<audit::VerifyReport> VerifyExported(const std::string& directory,
                                                   const std::string& note,
                                                   const audit::VerifyOptions& options);

// An export every file of which is what its checkpoint signs. Locked as long as this lives.
struct CheckedExport {
  Exported exported;
  audit::VerifierKey key;
  audit::VerifyReport report;
  bool extends_pin = false;
};
// A pin that is newer than the export says nothing about it; an older one must be a part of it.
absl::StatusOr<CheckedExport> CheckExport(const Context& context, const std::string& directory,
                                          const std::string& vkey);

// INVALID_ARGUMENT names file and line, without a word of a key.
absl::StatusOr<crypto::ExportedAuditKeys> ReadAuditKeyFile(const std::string& path);

struct ExportedLeaf {
  uint64_t index = 0;
  std::string_view bytes;
  // kUnreadable: sealed to an audit epoch without a key here. kKeyless: its key leaf is not before
  // it, which no vault writes.
  enum class Kind { kKey, kEntry, kUnreadable, kKeyless } kind = Kind::kEntry;
  const audit::AuditEntry* entry = nullptr;  // of kEntry
};
// Hands every leaf of the exported log to `visit`, in order, until it answers false. Checks no
// tree. VERIFICATION_FAILED: a leaf that does not open, or opened and is no entry.
absl::Status ReadExportedEntries(
    const std::string& directory, uint64_t size, const crypto::ExportedAuditKeys& keys,
    const std::function<absl::StatusOr<bool>(const ExportedLeaf& leaf)>& visit);

// The error for `count` leaves of kKeyless, of which `first` is the first.
absl::Status KeylessEntries(const std::string& directory, uint64_t count, uint64_t first);

}  // namespace televault::cli
