#include "vault/service/stream_registry.h"

#include <utility>

namespace televault::service {

StreamRegistry::Entry::Entry(StreamRegistry& registry, Stream stream) : registry_(registry) {
  const std::lock_guard lock(registry_.mu_);
  position_ = registry_.streams_.insert(registry_.streams_.end(), std::move(stream));
}

StreamRegistry::Entry::~Entry() {
  const std::lock_guard lock(registry_.mu_);
  registry_.streams_.erase(position_);
}

uint32_t StreamRegistry::CutRefused() {
  uint32_t cut = 0;
  const std::lock_guard lock(mu_);
  for (Stream& stream : streams_) {
    if (stream.check().ok()) continue;
    ++cut;
    stream.wake();
  }
  return cut;
}

}  // namespace televault::service
