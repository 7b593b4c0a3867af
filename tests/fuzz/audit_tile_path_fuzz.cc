#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/tiles.h"
#include "vault/base/check.h"

using namespace televault::audit;

// A path that parses is exactly the one that would be written.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto tile = ParseTilePath(text); tile.ok()) {
    TV_CHECK(TilePath(*tile) == text);
    TV_CHECK(tile->level <= kMaxTileLevel && tile->width >= 1 && tile->width <= kTileWidth);
  }
  if (const auto bundle = ParseBundlePath(text); bundle.ok()) {
    TV_CHECK(BundlePath(*bundle) == text);
  }
  return 0;
}
