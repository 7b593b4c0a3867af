#include "vault/base/private_file.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace televault {
namespace {

constexpr uid_t kRoot = 0;

// What root alone may read the reader cannot open either, unless it is root.
const char* WhatToDo(const FileAccess& file, const FileReader& reader) {
  if (file.owner == reader.user) return "chmod 600 it";
  if (reader.user == kRoot) return "chown it to root and chmod 600 it";
  return "chown it to this user and chmod 600 it, or keep it root's with this user's group and "
         "mode 0640";
}

bool IsReadByTheReadersGroup(const FileAccess& file, const FileReader& reader) {
  const bool is_member =
      std::find(reader.groups.begin(), reader.groups.end(), file.group) != reader.groups.end();
  return file.owner == kRoot && reader.user != kRoot && is_member && !file.has_access_list &&
         (file.mode & (S_IRWXG | S_IRWXO)) == S_IRGRP;
}

}  // namespace

std::optional<FileAccess> AccessOf(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return std::nullopt;
  // What says nothing beyond the mode is not kept as a list.
  const bool no_list = ::fgetxattr(fd, "system.posix_acl_access", nullptr, 0) < 0 &&
                       (errno == ENODATA || errno == ENOTSUP);
  return FileAccess{.owner = info.st_uid,
                    .group = info.st_gid,
                    .mode = info.st_mode,
                    .has_access_list = !no_list};
}

FileReader ThisProcess() {
  FileReader reader{.user = ::geteuid(), .groups = {}};
  const int count = ::getgroups(0, nullptr);
  if (count > 0) {
    reader.groups.resize(static_cast<size_t>(count));
    // Should there be more by now, the file counts as another group's.
    const int got = ::getgroups(count, reader.groups.data());
    reader.groups.resize(static_cast<size_t>(std::max(got, 0)));
  }
  reader.groups.push_back(::getegid());
  return reader;
}

absl::Status CheckPrivate(const std::string& path, const FileAccess& file,
                          const FileReader& reader) {
  if (file.owner != reader.user && file.owner != kRoot) {
    return absl::FailedPreconditionError(absl::StrCat(path, " belongs to uid ", file.owner,
                                                      ", and this is uid ", reader.user, ": ",
                                                      WhatToDo(file, reader)));
  }
  if ((file.mode & (S_IRWXG | S_IRWXO)) == 0 || IsReadByTheReadersGroup(file, reader)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is open to others than its owner", file.has_access_list ? " (an access list)" : "",
      ": ", WhatToDo(file, reader), file.has_access_list ? ", take the list away (setfacl -b)" : "",
      ", and replace what it holds by something new if one of them may have read it"));
}

}  // namespace televault
