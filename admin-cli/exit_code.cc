#include "admin-cli/exit_code.h"

#include "absl/strings/str_cat.h"

#include "admin-cli/output/text.h"
#include "vault/base/bytes.h"
#include "vault/client/error.h"
#include "vault/client/retry.h"

namespace televault::cli {
namespace {

// True where the vault refused the request for what it says, not for the state the vault is in.
bool RequestAtFault(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

std::string_view NextStep(const client::Error& error) {
  if (error.reason == kVerificationFailed) {
    return "Treat the vault's history as disputed: keep the pinned checkpoint, tell the auditors, "
           "and do not lift anything until they have compared theirs.";
  }
  if (error.reason == reason::kLockedDown) {
    return "See `televault lockdown status`; two responders who did not engage it can lift it.";
  }
  if (error.reason == reason::kSealed) return "An operator opens it: `televault operator unseal`.";
  if (error.reason == reason::kControlMode) {
    return "Only control calls are answered; `televault status` says why.";
  }
  if (error.reason == reason::kApprovalPending) {
    return "Approvers see it with `televault access list`; run the query again once it is live.";
  }
  if (error.reason == reason::kOutcomeUnknown) {
    return "Whether it took effect is unknown: look at `televault status` and the audit trail "
           "before you repeat it.";
  }
  if (error.code == absl::StatusCode::kUnauthenticated) {
    return "Give a valid token with --token-file or TELEVAULT_TOKEN_FILE.";
  }
  if (error.code == absl::StatusCode::kDeadlineExceeded && error.from_call) {
    return "Give it longer with --timeout, or ask for less.";
  }
  if (error.from_call && !error.from_vault && error.code == absl::StatusCode::kUnavailable) {
    if (error.message.find("certificate verify failed") != std::string::npos) {
      return "Check that --cacert is the authority of this vault's certificate and that --addr "
             "names a host that stands in it.";
    }
    if (error.message.find("empty address list") != std::string::npos) {
      return "Check that --cert and --key are PEM files that belong together, and --cacert one of "
             "certificates.";
    }
    if (error.message.find("Socket closed") != std::string::npos) {
      return "Check that --addr (TELEVAULT_ADDR) names televaultd and, where it asks for client "
             "certificates, that --cert and --key are one it knows.";
    }
    return "Check that televaultd runs and that --addr (TELEVAULT_ADDR) names it.";
  }
  return "";
}

std::string_view Headline(const client::Error& error) {
  if (error.reason == kVerificationFailed) return "Verification failed";
  if (client::IsLocked(error)) return "Locked";
  if (error.reason == reason::kApprovalPending) return "Approval pending";
  if (!error.from_call) return "Failed";
  if (error.code == absl::StatusCode::kPermissionDenied) return "Denied";
  if (error.code == absl::StatusCode::kUnauthenticated) return "Not authenticated";
  if (!error.from_vault && error.code == absl::StatusCode::kUnavailable) return "Not reached";
  if (RequestAtFault(error.code)) return "Refused";
  return "The vault failed";
}

}  // namespace

absl::Status VerificationFailed(std::string_view message) {
  return WithReason(absl::DataLossError(ToAbsl(message)), kVerificationFailed);
}

absl::Status VerificationFailed(const absl::Status& why) {
  return VerificationFailed(std::string(why.message()));
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  const client::Error error = client::ErrorOf(status);
  if (error.reason == kVerificationFailed) return ExitCode::kVerification;
  if (client::IsLocked(error)) return ExitCode::kLocked;
  if (error.reason == reason::kApprovalPending) return ExitCode::kPending;
  if (!error.from_call) return ExitCode::kUsage;
  if (error.code == absl::StatusCode::kPermissionDenied ||
      error.code == absl::StatusCode::kUnauthenticated) {
    return ExitCode::kDenied;
  }
  return RequestAtFault(error.code) ? ExitCode::kUsage : ExitCode::kServer;
}

std::string Explain(const absl::Status& status) {
  const client::Error error = client::ErrorOf(status);
  std::string why = Printable(error.message);
  if (why.empty()) why = absl::StatusCodeToString(error.code);
  if (why.back() != '.' && why.back() != '!' && why.back() != '?') why += '.';
  std::string text = absl::StrCat(ToAbsl(Headline(error)), ": ", why);
  if (!error.reason.empty() && error.reason != kVerificationFailed) {
    absl::StrAppend(&text, " (", Printable(error.reason), ")");
  }
  // The vault's own advice is the better one.
  const bool advised =
      why.find("`televault") != std::string::npos || why.find("--") != std::string::npos;
  if (const std::string_view next = NextStep(error); !advised && !next.empty()) {
    absl::StrAppend(&text, " ", ToAbsl(next));
  }
  return text;
}

}  // namespace televault::cli
