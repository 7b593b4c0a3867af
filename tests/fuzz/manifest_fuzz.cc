// FUZZ_DEPS: televault_manifest

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "vault/catalog/diff.h"
#include "vault/catalog/docs.h"
#include "vault/catalog/lint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const televault::catalog::ParsedManifest parsed = televault::catalog::ReadManifest(text);
  if (!parsed.errors.empty()) return 0;
  (void)televault::catalog::Lint(parsed.manifest, televault::Day(20'000));
  (void)televault::catalog::RenderMarkdown(parsed.manifest);
  (void)televault::catalog::Diff(parsed.manifest, parsed.manifest);
  return 0;
}
