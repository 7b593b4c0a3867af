#include "vault/client/error.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "tests/support/seeded_random.h"
#include "vault/client/retry.h"

namespace televault::client {
namespace {

std::string Details(const std::string& why, int64_t retry_seconds) {
  google::rpc::Status rich;
  google::rpc::ErrorInfo info;
  info.set_reason(why);
  rich.add_details()->PackFrom(info);
  if (retry_seconds > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_seconds);
    rich.add_details()->PackFrom(retry);
  }
  return rich.SerializeAsString();
}

TEST(ErrorTest, ReadsReasonAndRetryDelayFromTheDetails) {
  const Error error = ErrorOf(FromWire(14, "busy", Details("OVERLOADED", 2)));
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.reason, "OVERLOADED");
  EXPECT_EQ(error.message, "busy");
  EXPECT_EQ(error.retry_after, milliseconds(2000));
  EXPECT_TRUE(error.from_call);
  EXPECT_TRUE(error.from_vault);
}

TEST(ErrorTest, DetailsThatDoNotParseAreIgnored) {
  const Error error = ErrorOf(FromWire(14, "x", "\xff\xff\xff"));
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_TRUE(error.from_call);
  EXPECT_FALSE(error.from_vault);
  EXPECT_EQ(error.retry_after, std::nullopt);
}

TEST(ErrorTest, AnUnknownCodeIsUnknownAndZeroIsOk) {
  EXPECT_EQ(FromWire(99, "x", "").code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(FromWire(-1, "x", "").code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(FromWire(0, "", "").ok());
}

TEST(ErrorTest, AnAbsurdRetryDelayIsNotBelieved) {
  const Error error = ErrorOf(FromWire(14, "busy", Details("OVERLOADED", 10'000'000'000)));
  EXPECT_EQ(error.retry_after, milliseconds(3'600'000));
}

TEST(ErrorTest, ALocalStatusIsNotFromACall) {
  EXPECT_FALSE(ErrorOf(absl::NotFoundError("file")).from_call);
}

TEST(RetryTest, WaitingIsNoUseDuringALockdown) {
  EXPECT_FALSE(WorthRepeating(ErrorOf(FromWire(14, "x", Details("LOCKED_DOWN", 30)))));
  EXPECT_FALSE(WorthRepeating(ErrorOf(FromWire(14, "x", Details("SEALED", 30)))));
  EXPECT_TRUE(WorthRepeating(ErrorOf(FromWire(14, "x", Details("OVERLOADED", 1)))));
}

TEST(RetryTest, AnUnreachableVaultIsTriedAgainARefusalIsNot) {
  EXPECT_TRUE(WorthRepeating(ErrorOf(FromWire(14, "connection refused", ""))));
  EXPECT_FALSE(WorthRepeating(ErrorOf(FromWire(7, "denied", Details("DENIED", 0)))));
  EXPECT_FALSE(WorthRepeating(ErrorOf(FromWire(14, "gone", Details("EXPIRED", 0)))));
}

TEST(RetryTest, PausesGrowAndNeverUndercutTheVaultsWish) {
  testing::SeededRandom random(7);
  const Error plain = ErrorOf(FromWire(14, "x", ""));
  EXPECT_GE(PauseAfter(1, plain, random), milliseconds(100));
  EXPECT_LE(PauseAfter(1, plain, random), milliseconds(125));
  EXPECT_GE(PauseAfter(4, plain, random), milliseconds(800));
  EXPECT_LE(PauseAfter(1000, plain, random), milliseconds(12'500));
  const Error asked = ErrorOf(FromWire(14, "x", Details("OVERLOADED", 3)));
  EXPECT_GE(PauseAfter(1, asked, random), milliseconds(3000));
}

}  // namespace
}  // namespace televault::client
