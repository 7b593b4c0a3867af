#pragma once

#include <cstddef>
#include <google/protobuf/descriptor.h>
#include <string_view>

#include "vault/base/status.h"

namespace televault::service {

// What a message may take: as bytes, and as objects once it is parsed.
struct RequestBounds {
  size_t bytes = 0;
  size_t parsed_bytes = 0;
};

// Of a request of this type: wide for those that carry events, narrow for all others.
RequestBounds BoundsOf(const google::protobuf::Descriptor& type);

// About how many bytes of memory the message in `bytes` takes once it is parsed as `type`; two
// bytes can become an object of a hundred. Walks the wire format and makes nothing; texts, bytes
// and fields that are unknown are skipped over. Errors: RESOURCE_EXHAUSTED as soon as it is more
// than `bound`; INVALID_ARGUMENT with reason MALFORMED where the bytes are no message at all, or
// nest deeper than the parser follows.
absl::StatusOr<size_t> ParsedBytes(std::string_view bytes, const google::protobuf::Descriptor& type,
                                   size_t bound);

}  // namespace televault::service
