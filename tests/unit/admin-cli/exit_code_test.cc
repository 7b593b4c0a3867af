#include "admin-cli/exit_code.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "vault/client/error.h"

namespace televault::cli {
namespace {

absl::Status FromVault(absl::StatusCode code, const std::string& why,
                       const std::string& message = "because") {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  info.set_reason(why);
  rich.add_details()->PackFrom(info);
  return client::FromWire(static_cast<int>(code), message, rich.SerializeAsString());
}

TEST(ExitCodeTest, FollowsThePublishedTable) {
  using enum absl::StatusCode;
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("file")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("file")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(FromVault(kInvalidArgument, "INVALID_SQL")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(client::FromWire(14, "refused", "")), ExitCode::kServer);
  EXPECT_EQ(ExitCodeOf(FromVault(kInternal, "")), ExitCode::kServer);
  EXPECT_EQ(ExitCodeOf(FromVault(kUnavailable, "OVERLOADED")), ExitCode::kServer);
  EXPECT_EQ(ExitCodeOf(VerificationFailed("fork")), ExitCode::kVerification);
  EXPECT_EQ(ExitCodeOf(FromVault(kPermissionDenied, "DENIED")), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(FromVault(kUnauthenticated, "UNAUTHENTICATED")), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(FromVault(kUnavailable, "LOCKED_DOWN")), ExitCode::kLocked);
  EXPECT_EQ(ExitCodeOf(FromVault(kUnavailable, "SEALED")), ExitCode::kLocked);
  EXPECT_EQ(ExitCodeOf(FromVault(kUnavailable, "CONTROL_MODE")), ExitCode::kLocked);
  EXPECT_EQ(ExitCodeOf(FromVault(kPermissionDenied, "APPROVAL_PENDING")), ExitCode::kPending);
}

TEST(ExplainTest, SaysWhatHappenedWhyAndWhatNext) {
  const std::string text =
      Explain(FromVault(absl::StatusCode::kUnavailable, "LOCKED_DOWN", "reads are locked down"));
  EXPECT_EQ(text,
            "Locked: reads are locked down. (LOCKED_DOWN) See `televault lockdown status`; two "
            "responders who did not engage it can lift it.");
  EXPECT_NE(Explain(client::FromWire(14, "no such socket", "")).find("--addr"), std::string::npos);
}

TEST(ExplainTest, ARefusalSaysOnlyWhatTheVaultSaid) {
  EXPECT_EQ(
      Explain(FromVault(absl::StatusCode::kPermissionDenied, "DENIED", "whoever asked waits")),
      "Denied: whoever asked waits. (DENIED)");
}

TEST(ExplainTest, TheVaultsTextCannotCommandTheTerminal) {
  const std::string text = Explain(FromVault(absl::StatusCode::kInternal, "X", "a\x1b[2Jb\nc"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace televault::cli
