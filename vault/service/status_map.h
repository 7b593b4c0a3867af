#pragma once

#include <grpcpp/support/status.h>

#include "vault/base/status.h"

namespace televault::service {

// The one place where a status becomes what a client sees: the code, the text (at most
// limits::kMaxErrorTextBytes) and, in grpc-status-details-bin, google.rpc.ErrorInfo with the stable
// reason, plus RetryInfo where the same call may succeed later.
grpc::Status ToGrpc(const absl::Status& status);

// How long a client should wait before it sends the same call again; 0 = do not.
int RetryAfterMillis(const absl::Status& status);

}  // namespace televault::service
