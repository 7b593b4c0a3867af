#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "televault/record/v1/audit.pb.h"
#include "televault/v1/audit_service.pb.h"

namespace televault::audit {

using AuditEntry = record::v1::AuditEntry;

// Serialised size that always fits a leaf, envelope included.
inline constexpr size_t kMaxEntryBytes = 64'000;
inline constexpr size_t kMaxEntryQueryBytes = 24 * 1024;
inline constexpr size_t kMaxEntryTextBytes = 512;
inline constexpr size_t kMaxEntryDigestBytes = 48;  // 16 of salt, 32 of SHA-256
inline constexpr size_t kMaxEntryLiteralBytes = 32;
inline constexpr size_t kMaxEntryLiterals = 256;
inline constexpr size_t kMaxEntryMasksBytes = 8 * 1024;
inline constexpr size_t kMaxEntryRolesBytes = 4 * 1024;
inline constexpr size_t kMaxEntryDetails = 16;
inline constexpr size_t kMaxEntryDetailNameBytes = 64;
// Ends every text that was cut.
inline constexpr std::string_view kTruncatedMarker = "…[truncated]";

// Cuts what is too long, so that an entry is never too large to be recorded: the query to
// kMaxEntryQueryBytes, other texts to kMaxEntryTextBytes, lists and details to the bounds above
// (details in the order of their names). Cut texts end in kTruncatedMarker; details["truncated"]
// names the lists that were cut. Bytes that are not UTF-8 become U+FFFD. Afterwards ByteSizeLong()
// <= kMaxEntryBytes. Idempotent.
void BoundEntry(AuditEntry& entry);

// One readable English sentence, without newline: who did what to which data, for which purpose,
// whether it was allowed, by which rule, and what left the vault. Control characters are escaped.
std::string Sentence(const AuditEntry& entry);

// `text` with what a terminal might act on (control characters, marks that reorder text) as \xHH.
std::string EscapedForTerminal(std::string_view text);

// INVALID_ARGUMENT for a filter that can match nothing: since >= until, or times out of range.
absl::Status CheckFilter(const v1::EntryFilter& filter);
// True where every member of `filter` that is set matches.
bool Matches(const v1::EntryFilter& filter, const AuditEntry& entry);

}  // namespace televault::audit
