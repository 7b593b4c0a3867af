#include "vault/store/store.h"

namespace televault::store {

size_t CommitBatch::Bytes() const {
  size_t bytes = 0;
  for (const Mutation& mutation : mutations) {
    bytes += mutation.key.size() + (mutation.value ? mutation.value->size() : 0);
  }
  return bytes;
}

std::string HotPrefix(PartitionId partition) {
  std::string key;
  PutBigEndian(key, partition.dataset.value());
  PutBigEndian(key, partition.day.value());
  return key;
}

std::string HotKey(PartitionId partition, uint64_t batch) {
  std::string key = HotPrefix(partition);
  PutBigEndian(key, batch);
  return key;
}

}  // namespace televault::store
