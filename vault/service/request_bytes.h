#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "vault/base/status.h"

namespace televault::service {

// True for what a client compressed with gzip: no message begins with this byte, whose wire type
// does not exist.
inline bool LooksLikeGzip(uint8_t first_byte) { return first_byte == 0x1f; }

// Inflates one whole gzip stream, given in pieces. RESOURCE_EXHAUSTED beyond
// `max_bytes`, of which no more than that is ever held; INVALID_ARGUMENT with reason MALFORMED
// where it is broken, cut or followed by anything.
absl::StatusOr<std::string> Inflate(std::span<const std::span<const uint8_t>> pieces,
                                    size_t max_bytes);

// RESOURCE_EXHAUSTED: the request is longer than `max_bytes`.
absl::Status RequestTooLarge(size_t max_bytes);

// INVALID_ARGUMENT with reason MALFORMED: the bytes are no message of the type of that name.
absl::Status NotAMessage(std::string_view type);

}  // namespace televault::service
