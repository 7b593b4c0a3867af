#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "vault/base/bytes.h"

namespace televault::testing {

// Several named things in one fuzz input: length of the name (1 byte), name, length of the content
// (2 bytes, little-endian), content; again and again. What is cut short is taken as far as it goes.
inline std::map<std::string, std::string> ReadArchive(Bytes input) {
  std::map<std::string, std::string> things;
  const auto take = [&input](size_t bytes) {
    const Bytes taken = input.first(std::min(bytes, input.size()));
    input = input.subspan(taken.size());
    return std::string(AsText(taken));
  };
  const auto number = [&take](size_t bytes) {
    size_t value = 0;
    const std::string digits = take(bytes);
    for (size_t i = 0; i < digits.size(); ++i) {
      value |= size_t{static_cast<uint8_t>(digits[i])} << (8 * i);
    }
    return value;
  };
  while (!input.empty()) {
    const std::string name = take(number(1));
    things[name] = take(number(2));
  }
  return things;
}

}  // namespace televault::testing
