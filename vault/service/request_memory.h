#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "vault/base/status.h"

namespace televault::service {

// How much memory parsed requests may take at one time, all calls together.
// Threads: any. A share must not outlive this.
class RequestMemory {
 public:
  explicit RequestMemory(size_t bytes) : bytes_(bytes) {}

  // Gives back what was taken when destroyed.
  class Share {
   public:
    Share() = default;
    Share(RequestMemory& memory, size_t bytes) : memory_(&memory), bytes_(bytes) {}
    ~Share() {
      if (memory_ != nullptr) memory_->taken_ -= bytes_;
    }
    Share(Share&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }

   private:
    RequestMemory* memory_ = nullptr;
    size_t bytes_ = 0;
  };

  // RESOURCE_EXHAUSTED with reason OVERLOADED where that much is not free.
  absl::StatusOr<Share> Take(size_t bytes) {
    size_t taken = taken_;
    do {
      if (bytes > bytes_ - taken) {
        return WithReason(
            absl::ResourceExhaustedError("too many large requests in flight; try again later"),
            reason::kOverloaded);
      }
    } while (!taken_.compare_exchange_weak(taken, taken + bytes));
    return Share(*this, bytes);
  }

 private:
  const size_t bytes_;
  std::atomic<size_t> taken_ = 0;  // at most bytes_
};

}  // namespace televault::service
