#include <array>

#include "auth/decision.h"

namespace televault::auth {
namespace {

struct ReasonEntry {
  Reason reason;
  std::string_view name;
  std::string_view text;
};

constexpr std::string_view kNoSuchDataset =
    "there is no such dataset, or none that this token may use; see `televault dataset list`";

constexpr std::array kReasons = {
    ReasonEntry{Reason::kOk, "OK", "allowed"},
    ReasonEntry{Reason::kInvalidPolicy, "INVALID_POLICY",
                "the policy of this call or dataset is incomplete or of an unknown version; ask a "
                "steward to apply the manifest again"},
    ReasonEntry{Reason::kUnauthenticated, "UNAUTHENTICATED",
                "the call needs a valid token; pass it as `authorization: Bearer` metadata"},
    ReasonEntry{Reason::kNoCapability, "NO_CAPABILITY",
                "none of the token's roles may do this; see `televault role list`"},
    ReasonEntry{Reason::kLockedDown, "LOCKED_DOWN",
                "a lockdown in force stops this call; see `televault lockdown status`"},
    ReasonEntry{Reason::kDatasetNotInToken, "DATASET_NOT_IN_TOKEN",
                "the token is not bound to this dataset; use or ask for a token that names it"},
    ReasonEntry{Reason::kPurposeMissing, "PURPOSE_MISSING",
                "the call must name one purpose of the dataset's manifest"},
    ReasonEntry{Reason::kPurposeNotInToken, "PURPOSE_NOT_IN_TOKEN",
                "the token does not carry this purpose; use or ask for a token that does"},
    ReasonEntry{Reason::kUnknownDataset, "UNKNOWN_DATASET", kNoSuchDataset},
    ReasonEntry{Reason::kReviewOverdue, "REVIEW_OVERDUE",
                "the dataset's review date has passed: it is read-only until its owner applies a "
                "reviewed manifest"},
    ReasonEntry{
        Reason::kPurposeNotInDataset, "PURPOSE_NOT_IN_DATASET",
        "the dataset's manifest does not declare this purpose; see `televault dataset show`"},
    ReasonEntry{Reason::kRoleNotInDataset, "ROLE_NOT_IN_DATASET", kNoSuchDataset},
    ReasonEntry{
        Reason::kPurposeNotInRole, "PURPOSE_NOT_IN_ROLE",
        "the dataset's manifest does not give this purpose to the token's role; see `televault "
        "dataset show`"},
    ReasonEntry{
        Reason::kUnknownField, "UNKNOWN_FIELD",
        "the query touches a field that the dataset's manifest does not declare; see `televault "
        "dataset show`"},
    ReasonEntry{Reason::kPurposeNotInField, "PURPOSE_NOT_IN_FIELD",
                "the query touches a field that does not serve this purpose; see `televault "
                "dataset show`"},
    ReasonEntry{Reason::kModeNotAllowed, "MODE_NOT_ALLOWED",
                "the dataset's manifest does not allow the token's role this kind of answer; an "
                "aggregate query may be allowed where rows are not"},
    ReasonEntry{Reason::kGrantMissing, "GRANT_MISSING",
                "rows are read under a grant only; ask with `televault access request`"},
    ReasonEntry{Reason::kGrantMismatch, "GRANT_MISMATCH",
                "the grant is for another query, purpose, token or revision of the manifest; it "
                "runs exactly what was approved"},
    ReasonEntry{Reason::kGrantPending, "GRANT_PENDING",
                "the access request has not enough approvals yet"},
    ReasonEntry{Reason::kGrantOver, "GRANT_OVER",
                "the grant has expired or was denied or revoked; ask again"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<size_t>(kReasons[i].reason) != i) return false;
  }
  return kReasons.size() == static_cast<size_t>(Reason::kGrantOver) + 1;
}
static_assert(InOrder(), "one entry per reason, in the order of the enum");

const ReasonEntry& EntryOf(Reason reason) {
  const auto index = static_cast<size_t>(reason);
  return kReasons[index < kReasons.size() ? index : static_cast<size_t>(Reason::kInvalidPolicy)];
}

}  // namespace

std::string_view ReasonName(Reason reason) { return EntryOf(reason).name; }
std::string_view ReasonText(Reason reason) { return EntryOf(reason).text; }

}  // namespace televault::auth
