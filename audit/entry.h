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
inline constexpr size_t kMaxEntryQueryBytes = 32 * 1024;
inline constexpr size_t kMaxEntryTextBytes = 512;
inline constexpr size_t kMaxEntryListItems = 256;
inline constexpr size_t kMaxEntryDetails = 16;
// Ends every text that was cut.
inline constexpr std::string_view kTruncatedMarker = "…[truncated]";

// Cuts what is too long, so that an entry is never too large to be recorded: the query to
// kMaxEntryQueryBytes, other texts to kMaxEntryTextBytes, lists to kMaxEntryListItems, details to
// kMaxEntryDetails (in key order). Cut texts end in kTruncatedMarker; a cut list says so in
// details["truncated"]. Afterwards ByteSizeLong() <= kMaxEntryBytes. Idempotent.
void BoundEntry(AuditEntry& entry);

// One readable English sentence, without newline: who did what to which data, for which purpose,
// whether it was allowed, by which rule, and what left the vault. Control characters are escaped.
std::string Sentence(const AuditEntry& entry);

// INVALID_ARGUMENT for a filter that can match nothing: since >= until, or times out of range.
absl::Status CheckFilter(const v1::EntryFilter& filter);
// True where every member of `filter` that is set matches.
bool Matches(const v1::EntryFilter& filter, const AuditEntry& entry);

}  // namespace televault::audit
