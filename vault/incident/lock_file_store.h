#pragma once

#include <memory>
#include <utility>

#include "vault/control/lock_file.h"
#include "vault/incident/lockdown_manager.h"

namespace televault::incident {

// Keeps the lock state in the lock file of the control store.
class LockFileStore final : public LockStateStore {
 public:
  explicit LockFileStore(std::unique_ptr<control::LockFile> file) : file_(std::move(file)) {}
  absl::StatusOr<record::v1::LockStateRecord> Read() override { return file_->Read(); }
  absl::Status Write(const record::v1::LockStateRecord& state) override {
    return file_->Write(state);
  }

 private:
  const std::unique_ptr<control::LockFile> file_;
};

}  // namespace televault::incident
