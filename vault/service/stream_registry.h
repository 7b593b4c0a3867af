#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>

#include "vault/base/status.h"

namespace televault::service {

// The streams that are being answered, so that a lockdown can cut them at once instead of when they
// next look at the gate.
// Threads: any. A stream's check and wake-up are called under mu_ and must not block.
class StreamRegistry {
 public:
  struct Stream {
    std::function<absl::Status()> check;  // OK while the gate lets the stream go on
    std::function<void()> wake;           // the stream should look at the gate now
  };

 private:
  struct Running {
    Stream stream;
    bool cut = false;
  };

 public:
  // Takes the stream out when destroyed.
  class Entry {
   public:
    Entry(StreamRegistry& registry, Stream stream);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    // How the stream ended: one that saw a lockdown before CutRefused came to it was cut as well.
    void Ended(const absl::Status& end);

   private:
    StreamRegistry& registry_;
    std::list<Running>::iterator position_;
  };

  // Wakes every stream that the gate no longer lets go on.
  void CutRefused();
  // Streams that were cut since the start, each counted once.
  uint64_t cut() const;

 private:
  mutable std::mutex mu_;  // guards all below
  std::list<Running> streams_;
  uint64_t cut_ = 0;
};

}  // namespace televault::service
