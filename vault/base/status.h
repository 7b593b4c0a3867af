#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace televault {

// Machine-readable reasons that travel with a status and end up in google.rpc.ErrorInfo.reason, the
// CLI's exit code and the audit entry. Stable: clients depend on the spelling.
namespace reason {
inline constexpr std::string_view kLockedDown = "LOCKED_DOWN";            // exit 5
inline constexpr std::string_view kSealed = "SEALED";                     // exit 5
inline constexpr std::string_view kControlMode = "CONTROL_MODE";          // exit 5
inline constexpr std::string_view kApprovalPending = "APPROVAL_PENDING";  // exit 6
inline constexpr std::string_view kUnauthenticated = "UNAUTHENTICATED";   // exit 4
inline constexpr std::string_view kDenied = "DENIED";                     // exit 4
inline constexpr std::string_view kExpired = "EXPIRED";
// Of a day: a subject of it is being erased, and aggregates would show the difference.
inline constexpr std::string_view kErasurePending = "ERASURE_PENDING";
// Of a day: erasures have left too few subjects in it to show any.
inline constexpr std::string_view kTooFewLeft = "TOO_FEW_LEFT";
inline constexpr std::string_view kQuarantined = "QUARANTINED";
inline constexpr std::string_view kOverloaded = "OVERLOADED";
inline constexpr std::string_view kDiskFull = "DISK_FULL";
inline constexpr std::string_view kMalformed = "MALFORMED";  // not a message at all
inline constexpr std::string_view kOutcomeUnknown = "OUTCOME_UNKNOWN";
inline constexpr std::string_view kInvalidSql = "INVALID_SQL";
inline constexpr std::string_view kInvalidManifest = "INVALID_MANIFEST";
inline constexpr std::string_view kUnknownDataset = "UNKNOWN_DATASET";
inline constexpr std::string_view kStaleLockEpoch = "STALE_LOCK_EPOCH";
inline constexpr std::string_view kStaleEntryTime = "STALE_ENTRY_TIME";
}  // namespace reason

// Returns `status` carrying `reason_code`; an OK status stays as it is.
absl::Status WithReason(absl::Status status, std::string_view reason_code);

// The reason carried by `status`, or "".
std::string ReasonOf(const absl::Status& status);

// Puts `context + ": "` before the message; code and payloads stay.
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace televault

#define TV_STATUS_CONCAT_INNER(a, b) a##b
#define TV_STATUS_CONCAT(a, b) TV_STATUS_CONCAT_INNER(a, b)

#define TV_RETURN_IF_ERROR(expression)                                              \
  do {                                                                              \
    if (::absl::Status tv_status = (expression); !tv_status.ok()) return tv_status; \
  } while (false)

#define TV_ASSIGN_OR_RETURN(lhs, expression) \
  TV_ASSIGN_OR_RETURN_IMPL(TV_STATUS_CONCAT(tv_status_or_, __LINE__), lhs, expression)

#define TV_ASSIGN_OR_RETURN_IMPL(status_or, lhs, expression) \
  auto status_or = (expression);                             \
  if (!status_or.ok()) return std::move(status_or).status(); \
  lhs = std::move(status_or).value()
