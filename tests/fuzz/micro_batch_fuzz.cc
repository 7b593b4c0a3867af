#include <cstdint>

#include "vault/base/check.h"
#include "vault/block/encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault;
  const absl::StatusOr<block::ColumnBatch> batch = block::DecodeMicroBatch(Bytes(data, size));
  if (!batch.ok()) return 0;
  TV_CHECK(block::Validate(*batch).ok());
  const absl::StatusOr<WipedBuffer> again = block::EncodeMicroBatch(*batch);
  TV_CHECK(again.ok());
  TV_CHECK(block::DecodeMicroBatch(*again).ok());
  return 0;
}
