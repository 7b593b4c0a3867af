#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "vault/base/clock.h"

namespace televault::incident {

// Makes the newest state durable on threads of its own: `write` puts it on disk, then `follow`
// tells of it where an older state put back would be noticed.
// Refuses to know what is written, and to repeat what failed.
// Threads: any.  Borrows: clock.
// Invariants: (1) Request() waits for no disk. (2) A request is settled by a write and a follow
// that both began after it. (3) `write` and `follow` have a thread each: one that hangs does not
// hold up the other, nor those who ask.
// Failure: what hangs leaves its requests unsettled; Stop() waits for it.
class StateWriter {
 public:
  StateWriter(const Clock& clock, std::function<void()> write, std::function<void()> follow);
  ~StateWriter() { Stop(); }
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  // Asks for the state as it is now; returns what to wait for.
  uint64_t Request();
  // Waits until the request is settled, well or not, until `until`, or until Stop().
  void Await(uint64_t request, MonoTime until);
  // Ends the threads; requests after that stay unsettled. Idempotent.
  void Stop();

 private:
  // Repeats `work` while `done` is behind `wanted`; all three are guarded by mu_.
  void Repeat(const std::stop_token& stop, const std::function<void()>& work,
              const uint64_t& wanted, uint64_t& done);

  const Clock& clock_;
  const std::function<void()> write_;
  const std::function<void()> follow_;
  std::mutex mu_;  // guards the four below
  std::condition_variable_any changed_;
  uint64_t requested_ = 0;
  uint64_t written_ = 0;
  uint64_t followed_ = 0;
  bool stopped_ = false;
  std::jthread writer_;
  std::jthread follower_;
};

}  // namespace televault::incident
