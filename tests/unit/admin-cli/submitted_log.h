#pragma once

#include <string>

#include "tests/support/fake_log.h"

namespace televault::cli {

// A log as a witness meets it: requests about any of its sizes. `salt` makes another history of it.
class SubmittedLog {
 public:
  explicit SubmittedLog(const std::string& name) : empty_(42, name) {}
  const audit::VerifierKey& key() const { return empty_.key(); }
  std::string Request(uint64_t old_size, uint64_t size, const std::string& salt = "") const {
    testing::FakeLog log = empty_;
    log.Grow(size, salt);
    return log.AddCheckpoint(old_size, size);
  }

 private:
  const testing::FakeLog empty_;
};

}  // namespace televault::cli
