#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vault/mapping/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const televault::mapping::Shape shape = {{"n", televault::catalog::FieldType::kDouble},
                                           {"l", televault::catalog::FieldType::kStringList}};
  (void)televault::mapping::ParseCsv(text, {}, shape);
  return 0;
}
