#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "vault/base/status.h"

namespace televault {

// Who has a file, and what its owner, its group and others may do with it.
struct FileAccess {
  uid_t owner = 0;
  gid_t group = 0;
  mode_t mode = 0;  // type and permissions, as stat(2) has them
  // Permissions that the mode does not show: the bits of the group are those of all that are named.
  bool has_access_list = false;
};

// Who wants to rely on nobody else reading the file.
struct FileReader {
  uid_t user = 0;
  std::vector<gid_t> groups;  // the effective one and the supplementary ones
};

// Of an open file: a name may lead elsewhere a moment later. Nothing: errno says why.
std::optional<FileAccess> AccessOf(int fd);
FileReader ThisProcess();

// FAILED_PRECONDITION, with what is right for this reader, unless the file is the reader's own or
// root's and nobody else has permissions on it. One of root's may let the reader's group read it,
// so that the reader cannot change what it reads.
absl::Status CheckPrivate(const std::string& path, const FileAccess& file,
                          const FileReader& reader);

}  // namespace televault
