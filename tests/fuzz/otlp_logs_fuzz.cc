#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vault/mapping/otlp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = televault::mapping::OtlpLogsFromJson(text);
  if (json.ok()) (void)televault::mapping::RecordsOf(*json, {});
  const auto proto = televault::mapping::OtlpLogsFromProto(text);
  if (proto.ok()) (void)televault::mapping::RecordsOf(*proto, {});
  return 0;
}
