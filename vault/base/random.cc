#include "vault/base/random.h"

#include <sodium.h>

#include "vault/base/check.h"

namespace televault {
namespace {

class SodiumRandom final : public Random {
 public:
  SodiumRandom() { TV_CHECK(sodium_init() >= 0); }
  void Fill(std::span<uint8_t> out) override { randombytes_buf(out.data(), out.size()); }
};

}  // namespace

Random& SystemRandom() {
  static SodiumRandom random;
  return random;
}

}  // namespace televault
