#pragma once

#include <cstdint>
#include <google/protobuf/message_lite.h>
#include <span>
#include <string>

#include "vault/base/status.h"

namespace televault::service {

// True for what a client compressed with gzip: no message begins with this byte, whose wire type
// does not exist.
inline bool LooksLikeGzip(uint8_t first_byte) { return first_byte == 0x1f; }

// Inflates one whole gzip stream, given in pieces. RESOURCE_EXHAUSTED beyond
// limits::kMaxMessageBytes, of which no more than that is ever held; INVALID_ARGUMENT with reason
// MALFORMED where it is broken, cut or followed by anything.
absl::StatusOr<std::string> Inflate(std::span<const std::span<const uint8_t>> pieces);

// INVALID_ARGUMENT with reason MALFORMED: the bytes are no message of the type of `message`.
absl::Status NotAMessage(const google::protobuf::MessageLite& message);

}  // namespace televault::service
