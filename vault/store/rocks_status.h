#pragma once

#include <string_view>

#include "vault/base/status.h"

namespace rocksdb {
class Status;
}

namespace televault::store {

// RocksDB's answer in our terms; `doing` says what was attempted. Texts of RocksDB name files and
// numbers, never values.
absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing);

}  // namespace televault::store
