#include <cstdint>

#include "vault/base/check.h"
#include "vault/block/footer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  const absl::StatusOr<block::Footer> footer = block::DecodeFooter(Bytes(data, size));
  if (!footer.ok()) return 0;
  (void)footer->subjects.MayContain("0123456789abcdef");
  for (const block::FooterColumn& column : footer->columns) {
    (void)column.zone.MayContain(std::string_view("value"));
  }
  const WipedBuffer bytes = block::EncodeFooter(*footer);
  TV_CHECK(block::DecodeFooter(bytes).ok());
  return 0;
}
