#include "vault/client/error.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace televault::client {
namespace {

constexpr char kRetryAfterUrl[] = "televault.v1/retry-after-ms";
constexpr char kFromCallUrl[] = "televault.v1/from-call";
constexpr char kFromVaultUrl[] = "televault.v1/from-vault";
// A server that asks for a longer wait is not believed: nobody should hang for a day.
constexpr int64_t kLongestRetryAfterMs = 3'600'000;

int64_t Millis(const google::protobuf::Duration& delay) {
  const int64_t seconds = std::clamp<int64_t>(delay.seconds(), 0, kLongestRetryAfterMs / 1000);
  const int64_t nanos = std::clamp<int64_t>(delay.nanos(), 0, 999'999'999);
  return std::min(seconds * 1000 + nanos / 1'000'000, kLongestRetryAfterMs);
}

absl::StatusCode KnownCode(int code) {
  constexpr int kLast = static_cast<int>(absl::StatusCode::kUnauthenticated);
  return code > 0 && code <= kLast ? static_cast<absl::StatusCode>(code)
                                   : absl::StatusCode::kUnknown;
}

}  // namespace

absl::Status FromWire(int code, std::string_view message, std::string_view details) {
  if (code == 0) return absl::OkStatus();
  absl::Status status(KnownCode(code), absl::string_view(message.data(), message.size()));
  status.SetPayload(kFromCallUrl, absl::Cord("1"));
  google::rpc::Status rich;
  if (details.empty() || !rich.ParseFromArray(details.data(), static_cast<int>(details.size()))) {
    return status;
  }
  status.SetPayload(kFromVaultUrl, absl::Cord("1"));
  for (const google::protobuf::Any& detail : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info)) {
      status = WithReason(std::move(status), info.reason());
    } else if (detail.Is<google::rpc::RetryInfo>() && detail.UnpackTo(&retry)) {
      status.SetPayload(kRetryAfterUrl, absl::Cord(std::to_string(Millis(retry.retry_delay()))));
    }
  }
  return status;
}

Error ErrorOf(const absl::Status& status) {
  Error error;
  error.code = status.code();
  error.reason = ReasonOf(status);
  error.message = std::string(status.message());
  error.from_call = status.GetPayload(kFromCallUrl).has_value();
  error.from_vault = status.GetPayload(kFromVaultUrl).has_value();
  int64_t millis = 0;
  if (const auto text = status.GetPayload(kRetryAfterUrl);
      text.has_value() && absl::SimpleAtoi(std::string(*text), &millis)) {
    error.retry_after = std::chrono::milliseconds(millis);
  }
  return error;
}

}  // namespace televault::client
