#include "vault/partition/footer_cache.h"

#include <iterator>

namespace televault::partition {

std::shared_ptr<const block::Footer> FooterCache::Find(const BlockId& id) {
  const std::lock_guard lock(mu_);
  const auto at = index_.find(id);
  if (at == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, at->second);
  return at->second->footer;
}

void FooterCache::Insert(const BlockId& id, std::shared_ptr<const block::Footer> footer) {
  const std::lock_guard lock(mu_);
  if (index_.contains(id)) return;
  const size_t bytes = footer->MemoryBytes();
  entries_.push_front({.id = id, .footer = std::move(footer), .bytes = bytes});
  index_[id] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_ && entries_.size() > 1) Drop(std::prev(entries_.end()));
}

void FooterCache::Forget(PartitionId partition) {
  const std::lock_guard lock(mu_);
  auto at = index_.lower_bound({.partition = partition, .block = 0});
  while (at != index_.end() && at->first.partition == partition) {
    const auto entry = at->second;
    ++at;
    Drop(entry);
  }
}

size_t FooterCache::bytes() const {
  const std::lock_guard lock(mu_);
  return bytes_;
}

void FooterCache::Drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes;
  index_.erase(entry->id);
  entries_.erase(entry);
}

}  // namespace televault::partition
