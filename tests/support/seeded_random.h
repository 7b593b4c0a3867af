#pragma once

#include <mutex>
#include <random>

#include "vault/base/random.h"

namespace televault::testing {

// Repeatable bytes. Never in the product: it is not a secure generator.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  void Fill(std::span<uint8_t> out) override {
    const std::lock_guard lock(mu_);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }

 private:
  std::mutex mu_;  // guards engine_
  std::mt19937_64 engine_;
};

}  // namespace televault::testing
