#include "vault/service/status_map.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

#include "vault/base/bytes.h"
#include "vault/base/limits.h"

namespace televault::service {
namespace {

constexpr char kDomain[] = "televault";
constexpr int kOverloadedMillis = 250;
constexpr int kLockedMillis = 30'000;

// gRPC refuses trailers that are not valid UTF-8.
std::string Shorten(std::string text) {
  if (text.size() <= limits::kMaxErrorTextBytes) return text;
  return std::string(Utf8Prefix(text, limits::kMaxErrorTextBytes - 3)) + "...";
}

}  // namespace

int RetryAfterMillis(const absl::Status& status) {
  const std::string why = ReasonOf(status);
  if (why == reason::kOverloaded) return kOverloadedMillis;
  if (why == reason::kLockedDown || why == reason::kSealed || why == reason::kControlMode ||
      why == reason::kOutcomeUnknown || why == reason::kDiskFull) {
    // OTLP collectors drop what is refused without a time to come back.
    return kLockedMillis;
  }
  return 0;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string text = Shorten(std::string(status.message()));
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(text);
  if (const std::string why = ReasonOf(status); !why.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(why);
    info.set_domain(kDomain);
    details.add_details()->PackFrom(info);
  }
  if (const int millis = RetryAfterMillis(status); millis > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(millis / 1000);
    retry.mutable_retry_delay()->set_nanos(millis % 1000 * 1'000'000);
    details.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, text, details.SerializeAsString());
}

}  // namespace televault::service
