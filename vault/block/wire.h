#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "vault/base/bytes.h"
#include "vault/base/secret.h"

// Little-endian writing into wiped memory, for the formats of this folder.
namespace televault::block {

template <class T>
void Put(WipedBuffer& out, T value) {
  static_assert(std::is_integral_v<T> && std::endian::native == std::endian::little);
  uint8_t raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.insert(out.end(), raw, raw + sizeof(T));
}
inline void PutBytes(WipedBuffer& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace televault::block
