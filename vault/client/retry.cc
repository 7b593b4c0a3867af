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

bool WorthRepeating(const Error& error) {
  if (IsLocked(error)) return false;
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
