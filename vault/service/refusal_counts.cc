#include "vault/service/refusal_counts.h"

#include <utility>

namespace televault::service {
namespace {

int64_t SecondOf(WallTime t) { return t.micros / 1'000'000; }

}  // namespace

RefusalCounts::Count& RefusalCounts::CountOf(std::string_view peer, std::string_view reason,
                                             WallTime now, bool& fresh) {
  auto found = counts_.find(peer);
  if (found == counts_.end()) {
    const std::string key = counts_.size() < kMaxPeers ? std::string(peer) : "others";
    found = counts_.try_emplace(key, Count{key, std::string(reason), 0, 0}).first;
  }
  Count& count = found->second;
  const int64_t second = SecondOf(now);
  fresh = count.second != second;
  if (fresh) {
    if (count.calls > 0) finished_.push_back(count);
    count.calls = 0;
    count.second = second;
  }
  return count;
}

bool RefusalCounts::Note(std::string_view peer, std::string_view reason, WallTime now) {
  const std::lock_guard lock(mu_);
  bool fresh = false;
  Count& count = CountOf(peer, reason, now, fresh);
  if (!fresh) ++count.calls;
  return fresh;
}

void RefusalCounts::Add(std::string_view peer, std::string_view reason, WallTime now) {
  const std::lock_guard lock(mu_);
  bool fresh = false;
  ++CountOf(peer, reason, now, fresh).calls;
}

std::vector<RefusalCounts::Count> RefusalCounts::Take(WallTime now) {
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
