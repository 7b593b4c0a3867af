#pragma once

#include <string>

#include "admin-cli/log_export.h"
#include "tests/support/fake_log.h"
#include "vault/base/bytes.h"
#include "vault/base/file_system.h"

namespace televault::cli {

using televault::testing::FakeLog;

// A directory as `audit export` leaves it: the first `size` leaves, behind what is there already.
inline absl::Status ExportTo(const std::string& directory, const FakeLog& log, uint64_t size,
                             FileSystem& fs = PosixFileSystem()) {
  TV_ASSIGN_OR_RETURN(const auto exporter, LogExporter::Open(fs, directory, log.key()));
  for (uint64_t i = exporter->next_index(); i < size; ++i) {
    TV_RETURN_IF_ERROR(exporter->Append(AsBytes(log.leaves()[i])));
  }
  return exporter->Finish(log.Checkpoint(size));
}

}  // namespace televault::cli
