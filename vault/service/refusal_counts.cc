#include "vault/service/refusal_counts.h"

#include <tuple>
#include <utility>

namespace televault::service {
namespace {

int64_t SecondOf(WallTime t) { return t.micros / 1'000'000; }

}  // namespace

RefusalCounts::Count& RefusalCounts::CountOf(const Kind& kind, WallTime now, bool& fresh) {
  auto found = counts_.find(kind);
  if (found == counts_.end()) {
    const bool known = !kind.token.empty();
    const size_t held = known ? with_token_ : counts_.size() - with_token_;
    const Kind key = held < kMaxKinds ? kind : Kind{"others", kind.reason, "", ""};
    bool is_new = false;
    std::tie(found, is_new) = counts_.try_emplace(key, Count{key, 0, 0});
    with_token_ += is_new && !key.token.empty();
  }
  Count& count = found->second;
  const int64_t second = SecondOf(now);
  fresh = count.second != second;
  if (fresh) {
    Finish(count);
    count.calls = 0;
    count.second = second;
  }
  return count;
}

void RefusalCounts::Finish(const Count& count) {
  if (count.calls == 0) return;
  if (finished_.size() < kMaxFinished) {
    finished_.push_back(count);
    return;
  }
  const std::string& why = count.kind.reason;
  const Count none{{"others", why, "", ""}, 0, count.second};
  rest_.try_emplace(why, none).first->second.calls += count.calls;
}

bool RefusalCounts::Note(const Kind& kind, WallTime now) {
  const std::lock_guard lock(mu_);
  bool fresh = false;
  Count& count = CountOf(kind, now, fresh);
  if (!fresh) ++count.calls;
  return fresh;
}

void RefusalCounts::Add(const Kind& kind, WallTime now) {
  const std::lock_guard lock(mu_);
  bool fresh = false;
  ++CountOf(kind, now, fresh).calls;
}

std::vector<RefusalCounts::Count> RefusalCounts::Take(WallTime now) {
  const std::lock_guard lock(mu_);
  std::vector<Count> taken = std::exchange(finished_, {});
  for (auto& [reason, rest] : std::exchange(rest_, {})) taken.push_back(std::move(rest));
  for (auto it = counts_.begin(); it != counts_.end();) {
    if (it->second.second >= SecondOf(now)) {
      ++it;
      continue;
    }
    if (it->second.calls > 0) taken.push_back(it->second);
    with_token_ -= it->first.token.empty() ? 0 : 1;
    it = counts_.erase(it);
  }
  return taken;
}

}  // namespace televault::service
