#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace televault::audit {

// SHA-256 output.
inline constexpr size_t kHashBytes = 32;
using Hash = std::array<uint8_t, kHashBytes>;

// SHA-256 (FIPS 180-4) of the parts, one behind the other.
Hash Sha256(std::initializer_list<std::span<const uint8_t>> parts);

}  // namespace televault::audit
