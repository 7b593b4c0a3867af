#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "televault/record/v1/audit.pb.h"
#include "televault/v1/audit_service.pb.h"

namespace televault::audit {

using AuditEntry = record::v1::AuditEntry;

// Serialised size that always fits a leaf, envelope included.
inline constexpr size_t kMaxEntryBytes = 64'000;
inline constexpr size_t kMaxEntryQueryBytes = 24 * 1024;
inline constexpr size_t kMaxEntryTextBytes = 512;
// Of details["receipt"] and details["holds"]: what is checked word by word must not be cut. They
// take their room from the query, which entries that have them do not have.
inline constexpr size_t kMaxEntryLongDetailBytes = 12 * 1024;
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
// kMaxEntryQueryBytes (less where there are long details), other texts to kMaxEntryTextBytes, lists
// and details to the bounds above (details in the order of their names). Cut texts end in
// kTruncatedMarker; details["truncated"] names the lists that were cut. Bytes that are not UTF-8
// become U+FFFD. Afterwards ByteSizeLong()
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

// How much earlier than one before it in the log an entry may be: it is stamped before it is
// committed, and urgent ones overtake.
inline constexpr int64_t kTimeSlackSeconds = 300;
// True where neither `entry` nor any before it in the log can be as late as `filter.since`.
bool EndsBefore(const v1::EntryFilter& filter, const AuditEntry& entry);

// Leaves [begin, end) of the log.
struct LeafSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
};
// The entry of a leaf; nothing where it says none: a key, or an entry whose epoch was destroyed.
using EntryOfLeaf = absl::FunctionRef<absl::StatusOr<std::optional<AuditEntry>>(uint64_t index)>;
// Outside of it no entry of a log of `size` leaves can match the times of `filter`. Found by
// bisection: reads few leaves, more where many in a row say nothing. Errors: those of `read`.
absl::StatusOr<LeafSpan> SpanOf(const v1::EntryFilter& filter, uint64_t size, EntryOfLeaf read);

}  // namespace televault::audit
