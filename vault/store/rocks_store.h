#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "vault/base/file_system.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::store {

struct RocksStoreOptions {
  // Created (0700) if absent; its parent must exist. One process at a time: RocksDB's LOCK file.
  std::string directory;
  // Every byte the engine writes goes through it.
  FileSystem& fs;
  size_t cache_bytes = size_t{64} << 20;
  int max_open_files = 1'024;
  size_t max_wal_bytes = size_t{256} << 20;
  // Ordinary commits and blocks are refused (full) while less than this is free; what is left is
  // for security events, flushes and compactions.
  uint64_t keep_free_bytes = uint64_t{128} << 20;
  // A preallocated file, given back when even that is gone because somebody else filled the disk;
  // taken again when there is room. 0 = none.
  uint64_t reserve_bytes = uint64_t{16} << 20;
};

// Where Checkpoint() is given to write to, on the disk of the store so that it can link. While it
// is there no erasure is complete; what a crash left of one is removed when the store is opened.
std::string CopyDirectory(const std::string& store_directory);

// Opens a copy to look at it: writes nothing, takes no lock, and holds what its write-ahead log
// adds in memory. Every call that would write is an error. Errors as OpenRocksStore.
absl::StatusOr<std::unique_ptr<Store>> OpenRocksStoreReadOnly(const RocksStoreOptions& options);

// Opens or creates the embedded engine (docs/formats/store-v1.md is the key layout).
// Errors: DATA_LOSS (the engine's own files are broken), RESOURCE_EXHAUSTED (disk full),
// FAILED_PRECONDITION (another process has it open), UNAVAILABLE (I/O).
absl::StatusOr<std::unique_ptr<Store>> OpenRocksStore(const RocksStoreOptions& options);

}  // namespace televault::store
