#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "vault/base/limits.h"
#include "vault/service/request_bytes.h"

// Whatever a client sends as compressed inflates within the bound or is refused, and to the same
// bytes in one piece and in many.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using televault::service::Inflate;
  constexpr size_t kMaxBytes = televault::limits::kMaxMessageBytes;
  const std::span<const uint8_t> all(data, size);
  const std::vector<std::span<const uint8_t>> whole = {all};
  std::vector<std::span<const uint8_t>> pieces;
  for (size_t at = 0; at < size; at += 3) {
    pieces.push_back(all.subspan(at, std::min<size_t>(3, size - at)));
  }
  const auto once = Inflate(whole, kMaxBytes);
  const auto again = Inflate(pieces, kMaxBytes);
  if (once.ok() != again.ok() || (once.ok() && *once != *again)) std::abort();
  if (once.ok() && once->size() > kMaxBytes) std::abort();
  return 0;
}
