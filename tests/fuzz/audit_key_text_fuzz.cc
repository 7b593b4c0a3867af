// FUZZ_DEPS: televault_audit
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "audit/signer_key.h"
#include "vault/base/check.h"
#include "vault/crypto/audit_key_file.h"

// Files with secrets that people carry around: a signer's key, an auditor's keys. Each has exactly
// one spelling.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace audit = televault::audit;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::array<uint8_t, audit::kSigningKeyBytes> secret;
  if (const auto key = audit::ParseSignerKey(text, secret); key.ok()) {
    const std::span<const uint8_t, audit::kSigningSeedBytes> seed(secret.data(),
                                                                  audit::kSigningSeedBytes);
    TV_CHECK(audit::FormatSignerKey(key->name(), key->type(), seed).value() == text);
  }
  if (const auto keys = televault::crypto::ExportedAuditKeys::Parse(text); keys.ok()) {
    const televault::WipedBuffer once = keys->Format();
    const auto again = televault::crypto::ExportedAuditKeys::Parse(televault::AsText(once));
    TV_CHECK(again.ok() && again->Format() == once);
  }
  return 0;
}
