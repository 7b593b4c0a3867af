// FUZZ_DEPS: televault_cli
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "admin-cli/witness/witness.h"
#include "vault/base/check.h"

// What a witness starts from: nothing that its log has not signed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto state = televault::cli::ParseWitnessedState(text); state.ok()) {
    TV_CHECK(televault::cli::FormatWitnessedState(*state) == text);
  }
  return 0;
}
