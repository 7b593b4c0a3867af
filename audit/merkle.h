#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace televault::audit {

// SHA-256 output.
using Hash = std::array<uint8_t, 32>;

// RFC 6962, section 2.1: SHA-256(00 ‖ leaf).
Hash LeafHash(std::span<const uint8_t> leaf);
// SHA-256(01 ‖ left ‖ right).
Hash NodeHash(const Hash& left, const Hash& right);

}  // namespace televault::audit
