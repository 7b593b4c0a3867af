#pragma once

#include <string>
#include <string_view>

#include "vault/base/status.h"

namespace televault::cli {

// What the process tells its caller. Stable: scripts depend on the numbers.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 1,         // usage, or something on this side: files, arguments, a request at fault
  kServer = 2,        // not reached, or failed over there
  kVerification = 3,  // a proof, a checkpoint or a receipt does not hold
  kDenied = 4,        // denied or not authenticated
  kLocked = 5,        // sealed, locked down or in control mode
  kPending = 6,       // waits for an approval
  kPartial = 7,       // some records were refused
};

// Marks an error as a broken proof: exit code 3.
inline constexpr std::string_view kVerificationFailed = "VERIFICATION_FAILED";
absl::Status VerificationFailed(std::string_view message);
// The same with the message of `why`.
absl::Status VerificationFailed(const absl::Status& why);

ExitCode ExitCodeOf(const absl::Status& status);

// One paragraph for stderr: what happened, why, what to do next. Without newline at the end;
// control characters of the server's text are escaped.
std::string Explain(const absl::Status& status);

}  // namespace televault::cli
