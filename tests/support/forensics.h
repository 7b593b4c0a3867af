#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "vault/base/status.h"

// What somebody with root finds: in the memory of a process, and in every byte of a file or device.
namespace televault::testing {

// Something to look for. The bytes are kept inverted, so that looking for them in memory does not
// find the list itself.
class Needle {
 public:
  Needle(std::string name, std::string_view bytes);
  const std::string& name() const { return name_; }
  size_t size() const { return inverted_.size(); }
  // Whether it stands anywhere in `haystack`.
  bool In(std::string_view haystack) const;

 private:
  std::string name_;
  std::string inverted_;
};

// Names of those of `needles` that are in memory that the process can read. PERMISSION_DENIED where
// this process may not look.
absl::StatusOr<std::vector<std::string>> FindInMemory(pid_t pid,
                                                      const std::vector<Needle>& needles);

// The same in a file or block device, read past the page cache of its holder.
absl::StatusOr<std::vector<std::string>> FindInFile(const std::string& path,
                                                    const std::vector<Needle>& needles);

// In every regular file under `directory`.
absl::StatusOr<std::vector<std::string>> FindUnder(const std::string& directory,
                                                   const std::vector<Needle>& needles);

}  // namespace televault::testing
