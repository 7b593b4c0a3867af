#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/dataset_policy.h"
#include "auth/token.h"

// Whatever arrives as a token, accessor or mask is taken apart without harm, and what is accepted
// reads back as it was.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace televault::auth;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto kind = ParseToken(text);
  if (kind.ok() && (size != kTokenTextBytes || text[2] != static_cast<char>(*kind))) std::abort();
  if (IsAccessor(text) && kind.ok()) std::abort();
  if (!IsAccessor(AccessorOf(VerifierOf(text)))) std::abort();
  const auto mask = ParseMask(text);
  if (mask.ok() && FormatMask(*mask) != text) std::abort();
  return 0;
}
