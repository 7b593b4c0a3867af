#pragma once

#include <cstdint>
#include <string>

#include "televault/record/v1/state.pb.h"
#include "vault/base/bytes.h"
#include "vault/base/status.h"
#include "vault/control/control_store.h"

namespace televault::control {

// The two files `control.0` and `control.1`, written in turn, each as a whole and sealed.
// Threads: one at a time.
// Invariants: (1) the file that holds the newest durable record is never the one being written.
class ControlFile {
 public:
  explicit ControlFile(const ControlStoreOptions& options) : options_(options) {}

  // ALREADY_EXISTS if either file does.
  absl::Status Create(record::v1::ControlRecord& record);
  // The newest record; see ControlStore::Open.
  absl::StatusOr<record::v1::ControlRecord> Load();
  // Gives the record the next generation and makes it durable.
  absl::Status Write(record::v1::ControlRecord& record);

 private:
  std::string PathOf(int slot) const;

  const ControlStoreOptions& options_;
  uint64_t highest_generation_ = 0;  // ever used, also by a write that failed
  int next_slot_ = 0;
};

// DATA_LOSS "does not open" for anything but a control file of this vault under `key`.
absl::StatusOr<record::v1::ControlRecord> ParseControlFile(Bytes bytes, const SecretBytes& key,
                                                           const VaultId& vault);

}  // namespace televault::control
