#include "vault/service/open_intents.h"

#include <algorithm>

namespace televault::service {

uint64_t OpenIntents::Announce() {
  const std::lock_guard lock(mu_);
  const uint64_t end = log_size_();
  open_.insert(end);
  return end;
}

void OpenIntents::Stands(uint64_t announced, uint64_t index) {
  const std::lock_guard lock(mu_);
  open_.insert(index);
  open_.erase(open_.find(announced));
}

void OpenIntents::Withdraw(uint64_t announced) {
  const std::lock_guard lock(mu_);
  open_.erase(open_.find(announced));
}

void OpenIntents::Close(uint64_t index) {
  const std::lock_guard lock(mu_);
  if (const auto found = open_.find(index); found != open_.end()) open_.erase(found);
}

uint64_t OpenIntents::Oldest() const {
  const std::lock_guard lock(mu_);
  const uint64_t end = log_size_();
  return open_.empty() ? end : std::min(*open_.begin(), end);
}

}  // namespace televault::service
