#include <cstddef>
#include <cstdint>
#include <google/protobuf/stubs/logging.h>

#include "audit/entry.h"
#include "audit/leaf.h"
#include "vault/base/check.h"

using namespace televault::audit;

// A leaf that parses is encoded to the same bytes. An entry of any content can be bounded and told.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (const auto leaf = ParseLeaf({data, size}); leaf.ok()) {
    const auto again = EncodeLeaf(*leaf);
    TV_CHECK(again.ok());
    TV_CHECK(*again == std::string(reinterpret_cast<const char*>(data), size));
  }
  // The parser tells about every text that is not UTF-8.
  static const auto silent = google::protobuf::SetLogHandler(nullptr);
  (void)silent;
  AuditEntry entry;
  if (size > 1'000'000 || !entry.ParseFromArray(data, static_cast<int>(size))) return 0;
  entry.GetReflection()->MutableUnknownFields(&entry)->Clear();
  BoundEntry(entry);
  const std::string sentence = Sentence(entry);
  for (const char c : sentence) TV_CHECK(static_cast<uint8_t>(c) >= 0x20);
  return 0;
}
