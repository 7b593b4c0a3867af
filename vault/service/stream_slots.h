#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "vault/base/status.h"

namespace televault::service {

// How many long streams there may be at one time, in total and under one token.
// Threads: any. A slot must not outlive this.
class StreamSlots {
 public:
  StreamSlots(size_t total, size_t per_token) : total_(total), per_token_(per_token) {}

  // Gives back what was taken when destroyed.
  class Slot {
   public:
    Slot(StreamSlots& slots, std::string token) : slots_(slots), token_(std::move(token)) {}
    ~Slot() { slots_.GiveBack(token_); }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    StreamSlots& slots_;
    const std::string token_;
  };

  // RESOURCE_EXHAUSTED with reason OVERLOADED where there are too many.
  absl::StatusOr<std::unique_ptr<Slot>> Take(const std::string& token) {
    const std::lock_guard lock(mu_);
    size_t& own = by_token_[token];
    if (taken_ >= total_ || own >= per_token_) {
      const bool too_many_own = own >= per_token_;
      if (own == 0) by_token_.erase(token);
      return WithReason(absl::ResourceExhaustedError(
                            too_many_own ? "too many streams under this token; end one of them"
                                         : "too many streams are open; try again later"),
                        reason::kOverloaded);
    }
    ++own;
    ++taken_;
    return std::make_unique<Slot>(*this, token);
  }

 private:
  void GiveBack(const std::string& token) {
    const std::lock_guard lock(mu_);
    --taken_;
    const auto own = by_token_.find(token);
    if (--own->second == 0) by_token_.erase(own);
  }

  const size_t total_;
  const size_t per_token_;
  std::mutex mu_;  // guards all below
  size_t taken_ = 0;
  std::map<std::string, size_t> by_token_;
};

}  // namespace televault::service
