// FUZZ_DEPS: televault_cli
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "admin-cli/pin_store.h"
#include "audit/verifier.h"
#include "vault/base/check.h"

using namespace televault;

// The origin whose pin is kept under this name.
std::string OriginNamed(std::string_view name) {
  std::string origin;
  while (!name.empty()) {
    const bool escaped = name[0] == '%';
    origin += escaped ? static_cast<char>(std::stoi(std::string(name.substr(1, 2)), nullptr, 16))
                      : name[0];
    name.remove_prefix(escaped ? 3 : 1);
  }
  return origin;
}

constexpr std::string_view kSuffix = ".pin";

// A pin has exactly one spelling, and what it says of the log was signed by the key it names. Every
// origin has a file of its own in the directory, and none is one of those beside another's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto pin = cli::ParsePin(text); pin.ok()) {
    TV_CHECK(cli::FormatPin(*pin) == text);
    const auto key = audit::VerifierKey::Parse(pin->vkey);
    TV_CHECK(key.ok());
    if (const auto log = audit::LogPin::Parse(pin->checkpoint, *key); log.ok()) {
      TV_CHECK(log->Text() == pin->checkpoint && log->pinned()->origin == key->name());
    }
  }
  const std::string name = cli::FileNameOf(text, kSuffix);
  TV_CHECK(name.find('/') == std::string::npos && name.find('\0') == std::string::npos);
  TV_CHECK(name.ends_with(kSuffix));
  TV_CHECK(OriginNamed(std::string_view(name).substr(0, name.size() - kSuffix.size())) == text);
  return 0;
}
