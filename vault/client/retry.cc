#include "vault/client/retry.h"

#include <algorithm>
#include <array>

namespace televault::client {
namespace {

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{10'000};

}  // namespace

bool IsLocked(const Error& error) {
  return error.reason == reason::kLockedDown || error.reason == reason::kSealed ||
         error.reason == reason::kControlMode;
}

bool BatchAtFault(const Error& error) {
  switch (error.code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return true;
    case absl::StatusCode::kResourceExhausted:
      // Without a reason it is a bound of the batch.
      return error.reason.empty();
    default:
      return false;
  }
}

bool WorthRepeating(const Error& error) {
  // Ended by people, not by waiting.
  if (IsLocked(error) || error.reason == reason::kDiskFull) return false;
  if (error.retry_after.has_value()) return true;
  return error.code == absl::StatusCode::kUnavailable && !error.from_vault;
}

milliseconds PauseAfter(int attempt, const Error& error, Random& random) {
  const int doublings = std::clamp(attempt - 1, 0, 16);
  milliseconds pause = std::min(kFirstPause * (int64_t{1} << doublings), kLongestPause);
  if (error.retry_after.has_value()) pause = std::max(pause, *error.retry_after);
  std::array<uint8_t, 2> bytes{};
  random.Fill(bytes);
  const int64_t fraction = (int64_t{bytes[0]} << 8) | bytes[1];
  return pause + milliseconds(pause.count() * fraction / (4 * 65'536));
}

}  // namespace televault::client
