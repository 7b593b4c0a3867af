#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/tiles.h"
#include "vault/base/check.h"

using namespace televault::audit;

// First byte: width - 1. A bundle that parses is encoded to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint32_t width = data[0] + 1u;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const auto entries = ParseBundle(bytes, width); entries.ok()) {
    TV_CHECK(entries->size() == width);
    const std::vector<std::string> copies(entries->begin(), entries->end());
    TV_CHECK(EncodeBundle(copies).value() == bytes);
  }
  if (const auto hashes = ParseTile(bytes, width); hashes.ok()) {
    TV_CHECK(EncodeTile(*hashes) == bytes);
  }
  return 0;
}
