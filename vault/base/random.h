#pragma once

#include <cstdint>
#include <span>

namespace televault {

// The only source of randomness; simulations inject a seeded one.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<uint8_t> out) = 0;
};

// libsodium's generator (getrandom). Thread-safe.
Random& SystemRandom();

}  // namespace televault
