#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace televault {

// Waits for `time`, or less where `stop` is requested. For threads that do something again and
// again.
inline void Pause(const std::stop_token& stop, std::chrono::microseconds time) {
  std::mutex mu;
  std::condition_variable_any never;
  std::unique_lock lock(mu);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace televault
