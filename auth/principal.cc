#include "auth/principal.h"

namespace televault::auth {

absl::Status ValidatePersonName(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  bool ok = name.size() >= 2 && name.size() <= 64 && letter(name.front());
  for (const char c : name) {
    ok = ok && (letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-');
  }
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a person's name is 2 to 64 of a-z, 0-9, '.', '_', '-' and starts with a letter");
}

}  // namespace televault::auth
