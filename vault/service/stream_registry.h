#pragma once

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

  // Takes the stream out when destroyed.
  class Entry {
   public:
    Entry(StreamRegistry& registry, Stream stream);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    StreamRegistry& registry_;
    std::list<Stream>::iterator position_;
  };

  // Wakes every stream that the gate no longer lets go on; returns how many.
  uint32_t CutRefused();

 private:
  std::mutex mu_;  // guards streams_
  std::list<Stream> streams_;
};

}  // namespace televault::service
