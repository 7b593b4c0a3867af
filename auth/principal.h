#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace televault::auth {

// Who calls: one token and the person or service it belongs to, as looked up for this call. Times
// are microseconds since 1970-01-01T00:00:00Z.
// A default Principal is the anonymous caller: it may use PUBLIC calls only.
struct Principal {
  std::string person;
  // A service never votes.
  bool service = false;
  // Names the token; "" = anonymous.
  std::string accessor;
  std::vector<std::string> roles;
  // Empty = every purpose the roles allow.
  std::vector<std::string> purposes;
  // Empty = every dataset the roles allow; appending needs the dataset named here.
  std::vector<std::string> datasets;
  int64_t enrolled_at_us = 0;
  // When the token became usable: creation, or confirmation where it needed one.
  int64_t token_active_since_us = 0;
  bool combined_duties = false;

  bool authenticated() const { return !accessor.empty() && !person.empty(); }
};

// INVALID_ARGUMENT unless `name` is [a-z][a-z0-9._-]{1,63}.
absl::Status ValidatePersonName(std::string_view name);

}  // namespace televault::auth
