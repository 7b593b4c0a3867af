#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vault/mapping/source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A mapping file, a line of %, and a document for it.
  const size_t cut = text.find("\n%\n");
  const auto mapping = televault::mapping::ParseSourceMapping(text.substr(0, cut));
  if (!mapping.ok() || cut == std::string_view::npos) return 0;
  (void)televault::mapping::ApplyMapping(*mapping, text.substr(cut + 3));
  return 0;
}
