#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "vault/base/file_system.h"
#include "vault/base/status.h"
#include "vault/store/store.h"

namespace televault::store {

// Decides whether there is room for a write, and keeps a file's worth of space for security events.
// Refuses ordinary writes before the disk is full, so that lockdown, expiry and the audit of
// refusals, flushes and compactions still have room; and what any caller can cause before it has
// taken the room of what must never fail.
// Threads: any. Borrows: file system.
// Failure: where free space cannot be asked the write is let through; the write itself then says.
class SpaceReserve {
 public:
  struct Options {
    std::string directory;   // whose file system is meant
    std::string path;        // of the reserve file
    uint64_t keep_free = 0;  // ordinary writes leave this much, the trail half of it
    uint64_t reserve = 0;    // size of the reserve file; 0 = none
  };
  SpaceReserve(FileSystem& fs, Options options);

  // Takes the reserve if it is not there and there is room; not being able to is no error. Admit()
  // does so as well, once after it was given back.
  void Refill();
  // RESOURCE_EXHAUSTED where `bytes` more must not be written.
  absl::Status Admit(uint64_t bytes, Urgency urgency);

 private:
  bool HoldsReserve() const;
  absl::Status WriteReserve();
  // Whether there is room for the reserve and as much again.
  bool HasRoom(uint64_t free) const;
  // What a write of this urgency has to leave.
  uint64_t KeptFrom(Urgency urgency) const;

  FileSystem& fs_;
  const Options options_;
  std::mutex mu_;  // guards held_ and the reserve file
  bool held_ = false;
  std::atomic<bool> missing_ = false;  // Admit() is to take it when there is room
};

}  // namespace televault::store
