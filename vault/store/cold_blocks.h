#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "vault/base/file_system.h"
#include "vault/base/ids.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
struct Options;
}  // namespace rocksdb

namespace televault::store {

// Keys of the cold family: dataset4 day4 block8 chunk4.
std::string ColdPartitionPrefix(PartitionId partition);
std::string ColdBlockPrefix(const BlockId& id);
std::string ColdKey(const BlockId& id, uint32_t chunk);
// The first key after every key with `prefix`; "" if there is none.
std::string PrefixEnd(std::string_view prefix);

// The cold family: every block is one file built aside, synced and moved in, so that dropping a
// block or a partition drops exactly its files.
// Refuses to overwrite a block.
// Threads: any; the put and erase of one store are serialised. Borrows: everything handed in.
// Invariants: (1) a file of the family holds keys of one partition only. (2) A block is visible
// whole or not at all.
class ColdBlocks {
 public:
  ColdBlocks(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family, const rocksdb::Options& options,
             FileSystem& fs, std::string build_directory);

  absl::Status Put(const BlockId& id, std::span<const BlockChunk> chunks);
  absl::StatusOr<std::vector<std::string>> Read(const BlockId& id,
                                                std::span<const uint32_t> chunks);
  absl::Status Erase(const BlockId& id);
  absl::StatusOr<std::vector<BlockId>> List();
  // Drops every file that overlaps keys with `prefix`; appends the paths of those dropped and says
  // in `report.remaining` what could not be.
  absl::Status DropRange(std::string_view prefix, EraseReport& report,
                         std::vector<std::string>& dropped_paths);

 private:
  absl::Status Build(const std::string& path, const BlockId& id,
                     std::span<const BlockChunk> chunks);
  absl::Status ListBetween(const BlockId& first, const BlockId& last, std::set<BlockId>& blocks);
  absl::StatusOr<bool> AnyKey(std::string_view prefix);

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle& family_;
  const rocksdb::Options& options_;
  FileSystem& fs_;
  const std::string build_directory_;
  std::mutex mu_;  // one put or erase at a time: exists-check and ingest belong together
  std::atomic<uint64_t> next_build_{0};
};

}  // namespace televault::store
