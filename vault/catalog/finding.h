#pragma once

#include <cstdint>
#include <string>

namespace televault::catalog {

// A place in a manifest or mapping file, from 1; 0 = no place.
struct Mark {
  uint32_t line = 0;
  uint32_t column = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};

enum class Severity : uint8_t { kError = 1, kWarning = 2 };

// One thing that is wrong with a manifest and what to write instead. Codes are stable and listed in
// docs/formats/manifest-v1.md: E0xx structure, E1xx why, E2xx what, E3xx how, E4xx who, E5xx opt,
// E6xx when, E7xx differences to the revision in force.
struct Finding {
  std::string code;
  Severity severity = Severity::kError;
  Mark at;
  std::string path;  // dotted, e.g. what.fields.command
  std::string message;
  std::string fix;
  friend bool operator==(const Finding&, const Finding&) = default;
};

// "12:5: E204 what.fields.version: … (write: …)".
std::string ToString(const Finding& finding);

}  // namespace televault::catalog
