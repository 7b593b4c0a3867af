#include "vault/service/stream_registry.h"

#include <utility>

namespace televault::service {

StreamRegistry::Entry::Entry(StreamRegistry& registry, Stream stream) : registry_(registry) {
  const std::lock_guard lock(registry_.mu_);
  position_ =
      registry_.streams_.insert(registry_.streams_.end(), Running{.stream = std::move(stream)});
}

StreamRegistry::Entry::~Entry() {
  const std::lock_guard lock(registry_.mu_);
  registry_.streams_.erase(position_);
}

void StreamRegistry::Entry::Ended(const absl::Status& end) {
  if (ReasonOf(end) != reason::kLockedDown) return;
  const std::lock_guard lock(registry_.mu_);
  if (!std::exchange(position_->cut, true)) ++registry_.cut_;
}

void StreamRegistry::CutRefused() {
  const std::lock_guard lock(mu_);
  for (Running& running : streams_) {
    if (running.stream.check().ok()) continue;
    if (!std::exchange(running.cut, true)) ++cut_;
    running.stream.wake();
  }
}

uint64_t StreamRegistry::cut() const {
  const std::lock_guard lock(mu_);
  return cut_;
}

}  // namespace televault::service
