#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/backup/manifest.h"
#include "vault/base/file_system.h"
#include "vault/base/status.h"

namespace televault::backup {

// Asked between pieces of work, none of which takes longer than some megabytes do: an error ends
// what is under way with it. Must be cheap.
using GoOn = std::function<absl::Status()>;

// Copies the file `name` of `from` into `to` under the same name; durable but for its name when OK.
// No more than some megabytes of it are ever waiting to be written, so that a sync of the journal
// does not wait for all of them.
absl::StatusOr<FileEntry> CopyFile(FileSystem& fs, const std::string& from, const std::string& to,
                                   const std::string& name, const GoOn& go_on);
// The same file, read only. Both open plain files and nothing else, and wait for nobody: DATA_LOSS
// for a link, a pipe, a device.
absl::StatusOr<FileEntry> HashFile(FileSystem& fs, const std::string& directory,
                                   const std::string& name, const GoOn& go_on);

// What a manifest and a list promise, held against what lies in `directory`: no file more or less,
// no link in the place of one. Sizes only; the contents are the caller's. DATA_LOSS names the file.
absl::Status CheckNames(FileSystem& fs, const std::string& directory,
                        const std::vector<FileEntry>& files);

// A small file that has to be a plain one: DATA_LOSS where it is a link, a pipe or anything else.
absl::StatusOr<std::string> ReadPlainFile(FileSystem& fs, const std::string& path,
                                          size_t max_bytes);

// FAILED_PRECONDITION where somebody beside root and this process' user may write to the file or
// directory, or where it is a link, which says nothing about what it leads to: for what is read
// twice, or is trusted as it lies there. What is not there passes.
absl::Status CheckNobodyElseWrites(const std::string& path);
// The same of a directory that an operator names, if they like through links: returns the one that
// these lead to now. Whoever goes on with that path is led nowhere else later. NOT_FOUND.
absl::StatusOr<std::string> DirectoryNobodyElseWrites(const std::string& path);

// DATA_LOSS that names the file where `found` is not what `listed` says.
absl::Status CheckEntry(const FileEntry& listed, const FileEntry& found);

}  // namespace televault::backup
