#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/string_view.h"

#include "vault/base/status.h"

namespace televault {

using Bytes = std::span<const uint8_t>;

// Debian's absl has a string_view of its own.
constexpr absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Fixed-width integers. Keys are big-endian so that they sort; file fields are little-endian.
template <class T>
requires std::is_integral_v<T>
void PutBigEndian(std::string& out, T value) {
  for (int shift = (static_cast<int>(sizeof(T)) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> shift));
  }
}
template <class T>
requires std::is_integral_v<T>
void PutLittleEndian(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i)));
  }
}

// Reads untrusted bytes front to back; every read past the end is an error, never undefined.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}
  size_t remaining() const { return bytes_.size(); }

  absl::StatusOr<Bytes> Take(size_t count) {
    if (count > bytes_.size()) {
      return absl::DataLossError("truncated: fewer bytes than the length field says");
    }
    const Bytes taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  template <class T>
  absl::StatusOr<T> BigEndian() {
    TV_ASSIGN_OR_RETURN(const Bytes raw, Take(sizeof(T)));
    std::make_unsigned_t<T> value = 0;
    for (const uint8_t byte : raw)
      value = static_cast<std::make_unsigned_t<T>>((value << 8) | byte);
    return static_cast<T>(value);
  }
  template <class T>
  absl::StatusOr<T> LittleEndian() {
    TV_ASSIGN_OR_RETURN(const Bytes raw, Take(sizeof(T)));
    std::make_unsigned_t<T> value = 0;
    for (size_t i = sizeof(T); i-- > 0;) {
      value = static_cast<std::make_unsigned_t<T>>((value << 8) | raw[i]);
    }
    return static_cast<T>(value);
  }

 private:
  Bytes bytes_;
};

// The characters of valid UTF-8 text that fit whole into `max_bytes`. Half a character in a message
// makes all of it unreadable to its receiver.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

std::string ToHex(Bytes bytes);
// Lower or upper case, even length.
absl::StatusOr<std::string> FromHex(std::string_view text);

}  // namespace televault
