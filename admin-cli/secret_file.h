#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "vault/base/status.h"

namespace televault::cli {

// A new file that only its owner may read, opened before the token is made: a secret that comes
// back once must have a place to go.
// Refuses an existing file.  Threads: one.  Borrows: nothing.
// Failure: an unwritten file is removed again; one that was written in part is kept and an error.
class SecretFile {
 public:
  static absl::StatusOr<std::unique_ptr<SecretFile>> Create(const std::string& path);
  ~SecretFile();
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;

  // One line, durable.
  absl::Status Write(const std::string& secret);
  // As it is, durable.
  absl::Status WriteBytes(std::span<const uint8_t> secret);

 private:
  SecretFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
  bool written_ = false;
};

}  // namespace televault::cli
