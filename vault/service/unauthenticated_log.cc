#include "vault/service/unauthenticated_log.h"

#include <utility>

namespace televault::service {
namespace {

int64_t SecondOf(WallTime t) { return t.micros / 1'000'000; }

}  // namespace

bool UnauthenticatedLog::Note(std::string_view peer, std::string_view reason, WallTime now) {
  const std::lock_guard lock(mu_);
  auto found = counts_.find(peer);
  if (found == counts_.end()) {
    const std::string key = counts_.size() < kMaxPeers ? std::string(peer) : "others";
    found = counts_.try_emplace(key, Count{key, std::string(reason), 0, 0}).first;
  }
  Count& count = found->second;
  const int64_t second = SecondOf(now);
  if (count.second != second) {
    if (count.calls > 0) finished_.push_back(count);
    count.calls = 0;
    count.second = second;
    return true;
  }
  ++count.calls;
  return false;
}

std::vector<UnauthenticatedLog::Count> UnauthenticatedLog::Take(WallTime now) {
  const std::lock_guard lock(mu_);
  std::vector<Count> taken = std::exchange(finished_, {});
  for (auto it = counts_.begin(); it != counts_.end();) {
    if (it->second.second >= SecondOf(now)) {
      ++it;
      continue;
    }
    if (it->second.calls > 0) taken.push_back(it->second);
    it = counts_.erase(it);
  }
  return taken;
}

}  // namespace televault::service
