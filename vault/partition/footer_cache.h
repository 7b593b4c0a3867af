#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "vault/base/ids.h"
#include "vault/block/footer.h"

namespace televault::partition {

// Decrypted footers, the least recently used given up first.
// Threads: any.
// Invariants: (1) holds at most `max_bytes`, one footer aside. (2) A footer's memory is wiped when
// its last holder lets go.
class FooterCache {
 public:
  explicit FooterCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null where it is not held.
  std::shared_ptr<const block::Footer> Find(const BlockId& id);
  void Insert(const BlockId& id, std::shared_ptr<const block::Footer> footer);
  void Forget(PartitionId partition);
  size_t bytes() const;

 private:
  struct Entry {
    BlockId id;
    std::shared_ptr<const block::Footer> footer;
    size_t bytes = 0;
  };
  void Drop(std::list<Entry>::iterator entry);

  const size_t max_bytes_;
  mutable std::mutex mu_;     // guards all below
  std::list<Entry> entries_;  // most recently used first
  std::map<BlockId, std::list<Entry>::iterator> index_;
  size_t bytes_ = 0;
};

}  // namespace televault::partition
