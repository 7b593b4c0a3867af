#include "vault/service/status_map.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "tests/support/status_matchers.h"
#include "vault/base/limits.h"

namespace televault::service {
namespace {

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(StatusMap, OkStaysOk) { EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok()); }

TEST(StatusMap, TheReasonTravelsAsErrorInfo) {
  const grpc::Status wire = ToGrpc(WithReason(absl::PermissionDeniedError("no"), reason::kDenied));
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  google::rpc::ErrorInfo info;
  const google::rpc::Status details = DetailsOf(wire);
  ASSERT_EQ(details.details_size(), 1);
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "DENIED");
}

TEST(StatusMap, WhatMaySucceedLaterSaysWhen) {
  const grpc::Status wire =
      ToGrpc(WithReason(absl::UnavailableError("locked"), reason::kLockedDown));
  google::rpc::RetryInfo retry;
  const google::rpc::Status details = DetailsOf(wire);
  ASSERT_EQ(details.details_size(), 2);
  ASSERT_TRUE(details.details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 30);
  EXPECT_EQ(RetryAfterMillis(absl::InvalidArgumentError("never")), 0);
}

TEST(StatusMap, LongTextsAreCutAtACharacter) {
  std::string text;
  while (text.size() < 2 * limits::kMaxErrorTextBytes) text += "ä";
  const grpc::Status wire = ToGrpc(absl::InvalidArgumentError(text));
  EXPECT_LE(wire.error_message().size(), limits::kMaxErrorTextBytes);
  EXPECT_EQ(wire.error_message().substr(wire.error_message().size() - 5), "ä...");
}

}  // namespace
}  // namespace televault::service
