#pragma once

#include <memory>

#include "vault/base/file_system.h"

namespace rocksdb {
class FileSystem;
}

namespace televault::store {

// RocksDB's view of our FileSystem: everything it writes, renames, removes and syncs goes through
// `fs`; reads and locks go to the machine directly. `fs` outlives the result.
std::shared_ptr<rocksdb::FileSystem> AdaptFileSystem(FileSystem& fs);

}  // namespace televault::store
